/**
 * A game on a terminal, for people: the newest state is drawn, and keys are moves.
 *
 * @module
 */
import {
  type Direction,
  HEIGHT,
  LINES,
  MOST_POINTS,
  PADDLE,
  WIDTH,
} from "../protocols/game.ts";
import {
  encodeAnswer,
  encodeMessage,
  type Seat,
  type Snapshot,
} from "../protocols/game_messages.ts";
import { MoveSender } from "../protocols/game_moves.ts";
import type { DatagramSocket } from "../sockets/datagram_socket.ts";
import { statesOf } from "./game_player.ts";

/** The terminal of a person. */
export interface Terminal {
  openScreen(onKey: (key: string) => void): Screen;
}

/** Its screen, until it is closed. */
export interface Screen {
  size(): [columns: number, rows: number];
  draw(lines: readonly string[]): void;
  close(): void;
}

/**
 * Plays until the person leaves, and gives the points in a line. A key counts from
 * the tick after the one that the person sees.
 *
 * @throws {SocketError} ETIMEDOUT if no state comes for 5 s.
 */
export async function playAt(
  terminal: Terminal,
  socket: DatagramSocket,
  seat: Seat,
): Promise<string> {
  const moves = new MoveSender();
  let [direction, isLeaving]: [Direction, boolean] = [0, false];
  let newest: Snapshot | undefined;

  const send = async (data: Uint8Array) => {
    await socket.send(data).catch(() => {}); // recv() tells what is wrong
  };
  async function leave(): Promise<void> {
    isLeaving = true;
    await send(encodeMessage({ ...seat, kind: "LEAVE" }));
    await socket.close();
  }
  function press(key: string): void {
    if (QUIT.test(key)) return void leave();
    const wanted = KEYS[key];
    if (!newest || wanted === undefined || wanted === direction) return;
    const tick = newest.state.tick + 1;
    if (moves.add({ tick, direction: wanted })) direction = wanted;
  }

  const screen = terminal.openScreen((keys) => {
    for (const [key] of keys.matchAll(KEY)) press(key);
  });
  // Its own clock sends: states may be lost.
  const timer = setInterval(() => {
    if (newest && !isLeaving) send(encodeAnswer(newest, moves.send()));
  }, TICK);
  try {
    screen.draw(["Waiting for the server"]);
    for await (const snapshot of statesOf(socket, seat)) {
      newest = snapshot;
      moves.acknowledge(snapshot.acknowledged);
      screen.draw(drawing(snapshot, screen.size()));
    }
  } catch (error) {
    if (!isLeaving) throw error;
  } finally {
    clearInterval(timer);
    screen.close();
  }
  return newest ? pointsOf(newest) : "No game";
}

/** A state as lines for a terminal of this size. */
export function drawing(
  { state, names, side }: Snapshot,
  [columns, rows]: [number, number],
): string[] {
  const [width, height] = [columns - 2, rows - 4];
  if (width < 18 || height < 3) return ["Too small"];
  const court = Array.from({ length: height }, () => Array(width).fill(" "));
  const columnOf = (x: number) => Math.floor(x * width / (WIDTH + 1));
  const rowOf = (y: number) => Math.floor(y * height / (HEIGHT + 1));
  for (let row = 0; row < height; row += 2) court[row][width >> 1] = "╎";
  for (const [side, top] of state.paddles.entries()) {
    for (let row = rowOf(top); row <= rowOf(top + PADDLE); row++) {
      court[row][columnOf(LINES[side])] = "█";
    }
  }
  const [x, y] = state.ball;
  court[rowOf(y)][columnOf(x)] = "●";
  const winner = state.points.findIndex((points) => points >= MOST_POINTS);
  const words = names.includes("")
    ? "Waiting for another player"
    : winner >= 0
    ? `${names[winner]} wins`
    : "";
  const text = centred(words, width).slice(0, width);
  if (words) court[height >> 1] = [...text.padEnd(width)];
  const paddle = `${["left", "right"][side]} paddle`;
  const help = width < 60
    ? paddle
    : `w s or arrows: ${paddle}, Space: stop, q: leave`;
  return [
    centred(pointsOf({ state, names }), columns),
    `┌${"─".repeat(width)}┐`,
    ...court.map((row) => `│${row.join("")}│`),
    `└${"─".repeat(width)}┘`,
    centred(help, columns),
  ];
}

function pointsOf({ state, names }: Pick<Snapshot, "state" | "names">): string {
  const [left, right] = names.map((name) => name || "?");
  return `${left} ${state.points.join(" : ")} ${right}`;
}

function centred(text: string, width: number): string {
  return " ".repeat(Math.max(0, width - text.length >> 1)) + text;
}

/** What a terminal sends for a key: an escape sequence, or a character. */
// deno-lint-ignore no-control-regex
const KEY = /\x1b[[O][A-Z]|[^]/g;

/** Ctrl-C, Ctrl-D and q leave. */
// deno-lint-ignore no-control-regex
const QUIT = /^[\x03\x04qQ]$/;

const KEYS: Record<string, Direction> = {
  ...{ w: -1, W: -1, "\x1b[A": -1, "\x1bOA": -1 },
  ...{ s: 1, S: 1, "\x1b[B": 1, "\x1bOB": 1, " ": 0 },
};

/** In ms. */
const TICK = 33;
