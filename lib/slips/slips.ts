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
import { lineIn, sourceOf } from "./source.ts";
import { type AnySocket, closeUnseen, waitOn } from "./unseen.ts";

/** What is known of a run that hangs. */
export interface Watched {
  readonly url: string;
  readonly role: "both" | "server" | "client";
  /** The last sockets that were created or served. */
  readonly sockets: AnySocket[];
  /** The sockets for which the server called ready(), and those it serves. */
  readonly served: WeakSet<AnySocket>;
  /** The server's address, once it is ready. */
  address?: Address;
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

/** Closes what the clients left open, as their processes would, and says so. */
export async function closeLeft(
  sockets: AnySocket[],
  url: string,
): Promise<void> {
  const source = await sourceOf(url);
  const [name, line] = socketIn(source, "client", "connection");
  console.error(
    `${placeOf(url, line)}: The client has not closed its socket: write ` +
      `"await ${name}.close()" at its end`,
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
  const waitsIn = (
    end: string,
    call: string,
  ) => [
    `The ${end} waits in ${call}()`,
    placeOf(url, lineIn(source, end, call)),
  ];
  const [first] = waits;
  if (!address) {
    if (!first) return;
    const [what, place] = waitsIn("server", first.call);
    const [name] = socketIn(source, "server", "listener");
    return `${place}: ${what}, and nobody knows that it is ready: write ` +
      `"ready(${name})" before it`;
  }
  const client = waits.find(({ socket }) => !served.has(socket));
  if (!client || noted || role !== "both") return;
  noted = true;
  const peer = client.socket instanceof StreamSocket &&
    innerOf(client.socket).peer;
  const [what, place] = waitsIn("client", client.call);
  const server = waits.find(({ socket, call }) =>
    served.has(socket) && call !== "accept"
  );
  const [, there] = server ? waitsIn("server", server.call) : [];
  console.error(
    `${place}: ${what} for the server, ${displayAddress(peer || address)}` +
      (server
        ? `, and that in ${server.call}() for the client (${there}): one of ` +
          "them must send first"
        : ": does the server send what it should?"),
  );
}

let noted = false;

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
