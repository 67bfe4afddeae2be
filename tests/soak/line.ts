/**
 * One end of a connection, on the library's stream sockets: sends and receives
 * bytes that can be checked, in pieces of any size.
 *
 * @module
 */
import { setTimeout as pause } from "node:timers/promises";
import { SHUT_WR, type StreamSocket } from "../../lib/mod.ts";
import type { Half } from "./account.ts";
import { insist } from "./impatience.ts";
import { firstWrong, keyOf, pattern, randomOf } from "./pattern.ts";
import { GREETING, keysOf, type Plan } from "./plan.ts";

/** What an end of a connection needs to know. */
export interface Side {
  readonly socket: StreamSocket;
  readonly plan: Plan;
  /** Is kept up to date. */
  readonly half: Half;
  readonly seed: number;
  /** Is waited for when half of what is due has been sent. */
  readonly halfway?: () => Promise<void>;
}

/** Why a talk does not go on: see `Half.ended`. */
export class Ended extends Error {}

/** One end of a connection, and how far both its directions are. */
export class Line {
  readonly #side: Side;
  readonly #out: { key: number; due: number };
  readonly #in: { key: number };
  readonly #random;

  constructor(side: Side) {
    const { plan, seed, half } = side;
    const { up, down } = keysOf(seed, plan);
    const isClient = half.end === "client";
    this.#side = side;
    this.#out = isClient
      ? { key: up, due: plan.up }
      : { key: down, due: plan.down };
    this.#in = { key: isClient ? down : up };
    this.#random = randomOf(keyOf(seed, plan.id, isClient ? 3 : 4));
  }

  /** Both directions at once, each to its end. */
  async stream(out: number, into: number): Promise<void> {
    const all = await Promise.allSettled([
      this.send(out).then(() => this.finish()),
      this.receive(into).then(() => this.end()),
    ]);
    // Of two errors the reset says more than what follows from it.
    const reasons = all.flatMap((one) =>
      one.status === "rejected" ? [one.reason] : []
    );
    if (reasons.length === 0) return;
    throw reasons.find(({ code }) => code === "ECONNRESET") ?? reasons[0];
  }

  /** Sends the next bytes, in pieces of any size. */
  async send(count: number): Promise<void> {
    const { socket, half, plan, halfway } = this.#side;
    for (let left = count; left > 0;) {
      const piece = pattern(this.#out.key, half.sent, this.#pieceOf(left));
      left -= piece.length;
      half.sent += piece.length;
      if (plan.impatient) await this.#sendInTwo(piece);
      else await socket.sendall(piece);
      const middle = this.#out.due / 2;
      if (half.sent >= middle && half.sent - piece.length < middle) {
        await halfway?.();
      }
    }
  }

  /**
   * The second part is given up again and again: behind the first it is
   * withdrawn; when it has begun, it goes out all the same.
   */
  async #sendInTwo(piece: Uint8Array): Promise<void> {
    const { socket } = this.#side;
    const middle = Math.floor(piece.length * this.#random());
    let free = false;
    await Promise.all([
      socket.sendall(piece.subarray(0, middle)).then(() => {
        free = true;
      }),
      insist(
        socket,
        this.#random,
        ({ begun, ...wait }) =>
          socket.sendall(begun ? "" : piece.subarray(middle), wait),
        () => free,
      ),
    ]);
  }

  /** Receives the next bytes, in pieces of any size. */
  async receive(count: number): Promise<void> {
    const { half, plan } = this.#side;
    const slow = plan.slow && half.end === "client";
    await this.greeted();
    if (slow) await pause(100 * this.#random());
    for (let left = count, pauses = 20; left > 0;) {
      const size = this.#pieceOf(left);
      const bytes = await this.#recv(size);
      if (bytes.length > size) throw new Error(`recv(${size}) gave more`);
      this.#check(bytes);
      left -= bytes.length;
      if (slow && pauses-- > 0) await pause(5 * this.#random());
    }
  }

  /** The next bytes that have arrived must be the right ones. */
  #check(bytes: Uint8Array): void {
    const { half } = this.#side;
    if (bytes.length === 0) throw new Ended("cut");
    const wrong = firstWrong(this.#in.key, half.received, bytes);
    if (wrong >= 0) {
      half.note = `byte ${wrong} is not the one that was sent`;
      throw new Ended("wrong");
    }
    half.received += bytes.length;
  }

  /** The client has to know that it is served before it leaves. */
  async greeted(): Promise<void> {
    const { half } = this.#side;
    if (half.end === "server" || half.greeted) return;
    const bytes = await this.#recv(GREETING.length);
    if (bytes.length === 0) throw new Ended("cut");
    half.greeted = true;
    if (bytes[0] === GREETING[0]) return;
    half.note = "the greeting is another";
    throw new Ended("wrong");
  }

  /** Nothing more may come. */
  async end(): Promise<void> {
    const { half } = this.#side;
    const { length } = await this.#recv(1);
    if (length === 0) return;
    half.note = `more than the ${half.received} bytes that are due`;
    throw new Ended("wrong");
  }

  finish(): Promise<void> {
    return this.#side.socket.shutdown(SHUT_WR);
  }

  #recv(size: number): Promise<Uint8Array> {
    const { socket, plan } = this.#side;
    if (!plan.impatient) return socket.recv(size);
    return insist(socket, this.#random, (wait) => socket.recv(size, wait));
  }

  /** Of any order of magnitude up to 64 KiB. */
  #pieceOf(left: number): number {
    return Math.min(left, Math.ceil(2 ** (16 * this.#random())));
  }
}
