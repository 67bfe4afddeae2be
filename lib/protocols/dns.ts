/**
 * Messages of DNS, RFC 1035, section 4, with EDNS(0), RFC 6891: questions, answers,
 * and which answer belongs to a question.
 *
 * @module
 */
import {
  escapeText,
  Malformed,
  readName,
  unescapeText,
  writeName,
} from "./dns_names.ts";

/**
 * Flags of the header: it answers; with authority; truncated; recursion is desired;
 * checking is disabled, RFC 4035.
 */
export const FLAGS = { QR: 0x8000, AA: 0x400, TC: 0x200, RD: 0x100, CD: 0x10 };
/** The class of all names here: the Internet. */
export const IN = 1;
/** The longest datagram without EDNS, and with it, as every network carries it. */
export const [PLAIN_SIZE, EDNS_SIZE] = [512, 1232];

export interface Question {
  readonly name: string;
  /** Such as `A`; `TYPE99` if it has no name here, RFC 3597, section 5. */
  readonly type: string;
  readonly class: number;
}

export interface Resource extends Question {
  /** How long it may be kept, in s. */
  readonly ttl: number;
  /** The fields as text; of an unknown type `\#`, the length, hexadecimal bytes. */
  readonly data: readonly string[];
}

/** What an OPT record says. */
export interface Edns {
  /** The longest datagram that its sender takes, in bytes. */
  readonly size: number;
  readonly version: number;
  /** DNSSEC records are welcome. */
  readonly dnssec: boolean;
}

export interface Message {
  readonly id: number;
  readonly flags: number;
  /** 0 is a query. */
  readonly opcode: number;
  /** Such as `NXDOMAIN`; `RCODE9` if it has no name here. */
  readonly rcode: string;
  readonly questions: readonly Question[];
  readonly answers: readonly Resource[];
  readonly authority: readonly Resource[];
  /** Without the OPT record, which is `edns`. */
  readonly additional: readonly Resource[];
  readonly edns: Edns | undefined;
}

/** Types: their numbers and the fields of their data (see `readField`). */
const TYPES: Record<string, [number, fields: string]> = {
  A: [1, "4"],
  NS: [2, "n"],
  CNAME: [5, "n"],
  SOA: [6, "nnlllll"],
  PTR: [12, "n"],
  MX: [15, "sn"],
  TXT: [16, "t"],
  AAAA: [28, "6"],
  OPT: [41, ""],
  IXFR: [251, ""],
  AXFR: [252, ""],
  ANY: [255, ""],
};
const TYPE_NAMES = new Map(
  Object.entries(TYPES).map(([name, [code]]) => [code, name]),
);
const RCODES = "NOERROR FORMERR SERVFAIL NXDOMAIN NOTIMP REFUSED".split(" ");
RCODES[16] = "BADVERS";

/** A message from bytes; undefined if they are no message, or go on after it. */
export function decodeMessage(bytes: Uint8Array): Message | undefined {
  try {
    return new Decoder(bytes).message();
  } catch (error) {
    if (error instanceof Malformed) return;
    throw error;
  }
}

