/**
 * Seeded random input for the game: games of any moves, datagrams of any kind, and
 * moves on a network that loses, doubles and reorders. Some thousands in the suite,
 * a hundred thousand in the gate.
 */
import { expect } from "bun:test";
import {
  begin,
  type Direction,
  HEIGHT,
  MOST_POINTS,
  PADDLE,
  type State,
  step,
  WIDTH,
} from "../../lib/protocols/game.ts";
import {
  decodeMessage,
  encodeMessage,
  type Message,
} from "../../lib/protocols/game_messages.ts";
import {
  type Move,
  MoveReceiver,
  type Moves,
  MoveSender,
} from "../../lib/protocols/game_moves.ts";
import { formatCommand, parseCommand } from "../../lib/protocols/quake.ts";
import { openGame } from "../../lib/services/game_server.ts";
import { type Numbers, numbers } from "./fuzz.ts";

const SEAT = { key: "0123456789abcdef", side: 1, isDrill: true } as const;

/** The state goes on by the rules, in whole numbers, and fits a datagram. */
export function fuzzRules(ticks: number): void {
  const next = numbers(21);
  let [state, twin] = [begin(), begin()];
  const seen = { points: 0, games: 0, hits: 0, walls: 0 };
  for (let tick = 1; tick <= ticks; tick++) {
    const directions = [direction(next), direction(next)] as const;
    const before = state;
    [state, twin] = [step(state, directions), step(twin, directions)];
    expect(state).toEqual(twin);
    expect(state.tick).toBe(tick);
    expectLawful(before, state);
    const [won] = [0, 1].map((i) => state.points[i] - before.points[i])
      .filter((more) => more !== 0);
    if (won === 1) seen.points++;
    else if (won !== undefined) {
      seen.games++;
      expect(state.points).toEqual([0, 0]);
      expect(Math.max(...before.points)).toBe(MOST_POINTS);
    } else if (state.speed[0] !== before.speed[0]) seen.hits++;
    else if (state.speed[1] !== before.speed[1]) seen.walls++;
    const message: Message = {
      ...{ kind: "STATE", ...SEAT, number: tick, acknowledged: 0, state },
      names: ["ann", ""],
    };
    expect(decodeMessage(encodeMessage(message))).toEqual(message);
  }
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(0);
}

function direction(next: Numbers): Direction {
  return [-1, 0, 0, 1][next(4)] as Direction;
}

function expectLawful(before: State, state: State): void {
  const numbers = [
    ...[...state.paddles, ...state.ball, ...state.speed, ...state.points],
    state.rest,
  ];
  expect(numbers.every((n) => Number.isInteger(n) && !Object.is(n, -0)))
    .toBe(true);
  for (const [side, top] of state.paddles.entries()) {
    expect(top).toBeWithin(0, HEIGHT - PADDLE + 1);
    expect(Math.abs(top - before.paddles[side])).toBeLessThanOrEqual(4);
  }
  expect(state.ball[0]).toBeWithin(0, WIDTH + 1);
  expect(state.ball[1]).toBeWithin(0, HEIGHT + 1);
  if (before.rest > 0) expect(state.ball).toEqual(before.ball);
}

const MESSAGES: Message[] = [
  { kind: "LEAVE", ...SEAT },
  { kind: "MARK", ...SEAT, number: 7 },
  {
    ...{ kind: "MOVES", ...SEAT, number: 9, tick: 8, first: 3 },
    moves: [{ tick: 12, direction: -1 }, { tick: 2 ** 32 - 1, direction: 1 }],
  },
  {
    ...{ kind: "STATE", ...SEAT, number: 9, acknowledged: 3, state: begin() },
    names: ["ann", "bob"],
  },
];
const COMMANDS = [
  ...["getinfo", "getstatus", "getchallenge", "print", "rcon"].map((
    command,
  ) => ({
    ...{ command, words: "xyz" },
  })),
  { command: "connect", info: { challenge: "x", name: "ann", match: "" } },
];
const SEEDS = [
  ...MESSAGES.map(encodeMessage),
  ...COMMANDS.map(formatCommand),
];

