/**
 * Seeded random input for the protocols: some thousands of each kind in the
 * suite, a hundred thousand in the gate. Each check throws at the first input
 * that is treated wrongly.
 */
import { expect } from "bun:test";
import {
  answerIn,
  answerTo,
  bogusReason,
  clockFilter,
  measure,
  pack,
  type Packet,
  requestAt,
  requestIn,
  unpack,
  unusableReason,
} from "../../lib/protocols/sntp.ts";
import {
  escapeBytes,
  formatSyslog,
  parseSyslog,
  type SyslogMessage,
} from "../../lib/protocols/syslog.ts";
import {
  type Frame,
  frameCounted,
  FrameDecoder,
  frameLine,
} from "../../lib/protocols/syslog_framing.ts";
import { formatTimestamp } from "../../lib/protocols/syslog_timestamp.ts";
import {
  type Event,
  eventToJson,
  formatEvent,
  repairLine,
  toEvent,
} from "../../lib/services/event_log.ts";
import { random } from "../../lib/services/random.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Whole numbers from 0 to below a limit, the same in every run. */
export type Numbers = (below: number) => number;

export function numbers(seed: number): Numbers {
  let n = 0;
  return (below) => Math.floor(random(seed, ++n) * below);
}

/** The same from 0 to below 1. */
export function fractions(seed: number): () => number {
  let n = 0;
  return () => random(seed, ++n);
}

function randomBytes(next: Numbers, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => next(256));
}

// --- SNTP ---

const NOW = Date.UTC(2026, 10, 20, 18, 55, 12, 345);
const CLOCK = { received: NOW, sent: NOW, precision: -20 };

/** Headers are the same after unpack() and pack(); the rest is ignored. */
export function fuzzHeaders(count: number): void {
  const next = numbers(1);
  for (let i = 0; i < count; i++) {
    const bytes = randomBytes(next, 48 + i % 40).subarray(i % 9);
    const packet = unpack(bytes);
    if (bytes.length < 48) expect(packet).toBeUndefined();
    else expect(pack(packet!)).toEqual(bytes.slice(0, 48));
  }
}

/** Random datagrams, and good ones with some bits flipped, harm neither end. */
export function fuzzDatagrams(count: number): void {
  const next = numbers(5);
  const request = requestAt(NOW);
  const good = [request, answerTo(request, CLOCK.received, CLOCK.sent)].map(
    pack,
  );
  for (let i = 0; i < count; i++) {
    if (i % 2) {
      expectSafe(randomBytes(next, next(i % 4 > 1 ? 100 : 60)), request);
      continue;
    }
    const bytes = good[i / 2 % 2].slice();
    for (let n = next(4); n >= 0; n--) bytes[next(48)] ^= 1 << next(8);
    expectSafe(bytes.subarray(0, i % 20 ? 48 : next(49)), request);
  }
}

function expectSafe(bytes: Uint8Array, request: Packet): void {
  const asked = requestIn(bytes);
  if (asked) {
    expect(pack(answerTo(asked, CLOCK.received, CLOCK.sent))).toHaveLength(48);
  }
  const packet = unpack(bytes);
  const reply = answerIn(bytes, request);
  expect(reply === undefined).toBe(bogusReason(packet, request) !== undefined);
  if (!packet || unusableReason(packet) !== undefined) return;
  const sample = measure(packet, { arrival: NOW + 5, precision: -20 });
  if (!sample) return;
  const { offset, delay, bound } = sample;
  expect([offset, delay, bound].every(Number.isFinite)).toBe(true);
  expect(delay).toBeGreaterThanOrEqual(0);
  expect(bound).toBeGreaterThanOrEqual(delay / 2);
  expect(clockFilter([sample])).toEqual([sample]);
  new Date(NOW + offset).toISOString(); // throws if there is no such time
}

// --- syslog ---

