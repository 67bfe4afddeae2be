/**
 * Both ends of each kind of talk, on the library's stream sockets, and those
 * faults of a client that need no other sockets than these.
 *
 * @module
 */
import { SHUT_WR, SocketError, type StreamSocket } from "../../../lib/mod.ts";
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

/** Speaks as the client; gives how the connection ended for it. */
export async function speak(side: Side): Promise<string> {
  const { plan } = side;
  const line = new Line(side);
  switch (plan.talk) {
    case "exchanges":
      for (const [up, down] of partsOf(plan)) {
        await line.send(up);
        await line.receive(down);
      }
      await line.finish();
      await line.end();
      break;
    case "streams":
      await line.stream(plan.up, plan.down);
      break;
    case "half-close":
      await line.send(plan.up);
      await line.finish();
      await line.receive(plan.down);
      await line.end();
  }
  return "whole";
}

/** Answers as the server. */
export async function answer(side: Side): Promise<string> {
  const { plan } = side;
  const line = new Line(side);
  switch (plan.talk) {
    case "exchanges":
      for (const [up, down] of partsOf(plan)) {
        await line.receive(up);
        await line.send(down);
      }
      await line.end();
      await line.finish();
      break;
    case "streams":
      await line.stream(plan.down, plan.up);
      break;
    case "half-close":
      if (plan.fault === "stall") side.socket.settimeout(STALLED);
      await line.receive(plan.up);
      await line.end();
      await line.send(plan.down);
      await line.finish();
  }
  return "whole";
}

/** Does, as a client, what is wrong. */
export async function misbehave(side: Side): Promise<string> {
  const { plan, socket } = side;
  const line = new Line(side);
  switch (plan.fault) {
    case "unread": // which makes an RST of the FIN
      await line.send(Math.min(Math.floor(plan.up / 2), 1000));
      await line.receive(1);
      break;
    case "leave":
      await line.send(Math.floor(plan.up / 2));
      await line.greeted();
      break;
    case "stall":
      await line.send(Math.floor(plan.up / 2));
      await line.greeted();
      await socket.recv(1); // until the server gives it up
      break;
    default: // it is to be killed
      await speak(side);
  }
  return "left";
}

/** How an attempt ended: its result, or the code of its error. */
export async function endOf(attempt: Promise<string>, half: Half) {
  half.ended = await attempt.catch((error) => {
    if (error instanceof Ended) return error.message;
    if (error instanceof SocketError) return error.code;
    half.note = String(error?.stack ?? error);
    return "wrong";
  });
}

/** For how long a server bears with one that stalls, in ms. */
const STALLED = 200;

/** How much of an exchange goes up and comes down in each round. */
function* partsOf({ up, down, rounds }: Plan) {
  const part = (all: number, i: number) =>
    Math.floor(all * (i + 1) / rounds) - Math.floor(all * i / rounds);
  for (let i = 0; i < rounds; i++) yield [part(up, i), part(down, i)] as const;
}

/** Why a talk does not go on: see `Half.ended`. */
export class Ended extends Error {}

/** One end of a connection, and how far both its directions are. */
class Line {
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
      if (!plan.impatient) await socket.sendall(piece);
      else {
        // One that has begun goes out all the same: then wait for its end.
        await insist(
          socket,
          this.#random,
          ({ begun, ...wait }) => socket.sendall(begun ? "" : piece, wait),
        );
      }
      const middle = this.#out.due / 2;
      if (half.sent >= middle && half.sent - piece.length < middle) {
        await halfway?.();
      }
    }
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
      await this.check(bytes);
      left -= bytes.length;
      if (slow && pauses-- > 0) await pause(5 * this.#random());
    }
  }

  /** The next bytes that have arrived must be the right ones. */
  async check(bytes: Uint8Array): Promise<void> {
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

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