/** Bytes of any kind, or a datagram of which some were changed. */
function randomDatagram(next: Numbers): Uint8Array {
  if (next(4) === 0) {
    return Uint8Array.from({ length: next(80) }, () => next(256));
  }
  const bytes = SEEDS[next(SEEDS.length)].slice();
  for (let changes = next(4); changes > 0; changes--) {
    bytes[next(bytes.length)] = next(2) ? next(256) : next(8);
  }
  const longer = Uint8Array.of(...bytes, next(256));
  return next(4) > 0 ? bytes : longer.subarray(0, next(longer.length + 1));
}

/** What is read is the same when it is written again; no stranger gets more than it sent. */
export function fuzzGameDatagrams(count: number): void {
  const next = numbers(22);
  const sent: Uint8Array[] = [];
  const game = openGame({
    print: () => expect.unreachable(),
    send: async (data) => void sent.push(data),
    settle: async () => true,
  });
  let [messages, commands, told] = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    const bytes = randomDatagram(next);
    const message = decodeMessage(bytes);
    if (message) {
      messages++;
      expect(encodeMessage(message)).toEqual(bytes);
    }
    const command = parseCommand(bytes);
    if (command) commands++;
    expect(message && command).toBeUndefined();
    const sender: [string, number] = [`10.0.0.${i % 250}`, 9000 + next(9)];
    expect(game.take(bytes, sender)).toBe(false);
    const answer = game.answer(bytes, sender);
    if (!answer) continue;
    expect(command).toBeDefined();
    if (/^get(info|status)$/.test(command!.command)) {
      expect(answer.length).toBeLessThanOrEqual(512);
      told++;
    } else expect(answer.length).toBeLessThanOrEqual(bytes.length);
  }
  game.close();
  expect(sent).toEqual([]);
  for (const good of [messages, commands]) {
    expect(good).toBeWithin(count / 20, count * 9 / 10);
  }
  expect(told).toBeWithin(1, 45 + count / 100);
}

/** Each move counts once, in order, whatever the network does with datagrams. */
export function fuzzMoves(schedules: number): void {
  const next = numbers(23);
  for (let i = 0; i < schedules; i++) runSchedule(next);
}

function runSchedule(next: Numbers): void {
  const [sender, receiver] = [new MoveSender(), new MoveReceiver()];
  const made: Move[] = [];
  const taken: Move[] = [];
  const way: Moves[] = [];
  const answers: number[] = [];
  const any = <T>(from: T[]): T => from[next(from.length)];
  for (let tick = 1; tick <= 300; tick++) {
    const last = made.at(-1)?.direction ?? 0;
    const wanted = direction(next);
    // In the end nothing new is made, and nothing is lost.
    if (tick < 200 && wanted !== last) {
      const move = { tick: tick + next(20), direction: wanted };
      if (sender.add(move)) made.push(move);
    }
    way.push(sender.send());
    const arrived = tick < 250
      ? Array.from({ length: next(3) }, () => any(way))
      : [way.at(-1)!];
    for (const moves of arrived) {
      const before = receiver.last;
      receiver.take(moves);
      taken.push(...made.slice(before, receiver.last));
      // It is the move that was made, and not another with its number.
      for (const [index, move] of moves.moves.entries()) {
        expect(move).toEqual(made[moves.first + index - 1]);
      }
    }
    receiver.directionAt(tick);
    answers.push(receiver.last);
    const heard = tick < 250
      ? (next(3) > 0 ? any(answers) : made.length + 5)
      : answers.at(-1)!;
    sender.acknowledge(heard);
  }
  expect(taken).toEqual(made);
  expect(receiver.last).toBe(made.length);
  expect(receiver.directionAt(2 ** 32)).toBe(made.at(-1)?.direction ?? 0);
  expect(sender.send().moves).toEqual([]);
}
