/**
 * A file on a stream: a request line, and an answer that begins with the file's
 * length and ends with its SHA-256, because the end of a stream says neither.
 *
 * ```ts
 * import { FileAnswer, formatDigest, formatHead } from "./file_transfer.ts";
 *
 * const hash = { update() {}, digest: () => "..." }; // not a real one
 * const answer = new FileAnswer(hash);
 * answer.push(new TextEncoder().encode(`${formatHead(5)}hel`)); // those of "hel"
 * answer.summary; // "3 of 5 bytes, cut short"
 * ```
 *
 * @module
 */

/** A request line has at most so many bytes. */
export const REQUEST_LIMIT = 1024;

/** What a client asks for. */
export interface FileRequest {
  readonly name: string;
  /** The server is to stop in the middle, as one that crashes would. */
  readonly half: boolean;
}

/** A request as a line with its LF: `send NAME`, or `half NAME`. */
export function formatRequest({ name, half }: FileRequest): string {
  return `${half ? "half" : "send"} ${name}\n`;
}

/** The request in a line without its LF; undefined if it has none. */
export function parseRequest(line: string): FileRequest | undefined {
  const [, word, name] = line.match(/^(send|half) (.+)$/s) ?? [];
  if (name !== undefined) return { name, half: word === "half" };
}

/** The first line of an answer, before so many bytes. */
export function formatHead(length: number): string {
  return `file ${length}\n`;
}

/** The line after the bytes: a server has to read a file only once. */
export function formatDigest(sha256: string): string {
  return `sha256 ${sha256}\n`;
}

/** Why a file is not sent. */
const REASONS = ["ENOENT", "EISDIR", "EPERM", "EMFILE", "EPROTO"];

/** The line in place of an answer: a POSIX code, EPERM for one that is not told. */
export function formatError(code: string): string {
  return `error ${REASONS.includes(code) ? code : "EPERM"}\n`;
}

/** A hash that grows, such as node:crypto has them. */
export interface Hash {
  update(bytes: Uint8Array): unknown;
  digest(encoding: "hex"): string;
}

/** One answer, in whatever pieces it arrives. */
export class FileAnswer {
  /** The announced length, once the first line is here. */
  length: number | undefined;
  /** How many bytes of the file have come. */
  received = 0;
  /** The announced SHA-256 in hexadecimal, once the last line is here. */
  digest: string | undefined;
  /** The POSIX code of a refusal; EPROTO for what is no answer. */
  #error: string | undefined;
  /** The part of a line that is here. */
  #line = "";
  readonly #hash: Hash;
  #ownDigest: string | undefined;

  /** The hash is a new SHA-256. */
  constructor(hash: Hash) {
    this.#hash = hash;
  }

  /** Whether nothing more belongs to it. */
  get complete(): boolean {
    return this.digest !== undefined || this.#error !== undefined;
  }

  /** Takes the next piece of the stream; the bytes of the file in it, a view. */
  push(piece: Uint8Array): Uint8Array {
    let at = this.length === undefined ? this.#take(piece, 0) : 0;
    const left = (this.length ?? 0) - this.received;
    const bytes = piece.subarray(at, at + left);
    this.#hash.update(bytes);
    this.received += bytes.length;
    at += bytes.length;
    if (at < piece.length && !this.complete) at = this.#take(piece, at);
    if (at < piece.length) this.#error = "EPROTO"; // nobody has asked for more
    return bytes;
  }

  /** What has come, in words, once no more will. */
  get summary(): string {
    const { length, received } = this;
    if (length === undefined) return "no file";
    const verdict = received < length
      ? "cut short"
      : this.digest === undefined
      ? "without SHA-256"
      : this.#isRight
      ? "whole"
      : "wrong SHA-256";
    return `${received} of ${length} bytes, ${verdict}`;
  }

  /** The POSIX code of what is no whole file; undefined if it is one. */
  get code(): string | undefined {
    if (this.#error !== undefined) return this.#error;
    if (this.length === undefined) return "EPROTO";
    if (this.digest === undefined) return "EBADMSG";
    return this.#isRight ? undefined : "EPROTO";
  }

  get #isRight(): boolean {
    return this.digest === (this.#ownDigest ??= this.#hash.digest("hex"));
  }

  /** Takes bytes of a line, from an index on; the index behind them. */
  #take(piece: Uint8Array, from: number): number {
    const at = piece.indexOf(LF, from);
    const end = at < 0 ? piece.length : at;
    const most = LINE_LIMIT - this.#line.length;
    for (const byte of piece.subarray(from, Math.min(end, from + most))) {
      this.#line += String.fromCharCode(byte);
    }
    if (end - from > most) this.#error = "EPROTO";
    else if (at >= 0) this.#parse();
    return at < 0 ? end : at + 1;
  }

  #parse(): void {
    const line = this.#line;
    this.#line = "";
    const [, length] = line.match(/^file (\d{1,13})$/) ?? [];
    const [, digest] = line.match(/^sha256 ([0-9a-f]{64})$/) ?? [];
    const [, code] = line.match(/^error ([A-Z]+)$/) ?? [];
    if (this.length === undefined && length) this.length = Number(length);
    else if (this.length !== undefined && digest) this.digest = digest;
    else this.#error = REASONS.includes(code) ? code : "EPROTO";
  }
}

/** In characters: `sha256`, a space and 64 digits. */
const LINE_LIMIT = 71;
const LF = 10;
