/**
 * The workloads on Bun's own sockets, with one set of handlers for all
 * connections; datagrams on node:dgram, than which Bun's own were not faster.
 *
 * @module
 */
import type { Socket } from "bun";
import { bind } from "./raw_node.ts";
import { CHUNK, HOST, workloadsOn } from "./workloads.ts";

export const workloads = workloadsOn<Socket<undefined>>({
  async listen(handlers) {
    const socket = handlers as Bun.SocketHandler<undefined>;
    const server = Bun.listen({ hostname: HOST, port: 0, socket });
    return { port: server.port, close: () => server.stop() };
  },
  connect(port, handlers) {
    const socket = handlers as Bun.SocketHandler<undefined>;
    Bun.connect({ hostname: HOST, port, socket });
  },
  write: (connection, bytes) => void connection.write(bytes),
  finish: (connection, last) => void connection.end(last),
  send(port, size) {
    let left = size;
    const pump = (client: Socket<undefined>) => {
      while (left > 0) {
        const taken = client.write(CHUNK, 0, Math.min(left, CHUNK.length));
        left -= taken;
        if (taken < CHUNK.length) break; // `drain` says when to go on
      }
      if (left === 0) client.end();
    };
    const socket = { open: pump, drain: pump, data() {} };
    Bun.connect({ hostname: HOST, port, socket });
  },
}, bind);
