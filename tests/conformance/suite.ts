/**
 * The conformance suite: what CONFORMANCE.md and DESIGN.md section 2 say about
 * the sockets, as cases that are written once and run on every runtime.
 *
 * @module
 */
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { cases as addresses } from "./addresses.ts";
import { cases as closing } from "./closing.ts";
import { cases as connecting } from "./connecting.ts";
import { cases as data } from "./data.ts";
import { cases as datagrams } from "./datagrams.ts";
import { cases as errors } from "./errors.ts";
import { type Case, closeAll, type Need } from "./fixtures.ts";
import { cases as listening } from "./listening.ts";
import { cases as load } from "./load.ts";
import { cases as options } from "./options.ts";
import { cases as reader } from "./reader.ts";
import { cases as resets } from "./resets.ts";
import { cases as unix } from "./unix.ts";
import { cases as waits } from "./waits.ts";

export type { Case, Need };

/** Every case, in the order of CONFORMANCE.md. */
export const cases: readonly Case[] = [
  ...errors,
  ...addresses,
  ...listening,
  ...connecting,
  ...data,
  ...closing,
  ...resets,
  ...waits,
  ...unix,
  ...options,
  ...datagrams,
  ...reader,
  ...load,
];

/** What came of a case. */
export interface Result {
  statement: string;
  name: string;
  ok: boolean;
  ms: number;
  /** The stack of what failed. */
  error?: string;
}

/** A case takes a moment; on a busy machine it may take this long, in ms. */
export const GUARD = 10_000;

/** Runs a case, closes what it opened, and notices what nobody caught. */
export async function perform({ statement, name, run }: Case): Promise<Result> {
  const start = performance.now();
  const failures: unknown[] = [];
  const stray = (reason: unknown) => failures.push(reason);
  process.on("unhandledRejection", stray).on("uncaughtException", stray);
  for (const step of [run, closeAll, strays]) {
    await guarded(step).catch((reason) => failures.push(reason));
  }
  process.off("unhandledRejection", stray).off("uncaughtException", stray);
  const ms = Math.round(performance.now() - start);
  if (failures.length === 0) return { statement, name, ok: true, ms };
  const [failure] = failures;
  const error = failure instanceof Error
    ? failure.stack ?? failure.message
    : String(failure);
  return { statement, name, ok: false, ms, error };
}

async function guarded(step: () => Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new Error(`${step.name}() did not end in ${GUARD} ms`);
    timer = setTimeout(() => reject(error), GUARD);
  });
  try {
    await Promise.race([step(), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A rejection that nobody handles shows when the event loop has turned. */
async function strays(): Promise<void> {
  await delay(1);
}
