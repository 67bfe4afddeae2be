/**
 * Puts what two processes say while they run into the order of their clocks: each
 * line comes a little late, since a process writes several at once.
 *
 * @module
 */
import type { TracedCall } from "./traced.ts";

type End = TracedCall["end"];

/** Does the work that comes with each line, in time; each end keeps its order. */
export class InTime {
  readonly #waiting: Record<End, { at: number; work: () => void }[]> = {
    server: [],
    client: [],
  };
  readonly #last = { server: 0, client: 0 };
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Takes work for a time in ms since 1970, or for that of the line before. */
  push(end: End, work: () => void, at = 0): void {
    this.#last[end] = Math.max(this.#last[end], at);
    const { length } = this.#waiting[end];
    this.#waiting[end].push({ at: this.#last[end], work });
    this.#timer ??= setTimeout(() => this.#goOn(), LATE);
    if (length >= MOST) this.#do(Infinity); // no timer comes in a flood
  }

  /** Does all of it now. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#do(Infinity);
  }

  #goOn(): void {
    this.#do(Date.now() - LATE);
    const { server, client } = this.#waiting;
    const goesOn = server.length + client.length > 0;
    this.#timer = goesOn ? setTimeout(() => this.#goOn(), LATE / 2) : undefined;
  }

  #do(before: number): void {
    const { server, client } = this.#waiting;
    while (true) {
      const [ours, theirs] = [server[0]?.at, client[0]?.at];
      const next = theirs === undefined || ours <= theirs ? server : client;
      if (next.length === 0 || next[0].at > before) return;
      next.shift()!.work();
    }
  }
}

/** By how many ms a line may come late: a process writes every 20 ms. */
const LATE = 50;
/** So many lines of an end wait at most. */
const MOST = 200;
