/**
 * What a collector keeps of a syslog message: its content, and when and from
 * where it came. As a line for people, as a line of JSON, and a file of those.
 *
 * @module
 */
import {
  escapeBytes,
  parseSyslog,
  SEVERITIES,
  type SyslogMessage,
} from "../protocols/syslog.ts";
import type { Frame } from "../protocols/syslog_framing.ts";
import { sentTime } from "../protocols/syslog_timestamp.ts";
import type { Address } from "../sockets/address.ts";
import { escapeControls } from "../sockets/escape.ts";
import type { Appender } from "./append_file.ts";

/** A message that a collector has received. */
export interface Event extends SyslogMessage {
  /** The time by the collector's clock. */
  readonly received: Date;
  /** The sender's address, which need not be that of the message's host. */
  readonly from: Address;
  readonly framing: Frame["framing"];
}

/** The event of a message. A fault of its framing makes it malformed, too. */
export function toEvent(
  { bytes, framing, fault }: Frame,
  from: Event["from"],
  received = new Date(),
): Event {
  const { message: text, ...parsed } = parseSyslog(bytes);
  // rsyslog appends an LF and counts it.
  const message = parsed.malformed === undefined && framing === "counted"
    ? text.replace(/\r?\n$/, "")
    : text;
  const faults = [fault, parsed.malformed].filter((one) => one !== undefined);
  const malformed = faults.length > 0 ? faults.join("; ") : undefined;
  return { received, from, framing, ...parsed, malformed, message };
}

/**
 * The event in words: when it was received and sent (UTC; with the date if that
 * is another day; "-" if the message has no timestamp), from whom, and what.
 */
export function formatEvent(event: Event): string {
  const { received, from, appname = "-", procid, severity, malformed } = event;
  const { hostname = from[0], message } = event;
  const time = sentTime(event, received.getTime());
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
 * The event as a line of JSON, https://jsonlines.org, with its LF. It contains
 * no character that ends a line for any reader, or that drives a terminal.
 */
export function eventToJson(event: Event): string {
  return toJsonLine(event);
}

/** The events that a collector has received. */
export interface Log {
  /** Their number; datagrams that were lost on the way are not in it. */
  readonly counts: { tcp: number; udp: number; malformed: number };
  /** What to tell about the file: that it was repaired, that others can write. */
  readonly notes: string[];
  /** Keeps messages that have just come: when it returns, the file has them. */
  keep(frames: Frame[], from: Address): Event[];
  /** The counts in words. */
  summary(): string;
  close(): Promise<void>;
}

/**
 * Opens a log; with a path it appends each event to that file as a line. An
 * incomplete last line, which a kill -9 leaves, is repaired first. Failures are
 * SocketErrors: see `openAppender`.
 */
export async function openLog(path: string | undefined): Promise<Log> {
  let file: Appender | undefined;
  const notes: string[] = [];
  if (path !== undefined) {
    const { openAppender } = await import("./append_file.ts");
    const { CAN_LOCK } = await import("./file_lock.ts");
    file = await openAppender(path, repairLine);
    if (file.incomplete) notes.push(`Repaired the last line of ${path}`);
    if (!CAN_LOCK) notes.push(`This system lets others write ${path}`);
  }
  const counts = { tcp: 0, udp: 0, malformed: 0 };
  return {
    counts,
    notes,
    keep(frames, from) {
      const received = new Date();
      const events = frames.map((frame) => toEvent(frame, from, received));
      file?.append(events.map(eventToJson).join(""));
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
    close: async () => await file?.close(),
  };
}

/**
 * What an incomplete last line becomes: the line itself if only its LF is
 * missing, else `{"torn": ...}` with its bytes, which is longer. Undefined for
 * text that begins as no line of a log does.
 */
export function repairLine(incomplete: Uint8Array): string | undefined {
  const text = new TextDecoder().decode(incomplete);
  const begins = ['{"received":', '{"torn":'].some((begin) =>
    text.startsWith(begin.slice(0, text.length))
  );
  if (!begins) return;
  try {
    JSON.parse(text);
    return `${text}\n`;
  } catch {
    return toJsonLine({ torn: escapeBytes(incomplete) });
  }
}

/** JSON, in which the characters that `escapeControls` escapes are `\uXXXX`. */
function toJsonLine(value: unknown): string {
  const json = JSON.stringify(value).replace(
    /[^ -~]/gu,
    (character) =>
      escapeControls(character) === character
        ? character
        : character.replace(/[^]/g, jsonEscape),
  );
  return `${json}\n`;
}

function jsonEscape(codeUnit: string): string {
  return `\\u${codeUnit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
