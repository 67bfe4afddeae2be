/**
 * The game: its rules, its datagrams, what strangers get, and both ends on the three
 * runtimes. The gate has quakestat, and a hundred games on a busy machine.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  type Address,
  AF_INET,
  type DatagramSocket,
  type End,
  SOCK_DGRAM,
  socket,
} from "../lib/mod.ts";
import { Drill } from "../lib/protocols/game_drill.ts";
import { begin, formatState, type State, step } from "../lib/protocols/game.ts";
import {
  decodeMessage,
  encodeAnswer,
  encodeMessage,
  type Input,
  type Seat,
  type Snapshot,
} from "../lib/protocols/game_messages.ts";
import { MOST_MOVES, MoveReceiver } from "../lib/protocols/game_moves.ts";
import {
  formatAnswer,
  formatCommand,
  parseCommand,
} from "../lib/protocols/quake.ts";
import { openGame } from "../lib/services/game_server.ts";
import { openGate } from "../lib/services/game_gate.ts";
import { Match } from "../lib/services/game_match.ts";
import { join, statesOf } from "../lib/services/game_player.ts";
import { drawing } from "../lib/services/game_screen.ts";
import { difference, readHeader } from "../scripts/tools/support/header.ts";
import { readFileSync } from "node:fs";
import {
  clientOn,
  command,
  nextTo,
  serverOn,
  testNoServer,
  testWrongFlags,
} from "./support/ends.ts";
import {
  fuzzGameDatagrams,
  fuzzMoves,
  fuzzRules,
} from "./support/fuzz_game.ts";
import { play, playToEnd } from "./support/play.ts";
import { find, RUNTIMES } from "./support/runtimes.ts";
import { load, ROOT } from "./support/scripts.ts";
import { CTRL_C, noTerminal, onTerminal } from "./support/terminal.ts";
import { needing, testOn } from "./support/test_on.ts";

setDefaultTimeout(60_000);

const game = await load("game_snapshots");
const { output } = readHeader(
  readFileSync(`${ROOT}scripts/game_snapshots.ts`, "utf8"),
);
const linesOf = (end: string) =>
  output.filter((line) => line.startsWith(`${end}: `))
    .map((line) => `${line.slice(end.length + 2)}\n`).join("");
const text = (bytes: Uint8Array | undefined) =>
  bytes && String.fromCharCode(...bytes);
const bytes = (text: string) =>
  Uint8Array.from(text, (one) => one.charCodeAt(0));

describe("the rules", () => {
  const still = [0, 0] as const;
  const flying = (change: Partial<State>): State => ({
    ...{ ...begin(), rest: 0 },
    ...change,
  });

  test("let the ball rest, and then fly", () => {
    let state = begin();
    for (let tick = 0; tick < 20; tick++) state = step(state, still);
    expect(state).toEqual({ ...begin(), tick: 20, rest: 0 });
    expect(step(state, still).ball).toEqual([344, 103]);
  });

  test("turn the ball at a wall, as far as it would have been behind it", () => {
    const low = step(flying({ ball: [300, 199], speed: [16, 5] }), still);
    expect([low.ball, low.speed]).toEqual([[316, 196], [16, -5]]);
    const high = step(flying({ ball: [300, 2], speed: [16, -5] }), still);
    expect([high.ball, high.speed]).toEqual([[316, 3], [16, 5]]);
  });

  test("turn it at a paddle, the steeper the further from its middle", () => {
    for (const [y, down] of [[80, -6], [90, -3], [100, 0], [120, 6]]) {
      const left = step(flying({ ball: [30, y], speed: [-16, 0] }), still);
      expect([left.ball, left.speed]).toEqual([[26, y], [16, down]]);
      const right = step(flying({ ball: [690, y], speed: [16, 0] }), still);
      expect([right.ball, right.speed]).toEqual([[694, y], [-16, down]]);
    }
  });

  test("give a point for a ball that leaves the court", () => {
    const missed = step(flying({ ball: [30, 121], speed: [-16, 0] }), still);
    expect(missed).toMatchObject({ ball: [14, 121], speed: [-16, 0] });
    const lost = step(missed, still);
    expect(lost).toMatchObject({
      ...{ ball: [360, 100], points: [0, 1], rest: 20, speed: [16, -3] },
    });
  });

  test("begin the next game after 11 points", () => {
    let state = flying({ ball: [710, 1], speed: [16, 0], points: [10, 9] });
    state = step(state, still);
    expect(state).toMatchObject({ points: [11, 9], rest: 150 });
    for (let tick = 1; tick < 150; tick++) state = step(state, still);
    expect(state.points).toEqual([11, 9]);
    expect(step(state, still)).toMatchObject({ points: [0, 0], rest: 0 });
  });

  test("keep to whole numbers in 5,000 ticks of any moves", () => {
    fuzzRules(5_000);
  });

  test("give a state in one line", () => {
    const state = flying({ tick: 99999, ball: [720, 200], points: [11, 10] });
    expect(formatState(state).length).toBeLessThanOrEqual(68);
  });
});

const SEAT: Seat = { key: "0123456789abcdef", side: 1, isDrill: true };
const INPUT: Input = {
  ...{ kind: "MOVES", ...SEAT, number: 5, tick: 4, first: 1 },
  moves: [{ tick: 12, direction: -1 }],
};
const SNAPSHOT: Snapshot = {
  ...{ kind: "STATE", ...SEAT, number: 258, acknowledged: 3, state: begin() },
  names: ["ann", ""],
};

describe("datagrams", () => {
  test("are the bytes that the header of the protocol promises", () => {
    expect(Buffer.from(encodeMessage(INPUT)).toString("hex")).toBe(
      "0101030123456789abcdef0000000500000004000000010" +
        "10000000cff",
    );
    expect(Buffer.from(encodeMessage(SNAPSHOT)).toString("hex")).toBe(
      "0100030123456789abcdef000001020000000300000000" +
        "0050005001680064fff00003" + "000014" + "03616e6e00",
    );
  });

  test("are whole, and nothing follows them", () => {
    for (const message of [INPUT, SNAPSHOT]) {
      const whole = encodeMessage(message);
      expect(decodeMessage(whole)).toEqual(message);
      for (let size = 0; size < whole.length; size++) {
        expect(decodeMessage(whole.subarray(0, size))).toBeUndefined();
      }
      expect(decodeMessage(Uint8Array.of(...whole, 0))).toBeUndefined();
    }
  });

  test("have a version, and values within their limits", () => {
    const changed = (message: Input | Snapshot, at: number, value: number) => {
      const bytes = encodeMessage(message);
      bytes[at] = value;
      return decodeMessage(bytes);
    };
    for (
      const [message, at, value] of [
        ...[[INPUT, 0, 0], [INPUT, 0, 2], [INPUT, 1, 6], [INPUT, 2, 4]],
        ...[[INPUT, 23, 0], [INPUT, 23, 33], [INPUT, 28, 2]], // moves
        ...[[SNAPSHOT, 23, 1], [SNAPSHOT, 24, 161]], // a paddle
        ...[[SNAPSHOT, 27, 3], [SNAPSHOT, 30, 201]], // the ball
        ...[[SNAPSHOT, 31, 0xf0], [SNAPSHOT, 35, 128]], // speed, points
        ...[[SNAPSHOT, 38, 17], [SNAPSHOT, 39, 0x1b], [SNAPSHOT, 40, 32]],
      ] as [Input | Snapshot, number, number][]
    ) {
      expect([at, value, changed(message, at, value)]).toEqual([
        ...[at, value, undefined],
      ]);
    }
    const most = Array(MOST_MOVES).fill(INPUT.moves[0]);
    const full = { ...INPUT, moves: most };
    expect(decodeMessage(encodeMessage(full))).toEqual(full);
  });

  test("of Quake III are read as its programs write them", () => {
    const ones = "\xff".repeat(4);
    for (
      const [datagram, command] of [
        ["getinfo\n", { command: "getinfo", words: "", lines: [""] }],
        ["getstatus x-1", { command: "getstatus", words: "x-1", lines: [] }],
        [
          'connect "\\name\\ann\\rate\\25000"',
          { command: "connect", info: { name: "ann", rate: "25000" } },
        ],
        [
          'statusResponse\n\\a\\1\\b\\\n3 0 "ann"\n',
          { info: { a: "1", b: "" }, lines: ['3 0 "ann"', ""] },
        ],
        ["print\nThe game is full\n", { lines: ["The game is full", ""] }],
        ["connect \\__proto__\\x", { command: "connect" }],
      ] as const
    ) {
      expect(parseCommand(bytes(ones + datagram))).toMatchObject(command);
    }
    for (
      const other of [
        ...["", "\xff\xff\xffgetinfo", `${ones} getinfo`, `${ones}`],
        ...[`${ones}print\n\x1b[2J`, `${ones}connect \\name`],
        ...[`${ones}getinfo ${"x".repeat(505)}`, `${ones}\xffgetinfo`],
      ]
    ) expect([other, parseCommand(bytes(other))]).toEqual([other, undefined]);
    expect(text(formatAnswer({ command: "infoResponse", info: { a: "b" } })))
      .toBe(`${ones}infoResponse\n\\a\\b\n`);
  });

  test("of any kind harm nobody", () => fuzzGameDatagrams(5_000));
});

describe("moves", () => {
  test("count once and in order, however often they come", () => {
    fuzzMoves(200);
  });

  test("are taken in bounded number, and none after a gap", () => {
    const receiver = new MoveReceiver();
    const move = { tick: 9, direction: 1 } as const;
    receiver.take({ first: 2, moves: [move] });
    receiver.take({ first: 4e9, moves: [move] });
    expect(receiver.last).toBe(0);
    const moves = Array(MOST_MOVES).fill(move);
    for (const first of [1, 17, 33]) receiver.take({ first, moves });
    expect(receiver.last).toBe(MOST_MOVES);
    expect(receiver.directionAt(8)).toBe(0);
    expect(receiver.directionAt(9)).toBe(1);
    receiver.take({ first: MOST_MOVES + 1, moves });
    expect(receiver.last).toBe(2 * MOST_MOVES);
  });
});

describe("the gate", () => {
  const here: Address = ["127.0.0.1", 4000];
  const long = formatCommand({
    command: "getchallenge",
    words: "0".repeat(24),
  });
  const challengeIn = (bytes?: Uint8Array) => parseCommand(bytes!)!.words!;

  test("gives a challenge that is no longer than the question", () => {
    const gate = openGate();
    for (let size = 5; size <= long.length; size++) {
      const answer = gate.challenge(long.subarray(0, size), here, 0);
      if (answer) expect(answer.length).toBeLessThanOrEqual(size);
    }
    expect(gate.challenge(long, here, 0)).toBeDefined();
    expect(gate.challenge(long.subarray(0, 20), here, 0)).toBeUndefined();
  });

  test("admits the address that got it, for a minute", () => {
    const gate = openGate();
    const challenge = challengeIn(gate.challenge(long, here, 29_999));
    expect(gate.admits(challenge, here, 29_999)).toBe(true);
    expect(gate.admits(challenge, here, 59_999)).toBe(true);
    expect(gate.admits(challenge, here, 60_000)).toBe(false);
    expect(gate.admits(challenge, ["127.0.0.1", 4001], 29_999)).toBe(false);
    expect(gate.admits(challenge, ["127.0.0.2", 4000], 29_999)).toBe(false);
    expect(openGate().admits(challenge, here, 29_999)).toBe(false);
    expect(gate.admits("", here, 29_999)).toBe(false);
  });

  test("tells strangers at a bounded rate", () => {
    const gate = openGate();
    const count = (host: string, now: number, asks = 100) =>
      Array.from({ length: asks }, (_, port) => gate.mayTell([host, port], now))
        .filter(Boolean).length;
    expect([count("a", 0), count("a", 900), count("a", 2000)]).toEqual([
      ...[10, 0, 2],
    ]);
    const others = Array.from({ length: 100 }, (_, i) => count(`b${i}`, 2000));
    expect(others.reduce((a, b) => a + b)).toBe(38);
    expect(count("c", 2500)).toBe(5);
  });
});

/** A datagram socket on the server's address that waits for 10 s at most. */
async function connected(address: Address): Promise<DatagramSocket> {
  const connection = socket(AF_INET, SOCK_DGRAM);
  connection.settimeout(10_000);
  await connection.connect(address);
  return connection;
}

