/**
 * Asks the kernel for the states of TCP sockets, proc_net_tcp(5), because no
 * runtime shows them. Linux only.
 *
 * @module
 */
import { readFile } from "node:fs/promises";

/**
 * Whether /proc can be read. Deno needs `--allow-all` for that; this function
 * does not ask for the permission.
 */
export async function access(): Promise<"yes" | "no" | "denied"> {
  if ("Deno" in globalThis) {
    if (Deno.build.os !== "linux") return "no";
    const { state } = await Deno.permissions.query({ name: "read" });
    if (state !== "granted") return "denied";
  }
  try {
    await readFile(TABLE);
    return "yes";
  } catch (error) {
    return (error as Error).name === "NotCapable" ? "denied" : "no";
  }
}

/** An IPv4 socket: its port, its peer's (none: it listens), its state. */
export interface Socket {
  readonly ports: readonly number[];
  readonly state: string;
}

/**
 * The state of each socket in the kernel, by its name in RFC 9293; CLOSED if
 * the kernel has no such socket. If a state is not the expected one, a segment
 * may be on its way: the kernel is asked again for 250 ms.
 */
export async function statesOf(sockets: Socket[]): Promise<string[]> {
  for (let left = 50;; left--) {
    const known = await table(sockets.map(({ ports: [local] }) => local));
    const states = sockets.map(({ ports: [local, remote = 0] }) =>
      known.get(`${local} ${remote}`) ?? "CLOSED"
    );
    const agree = sockets.every(({ state }, i) => state === states[i]);
    if (agree || left === 0) return states;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The states of the sockets that have one of the ports, by both ports. */
async function table(ports: number[]): Promise<Map<string, string>> {
  const marks = ports.map((port) =>
    `:${port.toString(16).toUpperCase().padStart(4, "0")} `
  );
  const [, ...rows] = (await readFile(TABLE, "utf8")).trimEnd().split("\n");
  // A busy machine has thousands of others.
  const wanted = rows.filter((row) => marks.some((mark) => row.includes(mark)));
  return new Map(wanted.map((row) => {
    const [, local, remote, state] = row.trim().split(/\s+/);
    return [`${portOf(local)} ${portOf(remote)}`, STATES[state] ?? state];
  }));
}

function portOf(address: string): number {
  return parseInt(address.split(":")[1], 16);
}

const TABLE = "/proc/net/tcp";

/** By the kernel's hexadecimal number. */
const STATES: Record<string, string> = {
  "01": "ESTABLISHED",
  "02": "SYN-SENT",
  "03": "SYN-RECEIVED",
  "04": "FIN-WAIT-1",
  "05": "FIN-WAIT-2",
  "06": "TIME-WAIT",
  "07": "CLOSED",
  "08": "CLOSE-WAIT",
  "09": "LAST-ACK",
  "0A": "LISTEN",
  "0B": "CLOSING",
  "0C": "SYN-RECEIVED",
};
