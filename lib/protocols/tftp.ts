/**
 * The packets of TFTP, the Trivial File Transfer Protocol: RFC 1350, with
 * options (RFC 2347): block size, timeout and transfer size (RFC 2348, 2349) and
 * window size (RFC 7440). Also netascii, its mode for text.
 *
 * ```ts
 * import * as tftp from "./tftp.ts";
 *
 * const options = new Map([["windowsize", "8"], ["tsize", "0"]]);
 * const asked = { name: "notes.bin", mode: "octet", options };
 * const bytes = tftp.pack({ kind: "read", ...asked });
 * const request = tftp.requestIn(bytes)!;
 * const { accepted, terms } = tftp.answerTo(request, 20_000);
 * [...accepted]; // [["windowsize", "8"], ["tsize", "20000"]]
 * terms; // { blksize: 512, windowsize: 8, size: 20000 }
 * ```
 *
 * @module
 */

/** Options by name, in lower case, with their values as text. */
export type Options = ReadonlyMap<string, string>;

/** RRQ or WRQ: asks a server to send a file, or to receive one. */
export interface Request {
  readonly kind: "read" | "write";
  readonly name: string;
  /** In lower case: `octet` for bytes, `netascii` for text. */
  readonly mode: string;
  readonly options: Options;
}

/** A packet of a transfer. Block numbers have 16 bits. */
export type Packet =
  | Request
  | {
    readonly kind: "data";
    readonly block: number;
    readonly data: Uint8Array;
  }
  | { readonly kind: "ack"; readonly block: number }
  | {
    readonly kind: "error";
    /** See `ERRORS`. */
    readonly code: number;
    readonly message: string;
  }
  | { readonly kind: "oack"; readonly options: Options };

/** What both ends of a transfer have agreed on. */
export interface Terms {
  /** Bytes of a block; a shorter one is the last. */
  readonly blksize: number;
  /** So many blocks are sent before an acknowledgement has to come. */
  readonly windowsize: number;
  /** When to send again at the latest, in ms, if that was agreed on. */
  readonly timeout?: number;
  /** The bytes of the file, if the sender has told them. */
  readonly size?: number;
}

/** The terms of RFC 1350. */
export const PLAIN: Terms = { blksize: 512, windowsize: 1 };

/** The error codes of RFC 1350 and 2347, with their meanings. */
export const ERRORS = [
  "Not defined",
  "File not found",
  "Access violation",
  "Disk full or allocation exceeded",
  "Illegal TFTP operation",
  "Unknown transfer ID",
  "File already exists",
  "No such user",
  "Options refused",
] as const;

const OPCODES = ["", "read", "write", "data", "ack", "error", "oack"] as const;

/** The longest request, in bytes: RFC 2347. */
const REQUEST_LIMIT = 512;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A packet as the bytes of a datagram. */
export function pack(packet: Packet): Uint8Array {
  const opcode = OPCODES.indexOf(packet.kind);
  switch (packet.kind) {
    case "read":
    case "write":
      return withTexts(
        [0, opcode],
        [packet.name, packet.mode, ...[...packet.options].flat()],
      );
    case "oack":
      return withTexts([0, opcode], [...packet.options].flat());
    case "error":
      return withTexts(
        [0, opcode, packet.code >> 8, packet.code & 255],
        [packet.message],
      );
    default: {
      const { data = NO_BYTES } = packet as { data?: Uint8Array };
      const bytes = new Uint8Array(4 + data.length);
      bytes[1] = opcode;
      bytes[2] = packet.block >> 8;
      bytes[3] = packet.block;
      bytes.set(data, 4);
      return bytes;
    }
  }
}

/** The packet in a datagram; undefined if it is malformed. */
export function unpack(bytes: Uint8Array): Packet | undefined {
  if (bytes.length < 4 || bytes[0] !== 0) return;
  const kind = OPCODES[bytes[1]];
  const number = bytes[2] * 256 + bytes[3];
  switch (kind) {
    case "read":
    case "write": {
      if (bytes.length > REQUEST_LIMIT) return;
      const [name, mode, ...rest] = textsIn(bytes.subarray(2)) ?? [];
      const options = optionsIn(rest);
      if (!name || !mode || !options) return;
      return { kind, name, mode: mode.toLowerCase(), options };
    }
    case "data":
      return { kind, block: number, data: bytes.subarray(4) };
    case "ack":
      return { kind, block: number };
    case "error": {
      // Some senders forget the NUL at the end.
      const [message = ""] = decoder.decode(bytes.subarray(4)).split("\0");
      return { kind, code: number, message };
    }
    case "oack": {
      const options = optionsIn(textsIn(bytes.subarray(2)) ?? [""]);
      return options && { kind, options };
    }
  }
}

/** The request in a datagram; undefined for anything else. */
export function requestIn(bytes: Uint8Array): Request | undefined {
  const packet = unpack(bytes);
  return packet?.kind === "read" || packet?.kind === "write"
    ? packet
    : undefined;
}

/**
 * The packet that a block has in place of its number: numbers go on with 0 after
 * 65535. Gives how far the 16 bits are ahead of the whole number, from -32768 to
 * 32767 (serial arithmetic, RFC 1982).
 */
