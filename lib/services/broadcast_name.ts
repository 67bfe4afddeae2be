/**
 * Names receivers of broadcasts, because SO_REUSEADDR lets any number of programs
 * bind datagram sockets to one port, and none of them learns of the others:
 * socket(7).
 *
 * @module
 */
import { type Address, ANY } from "../sockets/address.ts";
import { AF_INET, SOCK_DGRAM, socket } from "../sockets/socket.ts";
import type { SocketError } from "../sockets/socket_error.ts";

/** The broadcast address of 127.x.x.x. */
export const LOOPBACK = "127.255.255.255";

/**
 * The name to which receivers bind with SO_REUSEADDR: the host, or the broadcast
 * address of the loopback network for one of its hosts, and the port, or a free
 * one for 0. Where the system does not have that address (only Linux does), it is
 * any host.
 *
 * @throws {SocketError} EADDRINUSE if any socket has the port, and any other error
 *   of bind.
 */
export async function broadcastName(address: Address): Promise<Address> {
  const [host, port] = address as [string, number];
  const own = /^(localhost$|127\.)/.test(host);
  await using probe = socket(AF_INET, SOCK_DGRAM); // without the option
  await probe.bind([own ? LOOPBACK : host, port])
    .catch((error: SocketError) => {
      if (!own || error.code !== "EADDRNOTAVAIL") throw error;
      return probe.bind([ANY.AF_INET, port]);
    });
  return probe.getsockname();
}
