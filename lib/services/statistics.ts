/**
 * Summarizes round-trip times as ping(8) does.
 *
 * @module
 */

/** Minimum, mean and maximum of times in ms: `0.12/0.25/0.51`. */
export function minAvgMax(times: readonly number[]): string {
  let sum = 0;
  for (const time of times) sum += time;
  const numbers = [Math.min(...times), sum / times.length, Math.max(...times)];
  return numbers.map((ms) => ms.toFixed(2)).join("/");
}
