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
import { find } from "../../scripts/tools/support/runtimes.ts";
import { type RuntimeName, RUNTIMES } from "../support/runtimes.ts";
import { deviations, judge } from "./deviations.ts";
import type { Case, Result } from "./fixtures.ts";
import { OWN_NETWORK } from "./own_network.ts";
import { groupsOf, noOwnNetwork, startRun } from "./processes.ts";
import { cases } from "./suite.ts";

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

/** The verdicts on all cases, or why there are none. */
async function columnOf(
  runtime: RuntimeName,
): Promise<Map<string, Verdict> | string> {
  const found = await find(runtime);
  if ("reason" in found) return found.reason;
  const column = new Map<string, Verdict>();
  for (const gate of [false, true]) {
    for (const group of groupsOf(runtime, gate)) {
      if (noOwnNetwork && group.needs.includes(OWN_NETWORK)) continue;
      const { resultOf, ended } = startRun(group, found.path);
      for (const { statement, name } of group.cases) {
        const result = await resultOf(name).catch(({ message }): Result => ({
          ...{ statement, name, ok: false, ms: 0, error: message },
        }));
        column.set(name, verdictOf(result, runtime));
      }
      const wrong = await ended;
      if (wrong) console.error(wrong);
    }
  }
  return column;
}

function verdictOf(result: Result, runtime: RuntimeName): Verdict {
  const wrong = judge(result, runtime);
  if (wrong !== undefined) return { word: "FAILS", reason: wrong };
  const reason = deviations[result.name]?.[runtime];
  return reason ? { word: "deviation", reason } : { word: "holds" };
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
  const column = await columnOf(runtime);
  if (typeof column === "string") missing.push(column);
  verdicts.push(typeof column === "string" ? new Map() : column);
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
if (noOwnNetwork) missing.push(`Not tried: ${OWN_NETWORK}: ${noOwnNetwork}`);
for (const line of missing) console.log(line);
