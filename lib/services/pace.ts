/**
 * The least pace of a peer: one that sends a byte now and then meets every time
 * limit of a single wait, and would hold the other end for ever.
 *
 * @module
 */
import { innerOf, type StreamSocket } from "../sockets/stream_socket.ts";
import { SocketError } from "../sockets/socket_error.ts";

/**
 * From now on the peer has the socket's time limit, and a second more for each
 * 1000 bytes that have come: what it gives is to be called with their number, and
 * throws ETIMEDOUT. A socket without a limit waits for any pace.
 */
export function paceOf(connection: StreamSocket): (bytes: number) => void {
  const start = performance.now();
  const { timeout, peer } = innerOf(connection);
  return (bytes) => {
    if (performance.now() - start <= (timeout ?? Infinity) + bytes) return;
    throw new SocketError("ETIMEDOUT", "recv_into", peer);
  };
}
