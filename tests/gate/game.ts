/**
 * A hundred games in mixed runtimes beside two busy loops, the random inputs of
 * game_spec.ts a hundred thousand times, and what needs seconds of silence.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { availableParallelism } from "node:os";
import { AF_INET, type End, SOCK_DGRAM, socket } from "../../lib/mod.ts";
import { join, newTitle, statesOf } from "../../lib/services/game_player.ts";
import { clientOn, serverOn } from "../support/ends.ts";
import {
  fuzzGameDatagrams,
  fuzzMoves,
  fuzzRules,
} from "../support/fuzz_game.ts";
import { play } from "../support/play.ts";
import { find, RUNTIMES, start } from "../support/runtimes.ts";
import { load } from "../support/scripts.ts";
import { needing } from "../support/test_on.ts";

setDefaultTimeout(300_000);

const game = await load("game_snapshots");

test("100,000 ticks of any moves", () => fuzzRules(100_000));
test("100,000 datagrams of any kind", () => fuzzGameDatagrams(100_000));
test("5,000 schedules of moves", () => fuzzMoves(5_000));

const missing = RUNTIMES.map((runtime) => find(runtime).reason).find(Boolean);

needing(missing, "108 games beside two busy loops end alike", async () => {
  const loops = Array.from(
    { length: Math.max(2, availableParallelism()) },
    () => start(["sh", "-c", "while :; do :; done"]),
  );
  const results = new Map<string, number>();
  for (const runtime of RUNTIMES) {
    const server = await serverOn("game_snapshots", runtime);
    for (let round = 0; round < 6; round++) {
      const said = await Promise.all(
        RUNTIMES.map((other) =>
          clientOn("game_snapshots", other, server.port, ["--clients", "2"])
        ),
      );
      for (const lines of said) {
        for (const one of lines.match(/(?:.*\n){3}/g)!) {
          results.set(one, (results.get(one) ?? 0) + 1);
        }
      }
    }
    const [one, ...others] = (await server.stop()).match(/(?:.*120.*\n)/g)!
      .filter((line) => line.startsWith("Tick"));
    expect(others).toEqual(Array(35).fill(one));
  }
  for (const loop of loops) loop.kill();
  const result = `ann: 78 of 120 states came; 6 moves, sent 12 times
bob: 83 of 120 states came; 6 moves, sent 13 times
Tick 120: ball 136,58, paddles 144 and 68, points 1:0
`;
  expect([...results]).toEqual([[result, 108]]);
}, 290_000);

test("a player that is silent for 5 s frees its paddle", async () => {
  const { lines } = await play(game, {}, async ({ address }: End) => {
    await using silent = socket(AF_INET, SOCK_DGRAM);
    await silent.connect(address);
    const seat = await join(silent, { name: "ann" });
    let states = 0;
    const failure = await (async () => {
      for await (const _ of statesOf(silent, seat)) states++;
    })().catch((error) => error);
    // The server goes on sending until then, and not for ever.
    expect(failure).toMatchObject({ code: "ETIMEDOUT" });
    expect(states).toBeWithin(1, 1000);
    await using next = socket(AF_INET, SOCK_DGRAM);
    await next.connect(address);
    expect(await join(next, { name: "bob" })).toMatchObject({ side: 0 });
  });
  expect(lines).toEqual([
    "server: ann has the left paddle",
    "server: ann is silent, and leaves",
    "server: bob has the left paddle",
  ]);
});

test("a match of programs ends when one of them is silent", async () => {
  const { lines } = await play(game, {}, async ({ address }: End) => {
    const match = newTitle();
    await using silent = socket(AF_INET, SOCK_DGRAM);
    await using other = socket(AF_INET, SOCK_DGRAM);
    for (const one of [silent, other]) await one.connect(address);
    await join(silent, { name: "ann", match });
    const seat = await join(other, { name: "bob", match });
    const failure = await (async () => {
      for await (const { state } of statesOf(other, seat)) {
        expect(state.tick).toBeLessThanOrEqual(10);
      }
    })().catch((error) => error);
    expect(failure).toMatchObject({ code: "ECONNRESET" });
  });
  expect(lines).toEqual(["server: ann and bob play 120 ticks"]);
});
