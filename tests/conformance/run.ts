/**
 * Runs the suite on the runtime that executes this file, and prints one JSON
 * object a line. With arguments it runs the cases whose name contains one;
 * without, those that need nothing particular.
 *
 *     deno run --no-prompt --allow-net tests/conformance/run.ts [NAME ...]
 *     bun tests/conformance/run.ts [NAME ...]
 *     node tests/conformance/run.ts [NAME ...]
 *
 * The exit code is 1 if a case went otherwise than the deviations say. It is
 * set and not forced: the process has to end by itself, since sockets that are
 * closed keep nothing alive.
 *
 * @module
 */
import process from "node:process";
import { judge, thisRuntime } from "./deviations.ts";
import { cases, perform } from "./suite.ts";

const parts = process.argv.slice(2);
const chosen = parts.length === 0
  ? cases.filter(({ needs }) => !needs)
  : cases.filter(({ name }) => parts.some((part) => name.includes(part)));

for (const each of chosen) {
  const result = await perform(each);
  console.log(JSON.stringify(result));
  if (judge(result, thisRuntime)) process.exitCode = 1;
}
