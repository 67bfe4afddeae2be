/**
 * What a process takes, and whether that has grown: proc(5), Linux only.
 *
 * @module
 */
import { setTimeout as pause } from "node:timers/promises";
import { type Figures, figuresOf, forgetPeak } from "../support/proc.ts";

/** By so much the memory of an idle server may grow, in KiB. */
const GROWTH = 32 * 1024;

/** By so much it may be more while it serves: nobody's bytes pile up. */
const PEAK = 64 * 1024;

/** What was closed, and what is garbage, goes in its own time; ms. */
const PATIENCE = 10_000;
/** But where nothing has changed for so long, nothing will; ms. */
const STILL = 2_000;

/**
 * Its figures as soon as they have not grown, or as they are after a while;
 * undefined where the system does not tell.
 */
export async function settledFigures(
  pid: number,
  before: Figures[],
): Promise<Figures | undefined> {
  let seen = figuresOf(pid);
  for (let waited = 0, still = 0;; waited += 100, still += 100) {
    const now = figuresOf(pid);
    if (!now) return;
    const patient = waited < PATIENCE && still < STILL;
    if (!growth([...before, now]) || !patient) {
      forgetPeak(pid);
      return now;
    }
    if (now.descriptors !== seen?.descriptors) still = 0;
    if (now.resident !== seen?.resident) still = 0;
    seen = now;
    await pause(100);
  }
}

/**
 * What has grown, in words. The descriptors of the last must be those of the
 * first, and its memory that of halfway: before, a runtime warms up.
 */
export function growth(all: Figures[]): string | undefined {
  const [first, last] = [all[0], all.at(-1)];
  const middle = all[Math.floor(all.length / 2)];
  if (!last) return;
  if (last.descriptors > first.descriptors) {
    return `${first.descriptors} descriptors became ${last.descriptors}`;
  }
  if (last.resident > middle.resident + GROWTH) {
    return `${middle.resident} KiB of memory became ${last.resident}`;
  }
  const high = all.find(({ resident, peak }) => peak > resident + PEAK);
  if (high) return `${high.resident} KiB of memory were ${high.peak} at a time`;
}
