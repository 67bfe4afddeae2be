/**
 * A queue of outgoing data: sends are made one after the other, in the order of
 * the calls.
 *
 * @module
 */
import type { Address } from "./address.ts";
import { codeOf, SocketError } from "./socket_error.ts";
import { handled, rejected, Waiter } from "./waiter.ts";

/** Where an outbox sends to. */
export interface Sink {
  /** The other end, which errors name. */
  readonly peer: Address;
  /**
   * Hands over bytes that nobody changes until the promise resolves; one call at
   * a time. Gives how many the system has taken, at once where it can.
   */
  write(bytes: Uint8Array): number | Promise<number>;
  /** Sends a FIN after what was written; gives 0. */
  closeWrite(): number | Promise<number>;
}

/** Bytes to send: all of them, or as many as are taken now; or the FIN. */
export interface Piece {
  call: "send" | "sendall" | "shutdown";
  bytes: Uint8Array;
}

/** A piece that waits for those before it, and the call that waits for it. */
interface Turn {
  piece: Piece;
  waiter: Waiter<number | void>;
}

const DONE = Promise.resolve();

export class Outbox {
  readonly #sink: Sink;
  #current: Promise<number | void> | undefined;
  #turns: Turn[] | undefined;
  #closed = false;
  /** Set by the first failure; later sends fail with EPIPE. */
  #broken = false;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /** Sends in turn; of `send`, resolves to how many bytes the system has taken. */
  send(
    piece: Piece,
    timeout: number | null,
    signal: AbortSignal | undefined,
  ): Promise<number | void> {
    if (signal?.aborted) return rejected(signal.reason);
    const limited = timeout !== null || signal !== undefined;
    const idle = this.#current === undefined;
    if (idle) {
      const taken = this.#begin(piece);
      if (taken === piece.bytes.length) {
        return piece.call === "send" ? Promise.resolve(taken) : DONE;
      }
      this.#current = this.#finish(piece, taken);
      if (!limited) return this.#current;
    }
    const turn: Turn = { piece, waiter: new Waiter() };
    if (limited) {
      const late = () => this.#error(piece, { code: "ETIMEDOUT" });
      turn.waiter.limit(timeout, signal, late, () => {
        if (piece.call === "shutdown") return; // final: no send follows it
        this.#turns = this.#turns?.filter((other) => other !== turn);
      });
    }
    if (idle) this.#answer(turn.waiter);
    else (this.#turns ??= []).push(turn);
    return turn.waiter.promise;
  }

  /** Rejects what has not begun; what has begun fails with the connection. */
  close(): void {
    this.#closed = true;
    for (const { piece, waiter } of this.#turns?.splice(0) ?? []) {
      waiter.reject(this.#error(piece));
    }
  }

  #begin({ call, bytes }: Piece): number | Promise<number> {
    if (call === "shutdown") return this.#sink.closeWrite();
    return bytes.length === 0 ? 0 : this.#sink.write(bytes);
  }

  async #finish(piece: Piece, taken: number | Promise<number>) {
    const { call, bytes } = piece;
    try {
      let sent = await taken;
      while (call === "sendall" && sent < bytes.length) {
        sent += await this.#sink.write(bytes.subarray(sent));
      }
      return call === "send" ? sent : undefined;
    } catch (error) {
      if (this.#current) handled(this.#current); // its caller may have left
      const known = this.#broken ? { code: "EPIPE" } : error;
      this.#broken = true;
      throw this.#error(piece, known);
    } finally {
      this.#current = undefined;
      const turn = this.#turns?.shift();
      if (turn) {
        this.#current = this.#finish(turn.piece, this.#begin(turn.piece));
        this.#answer(turn.waiter);
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
