/**
 * Prints the conformance table from a run of the suite: each statement on each
 * runtime holds, deviates for a reason, or FAILS. The exit code is 1 if one
 * fails.
 *
 *     bun tests/conformance/table.ts
 *     node tests/conformance/table.ts
 *     deno run --allow-all tests/conformance/table.ts
 *
 * @module
 */
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
  commandFor,
  find,
  run,
  type RuntimeName,
  RUNTIMES,
  start,
} from "../support/runtimes.ts";
import { deviationOf, judge } from "./deviations.ts";
import { type Case, cases, GUARD, type Need, type Result } from "./suite.ts";

/** The cases that have the same need share a process. */
const NEEDS = [undefined, "all permissions", "few descriptors"] as const;

const RUN = fileURLToPath(import.meta.resolve("./run.ts"));

/** The columns: the statement, its case, and one a runtime; 100 in all. */
const STATEMENT = 4;
const CASE = 59;
const VERDICT = 11;

interface Verdict {
  word: "holds" | "deviation" | "FAILS" | "-";
  /** Why it does not hold. */
  reason?: string;
}

// --- the run ---

/** The command that runs a script with a permission, or none if it is missing. */
async function commandOf(
  runtime: RuntimeName,
  permission: string,
): Promise<string[] | undefined> {
  if (runtime === "bun" && !process.versions.bun) {
    // find() would give the program that runs this.
    const found = await run(["bun", "--version"]).catch(() => undefined);
    return found?.code === 0 ? ["bun"] : undefined;
  }
  return find(runtime).path ? commandFor(runtime, [permission]) : undefined;
}

/** What one process prints of the cases with one need. */
async function resultsOf(
  runtime: RuntimeName,
  need: Need | undefined,
): Promise<Result[] | undefined> {
  const chosen = cases.filter(({ needs }) => needs === need);
  const all = need === "all permissions" ? "--allow-all" : "--allow-net";
  const command = await commandOf(runtime, all);
  if (!command) return;
  command.push(RUN, ...(need ? chosen.map(({ name }) => name) : []));
  const limited = ["sh", "-c", 'ulimit -n 256 && exec "$0" "$@"', ...command];
  const child = start(need === "few descriptors" ? limited : command, {
    limit: chosen.length * GUARD,
  });
  // A socket that a failed case has left open would keep it alive.
  const last = JSON.stringify(chosen.at(-1)!.name)
    .replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  const done = child.said(new RegExp(`"name":${last}.*\\n`)).then(
    () => delay(2000),
    () => {},
  );
  await Promise.race([child.finished, done]);
  child.kill("SIGKILL");
  const { code, stdout, stderr } = await child.finished;
  const results: Result[] = stdout.split("\n")
    .filter((line) => line.startsWith('{"statement"'))
    .map((line) => JSON.parse(line));
  const error = `the process ended (${code}) without it: ${stderr}`;
  return chosen.map(({ statement, name }) =>
    results.find((result) => result.name === name) ??
      { statement, name, ok: false, ms: 0, error }
  );
}

function verdictOf(result: Result, runtime: RuntimeName): Verdict {
  const wrong = judge(result, runtime);
  if (wrong !== undefined) return { word: "FAILS", reason: wrong };
  const deviation = deviationOf(result.name, runtime);
  if (!deviation) return { word: "holds" };
  return { word: "deviation", reason: deviation.reason };
}

// --- the table ---

/** The lines of a case: its row, and why it does not hold. */
function linesOf({ name }: Case, verdicts: Map<string, Verdict>[]): string[] {
  const found = verdicts.map((column): Verdict =>
    column.get(name) ?? { word: "-" }
  );
  const [first, ...more] = wrapped(name, CASE - 1);
  const words = found.map(({ word }) => word.padEnd(VERDICT)).join("");
  const reasons = found.flatMap(({ word, reason }, column) => {
    if (!reason) return [];
    const [line] = reason.replaceAll("\0", "\\0").split("\n");
    const text = `${RUNTIMES[column]} ${word}: ${line}`;
    return wrapped(text, 100 - STATEMENT - 4).map((part) => `  ${part}`);
  });
  return [
    `${first.padEnd(CASE)}${words}`.trimEnd(),
    ...more.map((part) => `  ${part}`),
    ...reasons,
  ];
}

/** The text in lines of at most `width`, and a longer word cut. */
function wrapped(text: string, width: number): string[] {
  const pieces = new RegExp(`(?=\\S).{1,${width}}(?=\\s|$)|\\S{${width}}`, "g");
  return text.match(pieces) ?? [""];
}

/** Statements by number; what DESIGN.md rules, last. */
function compare(one: Case, other: Case): number {
  const rank = ({ statement }: Case) => parseInt(statement) || Infinity;
  return rank(one) === rank(other) ? 0 : rank(one) - rank(other);
}

const verdicts: Map<string, Verdict>[] = [];
const missing: string[] = [];
for (const runtime of RUNTIMES) {
  const column = new Map<string, Verdict>();
  for (const need of NEEDS) {
    for (const result of await resultsOf(runtime, need) ?? []) {
      column.set(result.name, verdictOf(result, runtime));
    }
  }
  if (column.size === 0) missing.push(`${runtime} is not installed.`);
  verdicts.push(column);
}

const print = (statement: string, text: string) =>
  console.log(`${statement.padEnd(STATEMENT)} ${text}`.trimEnd());
print("", " ".repeat(CASE) + RUNTIMES.map((r) => r.padEnd(VERDICT)).join(""));
let last = "";
for (const each of [...cases].sort(compare)) {
  for (const line of linesOf(each, verdicts)) {
    print(each.statement === last ? "" : each.statement, line);
    last = each.statement;
  }
}
console.log();
for (const [index, column] of verdicts.entries()) {
  if (column.size === 0) continue;
  const count = (word: string) =>
    [...column.values()].filter((verdict) => verdict.word === word).length;
  console.log(
    `${RUNTIMES[index]}: ${count("holds")} hold, ${
      count("deviation")
    } deviate, ` +
      `${count("FAILS")} fail`,
  );
  if (count("FAILS") > 0) process.exitCode = 1;
}
for (const line of missing) console.log(line);
