/**
 * quakestat, which asks servers of Quake III how they are, asks ours: with nobody
 * there, and while two play.
 */
import { spawnSync } from "node:child_process";
import { describe, expect, setDefaultTimeout } from "bun:test";
import {
  type Address,
  AF_INET,
  type DatagramSocket,
  SOCK_DGRAM,
  socket,
} from "../../lib/mod.ts";
import { encodeAnswer } from "../../lib/protocols/game_messages.ts";
import { join, statesOf } from "../../lib/services/game_player.ts";
import { serverOn } from "../support/ends.ts";
import { find, run, RUNTIMES } from "../support/runtimes.ts";
import { needing } from "../support/test_on.ts";

setDefaultTimeout(120_000);

const noQuakestat = spawnSync("quakestat", ["--help"]).error
  ? "quakestat is not installed (Debian: qstat)"
  : undefined;

/** What quakestat prints of a server: a line, its rules, and a line a player. */
async function quakestat(port: string): Promise<string[]> {
  const { stdout } = await run([
    ...["quakestat", "-q3s", `127.0.0.1:${port}`, "-P", "-R"],
    ...["-raw", "|", "-retry", "5"],
  ]);
  return stdout.trimEnd().split("\n");
}

/** Joins the match, and answers each state without a move until it is closed. */
async function playing(
  address: Address,
  name: string,
): Promise<DatagramSocket> {
  const connection = socket(AF_INET, SOCK_DGRAM);
  await connection.connect(address);
  const seat = await join(connection, { name });
  const answer = async () => {
    for await (const snapshot of statesOf(connection, seat)) {
      const nothing = { first: 1, moves: [] };
      await connection.send(encodeAnswer(snapshot, nothing));
    }
  };
  answer().catch(() => {}); // it is closed
  return connection;
}

for (const runtime of RUNTIMES) {
  describe(`game_snapshots on ${runtime}`, () => {
    const reason = noQuakestat ?? find(runtime).reason;
    needing(reason, "tells quakestat how it is", async () => {
      const server = await serverOn("game_snapshots", runtime);
      const [nobody, rules, ...none] = await quakestat(server.port);
      expect(nobody).toMatch(
        /^Q3S\|127\.0\.0\.1:\d+\|Socket Lab\|court\|2\|0\|\d+\|\d+$/,
      );
      expect(rules.split("|").sort()).toEqual([
        "gamename=game_snapshots",
        "protocol=68",
        "sv_hostname=Socket Lab",
      ]);
      expect(none).toEqual([]);
      const ann = await playing(server.address, "ann");
      const bob = await playing(server.address, "bob");
      const [two, , ...players] = await quakestat(server.port);
      expect(two).toContain("|court|2|2|");
      expect(players).toEqual([
        expect.stringMatching(/^ann\|\d+\|\d+$/),
        expect.stringMatching(/^bob\|\d+\|\d+$/),
      ]);
      await ann.close();
      await bob.close();
      await server.stop();
    });
  });
}
