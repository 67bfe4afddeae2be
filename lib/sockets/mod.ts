/**
 * Berkeley sockets with promises: the calls of the man pages, the same under
 * Deno, Bun and Node. This room knows sockets only: no process, no command
 * line, no experiment; everything else may use it, and it uses nothing else.
 *
 * ```ts
 * import { AF_INET, decode, Reader, socket, SOCK_STREAM } from "./mod.ts";
 *
 * const server = socket(AF_INET, SOCK_STREAM);
 * await server.bind(["127.0.0.1", 0]);
 * await server.listen(5);
 *
 * const client = socket(AF_INET, SOCK_STREAM);
 * await client.connect(server.getsockname());
 * await client.sendall("hello, GET / HTTP/1.0\r\n\r\n");
 *
 * const [connection] = await server.accept();
 * decode(await connection.recv(7)); // "hello, "
 * const reader = new Reader(connection); // whole messages
 * await reader.line(); // "GET / HTTP/1.0"
 * await reader.line(); // ""
 *
 * await connection.close();
 * await client.close();
 * await server.close();
 * ```
 *
 * @module
 */
export { type Address, formatAddress } from "./address.ts";
export { DatagramSocket } from "./datagram_socket.ts";
export { decode, type Limit, Reader } from "./reader.ts";
export {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  SHUT_RD,
  SHUT_RDWR,
  SHUT_WR,
  SOCK_DGRAM,
  SOCK_STREAM,
  socket,
} from "./socket.ts";
export { gethostname, parseAddress } from "./resolve.ts";
export type { DatagramOption, OptionValue } from "./runtimes/datagram.ts";
export type { StreamOption } from "./runtimes/runtime.ts";
export { SocketError } from "./socket_error.ts";
export { type Client, type How, StreamSocket } from "./stream_socket.ts";
export { setdefaulttimeout, type Wait } from "./waiter.ts";
