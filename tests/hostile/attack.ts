/**
 * What all hostile peers have in common.
 */
import { within } from "../../scripts/tools/support/processes.ts";

/** A name, and what is done; it resolves when that is over. */
export type Attack = [name: string, act: () => Promise<unknown>];

/**
 * How long something that comes at once may take on a busy machine, in ms:
 * less than the 30 s after which a server closes a silent client.
 */
export const PATIENCE = 20_000;

/** What a promise resolves to, or undefined if that takes too long. */
export function inTime<T>(promise: Promise<T>): Promise<T | undefined> {
  return within(PATIENCE, promise);
}
