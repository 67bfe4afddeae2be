/**
 * Berkeley sockets with promises: the calls of the man pages, the same under
 * Deno, Bun and Node.
 *
 * ```ts
 * import { AF_INET, decode, socket, SOCK_STREAM } from "./mod.ts";
 *
 * const server = socket(AF_INET, SOCK_STREAM);
 * await server.bind(["127.0.0.1", 0]);
 * await server.listen(5);
 *
 * const client = socket(AF_INET, SOCK_STREAM);
 * await client.connect(server.getsockname());
 * await client.sendall("hello");
 *
 * const [connection] = await server.accept();
 * decode(await connection.recv(1024)); // "hello"
 *
 * await connection.close();
 * await client.close();
 * await server.close();
 * ```
 *
 * @module
 */
export {
  type Address,
  formatAddress,
  gethostname,
  parseAddress,
} from "./sockets/address.ts";
export {
  type DatagramOption,
  DatagramSocket,
  type OptionValue,
} from "./sockets/datagram_socket.ts";
export { dateAndTime, type End, experiment } from "./experiment/experiment.ts";
export {
  type Client,
  type How,
  type StreamOption,
  StreamSocket,
} from "./sockets/stream_socket.ts";
export {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  observe,
  SHUT_RD,
  SHUT_RDWR,
  SHUT_WR,
  SOCK_DGRAM,
  SOCK_STREAM,
  socket,
} from "./sockets/socket.ts";
export { decode, type Limit, Reader } from "./sockets/reader.ts";
export { SocketError } from "./sockets/socket_error.ts";
export type { SocketCall } from "./observe/call_order.ts";
export type { Wait } from "./sockets/queues.ts";
