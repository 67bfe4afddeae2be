/**
 * What the library costs: the same work on its sockets and written raw on the
 * runtime's own, in interleaved pairs in one run, as the ratio of the speeds
 * (1 is as fast as raw; more is better).
 *
 *     deno run --allow-net scripts/tools/bench.ts [PAIRS]
 *     bun scripts/tools/bench.ts [PAIRS]
 *     node scripts/tools/bench.ts [PAIRS]
 *
 * Raw is what one would write by hand for speed: callbacks on Bun and Node,
 * where the library gives promises.
 */
import type { Socket } from "bun";
import dgram from "node:dgram";
import net from "node:net";
import process from "node:process";
import {
  AF_INET,
  SOCK_DGRAM,
  SOCK_STREAM,
  socket,
  type StreamSocket,
} from "../../lib/mod.ts";

/** Does one thing so many times. */
type Work = (count: number) => Promise<void>;

const MESSAGE = new Uint8Array(64).fill(97);
const TIME = new TextEncoder().encode("20/11/2026 18:55:12");
const THANKS = new TextEncoder().encode("Time received successfully.");
const HOST = "127.0.0.1";

// --- the library ---

async function listening(): Promise<StreamSocket> {
  const server = socket(AF_INET, SOCK_STREAM);
  await server.bind([HOST, 0]);
  await server.listen();
  return server;
}

const library: Record<string, Work> = {
  async "64-byte round trips"(count) {
    const server = await listening();
    const client = socket(AF_INET, SOCK_STREAM);
    await client.connect(server.getsockname());
    const [connection] = await server.accept();
    const echo = async () => {
      while (true) {
        const bytes = await connection.recv(1024);
        if (bytes.length === 0) return;
        await connection.sendall(bytes);
      }
    };
    const echoing = echo();
    for (let i = 0; i < count; i++) {
      await client.sendall(MESSAGE);
      await client.recv(1024);
    }
    await client.close();
    await echoing;
    await connection.close();
    await server.close();
  },

  async "connections with an exchange"(count) {
    const server = await listening();
    const serve = async (client: StreamSocket) => {
      await client.sendall(TIME);
      await client.recv(1024);
      await client.close();
    };
    const accept = async () => {
      for await (const [client] of server) serve(client);
    };
    const accepting = accept();
    const address = server.getsockname();
    for (let i = 0; i < count; i++) {
      const client = socket(AF_INET, SOCK_STREAM);
      await client.connect(address);
      await client.recv(1024);
      await client.sendall(THANKS);
      await client.close();
    }
    await server.close();
    await accepting;
  },

  async "UDP round trips"(count) {
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
    for (let i = 0; i < count; i++) {
      await client.sendto(MESSAGE, address);
      await client.recvfrom(1024);
    }
    await echoing;
    await server.close();
    await client.close();
  },
};

// --- raw ---

const rawDeno: Record<string, Work> = {
  async "64-byte round trips"(count) {
    const server = Deno.listen({ hostname: HOST, port: 0 });
    const { port } = server.addr;
    const client = await Deno.connect({ hostname: HOST, port });
    const connection = await server.accept();
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
    for (let i = 0; i < count; i++) {
      await client.write(MESSAGE);
      await client.read(room);
    }
    client.close();
    await echoing;
    connection.close();
    server.close();
  },

  async "connections with an exchange"(count) {
    const server = Deno.listen({ hostname: HOST, port: 0 });
    const { port } = server.addr;
    const serve = async (client: Deno.Conn) => {
      await client.write(TIME);
      await client.read(new Uint8Array(1024));
      client.close();
    };
    const accept = async () => {
      for await (const client of server) serve(client);
    };
    const accepting = accept();
    for (let i = 0; i < count; i++) {
      const client = await Deno.connect({ hostname: HOST, port });
      await client.read(new Uint8Array(1024));
      await client.write(THANKS);
      client.close();
    }
    server.close();
    await accepting;
  },
};

