/**
 * Names the slips of somebody who edits an experiment, each in one line: what is
 * wrong, where, and what to do. Loaded only when something is wrong.
 *
 * @module
 */
import { type Address, displayAddress } from "../sockets/address.ts";
import { DatagramSocket, datagramWait } from "../sockets/datagram_socket.ts";
import { escapeControls } from "../sockets/escape.ts";
import { SocketError } from "../sockets/socket_error.ts";
import { innerOf, StreamSocket, streamWait } from "../sockets/stream_socket.ts";
import { lineIn, sourceOf } from "./source.ts";
import { type AnySocket, closeUnseen, nameOf } from "./unseen.ts";

/** What is known of a run. */
export interface Watched {
  readonly url: string;
  readonly role: "both" | "server" | "client";
  /** What the last calls of socket() returned or threw. */
  readonly sockets: unknown[];
  /** The clients that the server serves: accepted sockets, and addresses. */
  serving?: ReadonlyMap<unknown, unknown>;
  /** The sockets for which the server has called ready(). */
  listeners?: readonly AnySocket[];
}

/** The script's own slip from which an error comes, or undefined. */
export function nameSlip(error: unknown, url: string): string | undefined {
  if (!(error instanceof Error)) return;
  const { name, message, stack = "" } = error;
  const frames = stack.split("\n").filter((frame) =>
    /:\d+:\d+\)?$/.test(frame) && !/\b(node|ext|native|bun):/.test(frame)
  );
  const isOwn = (frame = "") => frame.includes(`${fileOf(url)}:`);
  const line = frames.find(isOwn)?.match(/(\d+):\d+\)?$/)?.[1];
  const place = placeOf(url, Number(line) || undefined);
  if (error instanceof SocketError) {
    const advice = FAILURES[`${error.call} ${error.code}`] ??
      FAILURES[error.code];
    return advice && `${place}: ${message.replace(/: [^:]*$/, "")}: ${advice}`;
  }
  const [what, unawaited] = message.split(": it needs an await");
  if (unawaited === "") {
    return `${place}: ${what}: write await before the call that gives it`;
  }
  if (!isOwn(frames[0])) return;
  if (/not iterable|iterator/i.test(message)) return `${place}: ${NO_LIST}`;
  const advice = error instanceof TypeError ? " (is an await missing?)" : "";
  return escapeControls(`${place}: ${name}: ${message}${advice}`);
}

/** What to do after a slip, by the call and the code. */
const FAILURES: Record<string, string> = {
  "accept EINVAL": 'write "await listener.listen()" before it',
  "recvfrom EINVAL": 'write "await receiver.bind(address)" before it',
  "recv EINVAL": 'write "await connection.connect(address)" before it',
  ENOTCONN: 'write "await connection.connect(address)" before it, or use the ' +
    "socket that accept() gives",
  EDESTADDRREQ: "call connect() before send(), or sendto() with an address",
  EBADF: "the program has closed this socket before (is an await missing?)",
};

const NO_LIST = "Cannot take apart what is no list: write await before the " +
  'call, "await listener.accept()", or "for await"';

/** Closes what a client left open, as its process would, and says so. */
export async function closeLeft({ url, sockets, listeners }: Watched) {
  const port = (of: Address) => typeof of === "string" ? of : of[1];
  const left = sockets.filter((socket) => {
    const peer = socket instanceof StreamSocket && innerOf(socket).peer;
    const [own] = listeners ?? [];
    return peer && (!own || port(peer) === port(nameOf(own)));
  });
  if (left.length === 0) return;
  const [name, line] = socketIn(await sourceOf(url), "client", "connection");
  console.error(
    `${placeOf(url, line)}: The client has not closed its socket: write ` +
      `"await ${name}.close()" at its end`,
  );
  for (const socket of left) await closeUnseen(socket as AnySocket);
}

/** Resolves to a slip with which a run cannot go on; prints a note if it can. */
export async function hangOf(
  watched: Watched,
  later: (ms: number) => Promise<void>,
): Promise<string> {
  let before: unknown[] = [];
  let noted = false;
  while (!noted && (watched.role === "both" || !watched.listeners)) {
    const waits = waitsOf(watched);
    const same = waits.length === before.length &&
      waits.every(({ waiting }, i) => waiting === before[i]);
    before = waits.map(({ waiting }) => waiting);
    if (waits.length > 0 && same) {
      const source = await sourceOf(watched.url);
      if (!watched.listeners) return neverReady(watched.url, source, waits);
      noted = noteHang(watched, source, waits);
    }
    await later(PATIENCE);
  }
  return new Promise(() => {});
}

/** How long nothing must happen, in ms. */
const PATIENCE = 5_000;

/** A call that waits, at one of the ends. */
interface Waits {
  readonly end: "server" | "client";
  readonly socket: AnySocket;
  readonly waiting: { readonly call: string };
}

function waitsOf({ sockets, serving, listeners }: Watched): Waits[] {
  const all = [...sockets, ...[...serving?.keys() ?? []].slice(-16)];
  return all.flatMap((socket) => {
    const waiting = socket instanceof StreamSocket
      ? streamWait(socket)
      : socket instanceof DatagramSocket
      ? datagramWait(socket)
      : undefined;
    if (!waiting) return [];
    const own = socket as AnySocket;
    const served = !listeners || listeners.includes(own) || serving?.has(own);
    return [{ end: served ? "server" : "client", socket: own, waiting }];
  });
}

function neverReady(url: string, source: string, [first]: Waits[]): string {
  const { call } = first.waiting;
  const [name] = socketIn(source, "server", "listener");
  return `${
    placeOf(url, lineIn(source, "server", call))
  }: The server waits in ` +
    `${call}(), and nobody knows that it is ready: write "ready(${name})" before it`;
}

/** Says for whom a client waits in vain; whether one does. */
function noteHang({ url, listeners }: Watched, source: string, waits: Waits[]) {
  const client = waits.find(({ end }) => end === "client");
  if (!client) return false;
  const place = ({ end, waiting }: Waits) =>
    placeOf(url, lineIn(source, end, waiting.call));
  const peer = client.socket instanceof StreamSocket &&
    innerOf(client.socket).peer;
  const address = displayAddress(peer || nameOf(listeners![0]));
  const server = waits.find(({ end, waiting }) =>
    end === "server" && waiting.call !== "accept"
  );
  const advice = server
    ? `, and the server in ${server.waiting.call}() for the client ` +
      `(${place(server)}): one of them must send first`
    : ": does the server send what it should?";
  console.error(
    `${place(client)}: The client waits in ${client.waiting.call}() for the ` +
      `server, ${address}${advice}`,
  );
  return true;
}

/** The name of the only socket that a function creates, and its line. */
function socketIn(source: string, end: string, otherwise: string) {
  const line = lineIn(source, end, "socket");
  const text = line ? source.split("\n")[line - 1] : "";
  return [text.match(/(\w+) = socket/)?.[1] ?? otherwise, line] as const;
}

function fileOf(url: string): string {
  return url.match(/[^/]+$/)![0];
}

function placeOf(url: string, line?: number): string {
  const [path] = url.match(/(scripts\/)?[^/]+$/)!;
  return line ? `${path}:${line}` : path;
}