/** Waits for a state that is as wanted, and answers each one. */
async function until(
  connection: DatagramSocket,
  seat: Seat,
  wanted: (snapshot: Snapshot) => boolean,
  moves: Input["moves"] = [],
): Promise<Snapshot> {
  for await (const snapshot of statesOf(connection, seat)) {
    if (wanted(snapshot)) return snapshot;
    await connection.send(encodeAnswer(snapshot, { first: 1, moves }));
  }
  throw new Error("The match is over");
}

describe("a match of people", () => {
  test("has two players, and a third is told that it is full", async () => {
    const { lines } = await play(game, {}, async ({ address }: End) => {
      await using one = await connected(address);
      await using two = await connected(address);
      await using three = await connected(address);
      const ann = await join(one, { name: "ann" });
      expect(await join(one, { name: "ann" })).toEqual(ann); // asked again
      const alone = await until(one, ann, () => true);
      expect([alone.names, alone.state]).toEqual([["ann", ""], begin()]);
      const bob = await join(two, { name: "bob" });
      expect([ann.side, bob.side]).toEqual([0, 1]);
      const failure = await join(three, { name: "eve" }).catch((error) =>
        error
      );
      expect(failure.message).toMatch(/^Cannot join .*: The game is full$/);

      // A move that is sent in each datagram counts once, at both ends.
      const moves = [
        { tick: 3, direction: 1 },
        { tick: 8, direction: 0 },
      ] as const;
      const low = ({ state }: Snapshot) => state.paddles[0] > 80;
      const [own, other] = await Promise.all([
        until(one, ann, (one) => low(one) && one.acknowledged === 2, moves),
        until(two, bob, low),
      ]);
      expect(own.names).toEqual(["ann", "bob"]);
      expect(other.state.paddles[1]).toBe(80);

      // What is left is free: the next one has the paddle, and a new game begins.
      await one.send(encodeMessage({ kind: "LEAVE", ...ann }));
      await until(two, bob, ({ names }) => names[0] === "");
      const eve = await join(three, { name: "eve" });
      const again = await until(three, eve, ({ names }) => names[1] === "bob");
      expect(again).toMatchObject({ names: ["eve", "bob"], side: 0 });
    });
    expect(lines).toEqual([
      ...[
        "server: ann has the left paddle",
        "server: bob has the right paddle",
      ],
      ...["server: ann leaves", "server: eve has the left paddle"],
    ]);
  });

  test("is not changed by strangers, and by what is old or cannot be", async () => {
    const sent: Snapshot[] = [];
    const match = new Match({
      print() {},
      send: async (data) => void sent.push(decodeMessage(data) as Snapshot),
      settle: async () => true,
    }, { isDrill: false });
    const ann = match.join("ann", SEAT.key, ["127.0.0.1", 1])!;
    match.join("bob", "f".repeat(16), ["127.0.0.1", 2]);
    while (sent.length < 12) await Bun.sleep(5);
    const input = { ...INPUT, number: 3, tick: 2 };
    match.take(ann, input);
    const known = () => [ann.seen, ann.tick, ann.moves.last];
    expect(known()).toEqual([3, 2, 1]);
    for (
      const other of [
        ...[input, { ...input, number: 2, tick: 1 }], // again, and an older one
        { ...input, number: 1e6, first: 2 }, // of what was never sent
        { ...input, tick: 1e6, first: 2 },
        { ...input, first: 3 }, // with a gap
      ]
    ) {
      match.take(ann, other);
      expect(known()).toEqual([3, 2, 1]);
    }
    // Overtaken by a newer datagram, its moves are the next ones all the same.
    match.take(ann, { ...input, number: 2, tick: 1, first: 2 });
    expect(known()).toEqual([3, 2, 2]);
    match.close();
    await match.ended;
  });
});

