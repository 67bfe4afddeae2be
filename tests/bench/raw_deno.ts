/**
 * The work written by hand for speed on Deno's own sockets, and on node:dgram:
 * `Deno.listenDatagram` wants an unstable flag.
 *
 * @module
 */
import { datagrams } from "./raw_node.ts";
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
    const [server, client, connection] = await connected();
    const echo = async () => {
      const room = new Uint8Array(1024);
      while (true) {
        const length = await connection.read(room);
        if (length === null) return;
        await connection.write(room.subarray(0, length));
      }
    };
    const echoing = echo();
    const room = new Uint8Array(1024);
    let received = 0;
    for (let i = 0; i < count; i++) {
      await client.write(MESSAGE);
      const length = await client.read(room);
      received += length ?? 0;
    }
    client.close();
    await echoing;
    connection.close();
    server.close();
    expectBytes(received, count * MESSAGE.length);
  },

  async exchanges(count, atOnce) {
    const { port, ended } = timeServer(count);
    let [started, received] = [0, 0];
    const exchange = async () => {
      const room = new Uint8Array(1024);
      while (started++ < count) {
        const client = await Deno.connect({ hostname: HOST, port });
        const length = await client.read(room);
        received += length ?? 0;
        await client.write(THANKS);
        client.close();
      }
    };
    await Promise.all(Array.from({ length: atOnce }, exchange));
    await ended;
    expectBytes(received, count * TIME.length);
  },

  async crowds(clients, rounds) {
    const { port, ended } = timeServer(clients * rounds);
    let [started, received] = [0, 0];
    const connect = async (crowd: Deno.Conn[]) => {
      const room = new Uint8Array(1024);
      while (started++ < clients) {
        const client = await Deno.connect({ hostname: HOST, port });
        const length = await client.read(room);
        received += length ?? 0;
        crowd.push(client);
      }
    };
    const thank = async (client: Deno.Conn) => {
      await client.write(THANKS);
      client.close();
    };
    const length = Math.min(CONNECTING, clients);
    for (let round = 0; round < rounds; round++) {
      const crowd: Deno.Conn[] = [];
      started = 0;
      await Promise.all(Array.from({ length }, () => connect(crowd)));
      await Promise.all(crowd.map(thank));
    }
    await ended;
    expectBytes(received, clients * rounds * TIME.length);
  },

  async bulk(size) {
    const [server, client, connection] = await connected();
    const send = async () => {
      for (let left = size; left > 0;) {
        const taken = await client.write(
          left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK,
        );
        left -= taken;
      }
      client.close();
    };
    const sending = send();
    const room = new Uint8Array(CHUNK.length);
    let received = 0;
    while (true) {
      const length = await connection.read(room);
      if (length === null) break;
      received += length;
    }
    await sending;
    connection.close();
    server.close();
    expectBytes(received, size);
  },

  datagrams,

  async idle(accepted) {
    const server = listening();
    const serve = async (client: Deno.Conn) => {
      accepted();
      const room = new Uint8Array(1024);
      while (await client.read(room) !== null);
    };
    const accept = async () => {
      for await (const client of server) serve(client);
    };
    accept();
    return server.addr.port;
  },
};

function listening() {
  return Deno.listen({ hostname: HOST, port: 0, tcpBacklog: BACKLOG });
}

/** Serves so many clients; `ended` when it is closed. */
function timeServer(clients: number) {
  const server = listening();
  const { port } = server.addr;
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  let [left, received] = [clients, 0];
  const serve = async (client: Deno.Conn) => {
    await client.write(TIME);
    const length = await client.read(new Uint8Array(64));
    received += length ?? 0;
    client.close();
    if (--left > 0) return;
    server.close();
    expectBytes(received, clients * THANKS.length);
    resolve();
  };
  const accept = async () => {
    for (let i = 0; i < clients; i++) {
      serve(await server.accept()).catch(reject);
    }
  };
  accept().catch(reject);
  return { port, ended };
}

async function connected() {
  const server = listening();
  const client = await Deno.connect({ hostname: HOST, port: server.addr.port });
  return [server, client, await server.accept()] as const;
}
