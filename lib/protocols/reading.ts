/**
 * A sensor's reading as a syslog message: RFC 5424, with the quality of its time
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
import { formatSyslog, parseSyslog } from "./syslog.ts";
import { formatTimestamp, sentTime } from "./syslog_timestamp.ts";

/** A reading of a sensor. Times are Unix times in ms. */
export interface Reading {
  /** The sensor's name: printable ASCII without spaces. */
  device: string;
  /** When the reading was due. */
  due: number;
  /** When the sensor took it, by its own clock. */
  time: number;
  /** The largest error of that clock, in ms; undefined: not synchronized. */
  bound: number | undefined;
  celsius: string;
}

/** The message; RangeError for a device name that syslog cannot carry. */
export function formatReading(reading: Reading): Uint8Array {
  const { device, due, time, bound, celsius } = reading;
  const synced = bound !== undefined;
  const quality: [string, string][] = [
    ["tzKnown", "1"],
    ["isSynced", synced ? "1" : "0"],
  ];
  if (synced) quality.push(["syncAccuracy", accuracyOf(bound)]);
  const values: [string, string][] = [
    ["due", formatTimestamp(new Date(due), "rfc5424")],
    ["celsius", celsius],
  ];
  return formatSyslog({
    facility: 16, // local0
    severity: 6, // info
    timestamp: formatTimestamp(new Date(time), "rfc5424"),
    hostname: device,
    appname: "sensor",
    msgid: "reading",
    data: [{ id: QUALITY, params: quality }, { id: READING, params: values }],
    message: `${celsius} C`,
  });
}

/** The reading in a message; undefined if it has none. */
export function parseReading(bytes: Uint8Array): Reading | undefined {
  const message = parseSyslog(bytes);
  const paramsOf = (id: string) =>
    new Map(message.data?.find((element) => element.id === id)?.params);
  const [values, quality] = [paramsOf(READING), paramsOf(QUALITY)];
  const { hostname: device } = message;
  const due = Date.parse(values.get("due") ?? "");
  const time = sentTime(message, due);
  const [celsius] = values.get("celsius")?.match(/^-?\d{1,3}\.\d$/) ?? [];
  if (!device || isNaN(due) || !time || !celsius) return;
  // RFC 5424, section 7.1: a missing value means "unknown".
  const synced = quality.get("isSynced") === "1";
  const accuracy = Number(quality.get("syncAccuracy") ?? Infinity) / 1000;
  const bound = synced ? accuracy : undefined;
  return { device: copy(device), due, time, bound, celsius: copy(celsius) };
}

/** A string of its own: a substring would keep the whole message in memory. */
function copy(text: string): string {
  return new TextDecoder().decode(new TextEncoder().encode(text));
}

/**
 * Whole microseconds, rounded up (section 7.1.3): steps of 10 ms hide nothing
 * that a reader needs.
 */
function accuracyOf(bound: number): string {
  return String(Math.ceil(bound / 10) * 10_000);
}

const QUALITY = "timeQuality";
/** 32473 is the enterprise number for examples: RFC 5612. */
const READING = "reading@32473";
