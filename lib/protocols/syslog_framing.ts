/**
 * Where one syslog message ends in a stream of bytes: RFC 6587, both ways of
 * it, told apart for each message. Bytes in, messages out, no sockets.
 *
 * @module
 */

/** A message as it came, or as much of it as is kept. */
export interface Frame {
  readonly bytes: Uint8Array;
  /** How its end was found; a datagram is one by itself. */
  readonly framing: "counted" | "line" | "datagram";
  /** What is wrong with it: it was cut, or the stream ended within it. */
  readonly fault?: string;
}

/** How much of a message is kept, in bytes; RFC 5424 asks for 2048 or more. */
export const LIMIT = 8192;

/** Octet counting, RFC 6587 section 3.4.1: the length, a space, the message. */
export function frameCounted(message: Uint8Array): Uint8Array {
  if (message.length === 0 || message.length >= 10 ** DIGITS) {
    throw new RangeError(`Cannot frame a message of ${message.length} bytes`);
  }
  return joined(encoder.encode(`${message.length} `), message);
}

/**
 * The message with an LF behind it, RFC 6587 section 3.4.2. RangeError if it
 * holds one itself, ends with a CR, or begins as a counted one does.
 */
export function frameLine(message: Uint8Array): Uint8Array {
  const [first = ZERO] = message;
  if (message.includes(LF) || message.at(-1) === CR || isDigit(first)) {
    throw new RangeError("Cannot frame this message as a line");
  }
  return joined(message, Uint8Array.of(LF));
}

/**
 * A datagram as a frame, RFC 5426: without the LF or NUL that some append, and
 * the length that `logger --octet-count` puts in front of it.
 */
export function frameOf(datagram: Uint8Array, limit = LIMIT): Frame {
  const begin = String.fromCharCode(...datagram.subarray(0, DIGITS + 1));
  const [head, count] = begin.match(/^([1-9]\d*) /) ?? [];
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
 * Finds the messages in one stream, in whatever pieces it comes. A message
 * that begins with a length (a digit from 1 to 9, six more at most, a space) is
 * counted, any other is a line up to LF or CR LF; an empty line is none. Of a
 * message over `limit` bytes the rest is passed over: memory stays bounded.
 *
 * ```ts
 * import { Unframer } from "./syslog_framing.ts";
 *
 * const unframer = new Unframer();
 * const bytes = new TextEncoder().encode("5 <1>ab<2>c\nde");
 * unframer.push(bytes).length; // 2: "<1>ab" and "<2>c"
 * unframer.end().length; // 1: "de", and that the stream ended within it
 * ```
 */
export class Unframer {
  readonly #limit: number;
  /** The digits so far, while they may be a length. */
  #digits = "";
  /** The message begun: undefined between two. */
  #framing: "counted" | "line" | undefined;
  /** The length of a counted one. */
  #count = 0;
  /** How much of it has come, and of that what is kept. */
  #size = 0;
  #kept: Uint8Array;

  constructor(limit = LIMIT) {
    this.#limit = limit;
    this.#kept = NOTHING;
  }

  /** The messages that end in these bytes; not copied, where they are whole. */
  push(bytes: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    for (let at = 0; at < bytes.length;) {
      if (!this.#framing) {
        at = this.#begin(bytes, at);
        continue;
      }
      const counted = this.#framing === "counted";
      const end = counted
        ? at + this.#count - this.#size
        : bytes.indexOf(LF, at);
      const whole = counted ? end <= bytes.length : end >= 0;
      const part = bytes.subarray(at, whole ? end : bytes.length);
      at += part.length + (whole && !counted ? 1 : 0);
      if (whole) {
        const frame = this.#finish(part);
        if (counted || frame.bytes.length > 0) frames.push(frame);
      } else this.#keep(part);
    }
    return frames;
  }

  /** The message that the end of the stream leaves unfinished, if any. */
  end(): Frame[] {
    if (this.#digits) this.#beginLine();
    if (!this.#framing) return [];
    const fault = this.#framing === "counted"
      ? `the stream ended after ${this.#size} of ${this.#count} bytes`
      : "the stream ended before the LF";
    return [this.#finish(NOTHING, fault)];
  }

  /** Reads what tells the two apart; gives where to go on. */
  #begin(bytes: Uint8Array, at: number): number {
    const byte = bytes[at];
    const first = this.#digits === "";
    if (isDigit(byte) && !(first && byte === ZERO)) {
      if (this.#digits.length < DIGITS) {
        this.#digits += byte - ZERO;
        return at + 1;
      }
    } else if (byte === SPACE && !first) {
      this.#framing = "counted";
      this.#count = Number(this.#digits);
      this.#digits = "";
      return at + 1;
    }
    this.#beginLine();
    return at;
  }

  /** The digits were no length: the line begins with them. */
  #beginLine(): void {
    this.#framing = "line";
    if (this.#digits) this.#keep(encoder.encode(this.#digits));
    this.#digits = "";
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

  /** The message, with its last part. */
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
      bytes = withoutReturn(bytes, true);
      size = bytes.length;
    }
    this.#framing = undefined;
    this.#size = 0;
    this.#kept = NOTHING; // the frame has it now
    return frame(bytes, framing, size, fault);
  }
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

/** Without the beginning of a UTF-8 character that the cut has left. */
function wholeCharacters(bytes: Uint8Array): Uint8Array {
  let start = bytes.length - 1;
  while (start > bytes.length - 4 && (bytes[start] & 0xC0) === 0x80) start--;
  const lead = bytes[start];
  const length = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  const whole = start + length <= bytes.length || lead < 0x80;
  return whole ? bytes : bytes.subarray(0, start);
}

/** Some end a line with CR LF. */
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

/** More are a number in a line, such as a date, and not a length. */
const DIGITS = 7;
const NUL = 0;
const LF = 10;
const CR = 13;
const SPACE = 32;
const ZERO = 48;
const NOTHING = new Uint8Array(0);
const encoder = new TextEncoder();
