/**
 * The cases as tests: on every runtime in processes of their own, of which each
 * test waits for the result of its case.
 *
 * @module
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { find, RUNTIMES } from "../support/runtimes.ts";
import { testOn } from "../support/test_on.ts";
import { deviations, judge } from "./deviations.ts";
import type { Case, Result } from "./fixtures.ts";
import { OWN_NETWORK } from "./own_network.ts";
import {
  type Group,
  groupsOf,
  noOwnNetwork,
  type Run,
  startRun,
} from "./processes.ts";

/** Declares the tests of the suite, or those of the gate. */
export function testCases({ gate }: { gate: boolean }): void {
  const groups = RUNTIMES.map((runtime) =>
    groupsOf(runtime, gate).filter(({ needs }) => !lacks(needs))
  );
  if (noOwnNetwork) test.skip(`${OWN_NETWORK} (${noOwnNetwork})`, () => {});
  const runs = new Map<Group, Promise<Run>>();

  // The runtimes run side by side, each one process after the other.
  beforeAll(() => {
    for (const ofRuntime of groups) {
      let before: Promise<unknown> = Promise.resolve();
      for (const group of ofRuntime) {
        const { path } = find(group.runtime);
        if (!path) break;
        const run = before.then(() => startRun(group, path));
        before = run.then(({ ended }) => ended);
        runs.set(group, run);
      }
    }
  });
  afterAll(async () => {
    for (const run of runs.values()) (await run).kill();
  });

  for (const group of groups.flat()) {
    const { runtime, needs } = group;
    describe(`${runtime}, with ${needs.join(" and ")}`, () => {
      for (const each of group.cases) {
        testCase(
          each,
          group,
          async () => (await runs.get(group)!).resultOf(each.name),
        );
      }
      testOn(runtime, "the process ends by itself", async () => {
        expect(await (await runs.get(group)!).ended).toBeUndefined();
      });
    });
  }
}

/** Whether this machine cannot give the cases of a group what they need. */
function lacks(needs: readonly string[]): boolean {
  return Boolean(noOwnNetwork) && needs.includes(OWN_NETWORK);
}

function testCase(
  { statement, name }: Case,
  { runtime }: Group,
  result: () => Promise<Result>,
): void {
  const reason = deviations[name]?.[runtime];
  const note = reason ? ` (not on ${runtime}: ${reason})` : "";
  testOn(runtime, `${statement}: ${name}${note}`, async () => {
    const wrong = judge(await result(), runtime);
    if (wrong) throw new Error(wrong);
  });
}
