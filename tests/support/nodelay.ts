/**
 * What the output of tcp_nodelay must show, wherever it runs.
 */
import { expect } from "bun:test";
import process from "node:process";

/**
 * Two sends without TCP_NODELAY take longer than one, and than two with it. On
 * Linux the acknowledgement is delayed by 40 ms, and on a busy machine by more.
 * The other exchanges take 1 ms altogether: no machine is so busy that half of
 * them are interrupted.
 */
export function expectDelay(stdout: string): void {
  const [off, one, on] = [...stdout.matchAll(/(\d+\.\d+) ms$/gm)]
    .map(([, ms]) => Number(ms));
  const delay = process.platform === "linux" ? 20 : 0;
  expect(off - Math.max(one, on)).toBeGreaterThan(delay);
}
