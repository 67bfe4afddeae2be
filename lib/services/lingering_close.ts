/**
 * Closes a connection so that the last answer arrives, whatever the client still
 * sends.
 *
 * @module
 */
import { SocketError } from "../sockets/socket_error.ts";
import type { StreamSocket } from "../sockets/stream_socket.ts";

/**
 * Ends this direction, and waits for the client to end the other, for at most 2 s
 * and 1 MiB. A socket that is closed while bytes of the client are unread sends a
 * RST, and that may discard the answer at the client (RFC 9112 section 9.6). The
 * socket itself belongs to its runner, which closes it.
 */
export async function lingeringClose(client: StreamSocket): Promise<void> {
  const signal = AbortSignal.timeout(LINGER);
  try {
    await client.shutdown("SHUT_WR");
    for (let left = MOST; left > 0;) {
      const { length } = await client.recv(65_536, { signal });
      if (length === 0) return;
      left -= length;
    }
  } catch (error) {
    if (!(error instanceof SocketError) && !signal.aborted) throw error;
  }
}

/** The longest wait, in ms, and how much is read, in bytes. */
const [LINGER, MOST] = [2000, 2 ** 20];
