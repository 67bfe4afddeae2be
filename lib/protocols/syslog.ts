/**
 * Syslog messages, RFC 5424 and the older RFC 3164: bytes to records and back.
 * Never rejects input: a malformed message is kept with the reason.
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

import { isTimestamp, RFC_3164, RFC_3339 } from "./syslog_timestamp.ts";

/** A message. A field that it leaves out ("-" on the wire) is undefined. */
export interface SyslogMessage {
  /** How it was parsed (undefined without a PRI), or is to be formatted. */
  format?: "rfc5424" | "rfc3164" | undefined;
  /** 0 to 23; 1 (user) by default; undefined if the message has no PRI. */
  facility?: number | undefined;
  /** 0 (emergency) to 7 (debug); 5 (notice) by default. */
  severity?: number | undefined;
  /** The sender's time as sent: RFC 3339, or `Mmm dd hh:mm:ss`. */
  timestamp?: string | undefined;
  hostname?: string | undefined;
  /** The program: APP-NAME, or the TAG of RFC 3164. */
  appname?: string | undefined;
  procid?: string | undefined;
  msgid?: string | undefined;
  /** Structured data, in order. */
  data?: SyslogData[] | undefined;
  /** The text; of a malformed message the whole message. */
  message: string;
  /** Why it follows neither RFC. */
  malformed?: string | undefined;
  /** The whole message by `escapeBytes`, if it is not UTF-8. */
  bytes?: string | undefined;
}

/** An element of structured data: RFC 5424, section 6.3. */
export interface SyslogData {
  id: string;
  params: [name: string, value: string][];
}

/** The names of the severities and the facilities, by number. */
export const SEVERITIES = "emerg alert crit err warning notice info debug"
  .split(" ");
export const FACILITIES =
  ("kern user mail daemon auth syslog lpr news uucp cron authpriv ftp ntp " +
    "audit alert clock local0 local1 local2 local3 local4 local5 local6 local7")
    .split(" ");

// --- parsing ---

/** The record of a message. Never throws. */
export function parseSyslog(bytes: Uint8Array): SyslogMessage {
  const text = decoder.decode(bytes);
  const read: SyslogMessage = { message: text };
  try {
    parseMessage(text, read);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    const { format, facility, severity } = read;
    const malformed = error.message;
    return withBytes({ format, facility, severity, message: text, malformed });
  }
  return withBytes(read);

  function withBytes(record: SyslogMessage): SyslogMessage {
    // The sender may have sent a valid U+FFFD.
    if (text.includes("\ufffd") && !isUtf8(bytes)) {
      record.bytes = escapeBytes(bytes);
    }
    return record;
  }
}

class Malformed extends Error {}

function parseMessage(text: string, record: SyslogMessage): void {
  const [header, pri] = text.match(PRI) ?? [];
  if (!header) throw new Malformed("no PRI");
  if (Number(pri) > 191) throw new Malformed(`PRI ${pri} is over 191`);
  record.format = "rfc3164";
  record.facility = Number(pri) >> 3;
  record.severity = Number(pri) & 7;
  const rest = text.slice(header.length);
  const [begin, version] = rest.match(VERSION) ?? [];
  if (!begin) return parseRfc3164(rest, record);
  record.format = "rfc5424";
  if (version !== "1") throw new Malformed(`version ${version} is unknown`);
  parseRfc5424(rest.slice(begin.length), record);
}

/** RFC 5424, section 6, after the version. */
function parseRfc5424(text: string, record: SyslogMessage): void {
  let at = 0;
  for (const [name, title, pattern] of FIELDS) {
    const space = text.indexOf(" ", at);
    const field = text.slice(at, space < 0 ? text.length : space);
    if (field === "") throw new Malformed(`no ${title}`);
    const time = name === "timestamp" && field !== "-";
    if (!pattern.test(field) || (time && !isTimestamp(field))) {
      throw new Malformed(`wrong ${title}`);
    }
    if (space < 0) throw new Malformed(`nothing after ${title}`);
    if (field !== "-") record[name] = field;
    at = space + 1;
  }
  if (text[at] === "-") at++;
  else [record.data, at] = parseData(text, at);
  if (at < text.length && text[at] !== " ") {
    throw new Malformed("no space after STRUCTURED-DATA");
  }
  record.message = text.slice(at + 1);
  if (record.message.startsWith(BOM)) record.message = record.message.slice(1);
}

