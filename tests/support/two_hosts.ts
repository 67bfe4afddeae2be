/**
 * Two hosts with a bad network between them, because loopback neither delays
 * nor loses, doubles, reorders or corrupts a packet. Each is a network namespace;
 * two_hosts.py is the network. It takes root, and Linux.
 */
import { existsSync } from "node:fs";
import {
  start as startProcess,
  within,
} from "../../scripts/tools/support/processes.ts";
import { reasonAgainst } from "../conformance/own_network.ts";
import { pythonCommand, type Running, start } from "./runtimes.ts";
import { ROOT } from "./scripts.ts";

/** Why this machine has no two hosts, if so. */
export const noTwoHosts = reasonAgainst() ??
  (existsSync("/dev/net/tun") ? undefined : "there is no /dev/net/tun");

/** The address of each host. */
export const HOSTS = { client: "10.77.0.1", server: "10.77.0.2" } as const;

/** What reaches both. */
export const BROADCAST = "10.77.0.255";

/** What the network does to packets: two_hosts.py says what each means. */
export interface Network {
  delay?: number;
  loss?: number;
  double?: number;
  reorder?: number;
  late?: number;
  corrupt?: number;
  seed?: number;
  mtu?: number;
}

export interface TwoHosts extends AsyncDisposable {
  /** Starts a command on a host; it ends with this process, however that ends. */
  start(
    host: keyof typeof HOSTS,
    command: string[],
    options?: Parameters<typeof start>[1],
  ): Running;
  /** The process that is the network. */
  pid: number;
  /** Changes the network from now on. */
  change(network: Network): Promise<void>;
  /** Resolves when no packet has been sent for 2 s, or after 20 s. */
  quiet(): Promise<void>;
}

/** Sets up both hosts. */
export async function twoHosts(network: Network = {}): Promise<TwoHosts> {
  const heard: ((line: string) => void)[] = [];
  const script = `${ROOT}tests/support/two_hosts.py`;
  const command = [...pythonCommand(script), JSON.stringify(network)];
  const next = () => new Promise<string>((resolve) => heard.push(resolve));
  const first = next();
  const relay = startProcess(command, {
    orders: true,
    heard: (line) => heard.shift()?.(line),
  });
  const failed = relay.ended.then(() => {
    throw new Error(`The network ended: ${relay.written.stderr}`);
  });
  failed.catch(() => {});
  const answer = (line: Promise<string>) => Promise.race([line, failed]);
  const [client, server] = JSON.parse(await answer(first)) as number[];
  const namespaces = { client, server };
  /** How many packets have been sent so far. */
  const tell = async (change: Network) => {
    const line = next();
    relay.tell(JSON.stringify(change));
    return Number(await answer(line));
  };
  return {
    pid: relay.pid!,
    start: (host, command, options) =>
      start([
        ...["setpriv", "--pdeathsig", "KILL", "nsenter"],
        `--net=/proc/${relay.pid}/fd/${namespaces[host]}`,
        ...command,
      ], options),
    change: async (network) => void await tell(network),
    async quiet() {
      for (let last = -1, still = 0, n = 0; still < 4 && n < 40; n++) {
        const packets = await tell({});
        still = packets === last ? still + 1 : 0;
        last = packets;
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    },
    async [Symbol.asyncDispose]() {
      relay.tellEnd();
      if (await within(5000, relay.ended.then(() => true))) return;
      relay.signal("SIGKILL");
      await relay.ended;
    },
  };
}
