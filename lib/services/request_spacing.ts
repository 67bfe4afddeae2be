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
/** The moment that was told: one line is for all who wait for it. */
let told = -Infinity;

/** Waits until a request to this server may be sent, and says so. */
export async function takeTurn(
  server: Address,
  print: (line: string) => void,
): Promise<void> {
  if (pauseAfter(server) === 0) return;
  // Of several clients that wait, the first that wakes up moves it on.
  for (let left; (left = next - monotonic()) > 0;) {
    const seconds = Math.ceil(left / 1000);
    const line = `The next request follows in ${seconds} s`;
    if (left > 20 && told !== next) { // no late send
      told = next;
      print(`${line} (RFC 4330, section 10)`);
    }
    await sleepUntil(next, monotonic);
  }
  endTurn(server);
}

/** The next request keeps its distance from this moment, after a late send, too. */
export function endTurn(server: Address): void {
  const pause = pauseAfter(server);
  if (pause > 0) next = monotonic() + pause;
}
