/**
 * A queue of received data (or accepted clients, or datagrams) and of the calls
 * that wait for it.
 *
 * @module
 */
import type { Address } from "./address.ts";
import { SocketError } from "./socket_error.ts";
import { rejected, Waiter } from "./waiter.ts";

/** At most this many clients wait for accept(); the next one is reset. */
export const ACCEPT_QUEUE_LIMIT = 4096;

/** At most this many unread datagrams are kept; the next one is dropped. */
export const RECEIVE_QUEUE_LIMIT = 1024;

/**
 * Items that have arrived, or calls that wait for one. One of the two queues is
 * always empty. An idle inbox takes no memory: there may be thousands.
 */
export abstract class Inbox<T> {
  #items: (T | Failure)[] | undefined;
  /** The call that has waited longest, and those behind it. */
  #request: Request<T> | undefined;
  #others: Request<T>[] | undefined;
  #ended = false;

  /** Asks the source for more: a call waits, and nothing is here. */
  abstract want(size: number): void;

  /** The address that errors name, if there is one. */
  abstract readonly errorAddress: Address | undefined;

  /** Whether a call waits. */
  get wanted(): boolean {
    return this.#request !== undefined;
  }

  /** How many items are here that no call has taken. */
  get waiting(): number {
    return this.#items === undefined ? 0 : this.#items.length;
  }

  /** The next item, of bytes at most `size`; empty bytes at the end. */
  take(
    call: string,
    size: number,
    timeout: number | null,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    if (signal?.aborted) return rejected(signal.reason);
    if (this.waiting > 0) {
      const item = this.#items![0];
      const rest = restOf(item, size);
      if (rest) this.#items![0] = rest;
      else this.#items!.shift();
      return item instanceof Failure
        ? rejected(this.#error(item, call))
        : Promise.resolve(startOf(item, size));
    }
    if (this.#ended) return Promise.resolve(EMPTY as T);
    const request = new Request<T>(call, size);
    if (timeout !== null || signal) {
      const late = () => new SocketError("ETIMEDOUT", call, this.errorAddress);
      request.limit(timeout, signal, late, () => this.#forget(request));
    }
    if (this.#request) (this.#others ??= []).push(request);
    else {
      this.#request = request;
      this.want(size);
    }
    return request.promise;
  }

  /** Adds an item, or gives it to the call that has waited longest. */
  arrived(item: T | Failure): void {
    if (this.#ended) return; // after SHUT_RD
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

  /** Adds a failure, which one call reports after the items before it. */
  failed(code: string, cause?: unknown): void {
    this.arrived(new Failure(code, cause));
  }

  /** No item will follow. */
  ended(): void {
    this.#ended = true;
    for (const request of this.#requests()) request.resolve(EMPTY as T);
  }

  /**
   * Takes no more items and returns those that are here, so that the caller can
   * close them. Calls that wait fail with `code`, or without one get the end.
   */
  drop(code?: string): T[] {
    for (const request of code ? this.#requests() : NONE) {
      request.reject(new SocketError(code!, request.call, this.errorAddress));
    }
    this.ended();
    const items = this.#items;
    this.#items = undefined;
    if (!items) return NONE;
    return items.filter((item) => !(item instanceof Failure)) as T[];
  }

  /** Empties the queue of calls and returns them. */
  #requests(): Request<T>[] {
    if (!this.#request) return NONE;
    const all = [this.#request, ...this.#others ?? []];
    this.#request = this.#others = undefined;
    return all;
  }

  #forget(request: Request<T>): void {
    if (this.#request === request) this.#request = this.#others?.shift();
    else this.#others = this.#others?.filter((other) => other !== request);
  }

  #error({ code, cause }: Failure, call: string): SocketError {
    return new SocketError(code, call, this.errorAddress, cause);
  }
}

/** The first bytes; also of a datagram, of which the rest is lost. */
function startOf<T>(item: T, size: number): T {
  if (item instanceof Uint8Array && item.length > size) {
    return item.subarray(0, size) as T;
  }
  if (Array.isArray(item) && item[0].length > size) {
    item[0] = item[0].subarray(0, size);
  }
  return item;
}

/** What the next call gets of a chunk that holds more than `size` bytes. */
function restOf<T>(item: T, size: number): T | undefined {
  if (!(item instanceof Uint8Array) || item.length <= size) return;
  return item.subarray(size) as T;
}

/** Arrives in place of an item: a reset, say. */
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

const EMPTY: unknown = new Uint8Array(0);
const NONE: never[] = [];
