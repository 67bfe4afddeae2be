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
  type Bound,
  CHUNK,
  type Handlers,
  HOST,
  type Take,
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
}, bind);

function handle(
  client: net.Socket,
  { data, close }: Handlers<net.Socket>,
): void {
  client.on("data", (bytes: Uint8Array) => data(client, bytes));
  if (close) client.on("end", close);
}

/** For all runtimes. */
export async function bind(take: Take): Promise<Bound> {
  const own = dgram.createSocket("udp4");
  own.on("message", (bytes, { address, port }) => {
    take(bytes, [address, port]);
  });
  await new Promise<void>((resolve) => own.bind(0, HOST, resolve));
  return {
    port: own.address().port,
    send: (bytes, [host, port]) => own.send(bytes, port, host),
    close: () => new Promise<void>((resolve) => own.close(resolve)),
  };
}
