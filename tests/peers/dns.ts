/**
 * dig, dnsperf and dnsmasq, where they are installed. dnsmasq has authority for
 * the same zone as our server.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { freePort } from "../../scripts/tools/support/free_port.ts";
import { RECORDS, ZONE } from "../../lib/services/dns_zone.ts";
import { run, start } from "../support/runtimes.ts";

const absent = (command: string[], name: string) =>
  spawnSync(command[0], command.slice(1)).error
    ? `${command[0]} is not installed (Debian: ${name})`
    : undefined;

/** Why they cannot be used, if so. */
export const noDig = absent(["dig", "-v"], "bind9-dnsutils");
export const noDnsperf = absent(["dnsperf", "-h"], "dnsperf");

const program = ["/usr/sbin/dnsmasq", "dnsmasq"].find((path) =>
  path === "dnsmasq" || existsSync(path)
)!;
export const noDnsmasq = absent([program, "-v"], "dnsmasq-base");

/** Starts dnsmasq on a free port of loopback with the records of our zone. */
export async function startDnsmasq() {
  const port = await freePort();
  const data = (type: string) =>
    RECORDS.filter(([, other]) => other === type)
      .map(([name, , ...data]) => [name, ...data].join());
  const [, , server, contact, serial, ...times] = RECORDS.find(([, type]) =>
    type === "SOA"
  )!;
  const dnsmasq = start([
    ...[program, "--no-daemon", "--conf-file=/dev/null", "--pid-file="],
    ...["--no-resolv", "--no-hosts", "--user="],
    ...[`--port=${port}`, "--listen-address=127.0.0.1", "--bind-interfaces"],
    ...[`--auth-server=${server},lo`, `--auth-zone=${ZONE}`],
    `--auth-soa=${[serial, contact, ...times.slice(0, 3)].join()}`,
    `--auth-ttl=${times[3]}`,
    ...data("A").map((record) => `--host-record=${record}`),
    ...data("CNAME").map((record) => `--cname=${record}`),
    ...data("TXT").map((record) => `--txt-record=${record}`),
  ]);
  await dnsmasq.said(/started/);
  const stop = async () => {
    dnsmasq.kill();
    await dnsmasq.finished;
  };
  return { port: String(port), stop };
}

/** What dig prints of an answer: status, flags and the sections, without times. */
export async function dig(port: string, words: string): Promise<string> {
  const { stdout } = await run([
    ...["dig", "@127.0.0.1", "-p", port, "+tries=1", "+time=2", "+nocookie"],
    ...["+nocmd", "+nostats", ...words.split(" ")],
  ]);
  // dnsmasq 2.90 gives a reason for a failure (EDE, RFC 8914) with good answers, too.
  const chance = /^(?:;; (?:Got|WARNING|communications).*|; EDE: .*)\n/gm;
  return stdout.replace(/, id: \d+/, "").replace(chance, "");
}
