/**
 * The conformance suite on every runtime, once in a process of its own, whose
 * cases are tests of their own.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import { deviationOf, deviations, judge } from "./conformance/deviations.ts";
import {
  type Case,
  cases,
  GUARD,
  type Need,
  type Result,
} from "./conformance/suite.ts";
import {
  commandFor,
  find,
  type Running,
  type RuntimeName,
  RUNTIMES,
  start,
} from "./support/runtimes.ts";
import { testOn } from "./support/test_on.ts";

/** The cases that have the same need share a process. */
const NEEDS = [undefined, "all permissions", "few descriptors"] as const;
const casesThatNeed = (need?: Need) =>
  cases.filter(({ needs }) => needs === need);

test("no two cases have the same name", () => {
  const names = cases.map(({ name }) => name);
  expect(names.filter((name, at) => names.indexOf(name) < at)).toEqual([]);
});

test("each deviation is one of a case", () => {
  const names = cases.map(({ name }) => name);
  for (const deviation of deviations) expect(names).toContain(deviation.case);
});

/** What runs, or has run, for each runtime and need. */
const children = new Map<string, Promise<Running>>();
const keyOf = (runtime: RuntimeName, need?: Need) => `${runtime} ${need}`;

// The runtimes go on side by side, each with one process after the other.
beforeAll(() => {
  for (const runtime of RUNTIMES) {
    if (find(runtime).reason) continue;
    let before: Promise<unknown> = Promise.resolve();
    for (const need of NEEDS) {
      const child = before.then(() => startChild(runtime, need));
      before = child.then(({ finished }) => finished);
      children.set(keyOf(runtime, need), child);
    }
  }
});
afterAll(async () => {
  for (const child of children.values()) (await child).kill("SIGKILL");
});

for (const runtime of RUNTIMES) {
  for (const need of NEEDS) {
    describe(need ? `${runtime} with ${need}` : runtime, () => {
      const child = () => children.get(keyOf(runtime, need))!;
      for (const each of casesThatNeed(need)) {
        testCase(runtime, each, async () => resultOf(await child(), each.name));
      }
      testOn(runtime, "the process ends by itself", async () => {
        expect((await (await child()).finished).code).not.toBeNull();
      });
    });
  }
}

/** Runs the cases in one process, of which each test waits for its line. */
function startChild(runtime: RuntimeName, need: Need | undefined): Running {
  const chosen = casesThatNeed(need);
  const permission = need === "all permissions" ? "--allow-all" : "--allow-net";
  const command = [
    ...commandFor(runtime, [permission]),
    fileURLToPath(import.meta.resolve("./conformance/run.ts")),
    ...(need ? chosen.map(({ name }) => name) : []),
  ];
  const limited = ["sh", "-c", 'ulimit -n 256 && exec "$0" "$@"', ...command];
  return start(need === "few descriptors" ? limited : command, {
    limit: chosen.length * GUARD,
  });
}

function testCase(
  runtime: RuntimeName,
  { statement, name }: Case,
  result: () => Promise<Result>,
): void {
  const deviation = deviationOf(name, runtime);
  const title = `${statement}: ${name}`;
  const seen = deviation
    ? `${title} (not on ${runtime}: ${deviation.reason})`
    : title;
  testOn(runtime, seen, async () => {
    const wrong = judge(await result(), runtime);
    if (wrong) throw new Error(wrong);
  });
}

async function resultOf(child: Running, name: string): Promise<Result> {
  const literal = JSON.stringify(name).replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  const line = new RegExp(`^.*"name":${literal}.*\n`, "m");
  try {
    return JSON.parse((await child.said(line))[0]);
  } catch {
    const { code, stderr } = await child.finished;
    throw new Error(`The process ended (${code}) without it:\n${stderr}`);
  }
}
