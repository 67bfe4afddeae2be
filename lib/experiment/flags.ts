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
  try {
    return parseArgs({ args, options, allowPositionals, strict: true });
  } catch (error) {
    const message = messageFor(
      (error as { code?: string }).code,
      args,
      options,
    );
    throw message === undefined ? error : new UsageError(message);
  }
}

/** What is wrong, of the first argument to which the error code applies. */
function messageFor(
  code: string | undefined,
  args: string[],
  options: Options,
): string | undefined {
  const { tokens } = parseArgs({ args, options, strict: false, tokens: true });
  for (const token of tokens) {
    const wrong = token.kind === "option-terminator"
      ? undefined
      : token.kind === "positional"
      ? ["UNEXPECTED_POSITIONAL", `Only flags, not "${token.value}"`]
      : wrongFlag(token, options[token.name]?.type);
    if (wrong && code === `ERR_PARSE_ARGS_${wrong[0]}`) return wrong[1];
  }
}

function wrongFlag(
  { rawName, value, inlineValue }: FlagToken,
  type: Options[string]["type"] | undefined,
): [code: string, message: string] | undefined {
  if (!type) return ["UNKNOWN_OPTION", `Unknown flag ${rawName}`];
  const code = "INVALID_OPTION_VALUE";
  if (type === "boolean") {
    if (value === undefined) return;
    return [code, `${rawName} takes no value, not "${value}"`];
  }
  if (inlineValue || (value !== undefined && !/^-./.test(value))) return;
  return [code, `${rawName} needs a value`];
}

/** The part of a token of `parseArgs` that says what was typed. */
interface FlagToken {
  rawName: string;
  value: string | undefined;
  inlineValue: boolean | undefined;
}

/** The value of a flag that takes a whole number. */
export function wholeNumber<T extends string | undefined>(
  name: string,
  value: T,
  least: number,
  most: number,
): number | Exclude<T, string> {
  if (value === undefined) return value as Exclude<T, string>;
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
  if (list === undefined) return [...known];
  const names = list.split(",");
  if (names.every((name) => known.includes(name as T))) {
    return known.filter((name) => names.includes(name));
  }
  throw new UsageError(`--${name} takes ${known.join(", ")}`);
}
