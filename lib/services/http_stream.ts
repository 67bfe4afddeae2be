/**
 * Sends a body whose size nobody knows while the client listens, and notices when
 * it has left, so that nothing is made for nobody.
 *
 * @module
 */
import { formatChunk, LAST_CHUNK } from "../protocols/http_body.ts";
import { OwnLimit } from "../sockets/waiter.ts";
import type { StreamSocket } from "../sockets/stream_socket.ts";
import type { Answer } from "./http_answer.ts";

/** The pieces of a body whose size nobody knows. */
export function streamOf(
  { body }: Answer,
): AsyncIterable<Uint8Array> | undefined {
  if (body && !(body instanceof Uint8Array) && body.size === undefined) {
    return body.pieces;
  }
}

/**
 * Sends a head and the pieces, in chunks or as they are. Resolves to false if the client has
 * ended the stream before; then, and after an error, it calls `return()` of the
 * iterator, which must settle a `next()` that waits. What the client sends
 * meanwhile is given to `received`: if that is much, it is no client of HTTP.
 */
export async function sendStream(
  client: StreamSocket,
  pieces: AsyncIterable<Uint8Array>,
  { head, chunked, received }: {
    head: string;
    chunked: boolean;
    received: (bytes: Uint8Array) => void;
  },
): Promise<boolean> {
  const iterator = pieces[Symbol.asyncIterator]();
  const over = new AbortController();
  const { signal } = over;

  async function sendAll(): Promise<boolean> {
    await client.sendall(head);
    while (true) {
      const { value, done } = await iterator.next();
      if (signal.aborted) return false;
      if (done) break;
      if (value.length > 0) {
        await client.sendall(chunked ? formatChunk(value) : value);
      }
    }
    if (chunked) await client.sendall(LAST_CHUNK);
    return true;
  }

  async function leaving(): Promise<boolean> {
    try {
      for (let room = ROOM; room > 0;) {
        const bytes = await client.recv(ROOM, new OwnLimit(signal));
        if (bytes.length === 0) break;
        received(bytes);
        room -= bytes.length;
      }
    } catch {
      // by a RST, or it waits no longer
    }
    return false;
  }

  try {
    return await Promise.race([sendAll(), leaving()]);
  } finally {
    over.abort();
    await iterator.return?.();
  }
}

/** How much a client may send before it has the whole answer, in bytes. */
const ROOM = 65_536;