describe("a stranger", () => {
  /** What a server that runs answers to these datagrams from one socket. */
  async function answersTo(
    address: Address,
    datagrams: Uint8Array[],
  ): Promise<string[]> {
    await using asking = await connected(address);
    asking.settimeout(300);
    for (const data of datagrams) await asking.send(data);
    const answers = [];
    while (true) {
      const answer = await asking.recv(2048).catch(() => undefined);
      if (!answer) return answers;
      answers.push(text(answer)!);
    }
  }

  test("gets no more bytes than it has sent, until it is known", async () => {
    const { lines } = await play(game, {}, async ({ address }: End) => {
      const info = { challenge: "0".repeat(16), name: "eve", match: "" };
      const connect = formatCommand({ command: "connect", info });
      const all = [
        connect,
        ...[INPUT, SNAPSHOT].map(encodeMessage),
        encodeMessage({ kind: "MARK", ...SEAT, number: 1 }),
        encodeMessage({ kind: "LEAVE", ...SEAT }),
        ...["getchallenge", "rcon x status", "", "print\nx\n"].map((words) =>
          bytes(`\xff\xff\xff\xff${words}`)
        ),
      ];
      expect(await answersTo(address, all)).toEqual([]);
      const asked = formatCommand({
        ...{ command: "getchallenge", words: "0".repeat(24) },
      });
      const [answer, ...others] = await answersTo(address, [asked]);
      expect([others, answer.length <= asked.length]).toEqual([[], true]);
      const status = await answersTo(
        address,
        Array(200).fill(bytes("\xff\xff\xff\xffgetstatus")),
      );
      expect(status.length).toBeWithin(1, 10 + 4);
    });
    expect(lines).toEqual([]);
  });

  test("cannot join with the challenge of another, nor play for it", async () => {
    const { lines } = await play(game, {}, async ({ address }: End) => {
      await using one = await connected(address);
      await using two = await connected(address);
      const ann = await join(one, { name: "ann" });
      const bob = await join(two, { name: "bob" });
      const { number, state: { tick } } = await until(one, ann, () => true);
      const move = { ...INPUT, ...ann, number, tick };
      await using forger = await connected(address);
      // Its key from elsewhere; another key, side, or kind of match from there.
      await forger.send(encodeMessage(move));
      await forger.send(encodeMessage({ kind: "LEAVE", ...ann }));
      for (
        const other of [{ key: bob.key }, { key: SEAT.key }, {
          side: 1 as const,
        }]
      ) {
        await one.send(encodeMessage({ ...move, ...other }));
        await one.send(encodeMessage({ kind: "LEAVE", ...ann, ...other }));
      }
      const later = await until(one, ann, (state) => state.number > number + 5);
      expect(later).toMatchObject({ acknowledged: 0, names: ["ann", "bob"] });
      expect(later.state.paddles).toEqual([80, 80]);
    });
    expect(lines).toHaveLength(2);
  });
});

