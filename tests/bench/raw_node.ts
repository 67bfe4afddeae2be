/**
 * The work written by hand for speed on node:net and node:dgram: callbacks.
 *
 * @module
 */
import dgram from "node:dgram";
import net from "node:net";
import {
  BACKLOG,
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
    const server = await listening((client) => {
      client.on("data", (bytes) => client.write(bytes));
      client.on("end", leave);
    });
    const { promise: done, resolve } = Promise.withResolvers<void>();
    let received = 0;
    const client = net.connect(server.port, HOST);
    client.once("connect", () => client.write(MESSAGE));
    client.on("data", (bytes) => {
      received += bytes.length;
      if (received < count * MESSAGE.length) return client.write(MESSAGE);
      client.destroy();
      resolve();
    });
    await done;
    await left;
    server.close();
    expectBytes(received, count * MESSAGE.length);
  },

  async exchanges(count, atOnce) {
    const { port, ended } = await timeServer(count);
    let [started, received] = [0, 0];
    const exchange = () => {
      if (started++ >= count) return;
      const client = net.connect(port, HOST);
      client.on("data", (bytes) => {
        received += bytes.length;
        thank(client);
        exchange();
      });
    };
    for (let i = 0; i < atOnce; i++) exchange();
    await ended;
    expectBytes(received, count * TIME.length);
  },

  async crowds(clients, rounds) {
    const { port, ended } = await timeServer(clients * rounds);
    let crowd: net.Socket[] = [];
    let [started, left, received] = [0, rounds, 0];
    const connect = () => {
      if (started++ >= clients) return;
      const client = net.connect(port, HOST);
      client.on("data", (bytes) => {
        received += bytes.length;
        if (crowd.push(client) < clients) return connect();
        for (const client of crowd) thank(client);
        if (--left > 0) begin();
      });
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
    const server = await listening((client) => {
      client.on("data", (bytes) => received += bytes.length);
      client.on("end", resolve);
    });
    const client = net.connect(server.port, HOST);
    let left = size;
    const pump = () => {
      while (left > 0) {
        left -= CHUNK.length;
        if (!client.write(CHUNK) && left > 0) return client.once("drain", pump);
      }
      client.end();
    };
    client.once("connect", pump);
    await ended;
    server.close();
    expectBytes(received, size);
  },

  datagrams,

  async idle(accepted) {
    const server = await listening((client) => {
      client.on("data", () => {});
      accepted();
    });
    return server.port;
  },
};

/** For all runtimes, whose own datagram sockets were not faster. */
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
  await new Promise<void>((resolve) => server.close(resolve));
  await new Promise<void>((resolve) => client.close(resolve));
  expectBytes(received, count * MESSAGE.length);
}

async function bound() {
  const end = dgram.createSocket("udp4");
  await new Promise<void>((resolve) => end.bind(0, HOST, resolve));
  return end;
}

async function listening(serve: (client: net.Socket) => void) {
  const server = net.createServer(serve);
  await new Promise<void>((resolve) =>
    server.listen({ host: HOST, port: 0, backlog: BACKLOG }, resolve)
  );
  const { port } = server.address() as net.AddressInfo;
  return { port, close: () => server.close() };
}

/** Serves so many clients; `ended` when it is closed. */
async function timeServer(clients: number) {
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  let [left, received] = [clients, 0];
  const server = await listening((client) => {
    client.write(TIME);
    client.on("data", (bytes) => {
      received += bytes.length;
      client.destroy();
      if (--left > 0) return;
      server.close();
      if (received === clients * THANKS.length) resolve();
      else reject(new Error(`${received} bytes came`));
    });
  });
  return { port: server.port, ended };
}

/** Closes when the system has the bytes, without a shutdown() before. */
function thank(client: net.Socket): void {
  client.write(THANKS, () => client.destroy());
}
