/**
 * A machine of its own for cases that need routes, a firewall, names or system
 * settings: network and mount namespaces, network_namespaces(7), which end with
 * the process. They take root and the tools of four Debian packages.
 *
 * @module
 */
import { spawnSync } from "node:child_process";

/** The need of these cases. */
export const OWN_NETWORK = "a network of its own" as const;

/** A program of each package that is used. */
const PROGRAMS = {
  unshare: "util-linux",
  ip: "iproute2",
  nft: "nftables",
  python3: "python3",
};

/** Why this machine cannot give it, if so. */
export function reasonAgainst(): string | undefined {
  const missing = Object.entries(PROGRAMS)
    .filter(([program]) => spawnSync(program, ["--help"]).error)
    .map(([, debian]) => debian);
  if (missing.length > 0) return `apt-get install ${missing.join(" ")}`;
  const { status } = spawnSync("unshare", ["--net", "--mount", "true"]);
  return status === 0 ? undefined : "needs root, for unshare(1)";
}

/** Link-local addresses of this machine, and their interfaces: one link. */
export const LINK_LOCAL = "fe80::1%v0";
export const OTHER_END = "fe80::2%v1";

/** Hosts to which a route says no, and how: ip-route(8). */
export const UNREACHABLE = {
  EHOSTUNREACH: ["10.1.0.1", "fd01::1"],
  EACCES: ["10.2.0.1", "fd02::1"],
  ENETUNREACH: ["10.3.0.1", "fd03::1"],
} as const;

/** The firewall refuses to send to it. */
export const FORBIDDEN = "127.0.0.7";

/** Every host of the network to which v0 belongs. */
export const ALL_HOSTS = "10.4.0.255";

/** A host of this machine that never answers at this port; nor does 127.0.0.1. */
export const SILENT: [host: string, port: number] = ["10.9.0.1", 7];

/** A name of this machine, in /etc/hosts. */
export const NAME = "printer";

/** A name that only the name server could know, and it cannot be reached. */
export const UNKNOWN_NAME = "host.example";

/** What would let root use a port below 1024 and a folder that denies it. */
const DROPPED = "-net_bind_service,-dac_override,-dac_read_search";

/**
 * Gives up after one retry of a SYN, and asks an idle peer after a second
 * whether it is still there: tcp(7).
 */
const SETUP = `set -e
ip link set lo up
ip link add v0 type veth peer name v1
ip link set v0 addrgenmode none up
ip link set v1 addrgenmode none up
ip addr add fe80::1/64 dev v0 nodad
ip addr add fe80::2/64 dev v1 nodad
ip addr add 10.9.0.1/32 dev lo
ip addr add 10.4.0.1/24 brd + dev v0
ip route add unreachable 10.1.0.0/16
ip route add prohibit 10.2.0.0/16
ip -6 route add unreachable fd01::/16
ip -6 route add prohibit fd02::/16
nft -f - <<'RULES'
table inet lab {
  chain in { type filter hook input priority 0; tcp dport 7 drop; }
  chain out { type filter hook output priority 0; ip daddr ${FORBIDDEN} drop; }
}
RULES
cd /proc/sys/net/ipv4
echo 1 > tcp_syn_retries
echo 1 > tcp_keepalive_time
echo 1 > tcp_keepalive_intvl
echo 2 > tcp_keepalive_probes
echo 1024 > ip_unprivileged_port_start
mount --make-rprivate /
mount -t tmpfs lab /mnt
printf '::1 localhost ${NAME}\\n127.0.0.1 localhost ${NAME}\\n' > /mnt/hosts
printf 'nameserver 10.3.0.1\\noptions timeout:1 attempts:1\\n' > /mnt/resolv.conf
printf 'hosts: files dns\\n' > /mnt/nsswitch.conf
for file in hosts resolv.conf nsswitch.conf; do
  if [ -e "/etc/$file" ]; then mount --bind "/mnt/$file" "/etc/$file"; fi
done
cd "$OLDPWD"
exec setpriv --inh-caps=${DROPPED} --bounding-set=${DROPPED} "$0" "$@"
`;

/** The command, run there. */
export function inOwnNetwork(command: readonly string[]): string[] {
  return ["unshare", "--net", "--mount", "sh", "-c", SETUP, ...command];
}