class Decoder {
  readonly #bytes: Uint8Array;
  #at = 0;
  /** The OPT record with what of the rcode it holds. */
  #edns: (Edns & { upper: number }) | undefined;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  message(): Message {
    const header = Array.from({ length: 6 }, () => this.#uint(2));
    const [id, bits, ...counts] = header;
    const questions = Array.from({ length: counts[0] }, () => this.#question());
    const [answers, authority, additional] = counts.slice(1).map((count) =>
      this.#resources(count)
    );
    if (this.#at < this.#bytes.length) throw new Malformed();
    const { upper = 0, ...edns } = this.#edns ?? {};
    const code = upper << 4 | bits & 0xf;
    return {
      id,
      flags: bits & 0x87f0,
      opcode: bits >> 11 & 0xf,
      rcode: RCODES[code] ?? `RCODE${code}`,
      questions,
      answers,
      authority,
      additional,
      edns: this.#edns && edns as Edns,
    };
  }

  #question(): Question {
    const name = this.#name();
    const type = this.#uint(2);
    return { name, type: typeName(type), class: this.#uint(2) };
  }

  /** An OPT record, of which there may be one at the end, is kept apart. */
  #resources(count: number): Resource[] {
    const resources: Resource[] = [];
    for (; count > 0; count--) {
      const { name, type, class: group } = this.#question();
      const ttl = this.#uint(4);
      const end = this.#uint(2) + this.#at;
      if (end > this.#bytes.length) throw new Malformed();
      if (type === "OPT") {
        if (name !== "." || this.#edns) throw new Malformed();
        const [version, dnssec] = [ttl >> 16 & 0xff, (ttl & 0x8000) !== 0];
        this.#edns = { size: group, version, dnssec, upper: ttl >>> 24 };
        this.#at = end;
        continue;
      }
      const data = this.#data(TYPES[type]?.[1], end);
      if (this.#at !== end) throw new Malformed();
      // A time with the first bit set is 0: RFC 2181, section 8.
      const kept = ttl < 2 ** 31 ? ttl : 0;
      resources.push({ name, type, class: group, ttl: kept, data });
    }
    return resources;
  }

  #data(fields: string | undefined, end: number): string[] {
    if (!fields) {
      const bytes = this.#take(end - this.#at);
      const hex = Array.from(bytes, (byte) => hexOf(byte, 2)).join("");
      return ["\\#", String(bytes.length), ...(hex ? [hex] : [])];
    }
    if (fields !== "t") return [...fields].map((field) => this.#field(field));
    const strings: string[] = [];
    do strings.push(this.#field("t")); while (this.#at < end);
    return strings;
  }

  /** A name, a number of 2 or 4 bytes, an address, or a string of bytes. */
  #field(field: string): string {
    if (field === "n") return this.#name();
    if (field === "s") return String(this.#uint(2));
    if (field === "l") return String(this.#uint(4));
    if (field === "4") return this.#take(4).join(".");
    if (field === "t") return escapeText(this.#take(this.#uint(1)));
    return formatIPv6(Array.from({ length: 8 }, () => this.#uint(2)));
  }

  #name(): string {
    const [name, end] = readName(this.#bytes, this.#at);
    this.#at = end;
    return name;
  }

  #uint(size: number): number {
    const end = this.#at + size;
    if (end > this.#bytes.length) throw new Malformed();
    let value = 0;
    while (this.#at < end) value = value * 256 + this.#bytes[this.#at++];
    return value;
  }

  #take(size: number): Uint8Array {
    const taken = this.#bytes.subarray(this.#at, this.#at += size);
    if (taken.length < size) throw new Malformed();
    return taken;
  }
}

/**
 * A message as bytes, with names compressed.
 *
 * @throws {RangeError} If a name or a string is too long.
 */
export function encodeMessage(message: Message): Uint8Array {
  const { id, flags, opcode, rcode, edns } = message;
  const { questions, answers, authority, additional } = message;
  const known = new Map<string, number>();
  const out: number[] = [];
  const named = RCODES.indexOf(rcode);
  const code = named < 0 ? Number(rcode.slice(5)) : named;
  uint(out, id, 2);
  uint(out, flags | opcode << 11 | code & 0xf, 2);
  for (const { length } of [questions, answers, authority]) {
    uint(out, length, 2);
  }
  uint(out, additional.length + (edns ? 1 : 0), 2);
  const question = ({ name, type, class: group }: Question) => {
    writeName(out, name, known);
    uint(out, typeNumber(type), 2);
    uint(out, group, 2);
  };
  questions.forEach(question);
  for (const resource of [...answers, ...authority, ...additional]) {
    question(resource);
    uint(out, resource.ttl, 4);
    const start = out.push(0, 0);
    writeData(out, resource, known);
    const length = out.length - start;
    out.splice(start - 2, 2, length >> 8, length & 0xff);
  }
  if (edns) {
    const { size, version, dnssec } = edns;
    out.push(0, 0, TYPES.OPT[0], size >> 8, size & 0xff);
    out.push(code >> 4, version, dnssec ? 0x80 : 0, 0, 0, 0);
  }
  return Uint8Array.from(out);
}

function writeData(
  out: number[],
  { type, data }: Resource,
  known: Map<string, number>,
): void {
  const fields = TYPES[type]?.[1];
  for (const [i, text] of fields ? data.entries() : []) {
    const field = fields === "t" ? "t" : fields![i];
    if (field === "n") writeName(out, text, known);
    else if (field === "s") uint(out, Number(text), 2);
    else if (field === "l") uint(out, Number(text), 4);
    else if (field === "4") out.push(...text.split(".").map(Number));
    else if (field === "6") parseIPv6(text).forEach((n) => uint(out, n, 2));
    else {
      const bytes = unescapeText(text);
      if (bytes.length > 255) throw new RangeError("A string is too long");
      out.push(bytes.length, ...bytes);
    }
  }
  if (fields) return;
  for (const byte of data[2]?.match(/../g) ?? []) out.push(parseInt(byte, 16));
}

function uint(out: number[], value: number, size: number): void {
  for (let left = size - 1; left >= 0; left--) {
    out.push(Math.floor(value / 256 ** left) % 256);
  }
}

function typeName(code: number): string {
  return TYPE_NAMES.get(code) ?? `TYPE${code}`;
}

/** The number of a type: of `A`, and of `TYPE1` as well. */
function typeNumber(type: string): number {
  return TYPES[type]?.[0] ?? Number(type.slice(4));
}

function hexOf(value: number, digits = 0): string {
  return value.toString(16).padStart(digits, "0");
}

/** RFC 5952: the first of the longest runs of zeros is `::`. */
function formatIPv6(parts: number[]): string {
  const text = parts.map((part) => hexOf(part)).join(":");
  const runs = text.match(/\b0(:0)+\b/g) ?? [];
  const longest = Math.max(...runs.map((run) => run.length));
  const run = runs.find((run) => run.length === longest);
  if (!run) return text;
  return text.replace(new RegExp(`(^|:)${run}(:|$)`), "::");
}

function parseIPv6(text: string): number[] {
  const [head, tail] = text.split("::").map((half) =>
    half.split(":").filter(Boolean).map((part) => parseInt(part, 16))
  );
  if (!tail) return head;
  return [...head, ...Array(8 - head.length - tail.length).fill(0), ...tail];
}