const PRINTABLE = Array.from(
  { length: 94 },
  (_, i) => String.fromCharCode(33 + i),
).join("");
const NAME = PRINTABLE.replace(/[="\]]/g, "");
const WORD = PRINTABLE.replace(/[[\]:]/g, "");
const ANY = "ab \n\r\t\0\x1b\"'\\[]<>:=-\u0085\u061c\u200e\u2028\u202e\ufdd0" +
  "é€\ufeff\ufffd😀\u{1ffff}";

/** A record that a sender might format, RFC 5424 or RFC 3164. */
function randomRecord(next: Numbers): SyslogMessage {
  const string = (from: string, least: number, most: number) => {
    const characters = [...from];
    const length = least + next(most - least + 1);
    return Array.from({ length }, () => characters[next(characters.length)])
      .join("");
  };
  const maybe = <T>(make: () => T) => next(4) > 0 ? make() : undefined;
  const field = (most: number) =>
    maybe(() => string(PRINTABLE, 1, most).replace(/^-$/, "x"));
  const [facility, severity] = [next(24), next(8)];
  const date = new Date(next(2 ** 31) * 1000 + next(1000));
  const message = string(ANY, 0, 30);
  if (next(2) === 0) {
    return {
      ...{ format: "rfc3164", facility, severity, message },
      timestamp: formatTimestamp(date, "rfc3164"),
      hostname: string(WORD, 1, 20),
      appname: string(WORD, 1, 20),
      procid: maybe(() => string(WORD, 1, 5)),
    };
  }
  const ids = new Set(Array.from({ length: 3 }, () => string(NAME, 1, 32)));
  const param = (): [
    string,
    string,
  ] => [string(NAME, 1, 32), string(ANY, 0, 9)];
  const params = () => Array.from({ length: next(3) }, param);
  return {
    ...{ format: "rfc5424", facility, severity, message },
    timestamp: maybe(() => formatTimestamp(date, "rfc5424")),
    hostname: field(255),
    appname: field(48),
    procid: field(128),
    msgid: field(32),
    data: maybe(() => [...ids].map((id) => ({ id, params: params() }))),
  };
}

/** Records are the same after formatSyslog() and parseSyslog(). */
export function fuzzRecords(count: number): void {
  const next = numbers(1);
  for (let i = 0; i < count; i++) {
    const record = randomRecord(next);
    expect(parseSyslog(formatSyslog(record))).toEqual(record);
  }
}

/** Bytes of any kind, or a message of which some were changed. */
function randomMessage(next: Numbers): Uint8Array {
  if (next(2) === 0) return randomBytes(next, next(60));
  const bytes = formatSyslog(randomRecord(next));
  for (let changes = next(5); changes > 0; changes--) {
    const other = next(3) > 0 ? bytes[next(bytes.length)] : next(256);
    bytes[next(bytes.length)] = other;
  }
  return bytes.subarray(0, next(4) > 0 ? bytes.length : next(bytes.length));
}

/** What `escapeBytes` escaped. */
export function unescapeBytes(text: string): Uint8Array {
  const bytes = text.replace(
    /\\(?:\\|x(..))/g,
    (_, hex) => hex ? String.fromCharCode(parseInt(hex, 16)) : "\\",
  );
  return Uint8Array.from(bytes, (byte) => byte.charCodeAt(0));
}

/** Messages become one line of JSON each, which loses no byte. */
export function fuzzMessages(count: number): void {
  const next = numbers(2);
  let malformed = 0;
  for (let i = 0; i < count; i++) {
    const bytes = randomMessage(next);
    const event = toEvent({ bytes, framing: "line" }, ["127.0.0.1", 9]);
    const fault = faultOf(bytes, event);
    if (fault) expect([fault, escapeBytes(bytes), event]).toBeUndefined();
    if (event.malformed) malformed++;
  }
  expect(malformed).toBeWithin(count / 10, count * 9 / 10);
}

/** What the log must not contain: what ends a line or drives a terminal. */
const UNSAFE =
  /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Noncharacter_Code_Point}]/u;

/** What is wrong with the event that became of these bytes, if anything. */
function faultOf(bytes: Uint8Array, event: Event): string | undefined {
  const line = eventToJson(event);
  if (!line.endsWith("\n") || UNSAFE.test(line.slice(0, -1))) return "unsafe";
  if (formatEvent(event) === "") return "no text";
  const read = JSON.parse(line) as Event;
  if (JSON.stringify(read) !== JSON.stringify(event)) return "other JSON";
  const same = (other: Uint8Array) => Buffer.compare(bytes, other) === 0;
  if (read.bytes !== undefined) {
    return same(unescapeBytes(read.bytes)) ? undefined : "other bytes";
  }
  if (read.malformed !== undefined) {
    return same(encoder.encode(read.message)) ? undefined : "other text";
  }
  const text = decoder.decode(bytes);
  if (read.format === "rfc3164") {
    return text.endsWith(read.message) ? undefined : "other message";
  }
  // What the grammar leaves open: the BOM, and a backslash too many.
  const plain = (text: string) => text.replace(/[\ufeff\\ ]/g, "");
  const again = decoder.decode(formatSyslog(read));
  return plain(again) === plain(text) ? undefined : "other fields";
}

/** An incomplete last line of a log is repaired with all its bytes. */
export function fuzzRepairs(count: number): void {
  const next = numbers(5);
  for (let i = 0; i < count; i++) {
    const begin = encoder.encode('{"received":"');
    const incomplete = Uint8Array.of(...begin, ...randomMessage(next));
    const line = repairLine(incomplete)!;
    expect(line.length).toBeGreaterThan(incomplete.length);
    const { torn } = JSON.parse(line);
    if (torn !== undefined) expect(unescapeBytes(torn)).toEqual(incomplete);
  }
}

