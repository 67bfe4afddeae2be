/**
 * What a collector keeps of a syslog message: when it came, from where, and
 * what it says; as a line for people, as one of JSON, and the file of these.
 *
 * @module
 */
import type { Address } from "../address.ts";
import type { Appender } from "../runtimes/append.ts";
import {
  escapeBytes,
  parseSyslog,
  SEVERITIES,
  type SyslogMessage,
  timeOf,
} from "./syslog.ts";
import type { Frame } from "./syslog_framing.ts";

/** A message that was collected. */
export interface Event extends SyslogMessage {
  /** The collector's own time. */
  readonly received: Date;
  /** The address of the sender, which is not always the message's machine. */
  readonly from: Address;
  readonly framing: Frame["framing"];
}

/** The event of a message that came. What is wrong with its end is told, too. */
export function eventOf(
  { bytes, framing, fault }: Frame,
  from: Event["from"],
  received = new Date(),
): Event {
  const { message: text, ...read } = parseSyslog(bytes);
  // rsyslog appends an LF and counts it.
  const message = read.malformed === undefined && framing === "counted"
    ? text.replace(/\r?\n$/, "")
    : text;
  const faults = [fault, read.malformed].filter((one) => one !== undefined);
  const malformed = faults.length > 0 ? faults.join("; ") : undefined;
  return { received, from, framing, ...read, malformed, message };
}

/**
 * The event in words: when it was received and sent (UTC; "-" if it does not
 * say, with the date if that is another), by whom, and what.
 */
export function eventText(event: Event): string {
  const { received, from, appname = "-", procid, severity, malformed } = event;
  const { hostname = from[0], message } = event;
  const time = timeOf(event, received.getTime());
  const now = received.toISOString();
  const then = time === undefined ? "-" : new Date(time).toISOString();
  const sameDay = then.slice(0, 10) === now.slice(0, 10);
  const sent = sameDay ? then.slice(11, 23) : then.slice(0, 19);
  const process = procid === undefined ? appname : `${appname}[${procid}]`;
  const by = malformed === undefined
    ? `${process} ${SEVERITIES[severity ?? 0]}`
    : `malformed (${malformed})`;
  return `${now.slice(11, 23)} ${sent} ${hostname} ${by}: ${message}`;
}

/**
 * The event as a line of JSON, https://jsonlines.org, with its LF. Nothing in
 * it ends a line for any reader, or drives a terminal that shows the file.
 */
export function eventLine(event: Event): string {
  return lineOf(event);
}

/**
 * Opens the file of a log, one event a line, to append to it; a last line that
 * a kill -9 left torn is mended. Failures are SocketErrors: see `openLines`.
 */
export async function openLog(path: string): Promise<Appender> {
  const { openLines } = await import("../runtimes/append.ts");
  return openLines(path, mendLine);
}

/**
 * What the last line of a file becomes if it lacks its LF: itself, where that
 * is all, else `{"torn": ...}` with its bytes, which is longer than it.
 */
export function mendLine(torn: Uint8Array): string {
  const text = new TextDecoder().decode(torn);
  try {
    JSON.parse(text);
    return `${text}\n`;
  } catch {
    return lineOf({ torn: escapeBytes(torn) });
  }
}

function lineOf(value: unknown): string {
  return `${JSON.stringify(value).replace(UNSAFE, escaped)}\n`;
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** What JSON lets through: some controls, and what turns the direction. */
const UNSAFE = /[\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g;
