/**
 * Observes each socket call of a program, puts the calls in order and shows
 * them. This room uses the sockets from outside; it knows no experiment and no
 * command line, and costs nothing while nobody observes.
 *
 * @module
 */
import type { SocketCall } from "./call_order.ts";

export type { SocketCall };

/**
 * Calls `listener` with every socket call of the program and its result, from
 * when the promise resolves; it resolves to the function that stops that.
 */
export async function observe(
  listener: (call: SocketCall) => void,
): Promise<() => void> {
  return (await import("./watch.ts")).observe(listener);
}
