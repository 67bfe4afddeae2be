/**
 * Shortens runs of the same call: of a hundred recv() in a row, the first three
 * are shown and the others counted, so that a trace can be read.
 *
 * @module
 */
import type { CallInWords } from "./strace.ts";

/** Passes calls on to `show`, and the rest of a run as one call. */
export class Runs {
  readonly #show: (call: CallInWords) => void;
  #last: CallInWords | undefined;
  #shown = 0;
  #bytes = 0;
  /** How many calls are counted and not shown. */
  counted = 0;

  constructor(show: (call: CallInWords) => void) {
    this.#show = show;
  }

  add(call: CallInWords): void {
    if (!this.#last || !areAlike(this.#last, call)) {
      this.end();
      this.#shown = 0;
    }
    this.#last = call;
    if (this.#shown++ < SHOWN) return this.#show(call);
    this.counted++;
    this.#bytes += call.bytes ?? 0;
  }

  /** Shows what has been counted. */
  end(): void {
    if (this.counted === 1) this.#show(this.#last!);
    else if (this.counted > 1) {
      const result = `${this.counted} times more, ${this.#bytes} bytes`;
      this.#show({ ...this.#last!, args: ["..."], result });
    }
    this.counted = this.#bytes = 0;
  }
}

/** So many calls of a run are shown. */
const SHOWN = 3;

/** Whether two calls differ in what they send or receive only. */
function areAlike(a: CallInWords, b: CallInWords): boolean {
  return /^(send|recv)/.test(a.call) && a.call === b.call &&
    a.socket === b.socket && a.connection === b.connection &&
    a.result !== undefined && b.result !== undefined;
}
