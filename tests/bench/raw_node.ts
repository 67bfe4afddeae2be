/**
 * The workloads on node:net and node:dgram, with callbacks.
 *
 * @module
 */
import dgram from "node:dgram";
import { once } from "node:events";
import net from "node:net";
import {
  BACKLOG,
  CHUNK,
  expectBytes,
  type Handlers,
  HOST,
  MESSAGE,
  workloadsOn,
} from "./workloads.ts";

export const workloads = workloadsOn<net.Socket>({
  async listen(handlers) {
    const server = net.createServer((client) => {
      handlers.open?.(client);
      handle(client, handlers);
    });
    server.listen({ host: HOST, port: 0, backlog: BACKLOG });
    await once(server, "listening");
    const { port } = server.address() as net.AddressInfo;
    return { port, close: () => void server.close() };
  },
  connect(port, handlers) {
    const client = net.connect(port, HOST);
    const { open } = handlers;
    if (open) client.once("connect", () => open(client));
    handle(client, handlers);
  },
  write: (connection, bytes) => connection.write(bytes),
  /** Closes when the system has the bytes, without a shutdown() before. */
  finish(connection, last) {
    if (last) connection.write(last, () => connection.destroy());
    else connection.destroy();
  },
  send(port, size) {
    const client = net.connect(port, HOST);
    let left = size;
    const pump = () => {
      while (left > 0) {
        left -= CHUNK.length;
        if (!client.write(CHUNK) && left > 0) return client.once("drain", pump);
      }
      client.end();
    };
    client.once("connect", pump);
  },
}, datagrams);

function handle(
  client: net.Socket,
  { data, close }: Handlers<net.Socket>,
): void {
  client.on("data", (bytes: Uint8Array) => data(client, bytes));
  if (close) client.on("end", close);
}

/** For all runtimes. */
export async function datagrams(count: number): Promise<void> {
  const [server, client] = [await bound(), await bound()];
  server.on("message", (bytes, from) => {
    server.send(bytes, from.port, from.address);
  });
  const { port } = server.address();
  const { promise: done, resolve } = Promise.withResolvers<void>();
  let received = 0;
  client.on("message", (bytes) => {
    received += bytes.length;
    if (received < count * MESSAGE.length) client.send(MESSAGE, port, HOST);
    else resolve();
  });
  client.send(MESSAGE, port, HOST);
  await done;
  for (const end of [server, client]) {
    await new Promise<void>((resolve) => end.close(resolve));
  }
  expectBytes(received, count * MESSAGE.length);
}

async function bound() {
  const end = dgram.createSocket("udp4");
  await new Promise<void>((resolve) => end.bind(0, HOST, resolve));
  return end;
}
