/**
 * One end of a connection, on the library's stream sockets: sends bytes that
 * can be checked, receives and checks the peer's, and may interrupt its calls.
 *
 * @module
 */
import { setTimeout as pause } from "node:timers/promises";
import {
  SHUT_WR,
  SocketError,
  type StreamSocket,
  type Wait,
} from "../../lib/mod.ts";
import {
  firstWrong,
  keyOf,
  pattern,
  pick,
  type Random,
  randomOf,
} from "./pattern.ts";
import type { EndRecord } from "./reconciliation.ts";
import { GREETING, keysOf, type Scenario } from "./scenario.ts";

/** What an end of a connection needs to know. */
export interface Side {
  readonly socket: StreamSocket;
  readonly scenario: Scenario;
  /** Is kept up to date. */
  readonly record: EndRecord;
  readonly seed: number;
  /** Is awaited when half of what is due has been sent. */
  readonly halfway?: () => Promise<void>;
}

/** Why a conversation ends early: see `EndRecord.ended`. */
export class Ended extends Error {}

/** For how long the server waits for a client that stalls, in ms. */
const STALLED = 200;

/** Does what the scenario says for this end; returns how that ended. */
export async function converse(side: Side): Promise<string> {
  const { record, scenario: { dialogue, up, down, rounds, fault } } = side;
  const stream = new Stream(side);
  const isClient = record.end === "client";
  const [out, into] = isClient ? [up, down] : [down, up];
  if (dialogue === "streams") {
    await stream.both(out, into);
    return "whole";
  }
  const halfClose = dialogue === "half-close";
  const parts = halfClose ? 1 : rounds;
  if (fault === "stall" && !isClient) side.socket.settimeout(STALLED);
  for (let i = 0; i < parts; i++) {
    const part = (all: number) =>
      Math.floor(all * (i + 1) / parts) - Math.floor(all * i / parts);
    if (!isClient) await stream.receive(part(into));
    if (!isClient && halfClose) await stream.expectEnd();
    await stream.send(part(out));
    if (isClient && halfClose) await stream.finish();
    if (isClient) await stream.receive(part(into));
  }
  if (!isClient && !halfClose) await stream.expectEnd();
  if (!isClient || !halfClose) await stream.finish();
  if (isClient) await stream.expectEnd();
  return "whole";
}

/** Makes the client's fault, if it needs no other sockets than the library's. */
export async function misbehave(side: Side): Promise<string> {
  const { scenario: { fault, up }, socket } = side;
  const stream = new Stream(side);
  const half = Math.floor(up / 2);
  if (fault === "killed") await converse(side);
  else if (fault === "unread") { // then close() sends an RST instead of a FIN
    await stream.send(Math.min(half, 1000));
    await stream.receive(1);
  } else {
    await stream.send(half);
    await stream.greeted();
    if (fault === "stall") await socket.recv(1); // until the server closes it
  }
  return "left";
}

/** Notes how an attempt ends: its result, or the code of its error. */
export async function noteEnd(attempt: Promise<string>, record: EndRecord) {
  record.ended = await attempt.catch((error) => {
    if (error instanceof Ended) return error.message;
    if (error instanceof SocketError) return error.code;
    record.note = String(error?.stack ?? error);
    return "wrong";
  });
}

/** Both directions of a connection, and how far they are. */
class Stream {
  readonly #side: Side;
  readonly #keys: { out: number; into: number };
  readonly #random: Random;

  constructor(side: Side) {
    const { scenario, seed, record } = side;
    const { up, down } = keysOf(seed, scenario);
    const isClient = record.end === "client";
    this.#side = side;
    this.#keys = isClient ? { out: up, into: down } : { out: down, into: up };
    this.#random = randomOf(keyOf(seed, scenario.id, isClient ? 3 : 4));
  }

  /** Both directions at once, each to its end. */
  async both(out: number, into: number): Promise<void> {
    const all = await Promise.allSettled([
      this.send(out).then(() => this.finish()),
      this.receive(into).then(() => this.expectEnd()),
    ]);
    const reasons = all.flatMap((one) =>
      one.status === "rejected" ? [one.reason] : []
    );
    if (reasons.length === 0) return;
    // Of two errors the reset says more than what follows from it.
    throw reasons.find(({ code }) => code === "ECONNRESET") ?? reasons[0];
  }

