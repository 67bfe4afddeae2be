/**
 * Tests that go on side by side, since most of each is waiting for processes;
 * and those that need another runtime: skipped with the reason where that one
 * is missing, and failed where everything has to be there (CI=true).
 *
 * A test that shares something with others in this process (a clock that is
 * set, `limits`, `observe`, the `timeout` of an experiment that runs here) is
 * Bun's own `test`, which runs alone; it splits those around it in two groups.
 * What Bun tells of the others' time includes the wait for their turn.
 */
import { test } from "bun:test";
import { availableParallelism } from "node:os";
import process from "node:process";
import { within } from "../../scripts/tools/support/processes.ts";
import { find, type RuntimeName } from "./runtimes.ts";
import { TIMED } from "./scripts.ts";

/**
 * How long a test may take from its turn on, in ms: that it hangs, and not how
 * busy the machine is, shall end it.
 */
const LIMIT = 90_000;

/** How long it may wait for its turn, and take, as Bun counts it. */
const PATIENCE = 600_000;

export function testOn(
  runtime: RuntimeName,
  name: string,
  body: () => Promise<void>,
): void {
  needing(find(runtime).reason, name, body);
}

/**
 * One of an experiment. Those of `TIMED` run beside each other, since they wait
 * most of the time, and beside nothing else in this process.
 */
export function testScript(
  script: string,
  runtime: RuntimeName,
  name: string,
  body: () => Promise<void>,
): void {
  needing(find(runtime).reason, name, body, LIMIT, TIMED.includes(script));
}

/** A test for which something may be missing; `reason` says what. */
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
 * A test that goes on beside those before and after it in its file; one that
 * needs a `calm` machine only beside others of that kind.
 */
export function alongside(
  name: string,
  body: () => void | Promise<void>,
  limit = LIMIT,
  calm = false,
): void {
  const work = async () => {
    const ended = Promise.resolve(body()).then(() => true);
    if (await within(limit, ended)) return;
    throw new Error(`The test has not ended after ${limit} ms`);
  };
  test.concurrent(name, () => inTurn(work, calm), PATIENCE);
}

/** The same for one that judges by time, and so needs a calm machine. */
export function calmly(name: string, body: () => void | Promise<void>): void {
  alongside(name, body, LIMIT, true);
}

/**
 * Bun starts 20 at once; so many processes would make each other late. With
 * `--parallel` each core has a worker, whose tests these are.
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

/** Starts those of the kind that goes on, and of the other when none is left. */
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
 * What a promise rejects with. Bun's `expect().rejects` would hold up all that
 * goes on beside it until then.
 */
export function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => Promise.reject(new Error("It has not failed")),
    (reason) => reason,
  );
}
