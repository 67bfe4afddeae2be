/**
 * Runs the server of an experiment: serves clients concurrently within the
 * limits, and stops gracefully.
 *
 * @module
 */
import { type Address, displayAddress } from "../sockets/address.ts";
import { SocketError } from "../sockets/socket_error.ts";
import {
  innerOf,
  limitSilence,
  StreamSocket,
} from "../sockets/stream_socket.ts";
import type { answering } from "./answering.ts";
import { joinWords, slipIn, type Write } from "./print.ts";
import { later } from "../process/process.ts";
import {
  type End,
  type Experiment,
  limits,
  type Settings,
} from "./settings.ts";
import { type AnySocket, closeUnseen, nameOf } from "../slips/unseen.ts";

/** An accepted socket, or the sender of a datagram. */
type Client = StreamSocket | Address;

/** A client that is being served. */
interface Exchange {
  readonly done: Promise<void>;
  readonly since: number;
  /** What had moved when it was last looked at. */
  moved?: number | undefined;
}

/**
 * Starts the server of an experiment. `listening` resolves to its address, and
 * `ended` to what it returned, once its last client is done; `stop` accepts no
 * more clients and lets running exchanges end.
 */
export function startServer(
  experiment: Experiment,
  { role, host, port, clients, timeout, flags, watched }: Settings,
  write: Write,
) {
  const alone = role === "server";
  // With both ends here only a stranger is silent, and Deno's first timer costs
  // 4 ms: see watch().
  const idle = timeout ?? (alone ? limits.idle : null);
  /** From the one that has been served longest on. */
  const serving = new Map<Client, Exchange>();
  const givenUp = new WeakSet<StreamSocket>();
  let listeners: AnySocket[] = [];
  let ownPort: number | undefined;
  let refusal: Promise<ReturnType<typeof answering>> | undefined;
  /** Pending while `limits.clients` are being served. */
  let slot: PromiseWithResolvers<void> | undefined;
  let served = 0;
  let longestPause = 0; // between two datagrams of one sender, in ms
  const senders = new Set<string>();
  let quiet: ReturnType<typeof setTimeout> | undefined;
  let stopped = false;
  let closed: Promise<unknown> | undefined;
  let bug: unknown;
  const listening = Promise.withResolvers<Address>();
  const crashed = Promise.withResolvers<never>();
  if (watched) watched.serving = serving;
  const note = (line: string) => write("server", line, "note");

  const end: End = {
    address: [host, port ?? (alone ? experiment.port : 0)],
    flags,
    print: (...words) => write("server", joinWords(words)),
    ready(...sockets) {
      listeners = sockets;
      if (watched) watched.listeners = sockets;
      if (stopped) return void closeListeners();
      // Now, as later there may be no descriptor; only if it is needed.
      if (sockets.some((socket) => !(socket instanceof StreamSocket))) {
        refusing();
      }
      // The default timeout is not for accept(): a client may come late.
      for (const listener of listeners) listener.settimeout(null);
      const address = nameOf(listeners[0]);
      if (alone) {
        note(`Listening on ${displayAddress(address)} (Ctrl-C stops it)`);
      }
      if (typeof address !== "string") {
        ownPort = address[1];
        if (!/^(127\.|::1$)/.test(address[0])) {
          note("Other machines can connect to it, too");
        }
      }
      listening.resolve(address);
      if (idle === null) watch();
    },
    async serve(client, work, { anyPort = false, pause = 0 } = {}) {
      if (client instanceof StreamSocket) limitSilence(client, idle);
      else if (!anyPort) {
        const line = (await refusing())(client);
        if (line) note(line);
        if (line !== undefined) return;
      }
      const done = serveOne(client, work);
      serving.set(client, { done, since: performance.now() });
      longestPause = Math.max(longestPause, pause);
      if (alone && clients !== undefined) count(client, clients);
      if (serving.size < limits.clients) return;
      slot ??= Promise.withResolvers();
      await makeRoom(slot.promise);
    },
    done: () => Promise.all([...serving.values()].map(({ done }) => done)),
  };

  function refusing() {
    return refusal ??= import("./answering.ts")
      .then(({ answering }) => answering(ownPort));
  }

  /** Waits for a free slot, but not longer than a client may hold one. */
  async function makeRoom(free: Promise<void>): Promise<void> {
    const [[oldest, { since }]] = serving;
    const left = since + limits.hold - performance.now();
    const held = await Promise.race([
      free,
      later(Math.max(0, left)).then(() => true),
    ]);
    if (!held || !serving.has(oldest)) return;
    if (oldest instanceof StreamSocket) {
      giveUp(oldest, `has been served for ${limits.hold} ms, and others wait`);
    }
    await free;
  }

  /** Gives up silent clients; the calls themselves have no time limit. */
  async function watch(): Promise<void> {
    while (!stopped) {
      await later(limits.idle);
      for (const [client, exchange] of serving) {
        if (!(client instanceof StreamSocket)) continue;
        const { moved } = innerOf(client);
        if (moved === exchange.moved) {
          giveUp(client, `is silent for ${limits.idle} ms`);
        }
        exchange.moved = moved;
      }
    }
  }

  function giveUp(client: StreamSocket, why: string): void {
    const { peer } = innerOf(client);
    if (peer) note(`Closed: ${displayAddress(peer)} ${why}`);
    givenUp.add(client);
    abort(client);
  }

  /** Whether the server itself has closed the client. */
  function closedHere(client: Client): boolean {
    return stopped || givenUp.has(client as StreamSocket);
  }

  async function serveOne(client: Client, work: () => Promise<unknown>) {
    let ended = false;
    try {
      await work();
      ended = true;
    } catch (error) {
      if (!(error instanceof SocketError)) {
        // In the experiment's own code: the first is told, and the run fails.
        bug ??= error;
        if (!alone) crashed.reject(error);
        else if (bug === error) {
          note(await slipIn(error, experiment.url) ?? joinWords([error]));
        }
      } else if (error.code !== "EBADF" || !closedHere(client)) {
        note(error.message);
      }
    }
    if (client instanceof StreamSocket) {
      await (ended ? client.close() : abort(client));
    }
    serving.delete(client);
    slot?.resolve();
    slot = undefined;
  }

  /** Stops the server after so many clients. */
  function count(client: Client, most: number): void {
    const stream = client instanceof StreamSocket;
    served = stream ? served + 1 : senders.add(String(client)).size;
    if (served < most) return;
    if (stream) return stop();
    clearTimeout(quiet);
    quiet = setTimeout(stop, limits.quiet + longestPause);
  }

  function stop(): void {
    if (stopped) return;
    stopped = true;
    closed = closeListeners();
    later(limits.grace).then(() => {
      for (const client of serving.keys()) {
        if (client instanceof StreamSocket) abort(client);
      }
    });
  }

  function closeListeners(): Promise<unknown> {
    return Promise.all(listeners.map(closeUnseen));
  }

  async function runToEnd(): Promise<unknown> {
    try {
      const result = await experiment.server(end);
      await end.done();
      if (bug !== undefined) throw bug;
      listening.resolve(end.address); // in case that the server did not
      return result;
    } catch (error) {
      if (!stopped || (error as SocketError).code !== "EBADF") throw error;
      await end.done();
    } finally {
      await closed;
      if (quiet !== undefined) clearTimeout(quiet);
    }
  }

  const ended = Promise.race([runToEnd(), crashed.promise]);
  const isReady = () => listeners.length > 0;
  return { listening: listening.promise, ended, stop, isReady };
}

/** Gives the client up: by a RST, where the runtime can. */
function abort(client: StreamSocket): Promise<void> {
  try {
    setOption.call(client, "SO_LINGER", 0);
  } catch {
    // Deno cannot, or the client has been closed
  }
  return closeUnseen(client);
}

// The method itself: an observer shows the experiment's own calls only.
const setOption = StreamSocket.prototype.setsockopt;
