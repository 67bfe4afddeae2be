/**
 * socket(2): the constants of the Berkeley API, and the class that answers.
 *
 * @module
 */
import type { Family } from "./address.ts";
import { DatagramSocket } from "./datagram_socket.ts";
import { SocketError } from "./socket_error.ts";
import { StreamSocket } from "./stream_socket.ts";

/** IPv4, ip(7). */
export const AF_INET = "AF_INET";
/** IPv6, ipv6(7). */
export const AF_INET6 = "AF_INET6";
/** The local machine, unix(7); the address is a path. */
export const AF_UNIX = "AF_UNIX";
/** A stream of bytes: tcp(7), or unix(7). */
export const SOCK_STREAM = "SOCK_STREAM";
/** Datagrams: udp(7). */
export const SOCK_DGRAM = "SOCK_DGRAM";
/** shutdown(2): no more receiving. */
export const SHUT_RD = "SHUT_RD";
/** shutdown(2): no more sending. */
export const SHUT_WR = "SHUT_WR";
/** shutdown(2): neither. */
export const SHUT_RDWR = "SHUT_RDWR";

/** Creates a socket, socket(2); EPROTONOSUPPORT for what is not offered. */
export function socket(
  family?: Family,
  type?: typeof SOCK_STREAM,
): StreamSocket;
export function socket(
  family: Family,
  type: typeof SOCK_DGRAM,
): DatagramSocket;
export function socket(
  family: Family = AF_INET,
  type: typeof SOCK_STREAM | typeof SOCK_DGRAM = SOCK_STREAM,
): StreamSocket | DatagramSocket {
  if ([AF_INET, AF_INET6, AF_UNIX].includes(family)) {
    if (type === SOCK_STREAM) return new StreamSocket(family);
    if (type === SOCK_DGRAM && family !== AF_UNIX) {
      return new DatagramSocket(family);
    }
  }
  throw new SocketError("EPROTONOSUPPORT", "socket");
}
