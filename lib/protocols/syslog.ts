/**
 * Syslog messages, RFC 5424 and the older RFC 3164: bytes to records and back.
 * No bytes are refused: what follows neither is kept, with the reason.
 *
 * ```ts
 * import { formatSyslog, parseSyslog } from "./syslog.ts";
 *
 * const bytes = formatSyslog({ hostname: "door", message: "opens" });
 * // "<13>1 - door - - - - opens"
 * const { hostname, severity, message } = parseSyslog(bytes);
 * ```
 *
 * @module
 */

/** A message. What it does not tell ("-" on the wire) is undefined. */
export interface SyslogMessage {
  /** What it was read as (undefined without a PRI), or is to be written as. */
  format?: "rfc5424" | "rfc3164" | undefined;
  /** 0 to 23, 1 (user) where it is not said; undefined if it has no PRI. */
  facility?: number | undefined;
  /** 0 (emergency) to 7 (debug), 5 (notice) where it is not said. */
  severity?: number | undefined;
  /** The sender's time, as sent: RFC 3339's, or `Mmm dd hh:mm:ss`. */
  timestamp?: string | undefined;
  hostname?: string | undefined;
  /** The program: APP-NAME, or the TAG of RFC 3164. */
  appname?: string | undefined;
  procid?: string | undefined;
  msgid?: string | undefined;
  /** Structured data, in order. */
  data?: SyslogData[] | undefined;
  /** The text; of a malformed message all of it, with its header. */
  message: string;
  /** Why it is neither RFC 5424's nor RFC 3164's. */
  malformed?: string | undefined;
  /** The bytes, printable, where they are not UTF-8: see `escapeBytes`. */
  bytes?: string | undefined;
}

/** An element of structured data: RFC 5424, section 6.3. */
export interface SyslogData {
  id: string;
  params: [name: string, value: string][];
}

/** The names of the severities and of the facilities, by their numbers. */
export const SEVERITIES = "emerg alert crit err warning notice info debug"
  .split(" ");
export const FACILITIES =
  ("kern user mail daemon auth syslog lpr news uucp cron authpriv ftp ntp " +
    "audit alert clock local0 local1 local2 local3 local4 local5 local6 local7")
    .split(" ");

// --- reading ---

/** The record of a message; never throws. */
export function parseSyslog(bytes: Uint8Array): SyslogMessage {
  const text = decoder.decode(bytes);
  const read: SyslogMessage = { message: text };
  try {
    readMessage(text, read);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    const { format, facility, severity } = read;
    const malformed = error.message;
    return withBytes({ format, facility, severity, message: text, malformed });
  }
  return withBytes(read);

  function withBytes(record: SyslogMessage): SyslogMessage {
    // U+FFFD may have been sent, too.
    if (text.includes("\ufffd") && !isUtf8(bytes)) {
      record.bytes = escapeBytes(bytes);
    }
    return record;
  }
}

class Malformed extends Error {}

function readMessage(text: string, record: SyslogMessage): void {
  const [header, pri] = text.match(PRI) ?? [];
  if (!header) throw new Malformed("no PRI");
  if (Number(pri) > 191) throw new Malformed(`PRI ${pri} is over 191`);
  record.format = "rfc3164";
  record.facility = Number(pri) >> 3;
  record.severity = Number(pri) & 7;
  const rest = text.slice(header.length);
  const [begin, version] = rest.match(VERSION) ?? [];
  if (!begin) return readOld(rest, record);
  record.format = "rfc5424";
  if (version !== "1") throw new Malformed(`version ${version} is unknown`);
  readNew(rest.slice(begin.length), record);
}

/** RFC 5424, section 6, behind the version. */
function readNew(text: string, record: SyslogMessage): void {
  let at = 0;
  for (const [name, title, pattern] of FIELDS) {
    const space = text.indexOf(" ", at);
    const field = text.slice(at, space < 0 ? text.length : space);
    if (field === "") throw new Malformed(`no ${title}`);
    const time = name === "timestamp" && field !== "-";
    if (!pattern.test(field) || (time && !isTime(field))) {
      throw new Malformed(`wrong ${title}`);
    }
    if (space < 0) throw new Malformed(`nothing behind ${title}`);
    if (field !== "-") record[name] = field;
    at = space + 1;
  }
  if (text[at] === "-") at++;
  else [record.data, at] = readData(text, at);
  if (at < text.length && text[at] !== " ") {
    throw new Malformed("no space behind STRUCTURED-DATA");
  }
  record.message = text.slice(at + 1);
  if (record.message.startsWith(BOM)) record.message = record.message.slice(1);
}

