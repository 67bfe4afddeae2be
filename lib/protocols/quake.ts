/**
 * The datagrams of Quake III that belong to no game: a request, or its answer, as
 * text behind four bytes of ones. By them a client finds servers, asks how they
 * are, and joins: `getinfo`, `getstatus`, `getchallenge`, `connect`. A mapping of
 * keys to values is written as `\key\value\key\value`.
 *
 * ```ts
 * import { formatCommand, parseCommand } from "./quake.ts";
 *
 * const info = { name: "ann", challenge: "0123" };
 * const bytes = formatCommand({ command: "connect", info });
 * // "\xff\xff\xff\xffconnect \name\ann\challenge\0123"
 * parseCommand(bytes)!.info; // { name: "ann", challenge: "0123" }
 * ```
 *
 * @module
 */

/** A request or an answer. */
export interface Command {
  /** Letters and digits. */
  readonly command: string;
  /** What follows on the same line, and is no mapping. */
  readonly words?: string;
  readonly info?: Readonly<Record<string, string>>;
  /** The lines after that. */
  readonly lines?: readonly string[];
}

/** A datagram of this kind has at most so many bytes. */
export const MOST_BYTES = 512;

/** The datagram of a command. */
export function formatCommand(
  { command, words, info, lines = [] }: Command,
): Uint8Array {
  const pairs = Object.entries(info ?? {});
  const mapping = pairs.map(([key, value]) => `\\${key}\\${value}`).join("");
  const first = [command, words, mapping].filter(Boolean).join(" ");
  return encoder.encode(`????${[first, ...lines].join("\n")}`)
    .fill(ONES, 0, 4);
}

/**
 * Answers in Quake III have their mapping on a line of its own, and each line ends:
 * the datagram that `quakestat` understands.
 */
export function formatAnswer(
  { command, info, lines = [] }: Command,
): Uint8Array {
  const mapping = formatCommand({ command: "", info: info ?? {} }).subarray(4);
  const text = new TextDecoder().decode(mapping);
  return formatCommand({ command, lines: [text, ...lines, ""] });
}

/** The command in a datagram; undefined if it is none. */
export function parseCommand(bytes: Uint8Array): Command | undefined {
  if (bytes.length > MOST_BYTES) return;
  const text = String.fromCharCode(...bytes);
  const [, command, rest = "", more = ""] = text.match(COMMAND) ?? [];
  if (!command) return;
  const lines = more.split("\n").slice(1);
  const [, mapping = lines[0]?.startsWith("\\") ? lines.shift() : undefined] =
    rest.match(/^"?(\\[^"]*)"?$/) ?? [];
  const info = mapping === undefined ? {} : infoIn(mapping);
  const words = rest.includes("\\") ? "" : rest;
  return info && { command, words, info, lines };
}

/** The pairs of a mapping; undefined if a key has no value. */
function infoIn(mapping: string): Record<string, string> | undefined {
  const parts = mapping.split("\\").slice(1);
  if (parts.length % 2 > 0) return;
  const pairs = parts.flatMap((key, i) =>
    i % 2 === 0 ? [[key, parts[i + 1]]] : []
  );
  return Object.fromEntries(pairs);
}

/** Four bytes of ones, a word, the rest of its line, and other lines: ASCII. */
const COMMAND = /^\xff{4}(\w{1,32})(?: ([ -~]*))?((?:\n[ -~]*)*)\0?$/;

const ONES = 0xff;
const encoder = new TextEncoder();
