/**
 * The workloads that are timed, the same on the library's sockets and on each
 * runtime's own: the same bytes, and both ends see the end.
 *
 * @module
 */

/** Stream sockets of one kind, which do no more than they must. */
export interface Streams<Connection> {
  /** `close` is called when the peer has sent everything. */
  listen(handlers: Handlers<Connection>, size?: number): Promise<Listener>;
  connect(port: number, handlers: Handlers<Connection>): unknown;
  write(connection: Connection, bytes: Uint8Array): unknown;
  /** Closes a connection, after the last bytes if there are any. */
  finish(connection: Connection, last?: Uint8Array): unknown;
  /** Connects, sends so many bytes in chunks, and closes. */
  send(port: number, size: number): unknown;
}

interface Listener {
  port: number;
  close(): unknown;
}

/** What is done with a connection; promises among the results are awaited. */
export interface Handlers<Connection> {
  /** After so many bytes nothing more is read (Infinity). */
  limit?: number;
  /** The library reads into one buffer, as all others do by themselves. */
  into?: boolean;
  open?(connection: Connection): unknown;
  data(connection: Connection, bytes: Uint8Array): unknown;
  close?(): void;
}

export interface Exchanges {
  rounds: number;
  /** So many rounds at once (1). */
  lanes?: number;
  /** In a round so many clients are told the time; then all thank (1). */
  crowd?: number;
}

/** A datagram socket of one kind, which is bound to a port. */
export interface Bound {
  port: number;
  send(bytes: Uint8Array, to: Address): unknown;
  close(): unknown;
}

/** Is given each datagram; a promise is awaited before the next one. */
export type Take = (bytes: Uint8Array, sender: Address) => unknown;
type Address = [host: string, port: number];

export const HOST = "127.0.0.1";
export const MESSAGE = new Uint8Array(64).fill(97);
export const CHUNK = new Uint8Array(65536).fill(97);
const TIME = new TextEncoder().encode("20/11/2026 18:55:12");
const THANKS = new TextEncoder().encode("Time received successfully.");

/** The accept queue, where its length can be chosen. */
export const BACKLOG = 4096;

/**
 * So many of a crowd connect at the same time, each until the server has told
 * it the time. Bun listens with a backlog of 512, whatever it is told; a client
 * that finds no room retries after a second, which is not to be measured.
 */
export const CONNECTING = 256;

export type Workloads = ReturnType<typeof workloadsOn>;

export function workloadsOn<C>(
  streams: Streams<C>,
  bind: (take: Take) => Promise<Bound>,
) {
  const { listen, connect, write, finish, send } = streams;
  return {
    /** So many messages to a server and back, on one connection. */
    async roundTrips(count: number): Promise<void> {
      const { promise: left, resolve: close } = Promise.withResolvers<void>();
      const server = await listen({ data: write, close });
      const limit = count * MESSAGE.length;
      let received = 0;
      connect(server.port, {
        limit,
        open: (client) => write(client, MESSAGE),
        data(client, { length }) {
          received += length;
          return received < limit ? write(client, MESSAGE) : finish(client);
        },
      });
      await left;
      await server.close();
      expectBytes(received, limit);
    },

    /** Connections on which the server tells the time and the client thanks. */
    async exchanges({ rounds, lanes = 1, crowd = 1 }: Exchanges) {
      const { promise: ended, resolve: end } = Promise.withResolvers<void>();
      const total = crowd * rounds;
      let [served, told, thanks] = [0, 0, 0];
      const server = await listen({
        limit: 1,
        open: (client) => write(client, TIME),
        data(client, { length }) {
          thanks += length;
          const finished = finish(client);
          if (++served === total) end();
          return finished;
        },
      });
      let [left, due, clients] = [rounds, 0, [] as C[]];
      const handlers = {
        limit: 1,
        data(client: C, { length }: Uint8Array) {
          told += length;
          if (clients.push(client) < crowd) return connectNext();
          const finished = clients.map((client) => finish(client, THANKS));
          clients = [];
          if (!(finished[0] instanceof Promise)) return begin();
          const all = crowd === 1 ? finished[0] : Promise.all(finished);
          return all.then(begin);
        },
      };
      const connectNext = () => {
        if (due > 0 && due--) connect(server.port, handlers);
      };
      const begin = () => {
        if (left === 0) return;
        left--;
        due += crowd;
        for (let i = 0; i < Math.min(CONNECTING, crowd); i++) connectNext();
      };
      for (let i = 0; i < lanes; i++) begin();
      await ended;
      await server.close();
      expectBytes(told, total * TIME.length);
      expectBytes(thanks, total * THANKS.length);
    },

    /** So many bytes in one direction, written and read in chunks of 64 KiB. */
    async bulk(size: number, into = false): Promise<void> {
      const { promise: ended, resolve: close } = Promise.withResolvers<void>();
      let received = 0;
      const count = (_: C, { length }: Uint8Array) => void (received += length);
      const handlers = { data: count, close, into };
      const server = await listen(handlers, CHUNK.length);
      send(server.port, size);
      await ended;
      await server.close();
      expectBytes(received, size);
    },

    /** So many datagrams to a server and back, one at a time. */
    async datagrams(count: number): Promise<void> {
      const { promise: done, resolve } = Promise.withResolvers<void>();
      let received = 0;
      const server = await bind((bytes, sender) => server.send(bytes, sender));
      const address: Address = [HOST, server.port];
      const client = await bind(({ length }) => {
        received += length;
        if (received === count * MESSAGE.length) return resolve();
        return client.send(MESSAGE, address);
      });
      await client.send(MESSAGE, address);
      await done;
      await server.close();
      await client.close();
    },

    /** Serves connections that stay idle; resolves to the port. */
    async idle(accepted: () => void): Promise<number> {
      const { port } = await listen({ open: accepted, data() {} });
      return port;
    },
  };
}

/**
 * Throws unless all bytes have arrived. Count them in a statement without
 * `await`: `received += await ...` reads the old value before it waits.
 */
export function expectBytes(received: number, sent: number): void {
  if (received !== sent) throw new Error(`${received} of ${sent} bytes came`);
}

export type RuntimeName = "deno" | "bun" | "node";

/** The runtime that executes this. */
export const runtime: RuntimeName = "Deno" in globalThis
  ? "deno"
  : "Bun" in globalThis
  ? "bun"
  : "node";

/** Loads the workloads on one kind of sockets, and no code of the other. */
export async function load(kind: "library" | "raw"): Promise<Workloads> {
  const file = kind === "library" ? kind : `${kind}_${runtime}`;
  return (await import(`./${file}.ts`)).workloads;
}
