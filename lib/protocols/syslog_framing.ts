/**
 * Delimits syslog messages in a TCP stream (RFC 6587) and in datagrams
 * (RFC 5426), because TCP keeps no message boundaries.
 *
 * @module
 */

/** A received message, or the part of it that is kept. */
export interface Frame {
  readonly bytes: Uint8Array;
  /** How its end was found: octet counting, LF or NUL, the datagram's end. */
  readonly framing: "counted" | "line" | "datagram";
  /** What is wrong with it: it was truncated, or the stream ended inside it. */
  readonly fault?: string;
}

/** A longer message is truncated, in bytes; RFC 5424 asks for 2048 or more. */
export const FRAME_LIMIT = 8192;

/** Octet counting, RFC 6587 section 3.4.1: the length, a space, the message. */
export function frameCounted(message: Uint8Array): Uint8Array {
  if (message.length === 0 || message.length >= 10 ** LENGTH_DIGITS) {
    throw new RangeError(`Cannot frame a message of ${message.length} bytes`);
  }
  return joined(encoder.encode(`${message.length} `), message);
}

/**
 * Non-transparent framing, RFC 6587 section 3.4.2: the message and an LF.
 * RangeError if the message contains an LF or NUL, ends with a CR, or begins
 * with a digit, as octet counting does.
 */
export function frameLine(message: Uint8Array): Uint8Array {
  const [first = ZERO] = message;
  const split = message.includes(LF) || message.includes(NUL);
  if (split || message.at(-1) === CR || isDigit(first)) {
    throw new RangeError("Cannot frame this message as a line");
  }
  return joined(message, Uint8Array.of(LF));
}

/**
 * The message in a datagram, RFC 5426: without the LF or NUL that some senders
 * append, and without the length that `logger --octet-count` puts first.
 */
export function datagramFrame(
  datagram: Uint8Array,
  limit = FRAME_LIMIT,
): Frame {
  const begin = String.fromCharCode(...datagram.subarray(0, LENGTH_DIGITS + 2));
  const [head, count] = begin.match(/^([1-9]\d*) (?=<)/) ?? [];
  if (head && head.length + Number(count) === datagram.length) {
    const message = datagram.subarray(head.length);
    return frame(message.subarray(0, limit), "datagram", message.length);
  }
  const last = datagram.at(-1);
  const end = last === LF || last === NUL ? -1 : datagram.length;
  const message = withoutReturn(datagram.subarray(0, end), last === LF);
  return frame(message.subarray(0, limit), "datagram", message.length);
}

/**
 * Finds the messages in one stream, however TCP has split it. A message that
 * begins with a length (a digit from 1 to 9, at most six more, a space) and `<`
 * is counted; any other is a line. Lines end at LF or CR LF, or in the streams of
 * some senders (Python's SysLogHandler) at NUL. The first line that begins with
 * `<` decides: it ends at the first of both, and so do all lines behind it if the
 * next begins with `<`, too. If it does not, NUL was text, and lines end at LF; or
 * LF was text, and the next line decides. Between messages both are ignored, and
 * so are empty lines. The bytes of a message beyond `limit` are discarded, so
 * memory stays bounded.
 *
 * ```ts
 * import { FrameDecoder } from "./syslog_framing.ts";
 *
 * const decoder = new FrameDecoder();
 * const bytes = new TextEncoder().encode("5 <1>ab<2>c\nde");
 * decoder.push(bytes).length; // 2: "<1>ab" and "<2>c"
 * decoder.end().length; // 1: "de", with the fault that the stream ended
 * ```
 */
export class FrameDecoder {
  readonly #limit: number;
  /** Digits at the start of a message, and a space, while they may be a length. */
  #head = "";
  /** What ends the line, or ended the last: LF or NUL; undefined: either. */
  #delimiter: number | undefined;
  /** Whether that is decided for the rest of the stream. */
  #decided = false;
  /** Of the current message; undefined between two messages. */
  #framing: "counted" | "line" | undefined;
  /** The length of a counted message. */
  #count = 0;
  /** How many bytes of it have come, and the first of them. */
  #size = 0;
  #kept: Uint8Array;
  /** Whether no line of the stream has ended yet. */
  #first = true;
  #isHttp = false;

  constructor(limit = FRAME_LIMIT) {
    this.#limit = limit;
    this.#kept = NOTHING;
  }

  /**
   * Whether the stream began with an HTTP request, which any web page can send
   * to this machine: then nothing in it is a message.
   */
  get isHttp(): boolean {
    return this.#isHttp;
  }

