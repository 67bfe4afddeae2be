/**
 * Shows how far a long run is: with the progress bar of `@std/cli` under Deno
 * on a terminal, if that can be loaded, else with one line a report.
 *
 * @module
 */
import process from "node:process";
import { within } from "../support/processes.ts";

export interface Progress {
  /** Counts one more, and prints its file, or why it failed. */
  done(line: string, failed?: "failed"): void;
  /** Clears the bar, and prints the lines. */
  end(): Promise<void>;
}

/** Shows the start of a run; `max` is how many reports there will be. */
export async function progress(max: number): Promise<Progress> {
  const bar = max > 1 ? await loadBar(max) : undefined;
  if (!bar) return { done: print, async end() {} };
  const held: Parameters<Progress["done"]>[] = [];
  return {
    done(...one) {
      bar.value++;
      held.push(one);
    },
    async end() {
      await bar.stop();
      for (const one of held) print(...one);
    },
  };
}

function print(line: string, failed?: "failed"): void {
  if (failed) console.error(line);
  else console.log(line);
}

interface Bar {
  value: number;
  stop(): Promise<void>;
}

/** How long the module may take to be fetched, in ms. */
const PATIENCE = 3000;

async function loadBar(max: number): Promise<Bar | undefined> {
  if (!("Deno" in globalThis) || !process.stderr.isTTY) return;
  // Not a literal, so that it is fetched only when it is needed.
  const name = "@std/cli/unstable-progress-bar";
  try {
    const module = await within(PATIENCE, import(name));
    if (!module) return;
    return new module.ProgressBar({
      max,
      barLength: 40,
      clear: true,
      formatter: (bar: { progressBar: string; value: number }) =>
        `${bar.progressBar} ${bar.value} of ${max} reports`,
    });
  } catch {
    return; // off line, or never fetched: lines will do
  }
}
