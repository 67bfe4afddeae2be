/**
 * A drill: a match of 120 ticks in which two programs play, and do the same each
 * time. A move names a tick that is at most 10 after that of the state which the
 * player has seen. So the server knows what holds at a tick before it begins,
 * however late or often datagrams come.
 *
 * ```ts
 * import { Drill } from "./game_drill.ts";
 *
 * const ann = new Drill(0);
 * ann.inWords; // "ann: 0 of 120 states came; 6 moves, sent 0 times"
 * ```
 *
 * @module
 */
import { type Direction, formatState } from "./game.ts";
import { encodeAnswer, type Snapshot } from "./game_messages.ts";
import { type Move, MoveSender } from "./game_moves.ts";

/** The drill ends with this tick. */
export const LAST_TICK = 120;

/** So many ticks before it holds, a move is made. */
export const AHEAD = 10;

/** What the players do, and what they are called: left, right. */
const PLANS = [
  movesOf([16, 1], [30, 0], [58, -1], [70, 0], [96, 1], [110, 0]),
  movesOf([24, 1], [36, 0], [50, -1], [77, 0], [100, 1], [112, 0]),
];
const NAMES = ["ann", "bob"];

function movesOf(...moves: [tick: number, direction: Direction][]): Move[] {
  return moves.map(([tick, direction]) => ({ tick, direction }));
}

/** One of the players. */
export class Drill {
  readonly #side: 0 | 1;
  readonly #due: Move[];
  readonly #moves = new MoveSender();
  readonly #ticks = new Set<number>();
  /** The newest state, in words. */
  result = "";

  constructor(side: 0 | 1) {
    this.#side = side;
    this.#due = [...PLANS[side]];
  }

  /**
   * The datagram that answers a state: it has the moves that are due, and all
   * before that are not acknowledged.
   */
  answer(snapshot: Snapshot): Uint8Array {
    const { state, acknowledged } = snapshot;
    if (state.tick <= LAST_TICK) this.#ticks.add(state.tick); // or it never ends
    this.result = formatState(state);
    this.#moves.acknowledge(acknowledged);
    while (this.#due[0]?.tick <= state.tick + AHEAD) {
      this.#moves.add(this.#due.shift()!);
    }
    return encodeAnswer(snapshot, this.#moves.send());
  }

  /** How much was lost, and what that has cost. */
  get inWords(): string {
    return `${
      NAMES[this.#side]
    }: ${this.#ticks.size} of ${LAST_TICK} states came; ` +
      `${PLANS[this.#side].length} moves, sent ${this.#moves.sends} times`;
  }
}