  /** Sends the next bytes, in pieces of any size. */
  async send(count: number): Promise<void> {
    const { socket, record, scenario, halfway } = this.#side;
    const middle = (record.end === "client" ? scenario.up : scenario.down) / 2;
    for (let left = count; left > 0;) {
      const piece = pattern(this.#keys.out, record.sent, this.#pieceOf(left));
      left -= piece.length;
      record.sent += piece.length;
      if (scenario.impatient) await this.#sendInTwo(piece);
      else await socket.sendall(piece);
      if (record.sent >= middle && record.sent - piece.length < middle) {
        await halfway?.();
      }
    }
  }

  /**
   * Interrupts the second part again and again while it waits behind the first:
   * then it is withdrawn. Once it has begun it is let be, since nobody could say
   * how much of it was sent.
   */
  async #sendInTwo(piece: Uint8Array): Promise<void> {
    const { socket } = this.#side;
    const middle = Math.floor(piece.length * this.#random());
    let waits = true;
    const rest = (wait: Wait) => socket.sendall(piece.subarray(middle), wait);
    await Promise.all([
      socket.sendall(piece.subarray(0, middle)).then(() =>
        void (waits = false)
      ),
      interrupting(socket, this.#random, rest, () => waits),
    ]);
  }

  /** Receives the next bytes, in pieces of any size, and checks them. */
  async receive(count: number): Promise<void> {
    const { record, scenario } = this.#side;
    const slow = scenario.slow && record.end === "client";
    await this.greeted();
    if (slow) await pause(100 * this.#random());
    for (let left = count, pauses = 20; left > 0;) {
      const size = this.#pieceOf(left);
      const bytes = await this.#recv(size);
      if (bytes.length > size) throw new Error(`recv(${size}) gave more`);
      if (bytes.length === 0) throw new Ended("cut");
      const wrong = firstWrong(this.#keys.into, record.received, bytes);
      if (wrong >= 0) this.#fail(`byte ${wrong} is not the one that was sent`);
      record.received += bytes.length;
      left -= bytes.length;
      if (slow && pauses-- > 0) await pause(5 * this.#random());
    }
  }

  /** Receives the greeting: the client must know that the server has it. */
  async greeted(): Promise<void> {
    const { record } = this.#side;
    if (record.end === "server" || record.greeted) return;
    const bytes = await this.#recv(GREETING.length);
    if (bytes.length === 0) throw new Ended("cut");
    record.greeted = true;
    if (bytes[0] !== GREETING[0]) this.#fail("the greeting is another");
  }

  /** Nothing more may come. */
  async expectEnd(): Promise<void> {
    const { received } = this.#side.record;
    const { length } = await this.#recv(1);
    if (length > 0) this.#fail(`more than the ${received} bytes that are due`);
  }

  finish(): Promise<void> {
    return this.#side.socket.shutdown(SHUT_WR);
  }

  #fail(note: string): never {
    this.#side.record.note = note;
    throw new Ended("wrong");
  }

  #recv(size: number): Promise<Uint8Array> {
    const { socket, scenario } = this.#side;
    const recv = (wait?: Wait) => socket.recv(size, wait);
    return scenario.impatient
      ? interrupting(socket, this.#random, recv)
      : recv();
  }

  /** Of any order of magnitude up to 64 KiB. */
  #pieceOf(left: number): number {
    return Math.min(left, Math.ceil(2 ** (16 * this.#random())));
  }
}

// --- interrupted calls ---

interface WithTimeout {
  gettimeout(): number | null;
  settimeout(ms: number | null): void;
}

/**
 * Makes a call again and again until it is not interrupted, by a timeout of the
 * socket or by a signal: nothing may be lost. A call that may be interrupted only
 * while it `waits` behind another is interrupted by signals.
 */
export async function interrupting<T>(
  socket: WithTimeout,
  random: Random,
  call: (wait: Wait) => Promise<T>,
  waits?: () => boolean,
): Promise<T> {
  while (true) {
    const ms = 4 * random() - 1; // a signal may be aborted before the call
    const by = pick(random, [
      "nothing",
      waits ? "signal" : "timeout",
      "signal",
    ]);
    const controller = new AbortController();
    const abort = () => {
      if (waits?.() ?? true) controller.abort(INTERRUPTED);
    };
    if (by === "signal" && ms < 0) abort();
    const timer = by === "signal"
      ? setTimeout(abort, Math.max(0, ms))
      : undefined;
    const own = socket.gettimeout();
    if (by === "timeout") socket.settimeout(Math.max(1, Math.ceil(ms)));
    const signal = by === "nothing" ? NEVER : controller.signal;
    const attempt = call({ signal });
    socket.settimeout(own); // other calls keep theirs
    try {
      return await attempt;
    } catch (error) {
      const late = error instanceof SocketError && error.code === "ETIMEDOUT";
      if (error !== INTERRUPTED && !(late && by === "timeout")) throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}

const INTERRUPTED = new Error("interrupted");

/** Never aborts, so it must not collect the listeners of all calls. */
const NEVER = new AbortController().signal;
