/**
 * Performs cases one after the other, and says of each that fails, hangs or
 * leaves something open, which one it is.
 *
 * @module
 */
import process from "node:process";
import { setTimeout as after } from "node:timers";
import { setTimeout as delay } from "node:timers/promises";
import { judge, thisRuntime } from "./deviations.ts";
import { type Case, closeAll, mayLeaveOpen, type Result } from "./fixtures.ts";
import { leftOpen, openNow } from "./leftovers.ts";

/**
 * A case takes a moment; on a busy machine it may take this long, in ms. Those
 * of the gate move some thousand times as much.
 */
export function guardOf({ gate }: Pick<Case, "gate">): number {
  return gate ? 60_000 : 10_000;
}

/** A process that is done ends within this time, in ms, or never. */
const EXIT_LIMIT = 5_000;

/** The exit code of a process that did not end by itself. */
export const HUNG = 3;

/**
 * Performs the cases and prints a line of JSON for each. The exit code is set
 * and not forced: the process has to end by itself, since sockets that are
 * closed keep nothing alive. If it does not, it names the cases that have left
 * something open.
 */
export async function performAll(
  cases: readonly Case[],
  guard?: number,
): Promise<void> {
  const leaks: string[] = [];
  // Deno 2.9.6 watches signals from half a second after its start: it opens two
  // sockets, and panics if no descriptor is left. Let it begin now.
  const nothing = () => {};
  process.on("SIGUSR2", nothing).off("SIGUSR2", nothing);
  for (const each of cases) {
    const result = await perform(each, guard);
    console.log(JSON.stringify(result));
    if (judge(result, thisRuntime)) process.exitCode = 1;
    if (result.left) leaks.push(`${each.name}: ${result.left.join(", ")}`);
  }
  after(() => {
    const found = leaks.length > 0 ? leaks : ["nothing that is known"];
    const report = ["The process does not end. Left behind:", ...found];
    console.error(report.join("\n  "));
    process.exit(HUNG);
  }, EXIT_LIMIT).unref();
}

/** Runs a case, closes what it opened, and notices what nobody caught. */
async function perform(
  { statement, name, gate, run }: Case,
  guard = guardOf({ gate }),
): Promise<Result> {
  const start = performance.now();
  const before = openNow();
  const failures: unknown[] = [];
  const fail = (reason: unknown) => void failures.push(reason);
  const left: string[] = [];
  process.on("unhandledRejection", fail).on("uncaughtException", fail);
  const caseEnds = within(guard, run().catch(fail));
  if (!await caseEnds) left.push(`itself, which did not end in ${guard} ms`);
  const allCloses = within(guard / 2, closeAll().catch(fail));
  if (!await allCloses) left.push("sockets that do not close");
  await delay(1); // a rejection that nobody handles shows by then
  if (!mayLeaveOpen()) left.push(...await leftOpen(before));
  process.off("unhandledRejection", fail).off("uncaughtException", fail);
  const ms = Math.round(performance.now() - start);
  const ok = failures.length === 0 && left.length === 0;
  const result: Result = { statement, name, ok, ms };
  if (left.length > 0) result.left = left;
  const [failure] = failures;
  if (failure instanceof Error) result.error = failure.stack ?? failure.message;
  else if (failures.length > 0) result.error = String(failure);
  return result;
}

/** Whether the work has ended within so many ms. */
async function within(ms: number, work: Promise<void>): Promise<boolean> {
  let timer: ReturnType<typeof after> | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = after(() => resolve(false), ms);
  });
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
