/**
 * Serves every client of a listener until it is closed, for servers that
 * summarize their clients afterwards.
 *
 * @module
 */
import type { Address } from "../sockets/address.ts";
import type { StreamSocket } from "../sockets/stream_socket.ts";

/** The part of an `End` that serves clients. */
interface Serving {
  serve(client: StreamSocket, work: () => Promise<unknown>): Promise<void>;
  done(): Promise<unknown>;
}

/**
 * Accepts clients until the listener is closed and serves them concurrently.
 * Resolves when the last one is done.
 */
export async function serveAll(
  listener: StreamSocket,
  { serve, done }: Serving,
  work: (client: StreamSocket, peer: Address) => Promise<unknown>,
): Promise<void> {
  for await (const [client, peer] of listener) {
    await serve(client, () => work(client, peer));
  }
  await done();
}
