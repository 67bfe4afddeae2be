/**
 * The stream of what happens in a run, one JSON object a line, to one page. It
 * notices when the page has left.
 *
 * @module
 */
export class Events implements AsyncIterableIterator<Uint8Array, undefined> {
  #lines = "";
  #wake: (() => void) | undefined;
  readonly #left: () => Promise<void>;
  #over = false;

  /** `left` is called once, when the page has left. */
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

  /** All lines that nobody has taken yet. */
  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    while (this.#lines === "" && !this.#over) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    if (this.#over) return { value: undefined, done: true };
    const value = encoder.encode(this.#lines);
    this.#lines = "";
    return { value, done: false };
  }

  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (!this.#over) {
      this.#over = true;
      this.#wake?.();
      await this.#left();
    }
    return { value: undefined, done: true };
  }
}

const encoder = new TextEncoder();
