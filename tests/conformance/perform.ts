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
    const report = ["The process does not end. Left open:", ...found];
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
  const unhandled = (reason: unknown) => failures.push(reason);
  process.on("unhandledRejection", unhandled).on(
    "uncaughtException",
    unhandled,
  );
  await guarded("the case", run(), guard).catch(unhandled);
  await guarded("closing its sockets", closeAll(), guard / 2).catch(unhandled);
  await delay(1); // a rejection that nobody handles shows by then
  const left = mayLeaveOpen() ? [] : await leftOpen(before);
  process.off("unhandledRejection", unhandled)
    .off("uncaughtException", unhandled);
  const ms = Math.round(performance.now() - start);
  const result: Result = { statement, name, ok: failures.length === 0, ms };
  if (left.length > 0) result.left = left;
  if (result.ok) return result;
  const [failure] = failures;
  result.error = failure instanceof Error
    ? failure.stack ?? failure.message
    : String(failure);
  return result;
}

async function guarded(
  what: string,
  work: Promise<void>,
  ms: number,
): Promise<void> {
  let timer: ReturnType<typeof after> | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new Error(`${what} did not end in ${ms} ms`);
    timer = after(() => reject(error), ms);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
