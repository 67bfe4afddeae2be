/**
 * Serving every client of a listening socket to its end, for servers that sum
 * up afterwards.
 *
 * @module
 */
import type { Address } from "../sockets/address.ts";
import type { End } from "../experiment/experiment.ts";
import type { StreamSocket } from "../sockets/stream_socket.ts";

/**
 * Accepts clients until the socket is closed, and serves each on the side: see
 * `End.serve`. Resolves when the last one's work is done.
 */
export async function serveAll(
  listener: StreamSocket,
  { serve, done }: Pick<End, "serve" | "done">,
  work: (client: StreamSocket, peer: Address) => Promise<unknown>,
): Promise<void> {
  for await (const [client, peer] of listener) {
    await serve(client, () => work(client, peer));
  }
  await done();
}
