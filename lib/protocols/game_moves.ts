/**
 * Moves that arrive although datagrams are lost: each has a number, and is sent
 * again with all that are not acknowledged until it is. So each counts once, in
 * order, and from the tick that it names.
 *
 * ```ts
 * import { MoveReceiver, MoveSender } from "./game_moves.ts";
 *
 * const sender = new MoveSender();
 * const receiver = new MoveReceiver();
 * sender.add({ tick: 12, direction: -1 });
 * receiver.take(sender.send()); // which may be lost, or come twice
 * receiver.directionAt(11); // 0
 * receiver.directionAt(12); // -1
 * sender.acknowledge(receiver.last); // or else it would be sent again
 * ```
 *
 * @module
 */
import type { Direction } from "./game.ts";

/** From a tick on, a paddle moves in a direction. */
export interface Move {
  readonly tick: number;
  readonly direction: Direction;
}

/** Moves in a row, of which the first has this number. */
export interface Moves {
  readonly first: number;
  readonly moves: readonly Move[];
}

/** So many moves are in one datagram, and wait at each end. */
export const MOST_MOVES = 32;

/** Numbers moves from 1, and keeps those that are not acknowledged. */
export class MoveSender {
  #first = 1;
  #waiting: Move[] = [];
  /** How often a move has been sent, repetitions included. */
  sends = 0;

  /** False if too many wait: then the move is not made. */
  add(move: Move): boolean {
    if (this.#waiting.length >= MOST_MOVES) return false;
    this.#waiting.push(move);
    return true;
  }

  /** What the next datagram has to have: all that is not acknowledged. */
  send(): Moves {
    this.sends += this.#waiting.length;
    return { first: this.#first, moves: [...this.#waiting] };
  }

  /** All moves up to this number have come. What cannot be true is ignored. */
  acknowledge(number: number): void {
    const count = number - this.#first + 1;
    if (count <= 0 || count > this.#waiting.length) return;
    this.#waiting.splice(0, count);
    this.#first += count;
  }
}

/** Takes each move once, in order, and says what holds at a tick. */
export class MoveReceiver {
  #waiting: Move[] = [];
  #direction: Direction = 0;
  /** The number of the last move that was taken, which acknowledges all. */
  last = 0;

  /** Takes the moves that are new. After a gap none is: they come again. */
  take({ first, moves }: Moves): void {
    if (first > this.last + 1) return;
    for (const [index, move] of moves.entries()) {
      if (first + index <= this.last) continue; // it is known
      if (this.#waiting.length >= MOST_MOVES) return;
      this.#waiting.push(move);
      this.last++;
    }
  }

  /**
   * The direction at a tick, which is not before that of the last call. A move
   * that has come too late holds from now on.
   */
  directionAt(tick: number): Direction {
    while (this.#waiting.length > 0 && this.#waiting[0].tick <= tick) {
      this.#direction = this.#waiting.shift()!.direction;
    }
    return this.#direction;
  }
}
