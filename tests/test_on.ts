/**
 * A test that needs another runtime: skipped with the reason where that one is
 * missing, and failed where everything has to be there (CI=true).
 */
import { test } from "bun:test";
import process from "node:process";
import { find, type RuntimeName } from "./runtimes.ts";

/** How long a test that starts processes may take, in ms. */
const LIMIT = 30_000;

export function testOn(
  runtime: RuntimeName,
  name: string,
  body: () => Promise<void>,
): void {
  needing(find(runtime).reason, name, body);
}

/** A test for which something may be missing; `reason` says what. */
export function needing(
  reason: string | undefined,
  name: string,
  body: () => Promise<void>,
  limit = LIMIT,
): void {
  if (!reason) test(name, body, limit);
  else if (process.env.CI !== "true") test.skip(`${name} (${reason})`, body);
  else test(name, () => Promise.reject(new Error(reason)));
}
