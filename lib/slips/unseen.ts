/**
 * What the runner itself asks of sockets, which no trace shows: the methods as
 * they are before anybody observes them.
 *
 * @module
 */
import type { Address } from "../sockets/address.ts";
import { DatagramSocket, datagramWait } from "../sockets/datagram_socket.ts";
import { StreamSocket, streamWait } from "../sockets/stream_socket.ts";

export type AnySocket = StreamSocket | DatagramSocket;

const { getsockname: streamName, close: closeStream } = StreamSocket.prototype;
const { getsockname: datagramName, close: closeDatagram } =
  DatagramSocket.prototype;

export function nameOf(socket: AnySocket): Address {
  return socket instanceof StreamSocket
    ? streamName.call(socket)
    : datagramName.call(socket);
}

export function closeUnseen(socket: AnySocket): Promise<void> {
  return socket instanceof StreamSocket
    ? closeStream.call(socket)
    : closeDatagram.call(socket);
}

/** The call that waits on a socket, always the same object; undefined for none. */
export function waitOn(
  socket: AnySocket,
): { readonly call: string } | undefined {
  return socket instanceof StreamSocket
    ? streamWait(socket)
    : datagramWait(socket);
}
