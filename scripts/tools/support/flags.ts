/**
 * Reads the flags of a tool, and says in one line what is wrong with them.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { printable } from "./text.ts";

/** A wrong flag; the message is for the user. */
export class Refusal extends Error {}

type Options = Record<string, { type: "string" | "boolean" }>;

/** The values of the flags, of which none is unknown or lacks its value. */
export function readFlags<const T extends Options>(args: string[], options: T) {
  try {
    return parseArgs({ args, options }).values;
  } catch (error) {
    const [line] = (error as Error).message.split(/\n|\. /);
    throw new Refusal(`${printable(line)} (--help lists the flags)`);
  }
}

/** The names of a list, in the order in which they are known. */
export function listOf<T extends string>(
  flag: string,
  list: string | undefined,
  known: T[],
): T[] {
  if (list === undefined) return known;
  const names = list.split(",");
  const wrong = names.find((name) => !known.includes(name as T));
  if (wrong === undefined) return known.filter((name) => names.includes(name));
  throw new Refusal(`--${flag} takes ${known.join(", ")}`);
}
