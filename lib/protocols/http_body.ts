/**
 * The bodies of HTTP/1.1: counted, in chunks, or up to the end of the stream. Of
 * these, only the last one cannot tell whether it is whole.
 *
 * @module
 */
import {
  HttpFault,
  type HttpInput,
  type HttpLimits,
  membersOf,
  parseField,
} from "./http_lines.ts";

/** How the end of a body is known, RFC 9112 section 6.3; a number is its length. */
export type Framing = number | "chunked" | "until the end";

/**
 * The framing of a message with these fields, or `otherwise` if they tell none.
 * Throws 400 for two lengths, and for a length with a transfer coding: a proxy may
 * believe the other one, and take the rest for the next message (RFC 9112 section
 * 11.2). 501 for any coding but chunked.
 */
export function framingOf(
  fields: ReadonlyMap<string, string>,
  otherwise: Framing,
): Framing {
  const coding = fields.get("transfer-encoding");
  const length = fields.get("content-length");
  if (coding === undefined) {
    if (length === undefined) return otherwise;
    if (/^\d+$/.test(length)) return Number(length);
    throw new HttpFault(400, "the length is not one number");
  }
  if (length !== undefined) {
    throw new HttpFault(400, "both a length and a transfer coding");
  }
  const codings = membersOf(coding);
  if (codings.join() === "chunked") return "chunked";
  const early = codings.slice(0, -1).includes("chunked");
  if (early || codings.includes("")) {
    throw new HttpFault(400, "chunked is not the last transfer coding");
  }
  throw new HttpFault(501, "a transfer coding other than chunked");
}

/** Takes a body out of the input, as it comes. */
export class HttpBody {
  readonly #chunked: boolean;
  readonly #limits: HttpLimits;
  #next: "size" | "data" | "end of chunk" | "trailer";
  /** Bytes of the data that are still to come. */
  #left = 0;
  /** Bytes of chunk extensions, and of the trailer. */
  #extra = 0;
  #kept: Uint8Array = new Uint8Array(0);
  #size = 0;

  /** Throws 413 for a length beyond the limit. */
  constructor(framing: Framing, limits: HttpLimits) {
    this.#limits = limits;
    this.#chunked = framing === "chunked";
    this.#next = this.#chunked ? "size" : "data";
    if (typeof framing === "number") this.#expect(framing);
    else if (!this.#chunked) this.#left = Infinity;
  }

  /** What has come of it. */
  get bytes(): Uint8Array {
    return this.#kept.subarray(0, this.#size);
  }

  /** Takes what is here; returns whether the body is whole. Throws 400, 413, 431. */
  take(input: HttpInput): boolean {
    while (true) {
      if (this.#next === "data") {
        this.#keep(input.take(this.#left));
        if (this.#left > 0 || !this.#chunked) return this.#left === 0;
        this.#next = "end of chunk";
      }
      const line = this.#line(input);
      if (line === undefined) return false;
      if (this.#next === "size") this.#begin(line);
      else if (this.#next === "end of chunk") this.#next = "size";
      else if (line === "") return true;
      else parseField(line); // a trailer changes nothing
    }
  }

  #line(input: HttpInput): string | undefined {
    const { line, head } = this.#limits;
    const room = Math.max(0, head - this.#extra);
    if (this.#next === "trailer") {
      const found = input.line(Math.min(line, room), () => TRAILER_TOO_LONG);
      this.#extra += found ? found.length + 2 : 0;
      return found;
    }
    const most = this.#next === "size" ? Math.min(256, room + 16) : 0;
    return input.line(most, () => BAD_CHUNK);
  }

  /** Begins a chunk; the last one has no data, but a trailer. */
  #begin(line: string): void {
    const [all, size, extension] = CHUNK.exec(line) ?? [];
    if (all === undefined) throw BAD_CHUNK;
    this.#extra += extension.length;
    this.#expect(parseInt(size, 16));
    this.#next = this.#left > 0 ? "data" : "trailer";
  }

  #expect(size: number): void {
    if (this.#size + size > this.#limits.body) throw TOO_LARGE;
    this.#left = size;
  }

  #keep(part: Uint8Array): void {
    const size = this.#size + part.length;
    if (size > this.#limits.body) throw TOO_LARGE; // it had no length
    if (this.#size === 0) this.#kept = part;
    else {
      if (size > this.#kept.length) {
        const longer = new Uint8Array(2 * size);
        longer.set(this.bytes);
        this.#kept = longer;
      }
      this.#kept.set(part, this.#size);
    }
    this.#size = size;
    this.#left -= part.length;
  }
}

/** One chunk of a body that is not empty, RFC 9112 section 7.1. */
export function formatChunk(data: Uint8Array): Uint8Array {
  const size = encoder.encode(`${data.length.toString(16)}\r\n`);
  const chunk = new Uint8Array(size.length + data.length + 2);
  chunk.set(size);
  chunk.set(data, size.length);
  chunk.set([13, 10], chunk.length - 2);
  return chunk;
}

/** Ends a body of chunks. */
export const LAST_CHUNK = "0\r\n\r\n";

const TOO_LARGE = new HttpFault(413, "the body is too long");
const BAD_CHUNK = new HttpFault(400, "a malformed chunk");
const TRAILER_TOO_LONG = new HttpFault(431, "the trailer is too long");
/** A size, and an extension that means nothing here. */
const CHUNK = /^([0-9a-f]{1,16})((?:[ \t]*;[\t -~\x80-\xff]*)?)$/i;
const encoder = new TextEncoder();
