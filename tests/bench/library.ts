/**
 * The workloads on the library's sockets, as a script of the lab uses them.
 *
 * @module
 */
import {
  AF_INET,
  SOCK_DGRAM,
  SOCK_STREAM,
  socket,
  type StreamSocket,
} from "../../lib/mod.ts";
import {
  type Bound,
  CHUNK,
  type Handlers,
  HOST,
  type Take,
  workloadsOn,
} from "./workloads.ts";

export const workloads = workloadsOn<StreamSocket>({
  async listen(handlers, size) {
    const server = socket(AF_INET, SOCK_STREAM);
    await server.bind([HOST, 0]);
    await server.listen();
    const acceptAll = async () => {
      for await (const [client] of server) handle(client, handlers, size);
    };
    acceptAll();
    const port = Number(server.getsockname()[1]);
    return { port, close: () => server.close() };
  },
  async connect(port, handlers) {
    const client = socket(AF_INET, SOCK_STREAM);
    await client.connect([HOST, port]);
    handle(client, handlers);
  },
  write: (connection, bytes) => connection.sendall(bytes),
  async finish(connection, last) {
    if (last) await connection.sendall(last);
    await connection.close();
  },
  async send(port, size) {
    const client = socket(AF_INET, SOCK_STREAM);
    await client.connect([HOST, port]);
    for (let left = size; left > 0; left -= CHUNK.length) {
      await client.sendall(CHUNK);
    }
    await client.close();
  },
}, bind);

async function handle(
  connection: StreamSocket,
  { open, data, close, into, limit = Infinity }: Handlers<StreamSocket>,
  size = 1024,
): Promise<void> {
  if (open) await open(connection);
  const buffer = into ? new Uint8Array(size) : undefined;
  for (let left = limit; left > 0;) {
    const bytes = buffer
      ? buffer.subarray(0, await connection.recv_into(buffer))
      : await connection.recv(size);
    if (bytes.length === 0) {
      close?.();
      return connection.close();
    }
    left -= bytes.length;
    await data(connection, bytes);
  }
}

async function bind(take: Take): Promise<Bound> {
  const own = socket(AF_INET, SOCK_DGRAM);
  await own.bind([HOST, 0]);
  const receiveAll = async () => {
    for await (const [bytes, sender] of own) {
      await take(bytes, sender as [string, number]);
    }
  };
  receiveAll();
  return {
    port: Number(own.getsockname()[1]),
    send: (bytes, to) => own.sendto(bytes, to),
    close: () => own.close(),
  };
}
