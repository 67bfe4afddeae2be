/**
 * Shows how far a long run is: with the progress bar of `@std/cli` under Deno
 * on a terminal, if that can be loaded, else with one line a report.
 *
 * @module
 */
import process from "node:process";
import { within } from "../support/processes.ts";

/** Starts to show a run that makes `max` reports. */
export async function progress(max: number) {
  const bar = max > 1 ? await loadBar(max) : undefined;
  const held: [line: string, failed?: "failed"][] = [];
  return {
    /** Counts one more, and prints its file, or why it failed. */
    done(...one: [line: string, failed?: "failed"]): void {
      if (!bar) return print(...one);
      bar.value++;
      held.push(one);
    },
    /** Clears the bar, and prints the lines. */
    async end(): Promise<void> {
      await bar?.stop();
      for (const one of held) print(...one);
    },
  };
}

function print(line: string, failed?: "failed"): void {
  if (failed) console.error(line);
  else console.log(line);
}

const PATIENCE = 3000; // ms, to fetch the module

async function loadBar(
  max: number,
): Promise<{ value: number; stop(): Promise<void> } | undefined> {
  if (!("Deno" in globalThis) || !process.stderr.isTTY) return;
  // Not a literal, so that it is fetched only when it is needed.
  const name = "@std/cli/unstable-progress-bar";
  // Off line, or never fetched, there is none.
  const module = await within(PATIENCE, import(name)).catch(() => undefined);
  return module && new module.ProgressBar({
    max,
    barLength: 40,
    clear: true,
    formatter: (bar: { progressBar: string; value: number }) =>
      `${bar.progressBar} ${bar.value} of ${max} reports`,
  });
}
