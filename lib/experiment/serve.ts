/**
 * Runs the server of an experiment: serves clients concurrently within the
 * limits, and stops gracefully.
 *
 * @module
 */
import { type Address, displayAddress } from "../sockets/address.ts";
import { SocketError } from "../sockets/socket_error.ts";
import { StreamSocket } from "../sockets/stream_socket.ts";
import { joinWords, slipIn, type Write } from "./print.ts";
import {
  type End,
  type Experiment,
  limits,
  type Settings,
} from "./settings.ts";
import { type AnySocket, closeUnseen, nameOf } from "../slips/unseen.ts";

/** An accepted socket, or the sender of a datagram. */
type Client = StreamSocket | Address;

/**
 * Starts the server of an experiment. `listening` resolves to its address, and
 * `ended` to what it returned, once its last client is done; `stop` accepts no
 * more clients and lets running exchanges end.
 */
export function startServer(
  experiment: Experiment,
  { role, host, port, clients, timeout, flags }: Settings,
  write: Write,
) {
  const alone = role === "server";
  // With both ends here no client is slow, and Deno's first timer costs 5 ms.
  const idle = timeout ?? (alone ? limits.idle : null);
  const serving = new Map<Client, Promise<void>>();
  let listeners: AnySocket[] = [];
  let ownPort: number | undefined;
  /** Pending while `limits.clients` are being served. */
  let slot: PromiseWithResolvers<void> | undefined;
  let served = 0;
  let longestPause = 0; // between two datagrams of one sender, in ms
  const senders = new Set<string>();
  let quiet: ReturnType<typeof setTimeout> | undefined;
  let grace: ReturnType<typeof setTimeout> | undefined;
  let stopped = false;
  let closed: Promise<unknown> | undefined;
  let bug: unknown;
  const listening = Promise.withResolvers<Address>();
  const crashed = Promise.withResolvers<never>();
  const note = (line: string) => write("server", line, "note");

  const end: End = {
    address: [host, port ?? (alone ? experiment.port : 0)],
    flags,
    print: (...words) => write("server", joinWords(words)),
    ready(...sockets) {
      listeners = sockets;
      if (stopped) return void closeListeners();
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
    },
    async serve(client, work, { anyPort = false, pause = 0 } = {}) {
      if (client instanceof StreamSocket) client.settimeout(idle);
      else if (client[1] === ownPort && !anyPort) {
        // A server, or forged: the two would answer each other for ever.
        note(`Not answered: ${displayAddress(client)} has a server's port`);
        return;
      }
      serving.set(client, serveOne(client, work));
      longestPause = Math.max(longestPause, pause);
      if (alone && clients !== undefined) count(client, clients);
      if (serving.size < limits.clients) return;
      slot ??= Promise.withResolvers();
      await slot.promise;
    },
    done: () => Promise.all(serving.values()),
  };

  async function serveOne(client: Client, work: () => Promise<unknown>) {
    try {
      await work();
    } catch (error) {
      const known = error instanceof SocketError;
      if (!known) {
        bug ??= error; // in the experiment's own code: the run fails at the end
        if (!alone) crashed.reject(error);
      }
      // A stop closes the sockets; of a run that fails, the caller says why.
      const silent = known ? stopped && error.code === "EBADF" : !alone;
      const slip = silent ? "" : await slipIn(error, experiment.url);
      if (!silent) note(slip ?? joinWords([known ? error.message : error]));
    }
    if (client instanceof StreamSocket) await client.close();
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
    if (!alone) return;
    grace = setTimeout(() => {
      for (const client of serving.keys()) {
        if (client instanceof StreamSocket) closeUnseen(client);
      }
    }, limits.grace);
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
      for (const timer of [grace, quiet]) {
        if (timer !== undefined) clearTimeout(timer); // Deno's first costs 5 ms
      }
    }
  }

  const ended = Promise.race([runToEnd(), crashed.promise]);
  return { listening: listening.promise, ended, stop };
}
