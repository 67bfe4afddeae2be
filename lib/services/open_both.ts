/**
 * Binds a stream and a datagram socket to one port, for services that clients
 * reach over TCP and UDP alike.
 *
 * @module
 */
import type { Address } from "../sockets/address.ts";
import type { DatagramSocket } from "../sockets/datagram_socket.ts";
import { AF_INET, SOCK_DGRAM, SOCK_STREAM, socket } from "../sockets/socket.ts";
import type { StreamSocket } from "../sockets/stream_socket.ts";

/**
 * A listening stream socket and a datagram socket with the same port. If the
 * system chooses the port (0), a free TCP port may be a taken UDP port: then the
 * system chooses again, up to ten times.
 *
 * @throws {SocketError} EADDRINUSE, and any other error of bind.
 */
export async function openBoth(
  address: Address,
  tries = 10,
): Promise<[StreamSocket, DatagramSocket]> {
  const listener = socket(AF_INET, SOCK_STREAM);
  const receiver = socket(AF_INET, SOCK_DGRAM);
  await listener.bind(address);
  await listener.listen();
  try {
    await receiver.bind(listener.getsockname());
    return [listener, receiver];
  } catch (error) {
    await listener.close();
    if (address[1] !== 0 || tries === 1) throw error;
    return openBoth(address, tries - 1);
  }
}