/** RFC 5424, section 6.3: elements, one directly behind the other. */
function readData(text: string, from: number): [SyslogData[], number] {
  const data: SyslogData[] = [];
  const seen = new Set<string>();
  let at = from;
  while (text[at] === "[") {
    const id = match(SD_ID, "SD-ID");
    if (seen.has(id)) throw new Malformed(`SD-ID ${id} twice`);
    seen.add(id);
    const params: SyslogData["params"] = [];
    while (text[at] === " ") {
      const name = match(SD_NAME, "PARAM-NAME");
      const value = match(SD_VALUE, "PARAM-VALUE");
      params.push([name, value.replace(/\\(["\\\]])/g, "$1")]);
    }
    if (text[at++] !== "]") throw new Malformed("no ] behind an SD-ELEMENT");
    data.push({ id, params });
  }
  if (data.length === 0) throw new Malformed("no STRUCTURED-DATA");
  return [data, at];

  function match(pattern: RegExp, title: string): string {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (!found) throw new Malformed(`wrong ${title}`);
    at = pattern.lastIndex;
    return found[1];
  }
}

/**
 * RFC 3164, section 4, as it is sent: the TAG ends with a colon, the HOSTNAME
 * may be missing, and the time may be RFC 3339's.
 */
function readOld(text: string, record: SyslogMessage): void {
  const [header, time] = text.match(OLD_TIME) ?? text.match(NEW_TIME) ?? [];
  if (!header) throw new Malformed("no TIMESTAMP");
  if (!isTime(time)) throw new Malformed("wrong TIMESTAMP");
  record.timestamp = time;
  let rest = text.slice(header.length);
  const [host, name] = rest.match(OLD_HOST) ?? [];
  if (host) {
    record.hostname = name;
    rest = rest.slice(host.length);
  }
  const [tag, appname, procid] = rest.match(OLD_TAG) ?? [];
  if (tag) {
    record.appname = appname;
    if (procid) record.procid = procid;
  }
  record.message = rest.slice(tag?.length ?? 0);
}

/** Whether a time that looks right is one, and not the 30th of February. */
function isTime(text: string): boolean {
  const [, month, day, ...time] = text.match(OLD_PARTS) ?? [];
  const old = month !== undefined;
  const date = old
    ? `2000-${two(MONTHS.indexOf(month) + 1)}-${two(Number(day))}`
    : text.slice(0, 10);
  const [hour, minute, second] = old ? time : text.slice(11, 19).split(":");
  const [, zone] = text.match(/[+-](\d\d:\d\d)$/) ?? [, "00:00"];
  const midnight = new Date(`${date}T00:00:00Z`);
  return !isNaN(midnight.getTime()) &&
    midnight.toISOString().startsWith(date) && Number(hour) < 24 &&
    Number(minute) < 60 && Number(second) < 60 && zone! < "24" &&
    Number(zone!.slice(3)) < 60;
}

/**
 * The sender's time in ms since 1970; undefined if it told none. RFC 3164 has
 * neither year nor zone: the year is that nearest to `now`, the zone ours.
 */
export function timeOf(
  { timestamp }: SyslogMessage,
  now = Date.now(),
): number | undefined {
  if (timestamp === undefined) return;
  const [, month, day, hour, minute, second] = timestamp.match(OLD_PARTS) ?? [];
  // More digits than a Date has are not read alike everywhere.
  if (!month) return Date.parse(timestamp.replace(/(\.\d{3})\d+/, "$1"));
  const year = new Date(now).getFullYear();
  const times = [year - 1, year, year + 1].map((year) =>
    new Date(
      ...[year, MONTHS.indexOf(month), Number(day)] as [number, number, number],
      ...[hour, minute, second].map(Number),
    ).getTime()
  );
  const distance = (time: number) => Math.abs(time - now);
  return times.reduce((one, two) => distance(two) < distance(one) ? two : one);
}

// --- writing ---

/** The bytes of a record; RangeError for a field that cannot be written. */
export function formatSyslog(record: SyslogMessage): Uint8Array {
  const { format, facility = 1, severity = 5 } = record;
  const whole = Number.isInteger(facility) && Number.isInteger(severity);
  if (!whole || !FACILITIES[facility] || !SEVERITIES[severity]) {
    throw new RangeError(`Cannot write facility ${facility}, ${severity}`);
  }
  const pri = `<${facility * 8 + severity}>`;
  const text = format === "rfc3164" ? oldText(record) : newText(record);
  return encoder.encode(pri + text);
}

function newText(record: SyslogMessage): string {
  const header = FIELDS.map(([name, title, pattern]) => {
    const field = record[name] ?? "-";
    const time = name !== "timestamp" || field === "-" || isTime(field);
    if (!pattern.test(field) || !time) {
      throw new RangeError(`Cannot write the ${title}: ${field}`);
    }
    return field;
  });
  const data = record.data?.map(elementText).join("") || "-";
  // Section 6.4: text that is not ASCII says by the BOM that it is UTF-8.
  const mark = ASCII.test(record.message) ? "" : BOM;
  const message = record.message && ` ${mark}${record.message}`;
  return `1 ${header.join(" ")} ${data}${message}`;
}

function elementText({ id, params }: SyslogData): string {
  for (const name of [id, ...params.map(([name]) => name)]) {
    if (!NAME.test(name)) throw new RangeError(`Cannot write the name ${name}`);
  }
  const values = params.map(([name, value]) =>
    ` ${name}="${value.replace(/["\\\]]/g, "\\$&")}"`
  );
  return `[${id}${values.join("")}]`;
}

function oldText(record: SyslogMessage): string {
  const { timestamp, hostname, appname, procid, message } = record;
  const process = procid === undefined ? "" : `[${procid}]`;
  const tag = appname === undefined ? "" : `${appname}${process}: `;
  const host = hostname === undefined ? "" : `${hostname} `;
  const text = `${timestamp} ${host}${tag}${message}`;
  const read: SyslogMessage = { ...record };
  for (const name of OLD_FIELDS) delete read[name];
  try {
    readOld(text, read);
  } catch (error) {
    throw new RangeError(`Cannot write ${text}: ${(error as Error).message}`);
  }
  // The parts have no bounds of their own: one can be taken for another.
  const other = OLD_FIELDS.find((name) => read[name] !== record[name]);
  if (other) throw new RangeError(`Cannot write ${text}: wrong ${other}`);
  return text;
}

/**
 * A time as the format has it: `2026-11-05T18:55:12.345Z` in RFC 5424, and
 * local, to the second, `Nov  5 18:55:12` in RFC 3164.
 */
export function timestampOf(
  date: Date,
  format: SyslogMessage["format"],
): string {
  if (format !== "rfc3164") return date.toISOString();
  const day = String(date.getDate()).padStart(2);
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()];
  return `${MONTHS[date.getMonth()]} ${day} ${time.map(two).join(":")}`;
}

// --- bytes ---

/** Printable ASCII as it is, `\\` for a backslash, `\xHH` for all else. */
export function escapeBytes(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    if (byte === 0x5c) text += "\\\\";
    else if (byte >= 0x20 && byte < 0x7f) text += String.fromCharCode(byte);
    else text += `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  return text;
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    strict.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const strict = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();
const BOM = "\ufeff";

// --- the grammar: RFC 5424 section 6, RFC 3164 section 4 ---

const PRI = /^<(0|[1-9]\d{0,2})>/;
/** A number of another version counts only where a time follows. */
const VERSION = /^(1|[1-9]\d{0,2}(?= (?:-|\d{4}-\d\d-\d\dT))) /;
const TIME = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)/;
const FIELDS = [
  ["timestamp", "TIMESTAMP", new RegExp(`^(?:-|${TIME.source})$`)],
  ["hostname", "HOSTNAME", /^[!-~]{1,255}$/],
  ["appname", "APP-NAME", /^[!-~]{1,48}$/],
  ["procid", "PROCID", /^[!-~]{1,128}$/],
  ["msgid", "MSGID", /^[!-~]{1,32}$/],
] as const;
/** No space, no `=`, `]` or `"`. */
const NAME = /^[!#-<>-\\^-~]{1,32}$/;
const SD_ID = /\[([!#-<>-\\^-~]{1,32})(?=[ \]])/y;
const SD_NAME = / ([!#-<>-\\^-~]{1,32})=/y;
const SD_VALUE = /"([^"\\\]]*(?:\\[^][^"\\\]]*)*)"/y;
const OLD_FIELDS = ["timestamp", "hostname", "appname", "procid"] as const;
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
const OLD_TIME = /^([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) /;
const OLD_PARTS = /^([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d)$/;
const NEW_TIME = new RegExp(`^(${TIME.source}) `);
/** A word that is no TAG. */
const OLD_HOST = /^([!-~]*[!-9;-~]) /;
const OLD_TAG = /^([!-9;-Z\\^-~]{1,48})(?:\[([!-Z\\^-~]{1,128})\])?:(?: |$)/;
const ASCII = /^[\0-\x7f]*$/;
