/**
 * What the output of tcp_nodelay must show, wherever it runs.
 */
import { expect } from "bun:test";
import process from "node:process";

/**
 * Two sends without TCP_NODELAY take longer than one, and than two with it. On
 * Linux the acknowledgement is delayed by 40 ms, of which the first tick of its
 * clock may be over; a busy machine makes that longer, and not shorter.
 */
export function expectDelay(stdout: string): void {
  const [off, one, on] = [...stdout.matchAll(/(\d+\.\d+) ms$/gm)]
    .map(([, ms]) => Number(ms));
  expect(off).toBeGreaterThan(Math.max(one, on));
  if (process.platform === "linux") expect(off).toBeGreaterThan(30);
}
