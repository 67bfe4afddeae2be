/**
 * Tells how far a long run is: with the progress bar of `@std/cli` under Deno
 * on a terminal, where that can be loaded, and else with a line a report.
 *
 * @module
 */
import process from "node:process";

export interface Progress {
  /** Says that one more is done, or with `failed` why it is not. */
  done(line: string, failed?: "failed"): void;
  /** Ends the bar, and prints what it has held back. */
  end(): Promise<void>;
}

/** Begins to tell; `max` is how many there will be. */
export async function progress(max: number): Promise<Progress> {
  const bar = max > 1 ? await loadBar(max) : undefined;
  if (!bar) return { done: tell, async end() {} };
  const held: Parameters<Progress["done"]>[] = [];
  return {
    done(...one) {
      bar.value++;
      held.push(one);
    },
    async end() {
      await bar.stop();
      for (const one of held) tell(...one);
    },
  };
}

function tell(line: string, failed?: "failed"): void {
  if (failed) console.error(line);
  else console.log(line);
}

interface Bar {
  value: number;
  stop(): Promise<void>;
}

/** How long to wait for a module that has to be fetched, in ms. */
const PATIENCE = 3000;

async function loadBar(max: number): Promise<Bar | undefined> {
  if (!("Deno" in globalThis) || !process.stderr.isTTY) return;
  // Not literal, so that nothing is fetched unless it comes to this.
  const name = "@std/cli/unstable-progress-bar";
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, PATIENCE);
  });
  try {
    const module = await Promise.race([import(name), late]);
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
  } finally {
    clearTimeout(timer);
  }
}
