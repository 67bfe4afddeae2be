/**
 * How calls wait: promises that a time limit or an abort signal can end, and the
 * timeouts of sockets in ms (null waits for ever).
 *
 * @module
 */
import { SocketError } from "./socket_error.ts";

/** The last argument of each call that waits. */
export interface Wait {
  /** Ends the wait with the signal's reason; the socket stays usable. */
  signal?: AbortSignal | undefined;
}

/** The options of a recv() within a call that has a time limit of its own. */
export class OwnLimit implements Wait {
  readonly signal: AbortSignal | undefined;

  constructor(signal: AbortSignal | undefined) {
    this.signal = signal;
  }
}

/** The signal of a call; what is none ends the call with TypeError. */
export function signalOf(wait: Wait | null | undefined) {
  const signal = wait?.signal;
  if (wait === undefined || (wait && signal === undefined)) return;
  if (typeof signal?.addEventListener === "function") return signal;
  return AbortSignal.abort(
    new TypeError("Options are { signal?: AbortSignal }"),
  );
}

/** A promise that its maker settles, unless a time limit or a signal ends it. */
export class Waiter<T> {
  readonly promise: Promise<T>;
  resolve!: (value: T) => void;
  #reject!: (reason: unknown) => void;
  #release: (() => void) | undefined;
  /** When the time limit began again. */
  #renewed: number | undefined;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.#reject = reject;
    });
  }

  reject(reason: unknown): void {
    this.#release?.();
    handled(this.promise);
    this.#reject(reason);
  }

  /** Settles as the promise does. */
  follow(promise: Promise<T>): void {
    promise.then(this.resolve, (error) => this.reject(error));
  }

  /** Lets the time limit begin again. */
  renew(): void {
    this.#renewed = performance.now();
  }

  /**
   * Rejects with `timeoutError()` after `timeout` ms, or with the signal's
   * reason when it is aborted; calls `leave` first, which gives up the place in
   * the queue.
   */
  limit(
    timeout: number | null,
    signal: AbortSignal | undefined,
    timeoutError: () => Error,
    leave: (reason: unknown) => void,
  ): void {
    const stop = () => {
      const reason = signal?.aborted ? signal.reason : timeoutError();
      leave(reason);
      this.reject(reason);
    };
    // After a busy second the timer comes before what has arrived meanwhile:
    // only more turns of the event loop prove that nothing has.
    let turns = 3;
    const late = () => {
      const begun = this.#renewed;
      const left = begun === undefined
        ? 0
        : begun + timeout! - performance.now();
      this.#renewed = undefined;
      if (left > 0) timer = setTimeout(late, left);
      else if (turns-- > 0) timer = setTimeout(late, 0);
      else stop();
    };
    let timer = timeout === null ? undefined : setTimeout(late, timeout);
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

/**
 * Iterates over what `take` gives until the socket is `closed`; leaving the loop
 * cancels a `take` that waits, and loses nothing.
 */
export function iterate<T>(
  take: () => Promise<T>,
  cancel: (waiting: Promise<T>) => void,
  closed: () => boolean,
  opening?: () => Promise<unknown> | undefined,
): AsyncIterableIterator<T, undefined> {
  const done = { value: undefined, done: true } as const;
  let left = false;
  const waiting = new Set<Promise<T>>();
  return {
    async next() {
      const pending = opening?.();
      if (pending) await pending.catch(ignore);
      if (left || closed()) return done;
      const taking = take();
      waiting.add(taking);
      try {
        return { value: await taking, done: false };
      } catch (error) {
        if (left || closed()) return done;
        throw error;
      } finally {
        waiting.delete(taking);
      }
    },
    return() {
      left = true;
      for (const taking of waiting) cancel(taking);
      return Promise.resolve(done);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** A rejected promise that does not end the process if nobody handles it. */
export function rejected(reason: unknown): Promise<never> {
  return handled(Promise.reject(reason));
}

/** The promise itself; its rejection does not end the process. */
export function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore);
  return promise;
}

function ignore(): void {}

// --- timeouts ---

/** The timeout of a new socket. */
export let defaultTimeout: number | null = null;

/**
 * Sets the timeout of each socket that is created from now on, in ms, as
 * Python's `socket.setdefaulttimeout()` does; null, the default, waits for ever.
 */
export function setdefaulttimeout(ms: number | null): void {
  checkTimeout(ms);
  defaultTimeout = ms;
}

/** Throws for a value that `settimeout` does not take: see StreamSocket. */
export function checkTimeout(ms: number | null): void {
  if (ms === 0) throw new SocketError("EINVAL", "settimeout");
  if (ms !== null && !(Number.isFinite(ms) && ms > 0 && ms <= LONGEST)) {
    throw new RangeError(
      `Cannot set the timeout: ${ms} is not 1 to ${LONGEST}`,
    );
  }
}

/** The longest delay of setTimeout(), about 24 days. */
const LONGEST = 2 ** 31 - 1;
