/**
 * A promise that a time limit or an abort signal can end.
 *
 * @module
 */

/** The last argument of each call that waits. */
export interface Wait {
  /** Ends the wait with the signal's reason; the socket stays usable. */
  signal?: AbortSignal | undefined;
}

/** A promise that its maker settles, unless a time limit or a signal ends it. */
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
    handled(this.promise);
    this.#reject(reason);
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
    leave: () => void,
  ): void {
    const stop = () => {
      leave();
      this.reject(signal?.aborted ? signal.reason : timeoutError());
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
