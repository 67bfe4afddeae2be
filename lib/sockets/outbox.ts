/**
 * A queue of outgoing data: sends are made one after the other, in the order of
 * the calls.
 *
 * @module
 */
import type { Address } from "./address.ts";
import { codeOf, SocketError } from "./socket_error.ts";
import { handled, rejected, signalOf, type Wait, Waiter } from "./waiter.ts";

/** Where an outbox sends to. */
export interface Sink {
  /** The other end, which errors name. */
  readonly address: Address;
  /** Counts when the system takes some of what waits. */
  moved: number;
  /**
   * Sends some of the bytes, one call at a time. Gives how many the system has
   * taken, at once where it can; never throws.
   */
  write(bytes: Uint8Array): number | Promise<number>;
  /** The system may read the bytes later, even when the call has given up. */
  readonly readsLater: boolean;
  /** Takes back what waits to be written, where it can. */
  unwrite?(): void;
  /** Sends a FIN after what was written; gives 0. */
  closeWrite(): number | Promise<number>;
}

/** Bytes to send: all of them, or as many as are taken now; or the FIN. */
export interface Piece {
  readonly call: "send" | "sendall" | "shutdown";
  readonly bytes: Uint8Array;
  /** The library's own bytes, which nobody changes. */
  readonly lasting: boolean;
}

/** A piece that waits for those before it, and the call that waits for it. */
interface Turn {
  readonly piece: Piece;
  readonly waiter: Waiter<number | void>;
  /** Its call has given up: what is left of it is not sent. */
  left: boolean;
}

const DONE = Promise.resolve();

/** What is handed to the system at once, in bytes. */
const PART = 65536;

export class Outbox {
  readonly #sink: Sink;
  #current: Promise<number | void> | undefined;
  #turns: Turn[] | undefined;
  /** Whether the time limit of a call begins again when some of it is sent. */
  patient = false;
  #closed = false;
  /** Set by the first failure; later sends fail with EPIPE. */
  #broken = false;
  /** Room for what is being sent: the caller may change the bytes. */
  #room: Uint8Array<ArrayBuffer> | undefined;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /** Sends in turn; of `send`, resolves to how many bytes the system has taken. */
  send(
    piece: Piece,
    timeout: number | null,
    wait: Wait | undefined,
  ): Promise<number | void> {
    const signal = signalOf(wait);
    if (signal?.aborted) return rejected(signal.reason);
    const limited = timeout !== null || signal !== undefined;
    let taken: number | Promise<number> | undefined;
    if (this.#current === undefined) {
      taken = this.#begin(piece);
      if (taken === piece.bytes.length) {
        return piece.call === "send" ? Promise.resolve(taken) : DONE;
      }
      if (!limited) return this.#current = this.#finish(piece, taken);
    } else if (!piece.lasting) {
      // It counts as it is now, and not when its turn comes.
      const bytes = new Uint8Array(piece.bytes);
      piece = { call: piece.call, bytes, lasting: true };
    }
    const turn: Turn = { piece, waiter: new Waiter(), left: false };
    if (limited) {
      const late = () => this.#error(turn.piece, { code: "ETIMEDOUT" });
      turn.waiter.limit(timeout, signal, late, () => this.#leave(turn));
    }
    if (taken === undefined) (this.#turns ??= []).push(turn);
    else this.#go(turn, taken);
    return turn.waiter.promise;
  }

  /** Rejects what has not begun; what has begun fails with the connection. */
  close(): void {
    this.#closed = true;
    for (const { piece, waiter } of this.#turns?.splice(0) ?? []) {
      waiter.reject(this.#error(piece));
    }
  }

  #leave(turn: Turn): void {
    if (turn.piece.call === "shutdown") return; // final: no send follows it
    const waits = this.#turns?.indexOf(turn) ?? -1;
    if (waits >= 0) return void this.#turns!.splice(waits, 1);
    turn.left = true;
    this.#sink.unwrite?.();
  }

  #begin({ call, bytes, lasting }: Piece): number | Promise<number> {
    if (call === "shutdown") return this.#sink.closeWrite();
    return bytes.length === 0 ? 0 : this.#write(bytes, lasting);
  }

  /** Sends some of it: what is handed over cannot be taken back. */
  #write(bytes: Uint8Array, lasting: boolean): number | Promise<number> {
    if (!this.#sink.readsLater) return this.#sink.write(bytes);
    const part = bytes.length > PART ? bytes.subarray(0, PART) : bytes;
    if (lasting) return this.#sink.write(part);
    const { length } = part;
    if (!this.#room || this.#room.length < length) {
      this.#room = new Uint8Array(length);
    }
    this.#room.set(part);
    return this.#sink.write(this.#room.subarray(0, length));
  }

  async #finish(piece: Piece, taken: number | Promise<number>, turn?: Turn) {
    const { call, bytes, lasting } = piece;
    const { length } = bytes;
    try {
      let sent = await taken; // always: `#current` is set by then
      const enough = () => sent === length || (call === "send" && sent > 0);
      while (!enough() && !turn?.left) {
        if (bytes.length !== length) {
          throw new TypeError(`Cannot ${call}: the buffer is detached`);
        }
        this.#sink.moved++;
        if (this.patient) turn?.waiter.renew();
        const more = this.#write(bytes.subarray(sent), lasting);
        sent += typeof more === "number" ? more : await more;
      }
      return call === "send" ? sent : undefined;
    } catch (error) {
      if (this.#current) handled(this.#current); // its caller may have left
      if (error instanceof TypeError) throw error;
      const known = this.#broken ? { code: "EPIPE" } : error;
      this.#broken = true;
      throw this.#error(piece, known);
    } finally {
      this.#current = undefined;
      const next = this.#turns?.shift();
      if (next) this.#go(next, this.#begin(next.piece));
    }
  }

  /** Goes on with a turn that has begun, and answers its call. */
  #go(turn: Turn, taken: number | Promise<number>): void {
    this.#current = this.#finish(turn.piece, taken, turn);
    turn.waiter.follow(this.#current);
  }

  #error({ call }: Piece, cause?: unknown): SocketError {
    const code = this.#closed ? "EBADF" : codeOf(cause);
    return new SocketError(code, call, this.#sink.address, cause);
  }
}

// --- what is sent ---

const encoder = new TextEncoder();

/** The error of a call that is given a promise in place of its value. */
export function notAwaited(call: string): TypeError {
  return new TypeError(`Cannot ${call} a promise: it needs an await`);
}

/**
 * Text as UTF-8, or the bytes; gives back a TypeError for anything else, and for
 * bytes whose buffer has been transferred.
 */
export function bytesOf(
  data: string | Uint8Array,
  call: string,
): Uint8Array | TypeError {
  if (typeof data === "string") return encoder.encode(data);
  if (data instanceof Uint8Array && data.length > 0) return data;
  const { buffer, byteOffset, byteLength } = data ?? {};
  // Another realm's Uint8Array (node:vm, a frame) is no instance of this one's.
  const is = ArrayBuffer.isView(data) &&
    (data as Uint8Array)[Symbol.toStringTag] === "Uint8Array";
  if (data instanceof Promise) return notAwaited(call);
  if (!is) return new TypeError(`Cannot ${call}: neither text nor bytes`);
  if (byteLength === 0 && (buffer as ArrayBuffer).detached) {
    return new TypeError(`Cannot ${call}: the buffer is detached`);
  }
  if (data instanceof Uint8Array) return data;
  return new Uint8Array(buffer, byteOffset, byteLength);
}
