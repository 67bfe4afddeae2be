/**
 * The conformance suite on every runtime: in this process on Bun, and once in a
 * child process on each of the others, whose cases are tests of their own.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import { deviationOf, deviations, judge } from "./conformance/deviations.ts";
import {
  type Case,
  cases,
  GUARD,
  type Need,
  perform,
  type Result,
} from "./conformance/suite.ts";
import {
  commandFor,
  find,
  type Running,
  type RuntimeName,
  RUNTIMES,
  start,
} from "./runtimes.ts";
import { testOn } from "./test_on.ts";

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

for (const runtime of RUNTIMES) {
  for (const need of NEEDS) {
    describe(need ? `${runtime} with ${need}` : runtime, () => {
      if (runtime === "bun" && need !== "few descriptors") {
        for (const each of casesThatNeed(need)) {
          testCase(runtime, each, () => perform(each));
        }
      } else {
        testInChild(runtime, need);
      }
    });
  }
}

/** Runs the cases in one process, and each test waits for its line. */
function testInChild(runtime: RuntimeName, need: Need | undefined): void {
  const chosen = casesThatNeed(need);
  let child: Running;
  beforeAll(() => {
    if (find(runtime).reason) return;
    const permission = need === "all permissions"
      ? "--allow-all"
      : "--allow-net";
    const command = [
      ...commandFor(runtime, [permission]),
      fileURLToPath(import.meta.resolve("./conformance/run.ts")),
      ...(need ? chosen.map(({ name }) => name) : []),
    ];
    const limited = ["sh", "-c", 'ulimit -n 256 && exec "$0" "$@"', ...command];
    child = start(need === "few descriptors" ? limited : command, {
      limit: chosen.length * GUARD,
    });
  });
  afterAll(() => child?.kill("SIGKILL"));

  for (const each of chosen) {
    testCase(runtime, each, () => resultOf(child, each.name));
  }
  testOn(runtime, "the process ends by itself", async () => {
    expect((await child.finished).code).not.toBeNull();
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
