/**
 * A stream of events to one client, as JSON objects, one a line: the pieces of an
 * answer that lasts until the client leaves.
 *
 * @module
 */
export class JsonLines implements AsyncIterableIterator<Uint8Array, undefined> {
  #lines = "";
  #wake: (() => void) | undefined;
  readonly #left: () => Promise<void>;
  #over = false;

  /** `left` is called once, when the client has left. */
  constructor(left: () => Promise<void>) {
    this.#left = left;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  push(event: Record<string, unknown>): void {
    if (this.#over) return;
    this.#lines += `${JSON.stringify(event)}\n`;
    this.#wake?.();
  }

  /** All lines that have not been sent yet. */
  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    while (this.#lines === "" && !this.#over) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    if (this.#over) return DONE;
    const value = encoder.encode(this.#lines);
    this.#lines = "";
    return { value, done: false };
  }

  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.#over) return DONE;
    this.#over = true;
    this.#wake?.();
    await this.#left();
    return DONE;
  }
}

const DONE = { value: undefined, done: true } as const;
const encoder = new TextEncoder();
