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
import { basename } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { ignoreBrokenPipe } from "../../lib/experiment/process.ts";
import { type Commands, runOwn, sideBySide } from "./matrix/own.ts";
import {
  type Experiment,
  experiments,
  type Result,
  runPair,
  speaks,
} from "./matrix/pair.ts";
import {
  checkStopped,
  endAll,
  endAllAtSignals,
  Stopped,
} from "./support/processes.ts";
import { find, type Name, NAMES, type Runtime } from "./support/runtimes.ts";
import { inWords, table } from "./matrix/table.ts";
import { printable } from "./support/text.ts";

const HELP = `Which runtime's client understands which runtime's server?

  deno task matrix [flags]      (bun, node: scripts/tools/matrix.ts)

  --runtimes R,...  only these of deno, bun, node and python3 (which
                    joins for the five seed programs)
  --only NAME,...   only these experiments
  --json            print one JSON object a line and pair
  --timeout MS      what a server may take to listen, and to stop, a
                    client to run (20000)
  --server CMD      instead of all that, run two commands of your
  --client CMD      own as one pair, and show their output side by
                    side; {port} stands for a free port. The client
                    starts when the server has that port; without
                    {port}, or where that cannot be seen, half a
                    second later. A server that goes on is stopped.
  --help            print this

SOCKET_LAB_DENO, _BUN, _NODE and _PYTHON3 name a runtime that is not
on the PATH. The exit code is 1 if a pair has failed; a runtime that
is not there is no failure.`;

/** What was asked for. */
interface Request {
  runtimes: Name[];
  only: Experiment[];
  json: boolean;
  timeout: number;
  own?: Commands;
}

/** A command line that means nothing. */
class UsageError extends Error {}

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
function read(args: string[]): Request | undefined {
  const { values, positionals: [extra] } = parseArgs({
    args,
    options: OPTIONS,
    strict: false,
    allowPositionals: true,
  });
  for (const [name, value] of Object.entries(values)) {
    const flag = name.length === 1 ? `-${name}` : `--${name}`;
    const { type } = OPTIONS[name as keyof typeof OPTIONS] ?? {};
    if (!type) throw new UsageError(`Unknown flag ${flag}`);
    const none = value === true || /^(--.*)?$/.test(String(value));
    if (type === "string" && none) {
      throw new UsageError(`${flag} needs a value`);
    }
    if (type === "boolean" && value !== true) {
      throw new UsageError(`${flag} takes no value, not "${value}"`);
    }
  }
  if (values.help) return;
  if (extra !== undefined) throw new UsageError(`Only flags, not "${extra}"`);
  const { server, client, only, runtimes } = values as Record<string, string>;
  if ((server === undefined) !== (client === undefined)) {
    throw new UsageError("--server and --client go together");
  }
  if (server !== undefined && (only ?? runtimes) !== undefined) {
    throw new UsageError("--server and --client leave nothing to choose");
  }
  const timeout = String(values.timeout ?? 20_000);
  if (!/^[1-9]\d{0,6}$/.test(timeout)) {
    throw new UsageError(`--timeout takes 1 to 9999999, not "${timeout}"`);
  }
  return {
    runtimes: chosen("runtime", [...NAMES], (name) => name, runtimes),
    only: chosen("experiment", experiments(), ({ name }) => name, only),
    json: Boolean(values.json),
    timeout: Number(timeout),
    own: server === undefined ? undefined : { server, client },
  };
}

/** Those of all that a list names, or all. */
function chosen<T>(
  what: string,
  all: T[],
  nameOf: (one: T) => string,
  list?: string,
): T[] {
  if (list === undefined) return all;
  const names = list.split(",").map((name) => basename(name.trim(), ".ts"));
  const known = all.map(nameOf);
  for (const name of names) {
    if (known.includes(name)) continue;
    throw new UsageError(`No ${what} "${name}" (${known.join(", ")})`);
  }
  return all.filter((one) => names.includes(nameOf(one)));
}

/** A pair that is to be run. */
type Pair = [Experiment, [Runtime, Runtime]];

/** Runs all pairs; says whether none has failed. */
async function runMatrix(request: Request): Promise<boolean> {
  const found = await Promise.all(request.runtimes.map(find));
  checkStopped();
  const runtimes = found.filter((one) => "path" in one);
  for (const one of found) if ("reason" in one) console.error(one.reason);

  const start = performance.now();
  const pairs: Pair[] = [];
  for (const experiment of request.only) {
    const able = runtimes.filter((runtime) => speaks(runtime, experiment));
    for (const server of able) {
      for (const client of able) pairs.push([experiment, [server, client]]);
    }
  }
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
  console.log(`\n${versions.join(", ")}`);
  console.log(`${pairs.length} pairs, ${outcome}, in ${seconds} s`);
  return failed === 0;
}

/** Runs as many pairs at once as the cores allow; gives them in order. */
async function runPairs(
  pairs: Pair[],
  { json, timeout }: Request,
): Promise<Result[]> {
  const results: Result[] = [];
  const told = progress(pairs.length, json);
  const left = pairs.entries();
  async function work() {
    for (const [i, [experiment, runtimes]] of left) {
      results[i] = await runPair(experiment, runtimes, timeout);
      checkStopped();
      told.done(results[i]);
    }
  }
  // One more than there are cores, since a pair also waits.
  const length = availableParallelism() + 1;
  await Promise.all(Array.from({ length }, work)).finally(told.end);
  return results;
}

/**
 * Tells of each pair: as JSON on standard output if that is asked for, and on
 * standard error how far it is, on a terminal in one line.
 */
function progress(max: number, json: boolean) {
  const { stdout, stderr } = process;
  const bar = stderr.isTTY && !(json && stdout.isTTY);
  let done = 0;
  return {
    done(result: Result) {
      done++;
      if (json) console.log(JSON.stringify(result));
      if (bar) stderr.write(`\r${done} of ${max} pairs`);
      else if (!json) console.error(inWords(result));
    },
    end() {
      if (bar) stderr.write("\r\x1b[K"); // the line is empty again
    },
  };
}

/** Runs the two commands; says whether both ended well. */
async function runCommands(
  commands: Commands,
  { json, timeout }: Request,
): Promise<boolean> {
  const result = await runOwn(commands, timeout);
  checkStopped();
  console.log(json ? JSON.stringify(result) : sideBySide(result));
  return result.ok;
}

/** Ends with 1 when a pair has failed, 2 for a wrong flag. */
async function main(): Promise<number> {
  const stoppedAs = endAllAtSignals();
  try {
    const request = read(process.argv.slice(2));
    if (!request) {
      console.log(HELP);
      return 0;
    }
    const { own } = request;
    const ok = own ? await runCommands(own, request) : await runMatrix(request);
    return ok ? 0 : 1;
  } catch (error) {
    if (error instanceof Stopped) return stoppedAs();
    if (!(error instanceof UsageError)) throw error;
    console.error(printable(error.message));
    return 2;
  } finally {
    await endAll();
  }
}

if (import.meta.main) {
  ignoreBrokenPipe();
  process.exitCode = await main();
}
