/**
 * Every tool ends when it is told to, and nothing that it has started survives
 * it: not what has a session of its own, not when the tool is killed. What it
 * keeps for the next time is the user's own.
 */
import { afterAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheIn } from "../scripts/tools/support/processes.ts";
import { having, noProc } from "./support/proc.ts";
import { commandFor, find, RUNTIMES, start } from "./support/runtimes.ts";
import { ROOT } from "./support/scripts.ts";
import { needing } from "./support/test_on.ts";

const folder = mkdtempSync(join(tmpdir(), "socket-lab-ending-"));
afterAll(() => rmSync(folder, { recursive: true }));

const LEAVES = "setsid sleep 300 & trap '' TERM; sleep 301";

/**
 * The tools, each with a run that takes long, and how many processes it has: the
 * tool, two that guard it, and what it has started.
 */
const TOOLS: [tool: string, args: string[], processes: number][] = [
  ["scripts/tools/matrix.ts", ["--server", LEAVES, "--client", LEAVES], 9],
  ["scripts/tools/report.ts", ["job_schedule"], 4],
  ["tests/soak/soak.ts", ["--runtimes", "bun", "--clients", "bun"], 5],
  ["tests/bench/bench.ts", ["--runtimes", "bun"], 4],
];

/** Runs a tool and signals it; resolves when nothing is left of it. */
async function ended(
  runtime: typeof RUNTIMES[number],
  [tool, args, processes]: typeof TOOLS[number],
  signal: NodeJS.Signals,
) {
  const own = mkdtempSync(join(folder, "run-"));
  const running = start(
    [...commandFor(runtime, ["-A"]), ROOT + tool, ...args],
    { cwd: own, env: { TMPDIR: own } },
  );
  const left = () => having(own);
  await until(() => left().length >= processes);
  running.kill(signal);
  const { code } = await running.finished;
  if (signal === "SIGKILL") await until(() => left().length === 0);
  expect(left()).toEqual([]);
  return code;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

for (const runtime of RUNTIMES) {
  const reason = find(runtime).reason ?? noProc;
  describe(`on ${runtime}, nothing is left`, () => {
    for (const row of TOOLS) {
      needing(reason, `of ${row[0]} after SIGTERM`, async () => {
        expect(await ended(runtime, row, "SIGTERM")).toBe(143);
      });
    }

    needing(reason, "of a matrix that is killed", async () => {
      expect(await ended(runtime, TOOLS[0], "SIGKILL")).toBeNull();
    });
  });
}

test("the cache for Node is the user's own, or there is none", () => {
  const own = mkdtempSync(join(folder, "cache-"));
  const { NODE_COMPILE_CACHE: cache = "" } = cacheIn(own);
  expect(cache).toStartWith(own);
  expect(statSync(cache).mode & 0o777).toBe(0o700);
  expect(cacheIn(own)).toEqual({ NODE_COMPILE_CACHE: cache });
  expect(readdirSync(cache)).toEqual([]);

  chmodSync(cache, 0o770);
  expect(cacheIn(own)).toEqual({});
  if (process.getuid?.() === 0) {
    chmodSync(cache, 0o700);
    chownSync(cache, 1234, 1234);
    expect(cacheIn(own)).toEqual({});
  }
  rmSync(cache, { recursive: true });
  mkdirSync(join(own, "elsewhere"), { mode: 0o700 });
  symlinkSync("elsewhere", cache);
  expect(cacheIn(own)).toEqual({});
});
