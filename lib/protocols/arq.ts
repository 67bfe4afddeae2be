/**
 * Automatic repeat request: a sender and a receiver that make a network reliable
 * which loses, doubles and reorders datagrams. Neither has a socket or a clock:
 * events go in, and frames to be sent come out. Stop and wait, go-back-N and
 * selective repeat are one machine; they differ in its window, and in what is
 * kept out of order. An acknowledgement is for one block, so that each way needs
 * the same ones. (Where it is for all before, go-back-N needs fewer.)
 *
 * ```ts
 * import { Receiver, Sender, WAYS } from "./arq.ts";
 *
 * const [stopAndWait] = WAYS;
 * const sender = new Sender(["one", "two"], stopAndWait);
 * const receiver = new Receiver(stopAndWait);
 * const [first] = sender.start(); // { block: 1, attempt: 1, number: 0, ... }
 * receiver.take(first); // true: it is to be acknowledged
 * const [again] = sender.expire(); // its acknowledgement has been lost
 * receiver.take(again); // true: it is known
 * const [second] = sender.acknowledge({ kind: "ACK", ...again }); // block 2
 * receiver.blocks; // ["one"]
 * ```
 *
 * @module
 */
import type { Block, Frame } from "./frames.ts";

/** How blocks are repeated. */
export interface Way {
  /** Letters, digits and hyphens; at most 16. */
  readonly name: string;
  /** So many blocks may be on the way at once: 1 to 32767. */
  readonly window: number;
  /**
   * Whether both ends keep what comes out of order: the receiver blocks, and the
   * sender acknowledgements.
   */
  readonly keeps: boolean;
}

/** Stop and wait, go-back-N and selective repeat, with a window of 8. */
export const WAYS: readonly Way[] = [
  { name: "stop-and-wait", window: 1, keeps: false },
  { name: "go-back-N", window: 8, keeps: false },
  { name: "selective", window: 8, keeps: true },
];

/** Sends blocks, of which the first has the number `first`. */
export class Sender {
  readonly #blocks: readonly string[];
  readonly #way: Way;
  readonly #first: number;
  /** The oldest block that is not acknowledged, and the next new one. */
  #base = 0;
  #next = 0;
  /** Of the blocks between them: how often each was sent, and which are done. */
  readonly #attempts = new Map<number, number>();
  readonly #acknowledged = new Set<number>();
  /** How many blocks have been sent, repetitions included. */
  sends = 0;

  constructor(blocks: readonly string[], way: Way, first = 0) {
    this.#blocks = blocks;
    this.#way = way;
    this.#first = first;
  }

  /** Whether every block has been acknowledged. */
  get done(): boolean {
    return this.#base === this.#blocks.length;
  }

  /** The blocks with which the transfer begins: a window full. */
  start(): Block[] {
    const blocks: Block[] = [];
    const last = Math.min(this.#base + this.#way.window, this.#blocks.length);
    while (this.#next < last) blocks.push(this.#sent(this.#next++));
    return blocks;
  }

  /** Whether a frame acknowledges a block for the first time, and can be true. */
  expects({ kind, way, number }: Frame): boolean {
    if (kind !== "ACK" || way !== this.#way.name) return false;
    if (number === undefined || this.done) return false;
    const ahead = this.#ahead(number);
    const most = this.#way.keeps ? this.#next - this.#base : 1;
    return ahead >= 0 && ahead < most &&
      !this.#acknowledged.has(this.#base + ahead);
  }

  /** The new blocks for which an acknowledgement makes room in the window. */
  acknowledge(frame: Frame): Block[] {
    if (!this.expects(frame)) return [];
    this.#acknowledged.add(this.#base + this.#ahead(frame.number!));
    while (this.#acknowledged.delete(this.#base)) {
      this.#attempts.delete(this.#base++);
    }
    return this.start();
  }

  /** The blocks to send again if no acknowledgement has come for too long. */
  expire(): Block[] {
    const blocks: Block[] = [];
    for (let index = this.#base; index < this.#next; index++) {
      if (!this.#acknowledged.has(index)) blocks.push(this.#sent(index));
    }
    return blocks;
  }

  #ahead(number: number): number {
    return distance(add(this.#first, this.#base), number);
  }

  #sent(index: number): Block {
    const attempt = (this.#attempts.get(index) ?? 0) + 1;
    this.#attempts.set(index, attempt);
    this.sends++;
    return {
      ...{ way: this.#way.name, block: index + 1, attempt },
      ...{ number: add(this.#first, index), text: this.#blocks[index] },
    };
  }
}

/** Puts blocks in order; it keeps less than a window of those that come early. */
export class Receiver {
  readonly #way: Way;
  readonly #early = new Map<number, string>();
  /** The number of the block that is due. */
  #due: number;
  /** The blocks so far, whole and in order. */
  readonly blocks: string[] = [];

  constructor(way: Way, first = 0) {
    this.#way = way;
    this.#due = first;
  }

  /**
   * Takes a block, and says whether to acknowledge it: not one that is thrown
   * away, but one that is known, whose acknowledgement may have been lost.
   */
  take({ number, text }: Block): boolean {
    if (number === undefined) return false;
    const { window, keeps } = this.#way;
    const ahead = distance(this.#due, number);
    if (ahead < 0) return ahead >= -window;
    if (ahead >= (keeps ? window : 1)) return false;
    this.#early.set(number, text);
    for (let next; (next = this.#early.get(this.#due)) !== undefined;) {
      this.blocks.push(next);
      this.#early.delete(this.#due);
      this.#due = add(this.#due, 1);
    }
    return true;
  }
}

// --- serial number arithmetic: RFC 1982, with 16 bits ---

/** The number that is so many after another. */
export function add(number: number, count: number): number {
  return (number + count) & 0xffff;
}

/** How far `to` is ahead of `from`, or, if negative, behind it: -32768 to 32767. */
export function distance(from: number, to: number): number {
  return (to - from) << 16 >> 16;
}