// --- framing ---

/** The frames of a stream that comes in these pieces. */
export function deframe(pieces: Uint8Array[], limit?: number): Frame[] {
  const frames = new FrameDecoder(limit);
  return [...pieces.flatMap((piece) => frames.push(piece)), ...frames.end()];
}

export function frameInWords({ bytes, framing, fault }: Frame): string {
  return [decoder.decode(bytes), framing, ...(fault ? [fault] : [])].join(
    " | ",
  );
}

/** Pieces in which lengths, delimiters and messages are near each other. */
const PARTS = "1|2 |3 |12 |0|<1>|3 <1>|a| |\n|\0|\r|é".split("|");

/** A stream has the same frames in whatever pieces, by another decoder, too. */
export function fuzzStreams(count: number): void {
  const next = numbers(3);
  const inWords = (frames: Frame[]) => JSON.stringify(frames.map(frameInWords));
  for (let i = 0; i < count; i++) {
    const parts = Array.from(
      { length: next(20) },
      () => PARTS[next(PARTS.length)],
    );
    const stream = encoder.encode(parts.join(""));
    const limit = next(3) === 0 ? 1 + next(12) : undefined;
    const whole = deframe([stream], limit);
    const again = deframe(split(stream, next, 8), limit);
    if (inWords(again) !== inWords(whole)) expect(again).toEqual(whole);
    if (limit !== undefined) continue;
    const expected = reference(stream);
    if (inWords(expected) !== inWords(whole)) expect(whole).toEqual(expected);
  }
}

/** What was framed is found again in random pieces. */
export function fuzzFrames(count: number): void {
  const next = numbers(4);
  for (let i = 0; i < count; i++) {
    const frames = Array.from({ length: next(5) }, (): Frame => {
      const bytes = formatSyslog(randomRecord(next));
      const line = !/[\r\n\0]/.test(decoder.decode(bytes));
      return { bytes, framing: line ? "line" : "counted" };
    });
    const stream = Buffer.concat(
      frames.map(({ bytes, framing }) =>
        framing === "line" ? frameLine(bytes) : frameCounted(bytes)
      ),
    );
    const pieces = split(new Uint8Array(stream), next, 100);
    expect(deframe(pieces)).toEqual(frames);
  }
}

function split(stream: Uint8Array, next: Numbers, most: number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < stream.length;) {
    pieces.push(stream.slice(at, at += 1 + next(most)));
  }
  return pieces;
}

/** The frames of a whole stream, by a regular expression. */
function reference(stream: Uint8Array): Frame[] {
  let text = String.fromCharCode(...stream);
  const bytes = (text: string) =>
    Uint8Array.from(text, (one) => one.charCodeAt(0));
  const frames: Frame[] = [];
  const lines: { pri: boolean; end: string }[] = [];
  while ((text = text.replace(/^[\n\0]+/, ""))) {
    const [head, count] = text.match(/^([1-9]\d{0,6}) (?=<)/) ?? [];
    if (head) {
      const message = text.slice(head.length, head.length + Number(count));
      text = text.slice(head.length + Number(count));
      const fault =
        `the stream ended after ${message.length} of ${count} bytes`;
      const frame: Frame = { bytes: bytes(message), framing: "counted" };
      const whole = message.length === Number(count);
      frames.push(whole ? frame : { ...frame, fault });
      continue;
    }
    lines.push({ pri: text.startsWith("<"), end: "" });
    const ends = endsOf(lines);
    const at = [...text].findIndex((one) => ends.includes(one));
    const whole = at < 0 ? text : text.slice(0, at);
    const end = lines.at(-1)!.end = text.slice(whole.length, whole.length + 1);
    const body = end === "\n" ? whole.replace(/\r$/, "") : whole;
    text = text.slice(whole.length + 1);
    const frame: Frame = { bytes: bytes(body), framing: "line" };
    const fault = `the stream ended before the ${ends === "\0" ? "NUL" : "LF"}`;
    if (!end) frames.push({ ...frame, fault });
    else if (body) frames.push(frame);
  }
  return frames;
}

/** What may end the last of these lines: the first pair that can tell decides. */
function endsOf(lines: { pri: boolean; end: string }[]): string {
  if (lines.length === 1 && !lines[0].pri) return "\n";
  for (const [i, { pri }] of lines.entries()) {
    if (i === 0) continue;
    if (pri) return lines[i - 1].end;
    if (lines[i - 1].end === "\0") return "\n";
  }
  return "\n\0";
}
