/**
 * Spaces the requests for the time that leave this machine, because a client must
 * not ask more often than every 15 s: RFC 4330, section 10.
 *
 * @module
 */
import type { Address } from "../sockets/address.ts";
import { monotonic, sleepUntil } from "./clock.ts";

/** The least time between two requests to another machine, in ms. */
export const spacing = { elsewhere: 15_000 };

/** How long the next request after one to this server must wait, in ms. */
export function pauseAfter(server: Address): number {
  const local = /^(localhost$|127\.|::1$)/.test(String(server[0]));
  return local ? 0 : spacing.elsewhere;
}

/** When the next request may leave: one moment for all clients and servers. */
let next = -Infinity;

/** Waits until a request to this server may be sent, and says so. */
export async function takeTurn(
  server: Address,
  print: (line: string) => void,
): Promise<void> {
  const [now, pause] = [monotonic(), pauseAfter(server)];
  if (pause === 0) return;
  const turn = Math.max(next, now);
  next = turn + pause;
  if (turn === now) return;
  const seconds = Math.ceil((turn - now) / 1000);
  print(`The next request follows in ${seconds} s (RFC 4330, section 10)`);
  await sleepUntil(turn, monotonic);
}
