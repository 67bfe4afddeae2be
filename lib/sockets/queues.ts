/**
 * The lines in which everything waits its turn: callers, what has arrived and
 * nobody took yet, and what is to be sent. Every wait of the library is here,
 * so that each can be cut short in the same ways and loses nothing by it.
 *
 * @module
 */
import type { Address } from "./address.ts";
import type { Connection } from "./runtimes/mod.ts";
import { codeOf, SocketError } from "./socket_error.ts";

// --- callers ---

/** How a wait may be cut short. Every call that waits takes it last. */
export interface Wait {
  /** Ends the wait with the signal's reason; the socket stays usable. */
  signal?: AbortSignal | undefined;
}

/** A promise that its maker settles, or that a time limit or a signal ends. */
export class Waiter<T> {
  readonly promise: Promise<T>;
  resolve!: (value: T) => void;
  #reject!: (reason: unknown) => void;
  #release: (() => void) | undefined;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.#reject = reject;
    });
  }

  reject(reason: unknown): void {
    this.#release?.();
    quiet(this.promise);
    this.#reject(reason);
  }

  /**
   * Rejects after `timeout` ms with what `late` makes, or with its reason when
   * `signal` is aborted, and calls `leave` so that nothing is kept for it.
   */
  limit(
    timeout: number | null,
    signal: AbortSignal | undefined,
    late: () => Error,
    leave: () => void,
  ): void {
    const stop = () => {
      leave();
      this.reject(signal?.aborted ? signal.reason : late());
    };
    const timer = timeout === null ? undefined : setTimeout(stop, timeout);
    signal?.addEventListener("abort", stop);
    this.#release = () => {
      if (timer !== undefined) clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
    };
    const resolve = this.resolve;
    this.resolve = (value) => {
      this.#release?.();
      resolve(value);
    };
  }
}

/** What a new socket's timeout is: ms, or null to wait for ever. */
export const defaults: { timeout: number | null } = { timeout: null };

/** Throws for what settimeout() does not take: see StreamSocket. */
export function checkTimeout(ms: number | null): void {
  if (ms === 0) throw new SocketError("EINVAL", "settimeout");
  if (ms !== null && !(Number.isFinite(ms) && ms > 0 && ms <= LONGEST)) {
    throw new RangeError(
      `Cannot set the timeout: ${ms} is not 1 to ${LONGEST}`,
    );
  }
}

/** The longest time that setTimeout() keeps, about 24 days. */
const LONGEST = 2 ** 31 - 1;

/** A promise that is rejected already, and that nobody has to look at. */
export function refused(reason: unknown): Promise<never> {
  return quiet(Promise.reject(reason));
}

/** The same promise; that its caller drops it must not end the process. */
export function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore);
  return promise;
}

function ignore(): void {}

// --- what has arrived ---

/**
 * A line of things that arrive, and of callers that wait for them. One of the
 * two is always empty, and idle it takes no memory: there may be thousands.
 */
export abstract class Inbox<T> {
  #items: (T | Failure)[] | undefined;
  /** Who waits longest, and those behind. */
  #request: Request<T> | undefined;
  #others: Request<T>[] | undefined;
  /** Nothing more will come. */
  #over = false;

  /** Asks the source for more: somebody waits, and nothing is here. */
  abstract want(size: number): void;

  /** The address that errors name, if there is one. */
  abstract readonly about: Address | undefined;

  /** Whether somebody waits. */
  get wanted(): boolean {
    return this.#request !== undefined;
  }

  /** How many things are here that nobody has asked for. */
  get waiting(): number {
    return this.#items === undefined ? 0 : this.#items.length;
  }