/** RFC 5424, section 6.3: elements without spaces between them. */
function parseData(text: string, from: number): [SyslogData[], number] {
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
    if (text[at++] !== "]") throw new Malformed("no ] after an SD-ELEMENT");
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
 * RFC 3164, section 4, as senders use it: the TAG ends with a colon, HOSTNAME
 * may be missing, and TIMESTAMP may follow RFC 3339.
 */
function parseRfc3164(text: string, record: SyslogMessage): void {
  const [header, time] = text.match(RFC_3164_TIME) ?? [];
  if (!header) throw new Malformed("no TIMESTAMP");
  if (!isTimestamp(time)) throw new Malformed("wrong TIMESTAMP");
  record.timestamp = time;
  let rest = text.slice(header.length);
  const [host, name] = rest.match(RFC_3164_HOST) ?? [];
  if (host) {
    record.hostname = name;
    rest = rest.slice(host.length);
  }
  const [tag, appname, procid] = rest.match(RFC_3164_TAG) ?? [];
  if (tag) {
    record.appname = appname;
    if (procid) record.procid = procid;
  }
  record.message = rest.slice(tag?.length ?? 0);
}

// --- formatting ---

/** The bytes of a record. RangeError for a field that its format cannot carry. */
export function formatSyslog(record: SyslogMessage): Uint8Array {
  const { format, facility = 1, severity = 5 } = record;
  const whole = Number.isInteger(facility) && Number.isInteger(severity);
  if (!whole || !FACILITIES[facility] || !SEVERITIES[severity]) {
    throw new RangeError(`Cannot write facility ${facility}, ${severity}`);
  }
  const pri = `<${facility * 8 + severity}>`;
  const text = format === "rfc3164"
    ? formatRfc3164(record)
    : formatRfc5424(record);
  return encoder.encode(pri + text);
}

function formatRfc5424(record: SyslogMessage): string {
  const header = FIELDS.map(([name, title, pattern]) => {
    const field = record[name] ?? "-";
    const time = name !== "timestamp" || field === "-" || isTimestamp(field);
    if (!pattern.test(field) || !time) {
      throw new RangeError(`Cannot write the ${title}: ${field}`);
    }
    return field;
  });
  const data = record.data?.map(formatElement).join("") || "-";
  // Section 6.4: a BOM marks text that is not ASCII as UTF-8.
  const mark = ASCII.test(record.message) ? "" : BOM;
  const message = record.message && ` ${mark}${record.message}`;
  return `1 ${header.join(" ")} ${data}${message}`;
}

function formatElement({ id, params }: SyslogData): string {
  for (const name of [id, ...params.map(([name]) => name)]) {
    if (!NAME.test(name)) throw new RangeError(`Cannot write the name ${name}`);
  }
  const values = params.map(([name, value]) =>
    ` ${name}="${value.replace(/["\\\]]/g, "\\$&")}"`
  );
  return `[${id}${values.join("")}]`;
}

function formatRfc3164(record: SyslogMessage): string {
  const { timestamp, hostname, appname, procid, message } = record;
  const process = procid === undefined ? "" : `[${procid}]`;
  const tag = appname === undefined ? "" : `${appname}${process}: `;
  const host = hostname === undefined ? "" : `${hostname} `;
  const text = `${timestamp} ${host}${tag}${message}`;
  const read: SyslogMessage = { ...record };
  for (const name of RFC_3164_FIELDS) delete read[name];
  try {
    parseRfc3164(text, read);
  } catch (error) {
    throw new RangeError(`Cannot write ${text}: ${(error as Error).message}`);
  }
  // Nothing delimits the fields: a receiver could take one for another.
  const other = RFC_3164_FIELDS.find((name) => read[name] !== record[name]);
  if (other) throw new RangeError(`Cannot write ${text}: wrong ${other}`);
  return text;
}

// --- bytes ---

/**
 * Bytes as text from which they can be restored: printable ASCII as it is, `\\`
 * for a backslash, `\xHH` for any other byte.
 */
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

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const strict = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();
const BOM = "\ufeff";

// --- the grammar: RFC 5424 section 6, RFC 3164 section 4 ---

const PRI = /^<(0|[1-9]\d{0,2})>/;
/** Another version counts only if a TIMESTAMP follows. */
const VERSION = /^(1|[1-9]\d{0,2}(?= (?:-|\d{4}-\d\d-\d\dT))) /;
const FIELDS = [
  ["timestamp", "TIMESTAMP", new RegExp(`^(?:-|${RFC_3339.source})$`)],
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
const RFC_3164_FIELDS = ["timestamp", "hostname", "appname", "procid"] as const;
const RFC_3164_TIME = new RegExp(`^(${RFC_3164.source}|${RFC_3339.source}) `);
/** A word without the colon of a TAG. */
const RFC_3164_HOST = /^([!-~]*[!-9;-~]) /;
const RFC_3164_TAG =
  /^([!-9;-Z\\^-~]{1,48})(?:\[([!-Z\\^-~]{1,128})\])?:(?: |$)/;
const ASCII = /^[\0-\x7f]*$/;
