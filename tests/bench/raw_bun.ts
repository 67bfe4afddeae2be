/**
 * The work written by hand for speed on Bun's own sockets: callbacks, one set
 * for all connections.
 *
 * @module
 */
import type { Socket } from "bun";
import { datagrams } from "./raw_node.ts";
import {
  CHUNK,
  CONNECTING,
  expectBytes,
  HOST,
  MESSAGE,
  THANKS,
  TIME,
  type Works,
} from "./works.ts";

export const works: Works = {
  async roundTrips(count) {
    const { promise: left, resolve: leave } = Promise.withResolvers<void>();
    const server = Bun.listen({
      hostname: HOST,
      port: 0,
      socket: {
        data: (client, bytes) => void client.write(bytes),
        close: () => leave(),
      },
    });
    const { promise: done, resolve } = Promise.withResolvers<void>();
    let received = 0;
    Bun.connect({
      hostname: HOST,
      port: server.port,
      socket: {
        open: (client) => void client.write(MESSAGE),
        data(client, bytes) {
          received += bytes.length;
          if (received < count * MESSAGE.length) {
            return void client.write(MESSAGE);
          }
          client.end();
          resolve();
        },
      },
    });
    await done;
    await left;
    server.stop();
    expectBytes(received, count * MESSAGE.length);
  },

  async exchanges(count, atOnce) {
    const { port, ended } = timeServer(count);
    let [started, received] = [0, 0];
    const socket = {
      data(client: Socket<undefined>, bytes: Uint8Array) {
        received += bytes.length;
        client.end(THANKS);
        exchange();
      },
    };
    const where = { hostname: HOST, port, socket };
    const exchange = () => {
      if (started++ < count) Bun.connect(where);
    };
    for (let i = 0; i < atOnce; i++) exchange();
    await ended;
    expectBytes(received, count * TIME.length);
  },

  async crowds(clients, rounds) {
    const { port, ended } = timeServer(clients * rounds);
    let crowd: Socket<undefined>[] = [];
    let [started, left, received] = [0, rounds, 0];
    const socket = {
      data(client: Socket<undefined>, bytes: Uint8Array) {
        received += bytes.length;
        if (crowd.push(client) < clients) return connect();
        for (const client of crowd) client.end(THANKS);
        if (--left > 0) begin();
      },
    };
    const where = { hostname: HOST, port, socket };
    const connect = () => {
      if (started++ < clients) Bun.connect(where);
    };
    const begin = () => {
      crowd = [];
      started = 0;
      for (let i = 0; i < CONNECTING; i++) connect();
    };
    begin();
    await ended;
    expectBytes(received, clients * rounds * TIME.length);
  },

  async bulk(size) {
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    let received = 0;
    const server = Bun.listen({
      hostname: HOST,
      port: 0,
      socket: {
        data: (_, bytes) => void (received += bytes.length),
        close: () => resolve(),
      },
    });
    let left = size;
    const pump = (client: Socket<undefined>) => {
      while (left > 0) {
        const taken = client.write(CHUNK, 0, Math.min(left, CHUNK.length));
        left -= taken;
        if (taken < CHUNK.length) break; // `drain` says when to go on
      }
      if (left === 0) client.end();
    };
    Bun.connect({
      hostname: HOST,
      port: server.port,
      socket: { open: pump, drain: pump, data() {} },
    });
    await ended;
    server.stop();
    expectBytes(received, size);
  },

  datagrams,

  async idle(accepted) {
    const server = Bun.listen({
      hostname: HOST,
      port: 0,
      socket: { open: accepted, data() {} },
    });
    return server.port;
  },
};

/** Serves so many clients; `ended` when it is closed. */
function timeServer(clients: number) {
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  let [left, received] = [clients, 0];
  const server = Bun.listen({
    hostname: HOST,
    port: 0,
    socket: {
      open: (client) => void client.write(TIME),
      data(client, bytes) {
        received += bytes.length;
        client.end();
        if (--left > 0) return;
        server.stop();
        if (received === clients * THANKS.length) resolve();
        else reject(new Error(`${received} bytes came`));
      },
    },
  });
  return { port: server.port, ended };
}
