/**
 * Runs the suite on the runtime that executes this file, and prints one JSON
 * object a line. With names it runs the cases whose name contains one; without,
 * those that need what `--needs` says, or nothing particular.
 *
 *     deno run --no-prompt --allow-net tests/conformance/run.ts [NAME ...]
 *     bun tests/conformance/run.ts [--needs WHAT ...] [--gate] [NAME ...]
 *     node tests/conformance/run.ts [--needs WHAT ...] [--gate] [NAME ...]
 *
 * The exit code is 1 if a case went otherwise than the deviations say, and 3 if
 * the process did not end by itself.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { watchTimers } from "./leftovers.ts";
import { OWN_NETWORK } from "./own_network.ts";
import { performAll } from "./perform.ts";
import { cases, NOTHING } from "./suite.ts";

const { positionals: parts, values: { needs, gate } } = parseArgs({
  allowPositionals: true,
  options: {
    needs: { type: "string", multiple: true, default: [NOTHING] },
    gate: { type: "boolean", default: false },
  },
});
const chosen = parts.length === 0
  ? cases.filter((each) =>
    needs.includes(each.needs ?? NOTHING) && gate === (each.gate ?? false)
  )
  : cases.filter((each) =>
    parts.some((part) => each.name.includes(part)) &&
    // Elsewhere they would send to addresses of other networks.
    (each.needs !== OWN_NETWORK || needs.includes(OWN_NETWORK))
  );

watchTimers();
await performAll(chosen);