  /** The next thing, of bytes at most `size`; empty bytes at the end. */
  take(
    call: string,
    size: number,
    timeout: number | null,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    if (signal?.aborted) return refused(signal.reason);
    if (this.waiting > 0) {
      const item = this.#items![0];
      const rest = restOf(item, size);
      if (rest) this.#items![0] = rest;
      else this.#items!.shift();
      return item instanceof Failure
        ? refused(this.#error(item, call))
        : Promise.resolve(startOf(item, size));
    }
    if (this.#over) return Promise.resolve(EMPTY as T);
    const request = new Request<T>(call, size);
    if (timeout !== null || signal) {
      const late = () => new SocketError("ETIMEDOUT", call, this.about);
      request.limit(timeout, signal, late, () => this.#forget(request));
    }
    if (this.#request) (this.#others ??= []).push(request);
    else {
      this.#request = request;
      this.want(size);
    }
    return request.promise;
  }

  /** One more thing is here. */
  arrived(item: T | Failure): void {
    if (this.#over) return; // after SHUT_RD
    const request = this.#request;
    if (!request) return void (this.#items ??= []).push(item);
    this.#request = this.#others?.shift();
    if (item instanceof Failure) {
      request.reject(this.#error(item, request.call));
    } else request.resolve(startOf(item, request.size));
    const rest = restOf(item, request.size);
    if (rest) this.arrived(rest);
    else if (this.#request) this.want(this.#request.size);
  }

  /** A failure is told once, after what is here already. */
  failed(code: string, cause?: unknown): void {
    this.arrived(new Failure(code, cause));
  }

  /** Nothing more will come. */
  ended(): void {
    this.#over = true;
    for (const request of this.#requests()) request.resolve(EMPTY as T);
  }

  /**
   * Takes nothing more and drops what is here, which it gives back so that it
   * can be closed. Who waits gets `code`, or without one the end.
   */
  drop(code?: string): T[] {
    for (const request of code ? this.#requests() : NONE) {
      request.reject(new SocketError(code!, request.call, this.about));
    }
    this.ended();
    const items = this.#items;
    this.#items = undefined;
    if (!items) return NONE;
    return items.filter((item) => !(item instanceof Failure)) as T[];
  }

  /** Those who wait, from now on no more. */
  #requests(): Request<T>[] {
    if (!this.#request) return NONE;
    const all = [this.#request, ...this.#others ?? []];
    this.#request = this.#others = undefined;
    return all;
  }

  /** Somebody waits no more. */
  #forget(request: Request<T>): void {
    if (this.#request === request) this.#request = this.#others?.shift();
    else this.#others = this.#others?.filter((other) => other !== request);
  }

  #error({ code, cause }: Failure, call: string): SocketError {
    return new SocketError(code, call, this.about, cause);
  }
}

/** Of bytes the first ones; of a datagram, too, where the rest is lost. */
function startOf<T>(item: T, size: number): T {
  if (item instanceof Uint8Array && item.length > size) {
    return item.subarray(0, size) as T;
  }
  if (Array.isArray(item) && item[0].length > size) {
    item[0] = item[0].subarray(0, size);
  }
  return item;
}

/** What the next call gets of bytes that are more than this one asked for. */
function restOf<T>(item: T, size: number): T | undefined {
  if (!(item instanceof Uint8Array) || item.length <= size) return;
  return item.subarray(size) as T;
}

/** What arrives in place of a thing: a reset, say. */
class Failure {
  readonly code: string;
  readonly cause: unknown;

  constructor(code: string, cause: unknown) {
    this.code = code;
    this.cause = cause;
  }
}

class Request<T> extends Waiter<T> {
  readonly call: string;
  readonly size: number;

  constructor(call: string, size: number) {
    super();
    this.call = call;
    this.size = size;
  }
}

/** At most this many clients wait to be accepted; one more is turned away. */
export const MOST_WAITING = 4096;

/** More than this many unread datagrams are dropped, the newest first. */
export const MOST_UNREAD = 1024;

const EMPTY: unknown = new Uint8Array(0);
const NONE: never[] = [];

// --- what is to be sent ---

/** Bytes of which all are to be sent, or as many as are taken; or the FIN. */
export interface Piece {
  call: "send" | "sendall" | "shutdown";
  bytes: Uint8Array;
}

/** A piece whose turn has not come, and who waits for it. */
interface Turn {
  piece: Piece;
  waiter: Waiter<number | void>;
}

const DONE = Promise.resolve();

/** A line of pieces, of which one is under way. */
export class Outbox {
  readonly #connection: Connection;
  #current: Promise<number | void> | undefined;
  #turns: Turn[] | undefined;
  #closed = false;
  /** Set by the first failure; from then on it is EPIPE. */
  #broken = false;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Sends in turn; send() resolves to how many bytes the system has taken. */
  send(
    piece: Piece,
    timeout: number | null,
    signal: AbortSignal | undefined,
  ): Promise<number | void> {
    if (signal?.aborted) return refused(signal.reason);
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
        if (piece.call === "shutdown") return; // it is final: no send follows
        this.#turns = this.#turns?.filter((other) => other !== turn);
      });
    }
    if (idle) this.#answer(turn.waiter);
    else (this.#turns ??= []).push(turn);
    return turn.waiter.promise;
  }

  /** Refuses what has not begun; what has begun fails with the connection. */
  close(): void {
    this.#closed = true;
    for (const { piece, waiter } of this.#turns?.splice(0) ?? []) {
      waiter.reject(this.#error(piece));
    }
  }

  #begin({ call, bytes }: Piece): number | Promise<number> {
    if (call === "shutdown") return this.#connection.closeWrite();
    return bytes.length === 0 ? 0 : this.#connection.write(bytes);
  }

  async #finish(piece: Piece, taken: number | Promise<number>) {
    const { call, bytes } = piece;
    try {
      let sent = await taken;
      while (call === "sendall" && sent < bytes.length) {
        sent += await this.#connection.write(bytes.subarray(sent));
      }
      return call === "send" ? sent : undefined;
    } catch (error) {
      if (this.#current) quiet(this.#current); // its caller may have left
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
    return new SocketError(code, call, this.#connection.about, cause);
  }
}
