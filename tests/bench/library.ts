/**
 * The work on the library's sockets, as a program of the lab would do it.
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
      while (true) {
        const bytes = await connection.recv(1024);
        if (bytes.length === 0) return;
        await connection.sendall(bytes);
      }
    };
    const echoing = echo();
    let received = 0;
    for (let i = 0; i < count; i++) {
      await client.sendall(MESSAGE);
      const { length } = await client.recv(1024);
      received += length;
    }
    await client.close();
    await echoing;
    await connection.close();
    await server.close();
    expectBytes(received, count * MESSAGE.length);
  },

  async exchanges(count, atOnce) {
    const { address, ended } = await timeServer(count);
    let [started, received] = [0, 0];
    const exchange = async () => {
      while (started++ < count) {
        const client = socket(AF_INET, SOCK_STREAM);
        await client.connect(address);
        const { length } = await client.recv(1024);
        received += length;
        await client.sendall(THANKS);
        await client.close();
      }
    };
    await Promise.all(Array.from({ length: atOnce }, exchange));
    await ended;
    expectBytes(received, count * TIME.length);
  },

  async crowds(clients, rounds) {
    const { address, ended } = await timeServer(clients * rounds);
    let [started, received] = [0, 0];
    const connect = async (crowd: StreamSocket[]) => {
      while (started++ < clients) {
        const client = socket(AF_INET, SOCK_STREAM);
        await client.connect(address);
        const { length } = await client.recv(1024);
        received += length;
        crowd.push(client);
      }
    };
    const thank = async (client: StreamSocket) => {
      await client.sendall(THANKS);
      await client.close();
    };
    const length = Math.min(CONNECTING, clients);
    for (let round = 0; round < rounds; round++) {
      const crowd: StreamSocket[] = [];
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
      for (let left = size; left > 0; left -= CHUNK.length) {
        await client.sendall(CHUNK);
      }
      await client.close();
    };
    const sending = send();
    let received = 0;
    while (true) {
      const { length } = await connection.recv(CHUNK.length);
      if (length === 0) break;
      received += length;
    }
    await sending;
    await connection.close();
    await server.close();
    expectBytes(received, size);
  },

  async datagrams(count) {
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
      const [bytes] = await client.recvfrom(1024);
      received += bytes.length;
    }
    await echoing;
    await server.close();
    await client.close();
    expectBytes(received, count * MESSAGE.length);
  },

  async idle(accepted) {
    const server = await listening();
    const serve = async (client: StreamSocket) => {
      accepted();
      while ((await client.recv(1024)).length > 0);
    };
    const accept = async () => {
      for await (const [client] of server) serve(client);
    };
    accept();
    return server.getsockname()[1] as number;
  },
};

async function listening(): Promise<StreamSocket> {
  const server = socket(AF_INET, SOCK_STREAM);
  await server.bind([HOST, 0]);
  await server.listen();
  return server;
}

/** Serves so many clients; `ended` when it is closed. */
async function timeServer(clients: number) {
  const server = await listening();
  const address = server.getsockname();
  let [left, received] = [clients, 0];
  const serve = async (client: StreamSocket) => {
    await client.sendall(TIME);
    const { length } = await client.recv(1024);
    received += length;
    await client.close();
    if (--left === 0) await server.close();
  };
  const accept = async () => {
    for await (const [client] of server) serve(client);
    expectBytes(received, clients * THANKS.length);
  };
  return { address, ended: accept() };
}

async function connected() {
  const server = await listening();
  const client = socket(AF_INET, SOCK_STREAM);
  await client.connect(server.getsockname());
  const [connection] = await server.accept();
  return [server, client, connection] as const;
}
