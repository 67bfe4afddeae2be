/**
 * The results as tables: one a runtime for the terminal, and one of all as
 * Markdown.
 *
 * @module
 */
import { type Row, WORKS } from "./row.ts";

/** The table of one runtime, at most 68 columns wide. */
export function table(rows: Row[]): string {
  const [{ version }] = rows;
  return [
    line(version, "ratio", "middle half", "limit", "cost"),
    ...rows.map((row) =>
      line(
        titleOf(row),
        two(row.ratio),
        `${two(row.low)}-${two(row.high)}`,
        limitOf(row),
        costOf(row.cost, row.unit),
      )
    ),
  ].join("\n");
}

function line(title: string, ...cells: string[]): string {
  const [ratio, half, limit, cost] = cells;
  return title.padEnd(26) + ratio.padStart(6) + half.padStart(12) +
    `  ${limit.padEnd(13)}` + cost.padStart(9);
}

/** All runtimes side by side, as the README shows them. */
export function markdown(rows: Row[]): string {
  const versions = [...new Set(rows.map(({ version }) => version))];
  const lines = [["", ...versions]];
  for (const title of new Set(rows.map(titleOf))) {
    const cells = versions.map((version) => {
      const row = rows.find((row) =>
        row.version === version && titleOf(row) === title
      );
      return row ? cellOf(row) : "";
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

function cellOf(row: Row): string {
  const [, miss] = limitOf(row).split(" ").slice(1);
  const middle = `${two(row.ratio)} (${two(row.low)}-${two(row.high)})`;
  return miss ? `${middle}, ${miss} ${two(row.limit!)}` : middle;
}

/** What is compared, which tells whether more is better. */
export function titleOf({ work, clients, against, better }: Row): string {
  if (against === "10 clients") return `cost at ${clients} / at 10`;
  if (against === "unobserved") return "round trips, observed";
  const title = clients === undefined
    ? SHORT[work] ?? WORKS[work]
    : `${clients} client${clients === 1 ? "" : "s"}`;
  const slower = work === "start" && better === "more";
  return slower ? `${against} / ${title}` : `${title} / ${against}`;
}

const SHORT: Partial<Record<string, string>> = {
  "round-trip": "round trips",
  "exchange": "exchanges",
  "exchange-64": "64 at once",
  "memory": "idle memory",
};

function limitOf({ limit, better, reached }: Row): string {
  if (limit === undefined) return "";
  const sign = better === "more" ? ">=" : "<=";
  const miss = better === "more" ? " below" : " above";
  return `${sign} ${two(limit)}${reached ? "" : miss}`;
}

function costOf(cost: number, unit: Row["unit"]): string {
  return `${cost.toFixed(cost < 100 ? 1 : 0)} ${unit}`;
}

function two(value: number): string {
  return value.toFixed(2);
}
