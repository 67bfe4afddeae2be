/**
 * The results as one table: the servers down, the clients across.
 *
 * @module
 */
import type { Result } from "./pair.ts";

/** The table, at most 68 columns wide, and under it why pairs have failed. */
export function table(results: Result[], runtimes: string[]): string {
  const reasons: string[] = [];
  const cell = (result: Result | undefined) => {
    if (!result) return "";
    if (result.ok) return `✓ ${String(result.ms).padStart(4)} ms`;
    reasons.push(`[${reasons.length + 1}] ${inWords(result)}`);
    return `✗ [${reasons.length}]`;
  };
  const rows = [row("", "", ["client"]), row("experiment", "server", runtimes)];
  for (const name of new Set(results.map(({ experiment }) => experiment))) {
    const own = results.filter(({ experiment }) => experiment === name);
    let title = name ?? "";
    for (const server of runtimes) {
      if (!own.some((result) => result.server === server)) continue;
      const cells = runtimes.map((client) =>
        cell(own.find((one) => one.server === server && one.client === client))
      );
      rows.push(row(title, server, cells));
      title = "";
    }
  }
  if (reasons.length > 0) rows.push("", ...reasons.flatMap(wrapped));
  return rows.join("\n");
}

/** A pair in one line. */
export function inWords(
  { experiment, server, client, ms, reason }: Result,
): string {
  const pair = `${experiment}, ${server} server, ${client} client`;
  return `${pair}: ${reason ?? `${ms} ms`}`;
}

function row(experiment: string, server: string, cells: string[]): string {
  const start = experiment.padEnd(19) + server.padEnd(8);
  return (start + cells.map((cell) => cell.padEnd(10)).join("")).trimEnd();
}

/** A text in lines of at most 68 columns, broken at spaces where it can be. */
export function wrapped(text: string): string[] {
  return text.match(/.{1,64}(?:\s|$)|.{64}/gu)!
    .map((line, i) => (i === 0 ? "" : "    ") + line.trimEnd());
}
