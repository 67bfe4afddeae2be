/**
 * Reads flags strictly, and reports a wrong one in the same words on every
 * runtime. Experiments, guided scripts and tools all use it.
 *
 * @module
 */
import { escapeControls } from "../sockets/escape.ts";

// Not static: a bundle with all of the library would load it at once.
const { parseArgs } = await import("node:util");

/** A wrong flag; the message is for the user, and safe to print. */
export class UsageError extends Error {
  constructor(message: string) {
    super(escapeControls(message));
  }
}

/** What a flag takes: `--NAME VALUE` or `--NAME`, or `-SHORT`. */
export type Options = Record<
  string,
  { type: "string" | "boolean"; short?: string; multiple?: boolean }
>;

/**
 * The values of the flags by name, and the other arguments if `positionals`
 * are allowed. Throws a UsageError for anything else.
 */
export function readFlags<const T extends Options>(
  args: string[],
  options: T,
  { positionals: allowPositionals = false } = {},
) {
  const words = joinNegative(args);
  try {
    return parseArgs({ args: words, options, allowPositionals, strict: true });
  } catch (error) {
    const { code = "" } = error as { code?: string };
    const wrong = faultIn(words, options, code.replace("ERR_PARSE_ARGS_", ""));
    throw wrong ? new UsageError(wrong) : error;
  }
}

/** `--skew -2500` as `--skew=-2500`: a negative number is a value. */
function joinNegative(args: string[]): string[] {
  const words: string[] = [];
  for (const word of args) {
    const flag = /^-\d/.test(word) && words.at(-1)?.match(/^--[^=]+$/)?.[0];
    if (flag) words[words.length - 1] = `${flag}=${word}`;
    else words.push(word);
  }
  return words;
}

/** Names the first argument to which an error code of `parseArgs` applies. */
function faultIn(args: string[], options: Options, code: string) {
  const { tokens } = parseArgs({ args, options, strict: false, tokens: true });
  for (const token of tokens) {
    if (token.kind === "positional" && code === "UNEXPECTED_POSITIONAL") {
      return `Only flags, not "${token.value}"`;
    }
    if (token.kind !== "option") continue;
    const { name, rawName, value, inlineValue } = token;
    const { type } = options[name] ?? {};
    if (!type && code === "UNKNOWN_OPTION") return `Unknown flag ${rawName}`;
    if (code !== "INVALID_OPTION_VALUE") continue;
    if (type === "string" && !inlineValue && /^-./.test(value ?? "--")) {
      return `${rawName} needs a value`;
    }
    if (type === "boolean" && value !== undefined) {
      return `${rawName} takes no value, not "${value}"`;
    }
  }
}

/** The value of a flag that takes a whole number, if it is given. */
export function wholeNumber(
  name: string,
  value: string | undefined,
  least: number,
  most: number,
): number | undefined {
  if (value === undefined) return;
  const number = /^\d+$/.test(value) ? Number(value) : NaN;
  if (number >= least && number <= most) return number;
  throw new UsageError(`--${name} takes ${least} to ${most}, not "${value}"`);
}

/** The names in a list such as `a,b`, in the order of `known`; all by default. */
export function listOf<T extends string>(
  name: string,
  list: string | undefined,
  known: readonly T[],
): T[] {
  const names: string[] = list?.split(",") ?? [...known];
  if (names.every((name) => known.includes(name as T))) {
    return known.filter((name) => names.includes(name));
  }
  throw new UsageError(`--${name} takes ${known.join(", ")}`);
}
