/**
 * Runs the server of an experiment: serves clients concurrently within the
 * limits, and stops gracefully.
 *
 * @module
 */
import { type Address, displayAddress } from "../sockets/address.ts";
import { DatagramSocket } from "../sockets/datagram_socket.ts";
import { SocketError } from "../sockets/socket_error.ts";
import { StreamSocket } from "../sockets/stream_socket.ts";
import { joinWords, type Write } from "./print.ts";
import {
  type End,
  type Experiment,
  limits,
  type Settings,
} from "./settings.ts";

/** A server that runs. */
export interface Server {
  /** Resolves to the server's address. */
  readonly listening: Promise<Address>;
  /** Resolves to what the server returned, once its last client is done. */
  readonly ended: Promise<unknown>;
  /** Accepts no more clients and lets running exchanges end. */
  stop(): void;
}

/** Starts the server of an experiment. */
export function startServer(
  experiment: Experiment,
  { role, host, port, clients, timeout, flags }: Settings,
  write: Write,
): Server {
  const alone = role === "server";
  // With both ends here nobody is slow, and Deno's first timer costs 5 ms.
  const idle = timeout ?? (alone ? limits.idle : null);
  const serving = new Map<StreamSocket | Address, Promise<void>>();
  let listeners: (StreamSocket | DatagramSocket)[] = [];
  let ownPort: number | undefined;
  /** Set while `limits.clients` are served. */
  let room: PromiseWithResolvers<void> | undefined;
  let served = 0;
  const senders = new Set<string>();
  let quiet: ReturnType<typeof setTimeout> | undefined;
  let stopped = false;
  let closed: Promise<unknown> | undefined;
  let grace: ReturnType<typeof setTimeout> | undefined;
  let bug: unknown;
  let announce!: (address: Address) => void;
  const listening = new Promise<Address>((resolve) => announce = resolve);

  const end: End = {
    address: [host, port ?? (alone ? experiment.port : 0)],
    flags,
    print: (...words) => write("server", joinWords(words)),
    ready(...sockets) {
      listeners = sockets;
      if (stopped) return void closeListeners();
      // Clients may take their time to come.
      for (const listener of listeners) listener.settimeout(null);
      const address = nameOf(listeners[0]);
      if (alone) {
        const name = displayAddress(address);
        write("server", `Listening on ${name} (Ctrl-C stops it)`, "note");
      }
      if (typeof address !== "string") {
        ownPort = address[1];
        if (!/^(127\.|::1$)/.test(address[0])) {
          write("server", "Other machines can connect to it, too", "note");
        }
      }
      announce(address);
    },
    serve(client, work) {
      if (client instanceof StreamSocket) client.settimeout(idle);
      else if (client[1] === ownPort) {
        // A server, or forged: the two would answer each other for ever.
        const from = displayAddress(client);
        write("server", `Not answered: ${from} has a server's port`, "note");
        return DONE;
      }
      serving.set(client, attend(client, work));
      if (alone && clients !== undefined) count(client, clients);
      if (serving.size < limits.clients) return DONE;
      room ??= Promise.withResolvers();
      return room.promise;
    },
    done: () => Promise.all(serving.values()),
  };

  /** Stops the server after so many clients. */
  function count(client: StreamSocket | Address, most: number): void {
    const stream = client instanceof StreamSocket;
    served = stream ? served + 1 : senders.add(String(client)).size;
    if (served < most) return;
    if (stream) return stop();
    clearTimeout(quiet); // a sender does not say which datagram is its last
    quiet = setTimeout(stop, QUIET);
  }

  async function attend(
    client: StreamSocket | Address,
    work: () => Promise<unknown>,
  ) {
    try {
      await work();
    } catch (error) {
      const known = error instanceof SocketError;
      if (!known) bug ??= error; // the experiment's own: it fails at the end
      if (!known || error.code !== "EBADF") { // it was closed on purpose
        write("server", joinWords([known ? error.message : error]), "note");
      }
    }
    if (client instanceof StreamSocket) await client.close();
    serving.delete(client);
    room?.resolve();
    room = undefined;
  }

  function closeListeners(): Promise<unknown> {
    return Promise.all(listeners.map((listener) => listener.close()));
  }

  function stop(): void {
    if (stopped) return;
    stopped = true;
    closed = closeListeners();
    if (alone) grace = setTimeout(closeClients, limits.grace);
  }

  function closeClients(): void {
    for (const client of serving.keys()) {
      if (client instanceof StreamSocket) client.close();
    }
  }

  async function toTheEnd(): Promise<unknown> {
    try {
      const result = await experiment.server(end);
      await end.done();
      if (bug !== undefined) throw bug;
      announce(end.address); // if it never did
      return result;
    } catch (error) {
      if (!stopped || (error as SocketError).code !== "EBADF") throw error;
      await end.done();
    } finally {
      await closed;
      for (const timer of [grace, quiet]) {
        if (timer !== undefined) clearTimeout(timer); // Deno's first costs 5 ms
      }
    }
  }

  return { listening, ended: toTheEnd(), stop };
}

// The methods themselves: an observer shows the experiment's own calls only.
const streamName = StreamSocket.prototype.getsockname;
const datagramName = DatagramSocket.prototype.getsockname;

function nameOf(socket: StreamSocket | DatagramSocket): Address {
  return socket instanceof StreamSocket
    ? streamName.call(socket)
    : datagramName.call(socket);
}

const DONE = Promise.resolve();

/**
 * A datagram server that stops after N senders waits this long, in ms, for more
 * of their datagrams.
 */
const QUIET = 1_000;