describe("the server", () => {
  test("gives each player a key of its own, and bounds the matches", async () => {
    const game = openGame({
      ...{ print() {}, send: async () => {}, settle: async () => true },
    });
    const here: Address = ["127.0.0.1", 4000];
    const ask = (info: Record<string, string>, sender: Address) => {
      const request = formatCommand({
        ...{ command: "getchallenge", words: "0".repeat(24) },
      });
      const challenge = parseCommand(game.answer(request, sender)!)!.words!;
      const connect = { challenge, name: "ann", ...info };
      const data = formatCommand({ command: "connect", info: connect });
      return parseCommand(game.answer(data, sender)!)!;
    };
    // What a player of an earlier match has sent is nothing to a later one.
    const { key } = ask({}, here).info!;
    const leave = { ...SEAT, kind: "LEAVE", key, side: 0 } as const;
    expect(game.take(encodeMessage(leave), here)).toBe(true);
    expect(ask({}, here).info!.key).not.toBe(key);
    expect(game.take(encodeMessage(leave), here)).toBe(false);
    // Two of the same name are two.
    expect(ask({}, ["127.0.0.1", 4001]).info!.side).toBe("1");
    const titles = Array.from(
      { length: 256 },
      (_, i) =>
        ask({ match: String(i).padStart(16, "0") }, ["127.0.0.1", 5000 + i]),
    );
    expect(titles.at(-1)!.lines).toEqual(["The game is full", ""]);
    expect(titles.at(-2)!.command).toBe("connectResponse");
    game.close();
  });

  test("cannot make a drill count more states than it has", () => {
    const drill = new Drill(0);
    for (let tick = 100; tick < 200; tick++) {
      drill.answer({ ...SNAPSHOT, state: { ...begin(), tick } });
    }
    expect(drill.inWords).toStartWith("ann: 21 of 120 states came;");
  });
});