export function ahead(bits: number, block: number): number {
  return ((bits - block + 0x8000) & 0xffff) - 0x8000;
}

// --- options ---

/** The largest window that a server agrees to, in bytes and in blocks. */
const WINDOW_BYTES = 128 * 1024;
const WINDOW_BLOCKS = 64;

/**
 * What a server answers to the options of a request, and the terms that follow.
 * It leaves out options that it does not know and values that are none, RFC 2347;
 * it lowers a window that is too large. `size` is that of a file that is read, if
 * it is known.
 */
export function answerTo(
  { kind, options }: Request,
  size?: number,
): { accepted: Options; terms: Terms } {
  const blksize = valueOf(options, "blksize", 8, 65464);
  const room = Math.floor(WINDOW_BYTES / (blksize ?? PLAIN.blksize));
  const window = valueOf(options, "windowsize", 1, 65535);
  const told = valueOf(options, "tsize", 0, Number.MAX_SAFE_INTEGER);
  const values: Record<string, number | undefined> = {
    blksize,
    windowsize: window && Math.min(window, Math.max(1, room), WINDOW_BLOCKS),
    timeout: valueOf(options, "timeout", 1, 255),
    tsize: kind === "write" || told === undefined ? told : size,
  };
  const accepted = new Map<string, string>();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined) accepted.set(name, String(value));
  }
  return { accepted, terms: termsOf(options, accepted)! };
}

/**
 * The terms that follow from a server's answer to what a client has asked for;
 * undefined if it grants what nobody has asked for, or more.
 */
export function termsOf(asked: Options, granted: Options): Terms | undefined {
  for (const [name, value] of granted) {
    const wanted = asked.get(name);
    const same = value === wanted;
    const less = LEAST[name] !== undefined &&
      valueOf(granted, name, LEAST[name], Number(wanted)) !== undefined;
    const told = name === "tsize" && wanted !== undefined;
    if (!same && !less && !told) return;
  }
  const { blksize, windowsize } = PLAIN;
  const timeout = valueOf(granted, "timeout", 1, 255);
  const size = valueOf(granted, "tsize", 0, Number.MAX_SAFE_INTEGER);
  return {
    blksize: valueOf(granted, "blksize", 8, 65464) ?? blksize,
    windowsize: valueOf(granted, "windowsize", 1, 65535) ?? windowsize,
    ...(timeout !== undefined && { timeout: timeout * 1000 }),
    ...(size !== undefined && { size }),
  };
}

/** The options of which a server may grant less, with the least values. */
const LEAST: Record<string, number> = { blksize: 8, windowsize: 1 };

/** The value of an option; undefined unless it is a number in this range. */
function valueOf(options: Options, name: string, least: number, most: number) {
  const text = options.get(name) ?? "";
  const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  return value >= least && value <= most ? value : undefined;
}

// --- texts ---

const NO_BYTES = new Uint8Array(0);

/** Bytes, and texts behind them, each with a NUL at its end. */
function withTexts(start: number[], texts: string[]): Uint8Array {
  const rest = encoder.encode(texts.map((text) => `${text}\0`).join(""));
  const bytes = new Uint8Array(start.length + rest.length);
  bytes.set(start);
  bytes.set(rest, start.length);
  return bytes;
}

/** Texts of which each has a NUL at its end; undefined if the last has none. */
function textsIn(bytes: Uint8Array): string[] | undefined {
  const texts = decoder.decode(bytes).split("\0");
  return texts.pop() === "" ? texts : undefined;
}

/** Names and values in turn; undefined if that is not so. */
function optionsIn(texts: string[]): Options | undefined {
  if (texts.length % 2 === 1) return;
  const options = new Map<string, string>();
  for (let i = 0; i < texts.length; i += 2) {
    const name = texts[i].toLowerCase();
    if (options.has(name)) return; // RFC 2347: once at most
    options.set(name, texts[i + 1]);
  }
  return options;
}

// --- netascii ---

const [NUL, LF, CR] = [0, 10, 13];

/** Text as netascii has it: LF is CR LF, and CR is CR NUL (RFC 764). */
export function toNetascii(bytes: Uint8Array): Uint8Array {
  const result = new Uint8Array(2 * bytes.length);
  let length = 0;
  for (const byte of bytes) {
    if (byte === LF) result[length++] = CR;
    result[length++] = byte;
    if (byte === CR) result[length++] = NUL;
  }
  return result.subarray(0, length);
}

/** The reverse of `toNetascii`, of bytes that come in pieces. */
export class NetasciiDecoder {
  #afterCr = false;

  /** The bytes of a piece; a CR at its end waits for what follows, if any does. */
  push(piece: Uint8Array, last = false): Uint8Array {
    const result = new Uint8Array(piece.length + 2);
    let length = 0;
    for (const byte of piece) {
      if (this.#afterCr && byte !== LF) result[length++] = CR;
      if (byte !== CR && !(this.#afterCr && byte === NUL)) {
        result[length++] = byte;
      }
      this.#afterCr = byte === CR;
    }
    if (last && this.#afterCr) result[length++] = CR;
    return result.subarray(0, length);
  }
}
