/**
 * A player at the client: it joins a match, and takes the states that come.
 *
 * @module
 */
import { LAST_TICK } from "../protocols/game_drill.ts";
import {
  decodeMessage,
  type Message,
  type Seat,
  type Snapshot,
} from "../protocols/game_messages.ts";
import {
  type Command,
  formatCommand,
  parseCommand,
} from "../protocols/quake.ts";
import { type Address, displayAddress } from "../sockets/address.ts";
import type { DatagramSocket } from "../sockets/datagram_socket.ts";
import { escapeControls } from "../sockets/escape.ts";
import { SocketError } from "../sockets/socket_error.ts";
import { monotonic } from "./clock.ts";
import { replies } from "./replies.ts";

/** The server lets nobody in, and says why. */
export class Refused extends SocketError {
  constructor(server: Address, reason: string) {
    super("EPROTO", "recv", server);
    this.message = escapeControls(
      `Cannot join ${displayAddress(server)}: ${reason.slice(0, 200)}`,
    );
  }
}

/** A title for a match of programs: 16 hexadecimal digits that nobody can guess. */
export function newTitle(): string {
  return crypto.randomUUID().replaceAll("-", "").slice(16);
}

/**
 * Joins a match over a connected socket: that of people, or with a title one of
 * programs. First it asks for a challenge, and
 * sends that back: it shows that it receives at its address.
 *
 * @throws {SocketError} Refused; ETIMEDOUT, and any other error of the socket.
 */
export async function join(
  socket: DatagramSocket,
  { name, match = "" }: { name: string; match?: string },
): Promise<Seat> {
  // As long as the answer, or there would be none.
  const getchallenge = { command: "getchallenge", words: "0".repeat(24) };
  const { words: challenge = "" } = await ask(
    socket,
    getchallenge,
    (answer) => answer.command === "challengeResponse",
  );
  const connect = { command: "connect", info: { challenge, name, match } };
  const { info } = await ask(
    socket,
    connect,
    ({ command, info }) =>
      command === "connectResponse" && KEY.test(info?.key ?? "") &&
      /^[01]$/.test(info?.side ?? ""),
  );
  const side = Number(info!.side) as 0 | 1;
  return { key: info!.key, side, isDrill: match !== "" };
}

/** Sends a request, again and again, until there is an answer that fits. */
async function ask(
  socket: DatagramSocket,
  request: Command,
  fits: (answer: Command) => boolean,
): Promise<Command> {
  for (const wait of WAITS) {
    await socket.send(formatCommand(request));
    for await (const data of replies(socket, wait, () => socket.recv(1024))) {
      const answer = parseCommand(data);
      if (answer?.command === "print") {
        throw new Refused(socket.getpeername(), answer.lines?.[0] ?? "");
      }
      if (answer && fits(answer)) return answer;
    }
  }
  throw new SocketError("ETIMEDOUT", "recv", socket.getpeername());
}

/**
 * The states of a match as they come, each newer than the one before; an older one
 * is no news. It ends when the match is over: after the last tick of a drill.
 *
 * @throws {SocketError} ETIMEDOUT if no state comes for 5 s, in a drill 30 s, or the
 *   socket's timeout; in a drill also if each tick takes more than a second.
 *   ECONNRESET if the match is over too early.
 */
export async function* statesOf(
  socket: DatagramSocket,
  seat: Seat,
): AsyncGenerator<Snapshot> {
  const longest = seat.isDrill ? LONGEST_WAIT : SILENCE;
  const timeout = Math.min(socket.gettimeout() ?? longest, longest);
  const start = monotonic();
  for (let [number, tick] = [0, 0];;) {
    const isLast = seat.isDrill && tick >= LAST_TICK;
    // What says that it is over may be lost; the last state would come again.
    const wait = isLast ? Math.min(timeout, LAST_WAIT) : timeout;
    const message = await nextOf(socket, seat, number, wait);
    const most = timeout + 1000 * Math.min(tick, LAST_TICK);
    const isLate = seat.isDrill && monotonic() - start > most;
    if (message?.kind === "STATE" && !isLate) {
      ({ number, state: { tick } } = message);
      yield message;
    } else if (isLast) return;
    else {
      const code = message?.kind === "OVER" ? "ECONNRESET" : "ETIMEDOUT";
      throw new SocketError(code, "recv", socket.getpeername());
    }
  }
}

/** What comes next: a state after that with the number, or the end of the match. */
async function nextOf(
  socket: DatagramSocket,
  seat: Seat,
  number: number,
  ms: number,
): Promise<Message | undefined> {
  for await (const data of replies(socket, ms, () => socket.recv(1024))) {
    const message = decodeMessage(data);
    if (message?.key !== seat.key || message.side !== seat.side) continue;
    if (message.kind === "OVER") return message;
    if (message.kind === "STATE" && message.number > number) return message;
  }
}

/** How long to wait for an answer before asking again, in ms. */
const WAITS = [250, 500, 1000, 2000, 4000];

/** For a state, in ms: in a drill, and in a match of people. */
const [LONGEST_WAIT, SILENCE] = [30_000, 5_000];

/** For the end of a drill after its last state, in ms. */
const LAST_WAIT = 3_000;

const KEY = /^[0-9a-f]{16}$/;
