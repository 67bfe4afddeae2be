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
  CHUNK,
  expectBytes,
  type Handlers,
  HOST,
  MESSAGE,
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
}, datagrams);

async function handle(
  connection: StreamSocket,
  { open, data, close, limit = Infinity }: Handlers<StreamSocket>,
  size = 1024,
): Promise<void> {
  if (open) await open(connection);
  for (let left = limit; left > 0;) {
    const bytes = await connection.recv(size);
    if (bytes.length === 0) {
      close?.();
      return connection.close();
    }
    left -= bytes.length;
    await data(connection, bytes);
  }
}

async function datagrams(count: number): Promise<void> {
  const server = socket(AF_INET, SOCK_DGRAM);
  const client = socket(AF_INET, SOCK_DGRAM);
  await server.bind([HOST, 0]);
  await client.bind([HOST, 0]);
  const echo = async () => {
    for (let i = 0; i < count; i++) {
      const [bytes, address] = await server.recvfrom(1024);
      await server.sendto(bytes, address);
    }
  };
  const echoing = echo();
  const address = server.getsockname();
  let received = 0;
  for (let i = 0; i < count; i++) {
    await client.sendto(MESSAGE, address);
    const [{ length }] = await client.recvfrom(1024);
    received += length;
  }
  await echoing;
  await server.close();
  await client.close();
  expectBytes(received, count * MESSAGE.length);
}
