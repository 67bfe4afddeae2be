/**
 * A sensor's reading as a syslog message: RFC 5424, with what its time is worth
 * (timeQuality, section 7.1) and the reading itself as structured data.
 *
 * ```ts
 * import { formatReading, parseReading } from "./reading.ts";
 *
 * const due = Date.UTC(2026, 10, 21); // milliseconds since 1970
 * const bytes = formatReading(
 *   { device: "roof", due, time: due + 1, bound: 1.07, celsius: "21.5" },
 * ); // <134>1 2026-11-21T00:00:00.001Z roof sensor - reading [timeQuality ...
 * const { time, bound } = parseReading(bytes)!; // due + 1, 10
 * ```
 *
 * @module
 */
import { type Sample, signed } from "./sntp.ts";
import { formatSyslog, parseSyslog, timeOf, timestampOf } from "./syslog.ts";

/** What a sensor read. Times are Unix times in ms. */
export interface Reading {
  /** The sensor's name: printable ASCII without spaces. */
  device: string;
  /** The moment at which it was to be taken. */
  due: number;
  /** When it was taken, by the sensor's clock. */
  time: number;
  /** How far that clock may be wrong, in ms; undefined: not synchronized. */
  bound: number | undefined;
  celsius: string;
}

/** A reading that a collector has. */
export interface Collected extends Reading {
  /** When it came, by the collector's clock. */
  arrival: number;
}

/** The message; RangeError for a name that cannot be written. */
export function formatReading(reading: Reading): Uint8Array {
  const { device, due, time, bound, celsius } = reading;
  const synced = bound !== undefined;
  const quality: [string, string][] = [
    ["tzKnown", "1"],
    ["isSynced", synced ? "1" : "0"],
  ];
  if (synced) quality.push(["syncAccuracy", accuracyOf(bound)]);
  const values: [string, string][] = [
    ["due", timestampOf(new Date(due), "rfc5424")],
    ["celsius", celsius],
  ];
  return formatSyslog({
    facility: 16, // local0
    severity: 6, // info
    timestamp: timestampOf(new Date(time), "rfc5424"),
    hostname: device,
    appname: "sensor",
    msgid: "reading",
    data: [{ id: QUALITY, params: quality }, { id: READING, params: values }],
    message: `${celsius} C`,
  });
}

/** The reading in a message; undefined if it holds none. */
export function parseReading(bytes: Uint8Array): Reading | undefined {
  const message = parseSyslog(bytes);
  const paramsOf = (id: string) =>
    new Map(message.data?.find((element) => element.id === id)?.params);
  const [values, quality] = [paramsOf(READING), paramsOf(QUALITY)];
  const { hostname: device } = message;
  const due = Date.parse(values.get("due") ?? "");
  const time = timeOf(message);
  const [celsius] = values.get("celsius")?.match(/^-?\d{1,3}\.\d$/) ?? [];
  if (!device || isNaN(due) || !time || !celsius) return;
  // What is not said is not known: RFC 5424, section 7.1.
  const synced = quality.get("isSynced") === "1";
  const accuracy = Number(quality.get("syncAccuracy") ?? Infinity) / 1000;
  const bound = synced ? accuracy : undefined;
  return { device: copy(device), due, time, bound, celsius: copy(celsius) };
}

/** The text alone: as a part of the message it would keep all of that. */
function copy(text: string): string {
  return new TextDecoder().decode(new TextEncoder().encode(text));
}

/**
 * What a sensor's clock was wrong by, in words, and is after it asked for the
 * time (ms), and how long it did so in vain.
 */
export function clockText(
  { device, error, sample, lost }: {
    device: string;
    error: number;
    sample: Sample | undefined;
    lost: readonly number[];
  },
): string {
  const bound = `at most ${sample?.bound.toFixed(3)} ms`;
  const after = sample
    ? `${signed(error + sample.offset)} ms, ${bound}`
    : "not set";
  const vain = lost.length > 0 ? `; no answer in ${lost.join(", ")} ms` : "";
  return `${device.padEnd(6)}  ${inSeconds(error).padEnd(10)}  ${after}${vain}`;
}

/**
 * A table of how the readings line up, a line for each moment at which some
 * were due: how many there are, how long after it the first and the last were
 * taken and came (ms), and how far apart these came. Then a line for each
 * device that does not know the time: its readings belong to no moment.
 */
export function lineUp(readings: Collected[]): string[] {
  const inOrder = readings.toSorted((a, b) => a.due - b.due);
  const known = inOrder.filter(({ bound }) => bound !== undefined);
  const unknown = inOrder.filter(({ bound }) => bound === undefined);
  const byName = Map.groupBy(unknown, ({ device }) => device);
  return [
    "due           of  taken, arrived after that, spread (ms)",
    ...[...Map.groupBy(known, ({ due }) => due).values()].map(momentText),
    ...[...byName.values()].map(unknownText).sort(),
  ];
}

function momentText(readings: Collected[]): string {
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

function unknownText(readings: Collected[]): string {
  const [{ device, time, arrival }] = readings;
  const off = inSeconds(time - arrival);
  return `${device}: ${readings.length} not synchronized, off by ${off}`;
}

function rangeOf(values: number[]): [least: number, most: number] {
  return values.reduce(
    ([least, most], value) => [Math.min(least, value), Math.max(most, value)],
    [Infinity, -Infinity],
  );
}

/** An error of a clock, such as `-385.085 s`. */
function inSeconds(ms: number): string {
  return `${signed(ms / 1000)} s`;
}

/** Whole microseconds, at most so many: section 7.1.3. Steps of 10 ms do. */
function accuracyOf(bound: number): string {
  return String(Math.ceil(bound / 10) * 10_000);
}

const QUALITY = "timeQuality";
/** 32473 is the enterprise number for examples: RFC 5612. */
const READING = "reading@32473";
