/**
 * Runs the bench in its short form and checks what it tells, for the suite and
 * the gate. How fast anything is depends on the machine: nothing asserts it.
 */
import { expect } from "bun:test";
import {
  commandFor,
  python,
  run,
  type RuntimeName,
} from "../support/runtimes.ts";
import { ROOT } from "../support/scripts.ts";
import type { Row } from "./results.ts";

export function bench(runtime: RuntimeName, ...args: string[]) {
  const command = [...commandFor(runtime, ["-A"]), "tests/bench/bench.ts"];
  return run([...command, ...args], { cwd: ROOT });
}

const raw = [
  "round-trip",
  "exchange",
  "exchange-64",
  "bulk",
  "bulk-into",
  "udp",
];
const python3 = python().path ? ["CPython"] : [];

/** What is compared, in the order of the works. */
const COMPARISONS = [
  ...raw.flatMap((work) =>
    ["raw", ...(work === "bulk-into" ? [] : python3)]
      .map((one) => `${work} / ${one}`)
  ),
  "memory / raw",
  ...["raw", "empty", ...python3].map((other) => `start / ${other}`),
  "observe / unobserved",
  ...[1, 10, 100].map((clients) => `clients ${clients} / raw`),
  "clients 100 / 10 clients",
];

/** Measures these works on a runtime; all of them by default. */
export async function expectMeasured(runtime: RuntimeName, works?: string[]) {
  const only = works ? ["--only", works.join(",")] : [];
  const { code, stdout, stderr } = await bench(
    runtime,
    ...["--short", "--json", "--runtimes", runtime, "--pairs", "1", ...only],
  );
  expect([stderr, code]).toEqual(["", 0]);
  const rows: Row[] = stdout.trimEnd().split("\n").map((line) =>
    JSON.parse(line)
  );
  const told = rows.map(({ work, clients, against }) =>
    clients ? `${work} ${clients} / ${against}` : `${work} / ${against}`
  );
  const wanted = COMPARISONS.filter((comparison) =>
    works?.includes(comparison.split(" ")[0]) ?? true
  );
  expect(told).toEqual(wanted);
  for (const row of rows) {
    expect(row.runtime).toBe(runtime);
    for (const name of ["ratio", "low", "high", "cost"] as const) {
      const sound = row[name] > 0 && Number.isFinite(row[name]);
      expect([row.work, name, row[name], sound]).toContain(true);
    }
    const { better, cost, otherCost } = row; // of one pair, so it is their ratio
    const ratio = better === "more" ? otherCost / cost : cost / otherCost;
    expect(row.ratio).toBeCloseTo(ratio, 6);
    expect(typeof row.reached).toBe(row.limit ? "boolean" : "undefined");
  }
}
