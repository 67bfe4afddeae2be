/**
 * What the experiments on repeated blocks share: a client that waits for a frame,
 * and a server that keeps a transfer for each sender in bounded memory.
 *
 * @module
 */
import {
  type Block,
  formatFrame,
  type Frame,
  parseFrame,
} from "../protocols/frames.ts";
import type { Address } from "../sockets/address.ts";
import type { DatagramSocket } from "../sockets/datagram_socket.ts";
import { SocketError } from "../sockets/socket_error.ts";
import { monotonic } from "./clock.ts";
import { isGone } from "./lossy.ts";

/**
 * The frame that is expected, if it comes within `ms`, and undefined if not; others
 * are ignored. ETIMEDOUT if the other end seems to be gone, or if nothing that was
 * expected has come for as long as the socket's own timeout, or for 30 s.
 */
export async function frameWithin(
  connection: DatagramSocket,
  ms: number,
  by: { expects(frame: Frame): boolean },
): Promise<Frame | undefined> {
  const timeout = connection.gettimeout();
  const start = monotonic();
  const since = waiting.get(connection) ?? start;
  waiting.set(connection, since);
  const isOver = () => monotonic() - since >= (timeout ?? LONGEST_WAIT);
  try {
    for (let ignored = 0; ignored < MOST_IGNORED && !isOver(); ignored++) {
      connection.settimeout(Math.max(1, start + ms - monotonic()));
      const frame = parseFrame(await connection.recv(1024));
      if (!frame || !by.expects(frame)) continue;
      waiting.delete(connection);
      return frame;
    }
  } catch (error) {
    const { code } = error as SocketError;
    if (code !== "ETIMEDOUT" || isGone(connection)) throw error;
  } finally {
    connection.settimeout(timeout);
  }
  if (!isOver()) return;
  throw new SocketError("ETIMEDOUT", "recv", connection.getpeername());
}

/** Since when a socket waits for what is expected. */
const waiting = new WeakMap<DatagramSocket, number>();

/** In ms. */
const LONGEST_WAIT = 30_000;

/** Whether a block's acknowledgement, with its number if it has one, comes. */
export async function acknowledged(
  connection: DatagramSocket,
  { way, number }: Block,
  ms: number,
): Promise<boolean> {
  const expects = (frame: Frame) =>
    frame.kind === "ACK" && frame.way === way && frame.number === number;
  return await frameWithin(connection, ms, { expects }) !== undefined;
}

/** Tells the server that a transfer has ended, until it confirms that. */
export async function end(
  connection: DatagramSocket,
  way: string,
  ms: number,
): Promise<void> {
  const expects = (frame: Frame) =>
    frame.kind === "FINACK" && frame.way === way;
  for (let attempt = 1, ended; !ended; attempt++) {
    const frame = { kind: "FIN", way, block: 0, attempt, text: "" } as const;
    await connection.send(formatFrame(frame));
    ended = await frameWithin(connection, ms, { expects });
  }
}

/**
 * What is kept for each sender and way: for the last 256 of them, since anybody
 * can forge a sender.
 */
export class Transfers<T> {
  readonly #make: () => T;
  readonly #kept = new Map<string, T>();

  constructor(make: () => T) {
    this.#make = make;
  }

  /** That of the sender; a new one if there is none. */
  of(sender: Address, way = ""): T {
    const transfer = this.end(sender, way) ?? this.#make();
    const [oldest] = this.#kept.keys();
    if (this.#kept.size >= MOST_KEPT) this.#kept.delete(oldest);
    this.#kept.set(`${sender} ${way}`, transfer);
    return transfer;
  }

  /** That of the sender, which is kept no longer; undefined if there is none. */
  end(sender: Address, way = ""): T | undefined {
    const transfer = this.#kept.get(`${sender} ${way}`);
    this.#kept.delete(`${sender} ${way}`);
    return transfer;
  }
}

const MOST_KEPT = 256;

/** So many frames that are not wanted are read before a wait counts as over. */
const MOST_IGNORED = 1024;
