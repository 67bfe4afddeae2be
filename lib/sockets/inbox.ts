/**
 * A queue of received data (or accepted clients, or datagrams) and of the calls
 * that wait for it.
 *
 * @module
 */
import type { Address } from "./address.ts";
import { codeOf, SocketError } from "./socket_error.ts";
import { rejected, signalOf, type Wait, Waiter } from "./waiter.ts";

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
  /** How often something came, or went: see Sink. */
  moved = 0;
  /** The first item is the rest of a chunk. */
  #cut = false;

  /** What errors name: a connection's peer, or a listener's own address. */
  abstract readonly address: Address | undefined;

  /** The runtime's own socket. */
  abstract readonly source: { ref(): unknown; unref(): unknown };

  /** Keeps the process alive while a call waits, and no longer. */
  hold(on: boolean): void {
    if (on) this.source.ref();
    else this.source.unref();
  }

  /**
   * Asks the source for more: a call waits, and nothing is here. It may be read
   * into the buffer `into`, of which `filled` then tells.
   */
  want(_size: number, _into?: Uint8Array): void {}

  /** The call that waits, if any. */
  get wanted(): { readonly call: string } | undefined {
    return this.#request;
  }

  /** How many items are here that no call has taken. */
  get waiting(): number {
    return this.#items === undefined ? 0 : this.#items.length;
  }

  /**
   * The next item, of bytes at most `size`; empty bytes at the end. With a buffer
   * `into` of that size, it is filled, and the result is how many bytes are in it.
   */
  take(
    call: string,
    size: number,
    timeout: number | null,
    wait: Wait | undefined,
    into?: Uint8Array,
  ): Promise<T> {
    const signal = signalOf(wait);
    if (signal?.aborted) return rejected(signal.reason);
    if (this.waiting > 0) {
      const item = this.#items![0];
      const rest = restOf(item, size);
      if (rest) this.#items![0] = rest;
      else this.#items!.shift();
      return item instanceof Failure
        ? rejected(this.#error(call, item))
        : Promise.resolve(this.#valueOf(item, size, into));
    }
    if (this.#ended) return Promise.resolve(endOf<T>(into));
    const request = new Request<T>(call, size, into);
    if (timeout !== null || signal) {
      request.limited = true;
      const late = () => this.#error(call, { code: "ETIMEDOUT" });
      request.limit(timeout, signal, late, () => this.#forget(request));
    }
    if (this.#request) (this.#others ??= []).push(request);
    else {
      this.#request = request;
      this.hold(true);
      this.#ask();
    }
    return request.promise;
  }

  /** Adds an item, or gives it to the call that has waited longest. */
  arrived(item: T | Failure): void {
    if (this.#ended) return; // after SHUT_RD
    this.moved++;
    const request = this.#request;
    if (!request) return void (this.#items ??= []).push(item);
    this.#shift();
    const { call, size, into } = request;
    if (item instanceof Failure) request.reject(this.#error(call, item));
    else if (into && into.length !== size) {
      request.reject(detached(call));
      return this.arrived(item);
    } else request.resolve(this.#valueOf(item, size, into));
    const rest = restOf(item, size);
    if (rest) this.arrived(rest);
    else this.#ask();
  }

  /** The first call's own buffer holds `count` bytes. */
  filled(count: number): void {
    const request = this.#request;
    if (!request) return; // it was given up
    this.#shift();
    this.moved++;
    const { call, size, into } = request;
    if (into?.length === size) request.resolve(count as T);
    else request.reject(detached(call)); // the bytes went with it
    this.#ask();
  }

  /** Adds a failure, which one call reports after the items before it. */
  failed(error: unknown): void {
    const last = this.#items?.at(-1);
    if (last instanceof Failure) this.#items!.pop(); // like SO_ERROR, it is one
    this.arrived(new Failure(error));
  }

  /** Gives up the call that waits with this promise: only its iterator does. */
  cancel(waiting: Promise<T>): void {
    const all = [this.#request, ...this.#others ?? []];
    const request = all.find((one) => one?.promise === waiting);
    if (!request) return;
    this.#forget(request);
    request.reject(undefined);
  }

  /** Forgets failures and items that `keep` does not want. */
  filter(keep: (item: T) => boolean): void {
    this.#items = this.#items?.filter((item) =>
      !(item instanceof Failure) && keep(item)
    );
  }

  /** No item will follow. */
  ended(): void {
    this.#ended = true;
    for (const { resolve, into } of this.#requests()) resolve(endOf<T>(into));
  }

  /**
   * Takes no more items and returns those that are here, so that the caller can
   * close them. Calls that wait fail with `code`, or without one get the end.
   */
  drop(code?: string): T[] {
    for (const request of code ? this.#requests() : NONE) {
      request.reject(this.#error(request.call, { code: code! }));
    }
    this.ended();
    const items = this.#items;
    this.#items = undefined;
    return items?.filter((item) => !(item instanceof Failure)) as T[] ?? NONE;
  }

  /** Asks for what the first call wants. */
  #ask(): void {
    const request = this.#request;
    if (!request) return;
    // A read cannot be taken back: a call that may leave keeps its buffer.
    this.want(request.size, request.limited ? undefined : request.into);
  }

  /** The first call waits no more. */
  #shift(): void {
    this.#request = this.#others?.shift();
    if (!this.#request) this.hold(false);
  }

  /** Empties the queue of calls and returns them. */
  #requests(): Request<T>[] {
    if (!this.#request) return NONE;
    const all = [this.#request, ...this.#others ?? []];
    this.#request = this.#others = undefined;
    this.hold(false);
    return all;
  }

  #forget(request: Request<T>): void {
    if (this.#request === request) this.#shift();
    else this.#others = this.#others?.filter((other) => other !== request);
  }

  /** What a call gets: bytes in memory of its own, or how many it has now. */
  #valueOf(item: T, size: number, into?: Uint8Array): T {
    if (item instanceof Uint8Array) {
      const more = item.length > size;
      const cut = this.#cut;
      this.#cut = more;
      if (into) {
        into.set(more ? item.subarray(0, size) : item);
        return Math.min(item.length, size) as T;
      }
      if (more) return item.slice(0, size) as T;
      // The last of a chunk may keep it, but not for a few bytes.
      const few = cut && 2 * item.length < item.buffer.byteLength;
      return few ? item.slice() as T : item;
    }
    // Of a datagram that is longer than asked for, the rest is lost.
    if (Array.isArray(item) && item[0].length > size) {
      item[0] = item[0].slice(0, size);
    }
    return item;
  }

  #error(call: string, { code, cause }: { code: string; cause?: unknown }) {
    return new SocketError(code, call, this.address, cause);
  }
}

/** What the next call gets of a chunk that holds more than `size` bytes. */
function restOf<T>(item: T, size: number): T | undefined {
  if (!(item instanceof Uint8Array) || item.length <= size) return;
  return item.subarray(size) as T;
}

function detached(call: string): TypeError {
  return new TypeError(`Cannot ${call}: the buffer is detached`);
}

function endOf<T>(into: Uint8Array | undefined): T {
  return (into ? 0 : new Uint8Array(0)) as T;
}

/** Arrives in place of an item: a reset, say. */
class Failure {
  readonly code: string;
  readonly cause: unknown;

  constructor(cause: unknown) {
    this.code = codeOf(cause);
    this.cause = cause;
  }
}

class Request<T> extends Waiter<T> {
  readonly call: string;
  readonly size: number;
  readonly into: Uint8Array | undefined;
  /** A time limit or a signal may end it. */
  limited = false;

  constructor(call: string, size: number, into?: Uint8Array) {
    super();
    this.call = call;
    this.size = size;
    this.into = into;
  }
}

const NONE: never[] = [];