describe("the client", () => {
  /** A server that lets everybody in, and then sends these for each datagram. */
  const serverThat =
    (states: (n: number, seat: Seat) => Uint8Array[]) =>
    async ({ address, ready }: End) => {
      const receiver = socket(AF_INET, SOCK_DGRAM);
      await receiver.bind(address);
      ready(receiver);
      const info = { key: SEAT.key, side: "1" };
      let n = 0;
      for await (const [data, sender] of receiver) {
        const request = parseCommand(data)?.command;
        const words = "0".repeat(16);
        const answers = request === "getchallenge"
          ? [formatCommand({ command: "challengeResponse", words })]
          : request === "connect"
          ? [formatCommand({ command: "connectResponse", info })]
          : [];
        if (request !== "getchallenge") answers.push(...states(++n, SEAT));
        for (const answer of answers) await receiver.sendto(answer, sender);
      }
    };

  for (
    const [what, states] of [
      ["is silent", () => []],
      ["sends states of another match", (n) => [
        encodeMessage({ ...SNAPSHOT, number: n, key: "f".repeat(16) }),
      ]],
      ["sends old states alone", () => [
        encodeMessage({ ...SNAPSHOT, number: 7 }),
        encodeMessage({ ...SNAPSHOT, number: 6 }),
      ]],
      ["floods with marks", (n) =>
        Array(n === 1 ? 9 : 1).fill(
          encodeMessage({ kind: "MARK", ...SEAT, number: n }),
        )],
      ["never gets on", (n) => [encodeMessage({ ...SNAPSHOT, number: n })]],
    ] as [string, (n: number, seat: Seat) => Uint8Array[]][]
  ) {
    test(`gives up when the server ${what}`, async () => {
      const { error, lines } = await playToEnd(
        { ...game, server: serverThat(states) },
        { timeout: 200 },
      );
      expect(error).toMatchObject({ code: "ETIMEDOUT", call: "recv" });
      expect(lines).toEqual([]);
    });
  }

  test("takes newer states of its match alone", async () => {
    const state = (number: number, change: Partial<Seat> = {}) =>
      encodeMessage({ ...SNAPSHOT, number, ...change });
    const states = [
      ...[state(1), state(3), state(2), state(3), bytes("\x01\x00"), state(4)],
      ...[state(9, { key: "f".repeat(16) }), state(8, { side: 0 }), state(5)],
      encodeMessage({ kind: "OVER", ...SEAT, side: 0 }),
      ...[state(6), encodeMessage({ kind: "OVER", ...SEAT }), state(7)],
    ];
    const server = serverThat((n) => n === 1 ? states : []);
    await play({ ...game, server }, {}, async ({ address }: End) => {
      await using connection = await connected(address);
      const seat = await join(connection, { name: "ann" });
      const numbers: number[] = [];
      const failure = await (async () => {
        for await (const { number } of statesOf(connection, seat)) {
          numbers.push(number);
        }
      })().catch((error) => error);
      expect(numbers).toEqual([1, 3, 4, 5, 6]);
      expect(failure).toMatchObject({ code: "ECONNRESET" });
    });
  });

  test("prints nothing raw of a refusal", async () => {
    const server = async ({ address, ready }: End) => {
      const receiver = socket(AF_INET, SOCK_DGRAM);
      await receiver.bind(address);
      ready(receiver);
      for await (const [, sender] of receiver) {
        const line = `No \x1b[2J${"x".repeat(300)}`;
        for (
          const answer of [`print\n${line}`, `print\nNo${"x".repeat(300)}`]
        ) {
          await receiver.sendto(bytes(`\xff\xff\xff\xff${answer}`), sender);
        }
      }
    };
    const { error } = await playToEnd({ ...game, server });
    expect((error as Error).message).toMatch(/^Cannot join \S+: Nox{198}$/);
  });
});

