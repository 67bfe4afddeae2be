/**
 * Runs an experiment from the command line: one of its ends, or both in one
 * process, so that the file itself shows the socket calls and nothing else.
 *
 * @module
 */
import type { Address } from "../sockets/address.ts";
import type { Flag, Settings } from "./command_line.ts";
import type { DatagramSocket } from "../sockets/datagram_socket.ts";
import { runtime } from "../sockets/runtimes/mod.ts";
import { displayAddress, SocketError } from "../sockets/socket_error.ts";
import { hooks } from "../sockets/socket.ts";
import type { StreamSocket } from "../sockets/stream_socket.ts";
import type { Transcript } from "./transcript.ts";
import { defaults } from "../sockets/queues.ts";

export type { Flag, Settings } from "./command_line.ts";

/** What an experiment's server or client is given. */
export interface End {
  /** Where to listen, or what to connect to. */
  readonly address: Address;
  /** The values of the experiment's own flags, where they were given. */
  readonly flags: Record<string, string | undefined>;
  /** Prints a line; control characters, which a peer may send, are escaped. */
  print(...words: unknown[]): void;
  /** Says that the server listens: lets the client start, and a stop end it. */
  ready(...listeners: (StreamSocket | DatagramSocket)[]): void;
  /**
   * Serves one client on the side: the accepted socket, or the sender of one
   * datagram. What goes wrong with it is told in one line and ends nothing
   * else. A socket is closed afterwards, and if it is silent for too long.
   * Resolves when one more may be served: at once, unless too many are.
   */
  serve(
    client: StreamSocket | Address,
    work: () => Promise<unknown>,
  ): Promise<void>;
  /** Resolves when all those are done that are served now. */
  done(): Promise<unknown>;
}

/** An experiment: both ends, and where the server listens unless told. */
export interface Experiment {
  /** The file, `import.meta.url`. */
  readonly url: string;
  readonly port: number;
  /** Flags that only this experiment has, by name. */
  readonly flags?: Record<string, Flag>;
  server(end: End): Promise<unknown>;
  client(end: End): Promise<unknown>;
}

/** What a server bears, the same in every experiment. */
export const limits = {
  /** A client may be silent for so many ms. */
  idle: 30_000,
  /** So many are served at once; more wait in the backlog. */
  clients: 1024,
  /** After a stop, those in hand have so many ms. */
  grace: 5_000,
};

/** What the ends returned. */
export interface Outcome {
  server?: unknown;
  clients: unknown[];
}

/**
 * Runs an experiment as the command line says (`--help` lists what it takes),
 * and ends the process with 1 for a socket's failure and 2 for a wrong flag.
 */
export async function experiment(experiment: Experiment): Promise<void> {
  runtime.outliveReaders();
  const args = runtime.args();
  let settings = DEFAULTS;
  if (args.length > 0) {
    const { parse } = await import("./command_line.ts");
    settings = await parse(experiment, args);
  }
  let transcript: Transcript | undefined;
  if (settings.trace || settings.diagram) {
    const { transcribe } = await import("./transcript.ts");
    transcript = transcribe(settings);
  }
  try {
    const ended = run(experiment, settings, transcript?.write);
    await ended.finally(transcript?.end);
  } catch (error) {
    const { tell } = await import("./failure.ts");
    tell(error, experiment, settings);
    runtime.exit(1);
  }
}

/** Runs the ends that the settings name, and gives what they return. */
export async function run(
  experiment: Experiment,
  given: Partial<Settings> = {},
  write: Write = writer(given),
): Promise<Outcome> {
  const settings = { ...DEFAULTS, ...given };
  const { role, host, port = experiment.port } = settings;
  defaults.timeout = settings.timeout ?? null;
  if (role === "client") {
    const clients = await runClients(experiment, settings, [host, port], write);
    return { clients };
  }
  const { listening, ended, stop } = startServer(experiment, settings, write);
  if (role === "server") {
    let again = false;
    runtime.onStop(() => {
      if (again) runtime.exit(130);
      again = true;
      stop();
    });
    return { server: await ended, clients: [] };
  }
  try {
    const failed = new Promise<never>((_, reject) => ended.catch(reject));
    const address = await Promise.race([listening, failed]);
    const work = runClients(experiment, settings, address, write);
    const clients = await Promise.race([work, failed]);
    stop();
    return { server: await ended, clients };
  } finally {
    stop();
  }
}

