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
 * What `receive` gives, a recv() or recvfrom() of this socket, until `ms`, or the
 * socket's timeout if that is shorter, are over.
 */
export async function* replies<T>(
  socket: DatagramSocket,
  ms: number,
  receive: () => Promise<T>,
): AsyncGenerator<T> {
  const timeout = socket.gettimeout();
  const end = monotonic() + Math.min(ms, timeout ?? ms);
  try {
    for (let left; (left = Math.ceil(end - monotonic())) > 0;) {
      socket.settimeout(left);
      yield await receive();
    }
  } catch (error) {
    if ((error as SocketError).code !== "ETIMEDOUT") throw error;
  } finally {
    socket.settimeout(timeout);
  }
}
