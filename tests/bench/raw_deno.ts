/**
 * The workloads on Deno's own sockets; datagrams on node:dgram, since
 * `Deno.listenDatagram` wants an unstable flag.
 *
 * @module
 */
import { bind } from "./raw_node.ts";
import {
  BACKLOG,
  CHUNK,
  type Handlers,
  HOST,
  workloadsOn,
} from "./workloads.ts";

export const workloads = workloadsOn<Deno.Conn>({
  async listen(handlers, size) {
    const where = { hostname: HOST, port: 0 };
    const server = Deno.listen({ ...where, tcpBacklog: BACKLOG });
    const acceptAll = async () => {
      for await (const client of server) handle(client, handlers, size);
    };
    acceptAll();
    return { port: server.addr.port, close: () => server.close() };
  },
  async connect(port, handlers) {
    handle(await Deno.connect({ hostname: HOST, port }), handlers);
  },
  write: (connection, bytes) => connection.write(bytes),
  async finish(connection, last) {
    if (last) await connection.write(last);
    connection.close();
  },
  async send(port, size) {
    const client = await Deno.connect({ hostname: HOST, port });
    for (let left = size; left > 0;) {
      const chunk = left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK;
      const taken = await client.write(chunk);
      left -= taken;
    }
    client.close();
  },
}, bind);

async function handle(
  connection: Deno.Conn,
  { open, data, close, limit = Infinity }: Handlers<Deno.Conn>,
  size = 1024,
): Promise<void> {
  if (open) await open(connection);
  const buffer = new Uint8Array(size);
  for (let left = limit; left > 0;) {
    const length = await connection.read(buffer);
    if (length === null) {
      close?.();
      return connection.close();
    }
    left -= length;
    await data(connection, buffer.subarray(0, length));
  }
}
