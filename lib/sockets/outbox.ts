/**
 * A queue of outgoing data: sends are made one after the other, in the order of
 * the calls.
 *
 * @module
 */
import type { Address } from "./address.ts";
import { codeOf, SocketError } from "./socket_error.ts";
import { handled, rejected, type Signal, Waiter } from "./waiter.ts";

/** Where an outbox sends to. */
export interface Sink {
  /** The other end, which errors name. */
  readonly peer: Address;
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
    signal: Signal | undefined,
  ): Promise<number | void> {
    if (signal?.aborted) return rejected(signal.reason);
    const limited = timeout !== null || signal !== undefined;
    const idle = this.#current === undefined;
    if (idle) {
      const taken = this.#begin(piece);
      if (taken === piece.bytes.length) {
        return piece.call === "send" ? Promise.resolve(taken) : DONE;
      }
      if (!limited) return this.#current = this.#finish(piece, taken);
      const turn: Turn = { piece, waiter: new Waiter(), left: false };
      this.#limit(turn, timeout, signal);
      this.#current = this.#finish(piece, taken, turn);
      this.#answer(turn.waiter);
      return turn.waiter.promise;
    }
    // It counts as it is now, and not when its turn comes.
    const kept = piece.lasting ? piece : {
      ...piece,
      bytes: new Uint8Array(piece.bytes),
      lasting: true,
    };
    const turn: Turn = { piece: kept, waiter: new Waiter(), left: false };
    if (limited) this.#limit(turn, timeout, signal);
    (this.#turns ??= []).push(turn);
    return turn.waiter.promise;
  }

  /** Rejects what has not begun; what has begun fails with the connection. */
  close(): void {
    this.#closed = true;
    for (const { piece, waiter } of this.#turns?.splice(0) ?? []) {
      waiter.reject(this.#error(piece));
    }
  }

  #limit(
    turn: Turn,
    timeout: number | null,
    signal: Signal | undefined,
  ): void {
    const { piece, waiter } = turn;
    const late = () => this.#error(piece, { code: "ETIMEDOUT" });
    waiter.limit(timeout, signal, late, () => {
      if (piece.call === "shutdown") return; // final: no send follows it
      const waits = this.#turns?.indexOf(turn) ?? -1;
      if (waits >= 0) return void this.#turns!.splice(waits, 1);
      turn.left = true;
      this.#sink.unwrite?.();
    });
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
      if (next) {
        const begun = this.#begin(next.piece);
        this.#current = this.#finish(next.piece, begun, next);
        this.#answer(next.waiter);
      }
    }
  }

  #answer(waiter: Waiter<number | void>): void {
    this.#current?.then(
      (sent) => waiter.resolve(sent),
      (error) => waiter.reject(error),
    );
  }

  #error({ call }: Piece, cause?: unknown): SocketError {
    const code = this.#closed ? "EBADF" : codeOf(cause);
    return new SocketError(code, call, this.#sink.peer, cause);
  }
}

// --- what is sent ---

const encoder = new TextEncoder();

/**
 * Text as UTF-8, or the bytes; TypeError for anything else, and for bytes whose
 * buffer has been transferred.
 */
export function bytesOf(data: string | Uint8Array, call: string): Uint8Array {
  return typeof data === "string" ? encoder.encode(data) : viewOf(data, call);
}

/** The bytes; TypeError for what is none, and if their buffer is detached. */
export function viewOf(data: Uint8Array, call: string): Uint8Array {
  if (data instanceof Uint8Array && data.length > 0) return data;
  const { buffer, byteOffset, byteLength } = data ?? {};
  // Another realm's Uint8Array (node:vm, a frame) is no instance of this one's.
  const is = ArrayBuffer.isView(data) &&
    (data as Uint8Array)[Symbol.toStringTag] === "Uint8Array";
  if (!is) throw new TypeError(`Cannot ${call}: neither text nor bytes`);
  if (byteLength === 0 && (buffer as ArrayBuffer).detached) {
    throw new TypeError(`Cannot ${call}: the buffer is detached`);
  }
  if (data instanceof Uint8Array) return data;
  return new Uint8Array(buffer, byteOffset, byteLength);
}
