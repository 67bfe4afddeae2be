/**
 * Names the slips of somebody who edits an experiment, each in one line: what is
 * wrong, where, and what to do. Loaded only when something is wrong.
 *
 * @module
 */
import { type Address, displayAddress } from "../sockets/address.ts";
import { escapeControls } from "../sockets/escape.ts";
import { SocketError } from "../sockets/socket_error.ts";
import { innerOf, StreamSocket } from "../sockets/stream_socket.ts";
import type { Settings } from "./settings.ts";
import { lineIn, sourceOf } from "./source.ts";
import { type AnySocket, closeUnseen, waitOn } from "./unseen.ts";

/** What is known of a run that hangs. */
export interface Watched extends Pick<Settings, "role"> {
  readonly url: string;
  /** The last sockets that were created or served. */
  readonly sockets: AnySocket[];
  /** The sockets for which the server called ready(), and those it serves. */
  readonly served: WeakSet<AnySocket>;
  /** The server's address, once it is ready. */
  address?: Address;
}

/** The slip from which an error comes; undefined if that is none of the script's. */
export function nameSlip(error: unknown, url: string): string | undefined {
  if (!(error instanceof Error)) return;
  const { name, message, stack = "" } = error;
  const line = (text: string) =>
    stack.split("\n").find((frame) => frame.includes(text))
      ?.match(/:(\d+):\d+\)?$/)?.[1];
  const place = placeOf(url, Number(line(`${fileOf(url)}:`)) || undefined);
  const say = (what: string, advice: string) =>
    escapeControls(`${place}: ${what}: ${advice}`);
  if (error instanceof SocketError) {
    const { code, call } = error;
    const advice = FAILURES[`${call} ${code}`] ?? FAILURES[code];
    return advice && say(message.replace(/: [^:]*$/, ""), advice);
  }
  if (message.endsWith("a promise: it needs an await")) {
    return say(
      message.split(":")[0],
      "write await before the call that gives it",
    );
  }
  if (!madeIn(fileOf(url), stack)) return;
  const [, advice] = MISTAKES.find(([pattern]) => pattern.test(message)) ?? [];
  const what = `${name}: ${message}`;
  return advice ? say(what, advice) : escapeControls(`${place}: ${what}`);
}

/** What comes of a slip, by the call and the code, and what to do. */
const FAILURES: Record<string, string> = {
  "accept EINVAL": 'write "await listener.listen()" before it',
  "recvfrom EINVAL": 'write "await receiver.bind(address)" before it',
  "recv EINVAL": 'write "await connection.connect(address)" before it',
  ENOTCONN: 'write "await connection.connect(address)" before it; a server ' +
    "sends and receives with what accept() gives",
  EDESTADDRREQ: "call connect() before send(), or sendto() with an address",
  EBADF: "the program has closed this socket before; is an await missing?",
};

const MISTAKES: [message: RegExp, advice: string][] = [
  [
    /not iterable|iterator/i,
    'is an await missing, as in "await listener.accept()" or "for await"?',
  ],
  [/is not a function|undefined/, "is the name right, and no await missing?"],
];

/** Whether an error was thrown by the file itself and not by what it calls. */
function madeIn(file: string, stack: string): boolean {
  const frame = stack.split("\n").find((line) =>
    /:\d+:\d+\)?$/.test(line) && !/\b(node|ext|native|bun):/.test(line)
  );
  return frame !== undefined && frame.includes(`${file}:`);
}

/** Closes what the clients left open, as their processes would, and says so. */
export async function closeLeft(
  sockets: AnySocket[],
  url: string,
): Promise<void> {
  const source = await sourceOf(url);
  const line = lineIn(source, "client", / = socket\(/);
  const name = source.split("\n")[(line ?? 0) - 1]?.match(/(\w+) = socket/)
    ?.[1];
  console.error(
    `${placeOf(url, line)}: The client has not closed its socket: write ` +
      `"await ${name ?? "connection"}.close()" at its end`,
  );
  for (const socket of sockets) await closeUnseen(socket);
}

/** Why a run in which nothing happens cannot go on; notes if it perhaps can. */
export async function slipOf(watched: Watched): Promise<string | undefined> {
  const { url, sockets, served, address, role } = watched;
  const waits = sockets.flatMap((socket) => {
    const waiting = waitOn(socket);
    return waiting ? [{ socket, call: waiting.call }] : [];
  });
  const source = await sourceOf(url);
  const at = (end: string, call: string) =>
    placeOf(
      url,
      lineIn(source, end, CALLS[call] ?? new RegExp(`\\.${call}\\(`)),
    );
  const [first] = waits;
  if (!address) {
    if (!first) return;
    return `${
      at("server", first.call)
    }: The server waits in ${first.call}(), ` +
      'and no client starts: write "ready(...)" with its socket before it';
  }
  const client = waits.find(({ socket }) => !served.has(socket));
  if (!client || noted || role !== "both") return;
  noted = true;
  const server = waits.find(({ socket, call }) =>
    served.has(socket) && call !== "accept"
  );
  const peer = client.socket instanceof StreamSocket &&
    innerOf(client.socket).peer;
  const advice = server
    ? `, which waits in ${server.call}() for the client ` +
      `(${at("server", server.call)}): one of them must send first`
    : ": what does the server do that it does not send?";
  console.error(
    `${
      at("client", client.call)
    }: The client waits in ${client.call}() for the ` +
      `server, ${displayAddress(peer || address)}${advice}`,
  );
}

let noted = false;

/** The lines of a program that make a call, if not by its name. */
const CALLS: Record<string, RegExp> = {
  accept: /\.accept\(|for await/,
  recvfrom: /\.recvfrom\(|for await/,
  recv: /\.recv\(|\.(line|all|until|exactly|some)\(/,
};

function fileOf(url: string): string {
  return url.match(/[^/]+$/)![0];
}

function placeOf(url: string, line?: number): string {
  const [path] = url.match(/(scripts\/)?[^/]+$/)!;
  return line ? `${path}:${line}` : path;
}
