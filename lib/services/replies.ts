/**
 * Receives datagrams for a limited time, because each datagram that arrives, even
 * one that nobody wants, starts the timeout of a socket anew.
 *
 * @module
 */
import type { DatagramSocket } from "../sockets/datagram_socket.ts";
import type { SocketError } from "../sockets/socket_error.ts";
import { monotonic } from "./clock.ts";

/**
 * What recv(size) gives until `ms`, or the socket's timeout if that is shorter,
 * are over.
 */
export async function* replies(
  connection: DatagramSocket,
  size: number,
  ms: number,
): AsyncGenerator<Uint8Array> {
  const timeout = connection.gettimeout();
  const end = monotonic() + Math.min(ms, timeout ?? ms);
  try {
    for (let left; (left = Math.ceil(end - monotonic())) > 0;) {
      connection.settimeout(left);
      yield await connection.recv(size);
    }
  } catch (error) {
    if ((error as SocketError).code !== "ETIMEDOUT") throw error;
  } finally {
    connection.settimeout(timeout);
  }
}
