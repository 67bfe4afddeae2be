/**
 * What the library costs: the same work on its sockets and written raw on the
 * runtime's own, in interleaved pairs in one run, as medians of the ratios.
 *
 *     deno task bench [FLAGS]
 *     bun tests/bench/bench.ts [FLAGS]
 *     node tests/bench/bench.ts [FLAGS]
 *
 * Whichever runs it, each runtime that is found measures in a process of its
 * own. Raw is what one would write by hand for speed: callbacks on Bun and
 * Node, where the library gives promises.
 */
import os from "node:os";
import process from "node:process";
import { fileURLToPath } from "node:url";
import {
  listOf,
  readFlags,
  UsageError,
  wholeNumber,
} from "../../lib/experiment/flags.ts";
import { guardOutput } from "../../lib/process/process.ts";
import {
  start,
  supervise,
  within,
} from "../../scripts/tools/support/processes.ts";
import {
  clearProgress,
  showProgress,
} from "../../scripts/tools/support/progress_line.ts";
import { find, type Name } from "../../scripts/tools/support/runtimes.ts";
import type { Message, Orders } from "./measure.ts";
import { markdown, type Row, table, type Work, WORKS } from "./results.ts";
import type { RuntimeName } from "./workloads.ts";

const MEASURE = fileURLToPath(new URL("measure.ts", import.meta.url).href);
const RUNTIMES: RuntimeName[] = ["deno", "bun", "node"];
const NAMES = Object.keys(WORKS) as Work[];

const HELP = `bench.ts [FLAGS]

Measures the library against the same work on the runtime's own
sockets, and against CPython's where python3 is on the PATH.

  --runtimes LIST   of deno,bun,node; else those that are found
  --only LIST       of ${NAMES.slice(0, 4).join(",")},
                    ${NAMES.slice(4).join(",")}
  --pairs N         how many pairs (15; of what takes long a third)
  --short           a few seconds a runtime, for a look or a test
  --json            one JSON object a line and ratio
  --markdown        one table of all runtimes
  --help            print this

The ratio is speed: more is better, 1 is as fast as raw. With <= it
is cost: less is better. The limits are what the project wants to
reach; to be below one is no failure.`;

async function main(args: string[]): Promise<void> {
  try {
    process.exitCode = await supervise(() => bench(args));
  } catch (error) {
    clearProgress();
    console.error((error as Error).message);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}

async function bench(args: string[]): Promise<number> {
  const { values } = readFlags(args, {
    runtimes: { type: "string" },
    only: { type: "string" },
    pairs: { type: "string" },
    short: { type: "boolean" },
    json: { type: "boolean" },
    markdown: { type: "boolean" },
    help: { type: "boolean", short: "h" },
  });
  const { short = false, json, markdown: asMarkdown } = values;
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  if (json && asMarkdown) {
    throw new UsageError("--json and --markdown exclude each other");
  }
  const runtimes = listOf("runtimes", values.runtimes, RUNTIMES);
  const works = listOf("only", values.only, NAMES);
  const pairs = wholeNumber("pairs", values.pairs, 1, 9999) ?? (short ? 3 : 15);
  const orders = { works, pairs, short, python: await found("python3") };
  const rows: Row[] = [];
  for (const name of runtimes) {
    const path = await found(name);
    if (!path) continue;
    const own = await measure([name, path], orders, (row) => {
      if (json) console.log(JSON.stringify(row));
    });
    rows.push(...own);
    clearProgress();
    if (!json && !asMarkdown) console.log(`${table(own)}\n`);
  }
  if (rows.length === 0) throw new Error("No runtime has measured anything");
  if (asMarkdown) console.log(`${markdown(rows)}\n`);
  if (!json) console.log(machine(rows, orders));
  return 0;
}

/** The path of a program, or undefined, with the reason on standard error. */
async function found(name: Name): Promise<string | undefined> {
  const program = await find(name);
  if ("path" in program) return program.path;
  console.error(program.reason);
}

/** Where it was measured, in lines of at most 68 columns. */
function machine(rows: Row[], { pairs }: Orders): string {
  const [{ model }] = os.cpus();
  const versions = new Set(rows.map(({ version }) => version));
  return `${[...versions].join(", ")}; ${pairs} pairs\n` +
    `${model.trim()}, ${os.cpus().length} cores, ${os.type()} ${os.release()}`
      .slice(0, 68);
}

/** The number of open files that 5000 clients and their other ends take. */
const FILES = 12_000;

/** Raises the number of open files as far as it takes, or as is allowed. */
const RAISE = `
{
  [ "$(ulimit -n)" -ge ${FILES} ] || ulimit -S -n ${FILES} ||
    ulimit -S -n "$(ulimit -H -n)"
} 2>/dev/null
exec "$@"
`.trim();

/** No longer than that, in ms. */
const LIMIT = 30 * 60_000;

/** Has one runtime measure. */
async function measure(
  [name, path]: [RuntimeName, string],
  orders: Orders,
  measured: (row: Row) => void,
): Promise<Row[]> {
  const rows: Row[] = [];
  const heard = (line: string) => {
    const message: Message = JSON.parse(line);
    if ("progress" in message) return showProgress(message.progress);
    clearProgress();
    if ("note" in message) return console.error(message.note);
    rows.push(message.row);
    measured(message.row);
  };
  const shell = process.platform === "win32" ? [] : ["sh", "-c", RAISE, "sh"];
  const flags = name === "deno" ? ["run", "--quiet", "-A"] : [];
  const command = [...shell, path, ...flags, MEASURE, JSON.stringify(orders)];
  const { ended, written, signal } = start(command, { heard, group: false });
  const end = await within(LIMIT, ended);
  if (!end) signal("SIGKILL");
  if (end?.code === 0) return rows;
  const why = end ? `ended with ${end.code}` : "took too long";
  throw new Error(`Cannot measure: ${name} ${why}\n${written.stderr}`.trim());
}

if (import.meta.main) {
  guardOutput();
  await main(process.argv.slice(2));
}
