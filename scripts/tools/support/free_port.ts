/**
 * Finds a port that nobody has, over TCP or UDP, and that is no ephemeral port: a
 * listener that is closed for a moment must get it again.
 *
 * @module
 */
import { createSocket } from "node:dgram";
import { createServer } from "node:net";

export async function freePort(): Promise<number> {
  while (true) {
    const port = 10_000 + Math.floor(20_000 * Math.random());
    if (await canListen(port) && await canBind(port)) return port;
  }
}

/** Whether no TCP listener has the port. */
export function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer().on("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}

/** Whether no UDP socket has the port. */
function canBind(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createSocket("udp4").on("error", () => resolve(false));
    probe.bind(port, "0.0.0.0", () => probe.close(() => resolve(true)));
  });
}
