/**
 * Creates sockets, socket(2), and names the constants of the Berkeley API.
 *
 * @module
 */
import type { Family } from "./address.ts";
import { DatagramSocket } from "./datagram_socket.ts";
import { WINDOWS } from "./runtimes/system.ts";
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

/**
 * Creates a socket, socket(2); EPROTONOSUPPORT for what is not offered, and
 * EAFNOSUPPORT for AF_UNIX on Windows, where two of the runtimes have none.
 */
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
  const known = [AF_INET, AF_INET6, AF_UNIX].includes(family);
  const made = family === AF_UNIX && WINDOWS
    ? new SocketError("EAFNOSUPPORT", "socket")
    : known && type === SOCK_STREAM
    ? new StreamSocket(family)
    : known && type === SOCK_DGRAM && family !== AF_UNIX
    ? new DatagramSocket(family)
    : new SocketError("EPROTONOSUPPORT", "socket");
  for (const observe of observers) observe(family, type, made);
  if (made instanceof SocketError) throw made;
  return made;
}

const observers = new Set<CreationObserver>();

/** Is told of each socket() call: the socket, or the error that it throws. */
export type CreationObserver = (
  family: Family,
  type: string,
  made: StreamSocket | DatagramSocket | SocketError,
) => void;

/** Tells `observe` of each socket() call; gives what ends that. */
export function observeCreation(observe: CreationObserver): () => void {
  observers.add(observe);
  return () => observers.delete(observe);
}