describe("a drawing", () => {
  for (const size of [[80, 24], [20, 7], [300, 100]] as [number, number][]) {
    test(`fits a terminal of ${size.join(" by ")}`, () => {
      const lines = drawing({ ...SNAPSHOT, names: ["ann", "bob"] }, size);
      expect(lines).toHaveLength(size[1]);
      for (const line of lines) {
        expect(line.length).toBeLessThanOrEqual(size[0]);
      }
      expect(lines.join("\n")).toContain("●");
    });
  }

  test("says when there is no room for it", () => {
    expect(drawing(SNAPSHOT, [19, 24])).toEqual(["Too small"]);
    expect(drawing(SNAPSHOT, [80, 6])).toEqual(["Too small"]);
  });

  test("shows where everything is, and who wins", () => {
    const ball = [720, 200] as const;
    const state: State = {
      ...{ ...begin(), ball },
      ...{ paddles: [0, 160], points: [11, 3] },
    };
    const lines = drawing(
      { ...SNAPSHOT, state, names: ["ann", "bob"] },
      [80, 24],
    );
    expect(lines[0].trim()).toBe("ann 11 : 3 bob");
    expect(lines[2].indexOf("█")).toBe(3);
    expect(lines[21].lastIndexOf("█")).toBe(76);
    expect(lines[21].lastIndexOf("●")).toBe(78);
    expect(lines.join()).toContain("ann wins");
  });
});