/** Takes a line of an end's output, or with `note` one for the user. */
export type Write = (
  end: "server" | "client",
  line: string,
  note?: "note",
) => void;

async function runClients(
  { client }: Experiment,
  { clients = 1, flags }: Settings,
  address: Address,
  write: Write,
): Promise<unknown[]> {
  const print: End["print"] = (...words) => write("client", lineOf(words));
  const results = [];
  for (let i = 0; i < clients; i++) {
    const nobody = { ready() {}, serve: nothing, done: nothing };
    results.push(await client({ address, flags, print, ...nobody }));
  }
  return results;
}

/**
 * Starts the server. `listening` resolves to its address; `ended`, once its
 * last client is done, to what it returned; `stop` lets the exchanges in hand
 * end, and accepts no more.
 */
function startServer(
  experiment: Experiment,
  { role, host, port, clients, timeout, flags }: Settings,
  write: Write,
) {
  const alone = role === "server";
  // With both ends here nobody is slow, and Deno's first timer costs 5 ms.
  const idle = timeout ?? (alone ? limits.idle : null);
  const serving = new Map<StreamSocket | Address, Promise<void>>();
  let listeners: (StreamSocket | DatagramSocket)[] = [];
  let ownPort: number | undefined;
  /** Somebody waits until one less is served. */
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
    print: (...words) => write("server", lineOf(words)),
    ready(...sockets) {
      listeners = sockets;
      if (stopped) return void closeListeners();
      // clients may take their time to come
      for (const listener of listeners) listener.settimeout(null);
      hooks.unseen = true; // the experiment did not call it
      const address = listeners[0].getsockname();
      hooks.unseen = false;
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
      if (isSocket(client)) client.settimeout(idle);
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
    served = isSocket(client) ? served + 1 : senders.add(String(client)).size;
    if (served < most) return;
    if (isSocket(client)) return stop();
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
        write("server", lineOf([known ? error.message : error]), "note");
      }
    }
    if (isSocket(client)) await client.close();
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
    if (alone) {
      grace = setTimeout(() => {
        for (const client of serving.keys()) {
          if (isSocket(client)) client.close();
        }
      }, limits.grace);
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

const nothing = async () => {};

function isSocket(client: StreamSocket | Address): client is StreamSocket {
  return typeof client === "object" && "close" in client;
}

/** The local date and time as the lab tells it: `dd/mm/yyyy HH:MM:SS`. */
export function dateAndTime(date = new Date()): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${two(date.getDate())}/${two(date.getMonth() + 1)}`;
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()];
  return `${day}/${date.getFullYear()} ${time.map(two).join(":")}`;
}

/** Words as one line, cut if it is long, that cannot drive a terminal. */
export function lineOf(words: unknown[]): string {
  const line = words.join(" ").replace(/^(.{1000}).+/s, "$1...");
  return line.replace(UNSAFE, (character) => {
    const short = SHORT[character];
    if (short) return short;
    const code = character.codePointAt(0)!.toString(16);
    return code.length > 2 ? `\\u{${code}}` : `\\x${code.padStart(2, "0")}`;
  });
}

/** Controls, and what turns the direction of writing. */
// deno-lint-ignore no-control-regex
const UNSAFE = /[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g;
const SHORT: Record<string, string> = {
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

/** Both ends are told apart by a tag; one end alone looks as in the seeds. */
export function writer(
  { role = "both", json }: Partial<Settings>,
  print: (line: string) => void = console.log,
): Write {
  return (end, line, note) => {
    const tagged = role === "both" ? `${end}: ${line}` : line;
    if (note) console.error(tagged);
    else print(json ? JSON.stringify({ end, line }) : tagged);
  };
}

const DEFAULTS: Settings = {
  role: "both",
  host: "127.0.0.1",
  port: undefined,
  clients: undefined,
  timeout: undefined,
  trace: false,
  diagram: false,
  json: false,
  flags: {},
};

const DONE = Promise.resolve();

/** After so long without a datagram, the senders so far are served, in ms. */
const QUIET = 1_000;
