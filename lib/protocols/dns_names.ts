/**
 * Domain names as bytes and as text, because a name in a message may continue at
 * an earlier one: a pointer, which a hostile message can turn into a loop.
 *
 * Text is the presentation format of RFC 1035, section 5.1, without the last dot;
 * the root is `.`. A dot or backslash in a label is escaped as `\.` and `\\`, and
 * a byte that is no printable ASCII as `\DDD`.
 *
 * @module
 */

/** The longest label, and the longest name with the lengths of its labels. */
const [LABEL, NAME] = [63, 255];
/** More pointers than labels help nobody. */
const POINTERS = 127;
/** Where the header ends, which no pointer may point into. */
const HEADER = 12;
/** What is escaped in a label. */
const IN_LABEL = /[^!-~]|[\\.]/g;

/** Thrown for bytes that are no message, within these files alone. */
export class Malformed extends Error {}

/**
 * Reads a name, and gives its end, RFC 1035, section 4.1.4. Each pointer must
 * point to before the labels that led to it, so that there is no loop.
 *
 * @throws {Malformed}
 */
export function readName(
  bytes: Uint8Array,
  start: number,
): [name: string, end: number] {
  const labels: string[] = [];
  let [at, part, size, pointers] = [start, start, 1, 0];
  let end: number | undefined;
  while (true) {
    if (at >= bytes.length) throw new Malformed();
    const length = bytes[at];
    if (length >= 0xc0) {
      if (at + 2 > bytes.length) throw new Malformed();
      const target = (length & 0x3f) << 8 | bytes[at + 1];
      end ??= at + 2;
      const backwards = target >= HEADER && target < part;
      if (!backwards || ++pointers > POINTERS) throw new Malformed();
      at = part = target;
      continue;
    }
    const next = at + 1 + length;
    if (length === 0) return [labels.join(".") || ".", end ?? next];
    size += 1 + length;
    if (length > LABEL || size > NAME || next > bytes.length) {
      throw new Malformed();
    }
    labels.push(escapeText(bytes.subarray(at + 1, next), IN_LABEL));
    at = next;
  }
}

/**
 * Appends a name. Its end is a pointer where the same letters are `known` already;
 * other parts become known.
 *
 * @throws {RangeError} If a label or the name is empty or too long.
 */
export function writeName(
  out: number[],
  name: string,
  known = new Map<string, number>(),
): void {
  let [size, rest] = [1, name];
  // Most names are known as a whole, so that no label is looked at.
  for (const label of known.has(name) ? [name] : labelsOf(name)) {
    const at = known.get(rest);
    if (at !== undefined) return void out.push(0xc0 | at >> 8, at & 0xff);
    if (out.length < 0x4000) known.set(rest, out.length);
    rest = rest.slice(label.length + 1);
    const bytes = unescapeText(label);
    size += 1 + bytes.length;
    const fits = bytes.length > 0 && bytes.length <= LABEL && size <= NAME;
    if (!fits) throw new RangeError(`Not a domain name: ${name}`);
    out.push(bytes.length);
    for (const byte of bytes) out.push(byte);
  }
  out.push(0);
}

/** Whether they are the same name: case is ignored, RFC 4343. */
export function isSameName(one: string, other: string): boolean {
  return one === other || one.toLowerCase() === other.toLowerCase();
}

/** Whether a name is that of a zone, or below it. */
export function isWithin(name: string, zone: string): boolean {
  const [labels, above] = [labelsOf(name), labelsOf(zone)];
  if (above.length === 0) return true;
  return isSameName(labels.slice(-above.length).join("."), zone);
}

function labelsOf(name: string): string[] {
  if (name === ".") return [];
  if (!name.includes("\\")) return name.split(".");
  return name.match(/(?:\\\d{3}|\\.|[^\\.])+/g) ?? [];
}

/** Bytes as text: each of the `unsafe` ones is escaped. */
export function escapeText(bytes: Uint8Array, unsafe = /[^ -~]|\\/g): string {
  return String.fromCharCode(...bytes).replace(unsafe, (one) => {
    if (one === "." || one === "\\") return `\\${one}`;
    return `\\${String(one.charCodeAt(0)).padStart(3, "0")}`;
  });
}

/** The bytes that `escapeText` made text of. */
export function unescapeText(text: string): Uint8Array {
  const plain = !text.includes("\\") ? text : text.replace(
    /\\(?:(\d{3})|(.))/g,
    (_, code, one) => code ? String.fromCharCode(Number(code)) : one,
  );
  const bytes = new Uint8Array(plain.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = plain.charCodeAt(i);
  return bytes;
}
