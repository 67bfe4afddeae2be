/**
 * Messages of DNS in a stream: each follows its length, RFC 7766, section 8.
 *
 * @module
 */
import { Reader } from "../sockets/reader.ts";
import type { StreamSocket } from "../sockets/stream_socket.ts";

/** The messages that come, up to the end of the stream. */
export async function* messagesOf(
  connection: StreamSocket,
): AsyncGenerator<Uint8Array, void> {
  const reader = new Reader(connection);
  while (true) {
    const [high] = await reader.some(1);
    if (high === undefined) return;
    const [low] = await reader.exactly(1);
    yield await reader.exactly(high << 8 | low);
  }
}

/** A message with its length. */
export function inStream(message: Uint8Array): Uint8Array {
  const { length } = message;
  return Uint8Array.of(length >> 8, length & 0xff, ...message);
}
