/**
 * Runs every experiment with each runtime's server against each runtime's
 * client, and prints a table of which pairs understand each other.
 *
 *     deno task matrix [--runtimes deno,bun] [--only NAME,...] [--json]
 *     bun scripts/tools/matrix.ts
 *     node scripts/tools/matrix.ts
 *
 * Or runs two commands of your own as one pair:
 *
 *     deno task matrix --server "CMD {port}" --client "CMD {port}"
 */
import { availableParallelism } from "node:os";
import process from "node:process";
import {
  listOf,
  readFlags,
  UsageError,
  wholeNumber,
} from "../../lib/experiment/flags.ts";
import { type Commands, runOwn, sideBySide } from "./matrix/own.ts";
import {
  type Experiment,
  experiments,
  type Pair,
  pairsOf,
  type Result,
  runPair,
} from "./matrix/pair.ts";
import { inWords, table } from "./matrix/table.ts";
import { nameOf } from "./support/experiments.ts";
import { checkStopped, WINDOWS } from "./support/processes.ts";
import { clearProgress, showProgress } from "./support/progress_line.ts";
import { find, type Name, NAMES } from "./support/runtimes.ts";
import { runTool } from "./support/tool.ts";

const HELP = `Which runtime's client understands which runtime's server?

  deno task matrix [flags]      (bun, node: scripts/tools/matrix.ts)

  --runtimes R,...  only these of deno, bun, node and python3 (which
                    takes part in the five seed programs)
  --only NAME,...   only these experiments
  --json            print one JSON object a line and pair
  --timeout MS      how long a server may take to listen and to
                    stop, and a client to run (20000)
  --server CMD      instead of all that, run two commands of your
  --client CMD      own as one pair, and show their output side by
                    side; {port} stands for a free port. The client
                    starts when the server has that port; without
                    {port}, or where that cannot be seen, half a
                    second later. A server that does not end by
                    itself is stopped.
  --help            print this

SOCKET_LAB_DENO, _BUN, _NODE and _PYTHON3 name a runtime that is not
on the PATH. The exit code is 1 if a pair has failed; a runtime that
is missing is no failure.`;

interface Request {
  runtimes: Name[];
  only: Experiment[];
  json: boolean;
  timeout: number;
  own?: Commands;
}

const OPTIONS = {
  runtimes: { type: "string" },
  only: { type: "string" },
  json: { type: "boolean" },
  timeout: { type: "string" },
  server: { type: "string" },
  client: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/** Reads the command line; undefined if help is asked for. */
export function read(args: string[]): Request | undefined {
  const { values } = readFlags(args, OPTIONS);
  if (values.help) return;
  const { server, client, only, runtimes, json = false } = values;
  if ((server === undefined) !== (client === undefined)) {
    throw new UsageError("--server and --client go together");
  }
  if (server !== undefined && (only ?? runtimes) !== undefined) {
    throw new UsageError("--server and --client leave nothing to choose");
  }
  const all = experiments();
  const names = listOf(
    "only",
    only?.split(",").map(nameOf).join(),
    all.map(({ name }) => name),
  );
  return {
    runtimes: listOf("runtimes", runtimes, NAMES),
    only: all.filter(({ name }) => names.includes(name)),
    json,
    timeout: wholeNumber("timeout", values.timeout, 1, 9_999_999) ?? 20_000,
    own: server === undefined || client === undefined
      ? undefined
      : { server, client },
  };
}

async function runMatrix(request: Request): Promise<boolean> {
  const found = await Promise.all(request.runtimes.map(find));
  checkStopped();
  const runtimes = found.filter((one) => "path" in one);
  for (const one of found) if ("reason" in one) console.error(one.reason);

  const start = performance.now();
  const only = request.only.filter(({ name, unix }) => {
    if (unix && WINDOWS) console.error(`${name}: Windows has no AF_UNIX`);
    return !(unix && WINDOWS);
  });
  const pairs = pairsOf(only, runtimes);
  if (pairs.length === 0) {
    console.error("There is no pair to run");
    return true;
  }
  const results = await runPairs(pairs, request);
  const failed = results.filter(({ ok }) => !ok).length;
  if (request.json) return failed === 0;

  console.log(table(results, runtimes.map(({ name }) => name)));
  const versions = runtimes.map(({ name, version }) => `${name} ${version}`);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const outcome = failed > 0 ? `${failed} failed` : "all well";
  console.log(`\n${versions.join(", ")}
${pairs.length} pairs, ${outcome}, in ${seconds} s`);
  return failed === 0;
}

/** Runs as many pairs at once as the cores allow; keeps their order. */
async function runPairs(pairs: Pair[], { json, timeout }: Request) {
  const results: Result[] = [];
  const bar = process.stderr.isTTY && !(json && process.stdout.isTTY);
  let done = 0;
  const left = pairs.entries();
  async function work() {
    for (const [i, [experiment, runtimes]] of left) {
      const result = await runPair(experiment, runtimes, timeout);
      checkStopped();
      results[i] = result;
      if (json) console.log(JSON.stringify(result));
      if (bar) showProgress(`${++done} of ${pairs.length} pairs`);
      else if (!json) console.error(inWords(result));
    }
  }
  // One more than there are cores, since a pair also waits.
  const length = availableParallelism() + 1;
  await Promise.all(Array.from({ length }, work)).finally(clearProgress);
  return results;
}

/** Exits with 1 when a pair has failed. */
async function run(request: Request): Promise<number> {
  const { own, timeout, json } = request;
  if (!own) return await runMatrix(request) ? 0 : 1;
  const result = await runOwn(own, timeout);
  checkStopped();
  console.log(json ? JSON.stringify(result) : sideBySide(result));
  return result.ok ? 0 : 1;
}

if (import.meta.main) await runTool({ help: () => HELP, read, run });
