/**
 * Shows what several devices make of one time: tables of their clocks and of
 * their readings.
 *
 * @module
 */
import type { Reading } from "../protocols/reading.ts";
import type { Sample } from "../protocols/sntp.ts";
import { withSign } from "./clock.ts";

/** A reading that a collector has received. */
export interface Collected extends Reading {
  /** When it arrived, by the collector's clock. */
  arrival: number;
}

/** A device that has booted. */
export interface Booted {
  readonly device: string;
  /** The error of its clock before it was corrected, in ms. */
  readonly error: number;
  /** By what it was corrected; undefined if it was not. */
  readonly sample: Sample | undefined;
  /** The waits for the time that brought no reply, in ms. */
  readonly lost: readonly number[];
}

/** The devices' clocks as a table: their errors before and after correction. */
export function clockTable(devices: readonly Booted[]): string[] {
  return ["device  wrong by    after", ...devices.map(clockRow)];
}

function clockRow({ device, error, sample, lost }: Booted): string {
  const bound = `at most ${sample?.bound.toFixed(3)} ms`;
  const after = sample
    ? `${withSign(error + sample.offset)} ms, ${bound}`
    : "not set";
  const waits = lost.length > 0 ? `; no answer in ${lost.join(", ")} ms` : "";
  return `${device.padEnd(6)}  ${seconds(error).padEnd(10)}  ${after}${waits}`;
}

/**
 * The readings as a table. A row for each moment at which readings were due has
 * their number, how long after it the first and the last were taken and arrived
 * (ms), and the spread of their arrival. The readings of a device that does not
 * know the time belong to no moment: it has a row of its own.
 */
export function readingTable(readings: Collected[]): string[] {
  const inOrder = readings.toSorted((a, b) => a.due - b.due);
  const known = inOrder.filter(({ bound }) => bound !== undefined);
  const unknown = inOrder.filter(({ bound }) => bound === undefined);
  const byDevice = Map.groupBy(unknown, ({ device }) => device);
  return [
    "due           of  taken, arrived after that, spread (ms)",
    ...[...Map.groupBy(known, ({ due }) => due).values()].map(momentRow),
    ...[...byDevice.values()].map(unsynchronizedRow).sort(),
  ];
}

function momentRow(readings: Collected[]): string {
  const [{ due }] = readings;
  const taken = rangeOf(readings.map(({ time }) => time - due));
  const arrived = rangeOf(readings.map(({ arrival }) => arrival - due));
  const when = new Date(due).toISOString().slice(11, 23);
  const ranges = `${taken.join("..")}  ${
    arrived.map((ms) => ms.toFixed(1)).join("..")
  }`;
  const spread = (arrived[1] - arrived[0]).toFixed(1);
  return `${when}  ${String(readings.length).padEnd(2)}  ${ranges}  ${spread}`;
}

function unsynchronizedRow(readings: Collected[]): string {
  const [{ device, time, arrival }] = readings;
  const off = seconds(time - arrival);
  return `${device}: ${readings.length} not synchronized, off by ${off}`;
}

/** Without spread arguments, whose number is limited. */
function rangeOf(values: number[]): [least: number, most: number] {
  return values.reduce(
    ([least, most], value) => [Math.min(least, value), Math.max(most, value)],
    [Infinity, -Infinity],
  );
}

/** An error of a clock, such as `-385.085 s`. */
function seconds(ms: number): string {
  return `${withSign(ms / 1000)} s`;
}
