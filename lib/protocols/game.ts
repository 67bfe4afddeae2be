/**
 * The rules of a game for two: a ball, and a paddle at either side of a court. All
 * numbers are whole, and there is no chance in it: the same moves lead to the same
 * state on every machine.
 *
 * ```ts
 * import { begin, formatState, step } from "./game.ts";
 *
 * let state = begin();
 * state = step(state, [-1, 0]); // the left paddle moves up
 * formatState(state); // "Tick 1: ball 360,100, paddles 76 and 80, points 0:0"
 * ```
 *
 * @module
 */

/** What is so at a tick. The court's corner 0,0 is at the top on the left. */
export interface State {
  readonly tick: number;
  /** The upper end of the left paddle, and of the right one. */
  readonly paddles: Pair;
  readonly ball: Pair;
  /** How far the ball flies at each tick, to the right and down. */
  readonly speed: Pair;
  readonly points: Pair;
  /** For so many ticks the ball rests before it flies. */
  readonly rest: number;
}

/** One number for the left and one for the right, or of columns and of rows. */
export type Pair = readonly [number, number];

/** Where a paddle moves: up, not at all, or down. */
export type Direction = -1 | 0 | 1;

/** The court. A paddle hits the ball where it crosses one of the two lines. */
export const [WIDTH, HEIGHT, PADDLE] = [720, 200, 40];
export const LINES: Pair = [20, 700];
/** Who has so many points wins, and the next game begins. */
export const MOST_POINTS = 11;

/** How far a paddle moves at a tick, and the ball to either side. */
const [PADDLE_SPEED, BALL_SPEED] = [4, 16];
/** How long the ball rests before a service, and at the end of a game. */
export const [REST, LONG_REST] = [20, 150];
const CENTRE: Pair = [WIDTH / 2, HEIGHT / 2];

/** The state at tick 0. */
export function begin(): State {
  const paddle = (HEIGHT - PADDLE) / 2;
  return {
    ...{ tick: 0, paddles: [paddle, paddle], ball: CENTRE },
    ...{ speed: [-BALL_SPEED, 3], points: [0, 0], rest: REST },
  };
}

/** The state at the next tick, when the paddles move like this. */
export function step(
  state: State,
  directions: readonly [Direction, Direction],
): State {
  const moved = (side: 0 | 1) => {
    const to = state.paddles[side] + PADDLE_SPEED * directions[side];
    return Math.min(Math.max(to, 0), HEIGHT - PADDLE);
  };
  const next = {
    ...state,
    ...{ tick: state.tick + 1, paddles: [moved(0), moved(1)] as const },
  };
  return state.rest > 0 ? resting(next) : flying(next);
}

/** The ball rests. With the end of the rest after a game, the next one begins. */
function resting(state: State): State {
  const rest = state.rest - 1;
  const isOver = rest === 0 && Math.max(...state.points) >= MOST_POINTS;
  return { ...state, rest, points: isOver ? [0, 0] : state.points };
}

/** The ball flies: a wall or a paddle turns it, or it is a point for one side. */
function flying(state: State): State {
  let [x, y] = [state.ball[0] + state.speed[0], state.ball[1] + state.speed[1]];
  let [right, down] = state.speed;
  if (y < 0 || y > HEIGHT) {
    y = y < 0 ? -y : 2 * HEIGHT - y;
    down = 0 - down;
  }
  const side = right < 0 ? 0 : 1;
  const line = LINES[side];
  const isBehind = (at: number) => side === 0 ? at <= line : at >= line;
  // The further from its middle a paddle hits the ball, the steeper it flies.
  const offset = y - state.paddles[side] - PADDLE / 2;
  if (isBehind(x) && !isBehind(state.ball[0])) {
    if (Math.abs(offset) <= PADDLE / 2) {
      [x, right, down] = [2 * line - x, 0 - right, Math.trunc(offset / 3) + 0];
    }
  } else if (x < 0 || x > WIDTH) return scored(state, side === 0 ? 1 : 0);
  return { ...state, ball: [x, y], speed: [right, down] };
}

/** A point for a side. The next service flies to it. */
function scored(state: State, side: 0 | 1): State {
  const [left, right] = state.points;
  const points: Pair = side === 0 ? [left + 1, right] : [left, right + 1];
  const isOver = points[side] === MOST_POINTS;
  return {
    ...{ ...state, points, ball: CENTRE, rest: isOver ? LONG_REST : REST },
    speed: [
      side === 0 ? -BALL_SPEED : BALL_SPEED,
      3 * ((left + right) % 3 - 1),
    ],
  };
}

/** A state in a line of at most 68 characters. */
export function formatState({ tick, ball, paddles, points }: State): string {
  const [left, right] = paddles;
  return `Tick ${tick}: ball ${ball}, paddles ${left} and ${right}, ` +
    `points ${points.join(":")}`;
}
