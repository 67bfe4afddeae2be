/**
 * Tests that run concurrently, since most of each is waiting for processes, and
 * tests that need another runtime: where it is missing they are skipped with
 * the reason, or fail if everything has to be there (CI=true).
 *
 * A test that shares state with others in this process (a clock that is set,
 * `limits`, `observe`, the `timeout` of an experiment that runs here) is Bun's
 * own `test`, which runs alone, between the tests before and after it. The time
 * that Bun shows for a concurrent test includes the wait for its turn.
 */
import { test } from "bun:test";
import { availableParallelism } from "node:os";
import process from "node:process";
import { within } from "../../scripts/tools/support/processes.ts";
import { find, type RuntimeName } from "./runtimes.ts";
import { TIMED } from "./scripts.ts";
import { endingStarted } from "./started.ts";

/** How long a test may run, in ms: it fails if it hangs, not on a busy machine. */
const LIMIT = 90_000;

/** The same as Bun counts it, with the wait for its turn. */
const PATIENCE = 600_000;

export function testOn(
  runtime: RuntimeName,
  name: string,
  body: () => Promise<void>,
): void {
  needing(find(runtime).reason, name, body);
}

/** A test that waits most of the time: others need not wait for their turn. */
export function idlyOn(
  runtime: RuntimeName,
  name: string,
  body: () => Promise<void>,
): void {
  const { reason } = find(runtime);
  if (reason) needing(reason, name, body);
  else test.concurrent(name, () => endingIn(LIMIT, body), PATIENCE);
}

/**
 * A test of an experiment. Those of `TIMED` run concurrently with each other,
 * since they wait most of the time, but with nothing else in this process.
 */
export function testScript(
  script: string,
  runtime: RuntimeName,
  name: string,
  body: () => Promise<void>,
): void {
  needing(find(runtime).reason, name, body, LIMIT, TIMED.includes(script));
}

/** A test for which something may be missing; then `reason` says what. */
export function needing(
  reason: string | undefined,
  name: string,
  body: () => Promise<void>,
  limit = LIMIT,
  calm = false,
): void {
  if (!reason) alongside(name, body, limit, calm);
  else if (process.env.CI === "true") {
    test(name, () => Promise.reject(new Error(reason)));
  } else test.skip(`${name} (${reason})`, () => {});
}

/**
 * A test that runs concurrently with others of its file; one that needs a `calm`
 * machine only with others of that kind.
 */
export function alongside(
  name: string,
  body: () => void | Promise<void>,
  limit = LIMIT,
  calm = false,
): void {
  const work = () => endingIn(limit, body);
  test.concurrent(name, () => inTurn(work, calm), PATIENCE);
}

/** Runs the body of a test; in the end nothing that it has started is left. */
export function endingIn(
  limit: number,
  body: () => void | Promise<void>,
): Promise<void> {
  return endingStarted(body, async (body) => {
    const ended = Promise.resolve(body()).then(() => true);
    if (await within(limit, ended)) return;
    throw new Error(`The test has not ended after ${limit} ms`);
  });
}

/** The same for a test that judges by time, and so needs a calm machine. */
export function calmly(name: string, body: () => void | Promise<void>): void {
  alongside(name, body, LIMIT, true);
}

/**
 * How many tests run at once: the 20 that Bun starts would make each other
 * late. With `--parallel=4` there are four processes like this one.
 */
const ROOM = 3 * (process.env.BUN_TEST_WORKER_ID ? 1 : availableParallelism());
const waiting: { calm: boolean; start: () => void }[] = [];
const going = { calm: false, count: 0 };

async function inTurn(work: () => Promise<void>, calm: boolean): Promise<void> {
  await new Promise<void>((start) => {
    waiting.push({ calm, start });
    startNext();
  });
  try {
    await work();
  } finally {
    going.count--;
    startNext();
  }
}

/** Starts tests of the kind that is running; of the other when none is left. */
function startNext(): void {
  while (going.count < ROOM && waiting.length > 0) {
    const next = waiting.findIndex(({ calm }) => calm === going.calm);
    if (next < 0 && going.count > 0) return;
    const [{ calm, start }] = waiting.splice(Math.max(next, 0), 1);
    going.count++;
    going.calm = calm;
    start();
  }
}

/**
 * What a promise rejects with. Bun's `expect().rejects` would block concurrent
 * tests until then.
 */
export function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => Promise.reject(new Error("It has not failed")),
    (reason) => reason,
  );
}