  /** The messages that end in these bytes; copied only if they were split. */
  push(bytes: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    for (let at = 0; at < bytes.length && !this.#isHttp;) {
      if (!this.#framing) {
        at = this.#begin(bytes, at);
        continue;
      }
      const counted = this.#framing === "counted";
      const end = counted
        ? at + this.#count - this.#size
        : this.#endOfLine(bytes, at);
      const whole = counted ? end <= bytes.length : end >= 0;
      const part = bytes.subarray(at, whole ? end : bytes.length);
      at += part.length + (whole && !counted ? 1 : 0);
      if (whole) {
        if (!counted) this.#delimiter ??= bytes[end];
        const frame = this.#finish(part);
        this.#isHttp = this.#first && beginsHttp(frame);
        if (this.#isHttp) break;
        this.#first = false;
        if (counted || frame.bytes.length > 0) frames.push(frame);
      } else this.#keep(part);
    }
    return frames;
  }

  /** The message that the end of the stream has cut off, if any. */
  end(): Frame[] {
    if (this.#head) this.#beginLine(ZERO);
    if (!this.#framing) return [];
    const fault = this.#framing === "counted"
      ? `the stream ended after ${this.#size} of ${this.#count} bytes`
      : `the stream ended before the ${this.#delimiter === NUL ? "NUL" : "LF"}`;
    return [this.#finish(NOTHING, fault)];
  }

  /** Decides between the two framings; returns where to continue. */
  #begin(bytes: Uint8Array, at: number): number {
    const byte = bytes[at];
    if (this.#head === "" && (byte === LF || byte === NUL)) return at + 1;
    const head = this.#head + String.fromCharCode(byte);
    if (LENGTH.test(head)) {
      this.#head = head;
      return at + 1;
    }
    if (byte === LESS_THAN && this.#head.endsWith(" ")) {
      this.#framing = "counted";
      this.#count = Number(this.#head);
      this.#head = "";
    } else this.#beginLine(byte);
    return at;
  }

  /** A line begins with the digits, which were not a length, or this byte. */
  #beginLine(byte: number): void {
    const text = this.#head !== "" || byte !== LESS_THAN;
    if (!this.#decided) {
      const last = this.#delimiter;
      this.#decided = text ? last === NUL : last !== undefined;
      if (text) this.#delimiter = last === LF ? undefined : LF;
    }
    this.#framing = "line";
    if (this.#head) this.#keep(encoder.encode(this.#head));
    this.#head = "";
  }

  /** Where the line ends; -1 if not in these bytes. */
  #endOfLine(bytes: Uint8Array, at: number): number {
    if (this.#delimiter !== undefined) {
      return bytes.indexOf(this.#delimiter, at);
    }
    const [lf, nul] = [bytes.indexOf(LF, at), bytes.indexOf(NUL, at)];
    return lf < 0 || nul < 0 ? Math.max(lf, nul) : Math.min(lf, nul);
  }

  #keep(part: Uint8Array): void {
    const kept = Math.min(this.#size, this.#limit);
    const room = part.subarray(0, this.#limit - kept);
    if (kept + room.length > this.#kept.length) {
      const length = Math.min(this.#limit, 2 * (kept + room.length));
      const longer = new Uint8Array(length);
      longer.set(this.#kept.subarray(0, kept));
      this.#kept = longer;
    }
    this.#kept.set(room, kept);
    this.#size += part.length;
  }

  /** Completes the message with its last part. */
  #finish(last: Uint8Array, fault?: string): Frame {
    const framing = this.#framing!;
    let bytes = last.subarray(0, this.#limit);
    let size = last.length;
    if (this.#size > 0) {
      this.#keep(last);
      size = this.#size;
      bytes = this.#kept.subarray(0, Math.min(size, this.#limit));
    }
    if (framing === "line" && !fault && size === bytes.length) {
      bytes = withoutReturn(bytes, this.#delimiter === LF);
      size = bytes.length;
    }
    this.#framing = undefined;
    this.#size = 0;
    this.#kept = NOTHING; // the frame owns it now
    return frame(bytes, framing, size, fault);
  }
}

/** Whether it begins as a request does, RFC 9112 section 3: `POST /`. */
function beginsHttp({ bytes }: Frame): boolean {
  const begin = String.fromCharCode(...bytes.subarray(0, 32));
  return /^[A-Z]+ (\/|\*|https?:)/.test(begin);
}

function frame(
  kept: Uint8Array,
  framing: Frame["framing"],
  size: number,
  unfinished?: string,
): Frame {
  if (size === kept.length) {
    return unfinished
      ? { bytes: kept, framing, fault: unfinished }
      : { bytes: kept, framing };
  }
  const bytes = wholeCharacters(kept);
  const cut = `${bytes.length} of ${size} bytes kept`;
  return { bytes, framing, fault: unfinished ? `${unfinished}; ${cut}` : cut };
}

/** Without an incomplete UTF-8 character at the end. */
function wholeCharacters(bytes: Uint8Array): Uint8Array {
  let start = bytes.length - 1;
  while (start > bytes.length - 4 && (bytes[start] & 0xC0) === 0x80) start--;
  const lead = bytes[start];
  const length = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  const whole = start + length <= bytes.length || lead < 0x80;
  return whole ? bytes : bytes.subarray(0, start);
}

/** Some senders end a line with CR LF. */
function withoutReturn(line: Uint8Array, ended: boolean): Uint8Array {
  return ended && line.at(-1) === CR ? line.subarray(0, -1) : line;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= ZERO + 9;
}

function joined(one: Uint8Array, two: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(one.length + two.length);
  bytes.set(one);
  bytes.set(two, one.length);
  return bytes;
}

/** A longer number is text, such as a date, and not a length. */
const LENGTH_DIGITS = 7;
/** A length, or the first part of one. */
const LENGTH = /^[1-9]\d{0,6} ?$/;
const NUL = 0;
const LF = 10;
const CR = 13;
const ZERO = 48;
const LESS_THAN = 60;
const NOTHING = new Uint8Array(0);
const encoder = new TextEncoder();
