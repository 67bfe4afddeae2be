/**
 * The results: what was compared, what the project wants to reach, and tables
 * for the terminal and in Markdown.
 *
 * @module
 */
import type { Spread } from "./pairs.ts";
import type { RuntimeName } from "./workloads.ts";

/** What can be measured, by the name that `--only` takes. */
export const WORKS = {
  "round-trip": "64-byte round trips",
  "exchange": "exchanges, one at a time",
  "exchange-64": "exchanges, 64 at once",
  "bulk": "bulk",
  "bulk-into": "bulk, recv_into",
  "udp": "UDP round trips",
  "memory": "memory of an idle connection",
  "start": "start to exit",
  "observe": "round trips, observed",
  "clients": "exchanges by clients",
} as const;
export type Work = keyof typeof WORKS;

/** The library against something else, on one runtime. */
export interface Row {
  runtime: RuntimeName;
  version: string;
  work: Work;
  /** The number of clients, where a work has several. */
  clients?: number;
  against: string;
  /** The median and the middle half over the rounds. */
  ratio: number;
  low: number;
  high: number;
  rounds: number;
  /** Whether the ratio is speed (more is better) or cost (less is). */
  better: "more" | "less";
  /** The median costs of both. */
  cost: number;
  otherCost: number;
  unit: "us" | "ms" | "KiB";
  /** What is to be reached, if anything. */
  limit?: number;
  reached?: boolean;
}

/** Completes a row; the limit is that of LIMITS unless it is given. */
export function rowOf(
  row: Omit<Row, "ratio" | "low" | "high" | "reached">,
  { middle, low, high }: Spread,
): Row {
  const { runtime, work, clients, against, better } = row;
  const point = clients === undefined ? "" : ` ${clients}`;
  const limits = LIMITS[`${work}${point} / ${against}`];
  const limit = row.limit ?? limits?.[runtime];
  const reached = limit === undefined
    ? undefined
    : better === "more"
    ? middle >= limit
    : middle <= limit;
  return { ...row, ratio: middle, low, high, limit, reached };
}

/** The least speed, or the most memory, time and growth. */
const LIMITS: Record<string, Partial<Record<RuntimeName, number>>> = {
  "round-trip / raw": { deno: 0.92, bun: 0.90, node: 0.89 },
  "exchange / raw": { deno: 0.93, bun: 0.88, node: 0.90 },
  "exchange / CPython": { deno: 1, bun: 1 },
  "exchange-64 / raw": { deno: 0.92, bun: 0.88, node: 0.87 },
  "bulk / raw": { deno: 0.75, bun: 0.88, node: 0.90 },
  "bulk-into / raw": { deno: 0.90, bun: 0.90, node: 0.90 },
  "udp / raw": { deno: 0.90, bun: 0.90, node: 0.87 },
  "memory / raw": { deno: 1.25, node: 1.25 }, // for Bun see memory()
  "start / raw": { deno: 1.25, bun: 1.4, node: 1.7 },
  "start / empty": { deno: 1.6, bun: 2.7, node: 2.3 },
  "start / CPython": { deno: 2.8, bun: 3.5 },
  "observe / unobserved": { deno: 0.85, bun: 0.85, node: 0.85 },
  "clients 1000 / 10 clients": { deno: 1.5, bun: 1.5, node: 1.5 },
};

/** The table of one runtime, at most 68 columns wide. */
export function table(rows: Row[]): string {
  const line = (title: string, ...cells: string[]) => {
    const [ratio, half, limit, cost] = cells;
    return title.padEnd(26) + ratio.padStart(6) + half.padStart(12) +
      `  ${limit.padEnd(13)}` + cost.padStart(9);
  };
  const lines = rows.map((row) => {
    const cost = `${row.cost.toFixed(row.cost < 100 ? 1 : 0)} ${row.unit}`;
    return line(titleOf(row), two(row.ratio), halfOf(row), limitOf(row), cost);
  });
  const [{ version }] = rows;
  return [line(version, "ratio", "middle half", "limit", "cost"), ...lines]
    .join("\n");
}

/** A table with a column for each runtime. */
export function markdown(rows: Row[]): string {
  const versions = [...new Set(rows.map(({ version }) => version))];
  const lines = [["", ...versions]];
  for (const title of new Set(rows.map(titleOf))) {
    const cells = versions.map((version) => {
      const row = rows.find((row) =>
        row.version === version && titleOf(row) === title
      );
      if (!row) return "";
      const [, limit, miss] = limitOf(row).split(" ");
      const ratio = `${two(row.ratio)} (${halfOf(row)})`;
      return miss ? `${ratio}, ${miss} ${limit}` : ratio;
    });
    lines.push([title, ...cells]);
  }
  const widths = lines[0].map((_, i) =>
    Math.max(...lines.map((cells) => cells[i].length))
  );
  lines.splice(1, 0, widths.map((width) => "-".repeat(width)));
  return lines.map((cells) =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(" | ")} |`
  ).join("\n");
}

/** What is compared, in the order that tells whether more is better. */
function titleOf({ work, clients, against, better }: Row): string {
  if (against === "10 clients") return `cost at ${clients} / at 10`;
  if (against === "unobserved") return "round trips, observed";
  const title = clients === undefined
    ? SHORT[work] ?? WORKS[work]
    : `${clients} client${clients === 1 ? "" : "s"}`;
  const reversed = work === "start" && better === "more";
  return reversed ? `${against} / ${title}` : `${title} / ${against}`;
}

const SHORT: Partial<Record<Work, string>> = {
  "round-trip": "round trips",
  "exchange": "exchanges",
  "exchange-64": "64 at once",
  "memory": "idle memory",
};

function limitOf({ limit, better, reached }: Row): string {
  if (limit === undefined) return "";
  const [sign, miss] = better === "more" ? [">=", "below"] : ["<=", "above"];
  return `${sign} ${two(limit)}${reached ? "" : ` ${miss}`}`;
}

function halfOf({ low, high }: Row): string {
  return `${two(low)}-${two(high)}`;
}

function two(value: number): string {
  return value.toFixed(2);
}