describe("both ends", () => {
  test("have the same result when the first answers are lost", async () => {
    let answers = 0;
    const server = (end: End) =>
      game.server({
        ...end,
        async serve(client, work) {
          if (++answers % 3 > 0) await end.serve(client, work);
        },
      });
    const lost = (end: End) =>
      game.server({
        ...end,
        serve: async (client, work) =>
          answers++ > 0 ? end.serve(client, work) : undefined,
      });
    for (const one of [server, lost]) {
      answers = 0;
      const { lines } = await play({ ...game, server: one });
      expect(difference(output, lines)).toBeNull();
    }
  });

  for (const runtime of RUNTIMES) {
    const other = nextTo(runtime);
    testOn(
      runtime,
      `${runtime} plays at ${other}, again and again`,
      async () => {
        const server = await serverOn("game_snapshots", other);
        const { port } = server;
        const client = linesOf("client");
        const twice = ["--clients", "2"];
        expect(
          await Promise.all([
            clientOn("game_snapshots", runtime, port),
            clientOn("game_snapshots", runtime, port, twice),
          ]),
        ).toEqual([client, client + client]);
        const said = (await server.stop()).split("\n").sort();
        const all = linesOf("server").repeat(3).split("\n").sort();
        expect(said).toEqual(all);
      },
    );

    testOn(
      runtime,
      `loses more, or less, with the same result: ${runtime}`,
      async () => {
        const result = linesOf("client").split("\n").at(-2);
        const server = await serverOn("game_snapshots", other, [
          "--loss",
          "0.7",
        ]);
        for (
          const flags of ["--loss=0.9", "--delay=1"]
        ) {
          const said = await clientOn("game_snapshots", runtime, server.port, [
            flags,
          ]);
          expect(said.trimEnd().split("\n").at(-1)).toBe(result);
        }
        await server.stop();
      },
    );

    const reason = noTerminal ?? find(runtime).reason;
    needing(reason, `gives the terminal back, on ${runtime}`, async () => {
      const server = await serverOn("game_snapshots", "bun");
      for (const key of ["q", CTRL_C]) {
        const client = command("game_snapshots", runtime, [
          ...["client", "--port", server.port, "--name", "ann"],
        ]);
        const shell = ["sh", "-c", '"$@"; echo "code $?"; stty -a', "sh"];
        const { stdout } = await onTerminal([...shell, ...client], [
          ["Waiting for another player", `s${key}`],
        ]);
        expect(stdout).toContain("\x1b[?1049h\x1b[?25l");
        expect(stdout).toMatch(
          // deno-lint-ignore no-control-regex
          /\x1b\[\?25h\x1b\[\?1049lann 0 : 0 \?\ncode 0\n[^]*\nisig icanon .* echo /,
        );
      }
      expect(await server.stop()).toBe(
        "ann has the left paddle\nann leaves\n".repeat(2),
      );
    });
  }

  testWrongFlags("game_snapshots", [
    ["--loss", "0.95"],
    ["--loss", "1"],
    ["--loss", "."],
    ["--delay", "-1"],
    ["--name", "a b"],
    ["--seed", "x"],
  ]);
  testNoServer(
    "game_snapshots",
    /^Cannot (send to|receive from) 127\.0\.0\.1:/,
  );
});
