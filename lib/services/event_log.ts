/**
 * What a collector keeps of a syslog message: when it came, from where, and
 * what it says; as a line for people, as one of JSON, and the file of these.
 *
 * @module
 */
import type { Address } from "../sockets/address.ts";
import type { Appender } from "./append_file.ts";
import {
  escapeBytes,
  parseSyslog,
  SEVERITIES,
  type SyslogMessage,
  timeOf,
} from "../protocols/syslog.ts";
import type { Frame } from "../protocols/syslog_framing.ts";

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

/** The events that a collector has had. */
export interface Log {
  /** How many they were; those over UDP are the ones that were not lost. */
  readonly counts: { tcp: number; udp: number; malformed: number };
  /** Whether the last line of the file was torn, and has been mended. */
  readonly mended: boolean;
  /** Keeps the messages that have come now: when it returns, the file has them. */
  keep(frames: Frame[], from: Address): Event[];
  /** The counts in words. */
  summary(): string;
  close(): void;
}

/**
 * Opens a log, which appends to a file if it is given one, an event a line; a
 * last line that a kill -9 left torn is mended. Failures are SocketErrors: see
 * `openLines`.
 */
export async function openLog(path: string | undefined): Promise<Log> {
  let file: Appender | undefined;
  if (path !== undefined) {
    const { openLines } = await import("./append_file.ts");
    file = openLines(path, mendLine);
  }
  const counts = { tcp: 0, udp: 0, malformed: 0 };
  return {
    counts,
    mended: file?.torn !== undefined,
    keep(frames, from) {
      const received = new Date();
      const events = frames.map((frame) => eventOf(frame, from, received));
      file?.append(events.map(eventLine).join(""));
      for (const { framing, malformed } of events) {
        counts[framing === "datagram" ? "udp" : "tcp"]++;
        if (malformed) counts.malformed++;
      }
      return events;
    },
    summary() {
      const { tcp, udp, malformed } = counts;
      const both = `${tcp} over TCP, ${udp} over UDP`;
      return `${tcp + udp} messages: ${both}; ${malformed} malformed`;
    },
    close: () => file?.close(),
  };
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
