/**
 * What the runner itself asks of sockets, which no trace shows: the methods as
 * they are before anybody observes them.
 *
 * @module
 */
import type { Address } from "../sockets/address.ts";
import { DatagramSocket } from "../sockets/datagram_socket.ts";
import { StreamSocket } from "../sockets/stream_socket.ts";

export type AnySocket = StreamSocket | DatagramSocket;

const methods = [StreamSocket, DatagramSocket].map(
  ({ prototype: { getsockname, close } }) => ({ getsockname, close }),
);

export function nameOf(socket: AnySocket): Address {
  return methodsOf(socket).getsockname.call(socket as never);
}

export function closeUnseen(socket: AnySocket): Promise<void> {
  return methodsOf(socket).close.call(socket as never);
}

function methodsOf(socket: AnySocket) {
  return methods[socket instanceof StreamSocket ? 0 : 1];
}