const rawBun: Record<string, Work> = {
  async "64-byte round trips"(count) {
    const server = Bun.listen({
      hostname: HOST,
      port: 0,
      socket: { data: (client, bytes) => void client.write(bytes) },
    });
    await new Promise<void>((resolve) => {
      let left = count;
      Bun.connect({
        hostname: HOST,
        port: server.port,
        socket: {
          open: (client) => void client.write(MESSAGE),
          data(client) {
            if (--left > 0) return void client.write(MESSAGE);
            client.end();
            resolve();
          },
        },
      });
    });
    server.stop();
  },

  async "connections with an exchange"(count) {
    const server = Bun.listen({
      hostname: HOST,
      port: 0,
      socket: {
        open: (client) => void client.write(TIME),
        data: (client) => void client.end(),
      },
    });
    const exchange = (resolve: () => void) => {
      const thank = (client: Socket) => {
        client.write(THANKS);
        client.end();
        resolve();
      };
      const where = { hostname: HOST, port: server.port };
      Bun.connect({ ...where, socket: { data: thank } });
    };
    for (let i = 0; i < count; i++) await new Promise<void>(exchange);
    server.stop();
  },
};

async function rawServer(serve: (client: net.Socket) => void) {
  const server = net.createServer(serve);
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  const { port } = server.address() as net.AddressInfo;
  return { port, close: () => server.close() };
}

const rawNode: Record<string, Work> = {
  async "64-byte round trips"(count) {
    const server = await rawServer((client) => {
      client.on("data", (bytes) => client.write(bytes));
    });
    await new Promise<void>((resolve) => {
      let left = count;
      const client = net.connect(server.port, HOST);
      client.once("connect", () => client.write(MESSAGE));
      client.on("data", () => {
        if (--left > 0) return client.write(MESSAGE);
        client.end();
        resolve();
      });
    });
    server.close();
  },

  async "connections with an exchange"(count) {
    const server = await rawServer((client) => {
      client.write(TIME);
      client.on("data", () => client.end());
    });
    for (let i = 0; i < count; i++) {
      await new Promise<void>((resolve) => {
        const client = net.connect(server.port, HOST);
        client.on("data", () => {
          client.end(THANKS);
          resolve();
        });
      });
    }
    server.close();
  },
};

async function rawDatagrams(count: number): Promise<void> {
  const bound = async () => {
    const end = dgram.createSocket("udp4");
    await new Promise<void>((resolve) => end.bind(0, HOST, resolve));
    return end;
  };
  const [server, client] = [await bound(), await bound()];
  server.on("message", (bytes, from) => {
    server.send(bytes, from.port, from.address);
  });
  const { port } = server.address();
  await new Promise<void>((resolve) => {
    let left = count;
    client.on("message", () => {
      if (--left > 0) client.send(MESSAGE, port, HOST);
      else resolve();
    });
    client.send(MESSAGE, port, HOST);
  });
  await new Promise<void>((resolve) => server.close(resolve));
  await new Promise<void>((resolve) => client.close(resolve));
}

// --- the pairs ---

/** How often a piece of work does its thing: about 50 ms each. */
const COUNTS: Record<string, number> = {
  "64-byte round trips": 4000,
  "connections with an exchange": 800,
  "UDP round trips": 2500,
};

async function timed(work: Work, count: number): Promise<number> {
  const start = performance.now();
  await work(count);
  return performance.now() - start;
}

function quartiles(values: number[]): [number, number, number] {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(sorted.length * share)];
  return [at(0.25), at(0.5), at(0.75)];
}

if (import.meta.main) {
  const [own, name] = "Deno" in globalThis
    ? [rawDeno, `Deno ${Deno.version.deno}`]
    : "Bun" in globalThis
    ? [rawBun, `Bun ${Bun.version}`]
    : [rawNode, `Node ${process.version}`];
  const raw = { ...own, "UDP round trips": rawDatagrams };
  const pairs = Number(process.argv[2] ?? 15);
  console.log(`${name}, ${pairs} pairs: library / raw, middle half, raw`);
  for (const [title, count] of Object.entries(COUNTS)) {
    const ratios: number[] = [];
    const costs: number[] = [];
    for (let pair = -2; pair < pairs; pair++) { // two to warm up
      const works = [library[title], raw[title as keyof typeof raw]];
      if (pair % 2 === 0) works.reverse();
      const times = [
        await timed(works[0], count),
        await timed(works[1], count),
      ];
      if (pair % 2 === 0) times.reverse();
      if (pair < 0) continue;
      ratios.push(times[1] / times[0]);
      costs.push(times[1] / count * 1000);
    }
    const [low, middle, high] = quartiles(ratios).map((x) => x.toFixed(2));
    const cost = `${quartiles(costs)[1].toFixed(1)} us`;
    console.log(`${title.padEnd(30)} ${middle}  ${low}-${high}  ${cost}`);
  }
}
