/**
 * What the library costs: the same work on its sockets and written raw on the
 * runtime's own, in interleaved pairs in one run, as medians of the ratios.
 *
 *     deno run -A scripts/tools/bench.ts [FLAGS]
 *     bun scripts/tools/bench.ts [FLAGS]
 *     node scripts/tools/bench.ts [FLAGS]
 *
 * Whichever runs it, each runtime that is found measures in a process of its
 * own. Raw is what one would write by hand for speed: callbacks on Bun and
 * Node, where the library gives promises.
 */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import os from "node:os";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { plot } from "./plot.ts";
import type { Row, RuntimeName, Work } from "./row.ts";
import { WORKS } from "./row.ts";
import { markdown, table } from "./table.ts";
import type { Message, Orders } from "./worker.ts";
import { listOf, readFlags, UsageError } from "../../lib/experiment/flags.ts";
import { find, type Name } from "../../scripts/tools/support/runtimes.ts";
import {
  clearProgress,
  showProgress,
} from "../../scripts/tools/support/progress_line.ts";

const WORKER = fileURLToPath(new URL("worker.ts", import.meta.url).href);
const RUNTIMES: RuntimeName[] = ["deno", "bun", "node"];

const HELP = `bench.ts [FLAGS]

Measures the library against the same work on the runtime's own
sockets, and against CPython's where python3 is on the PATH.

  --runtimes LIST   of deno,bun,node; else those that are found
  --only LIST       of ${Object.keys(WORKS).slice(0, 5).join(",")},
                    ${Object.keys(WORKS).slice(5).join(",")}
  --pairs N         how many pairs (15; of what takes long a third)
  --short           a few seconds a runtime, for a look or a test
  --json            one JSON object a line and ratio
  --markdown        one table of all runtimes
  --plot FILE.svg   draws the exchanges by the number of clients

The ratio is speed: more is better, 1 is as fast as raw. With <= it
is cost: less is better. The limits are what the project wants to
reach; to be below one is no failure.`;

/** What the command line asks for. */
interface Settings {
  runtimes: RuntimeName[];
  orders: Orders;
  output: "table" | "json" | "markdown";
  /** The file to draw into. */
  picture: string | undefined;
}

async function main(args: string[]): Promise<void> {
  process.stdout.on("error", () => {}); // a reader that has left, as in | head
  if (args.includes("--help")) return console.log(HELP);
  try {
    await bench(settingsOf(args));
  } catch (error) {
    clearProgress();
    console.error((error as Error).message);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}

async function bench(settings: Settings): Promise<void> {
  const { runtimes, orders, output, picture } = settings;
  const rows: Row[] = [];
  orders.python = await found("python3");
  for (const name of runtimes) {
    const path = await found(name);
    if (!path) continue;
    const own = await measure(name, path, orders, (row) => {
      if (output === "json") console.log(JSON.stringify(row));
    });
    rows.push(...own);
    clearProgress();
    if (output === "table") console.log(`${table(own)}\n`);
  }
  if (rows.length === 0) throw new Error("No runtime has measured anything");
  if (output === "markdown") console.log(`${markdown(rows)}\n`);
  if (output !== "json") console.log(machine(rows, orders));
  if (picture) writeFileSync(picture, plot(rows));
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

// --- the runtimes ---

/** The number of open files that 5000 clients and their other ends take. */
const FILES = 12_000;

/** No longer than that, in ms. */
const LIMIT = 30 * 60_000;

/** Has one runtime measure. */
async function measure(
  name: RuntimeName,
  path: string,
  orders: Orders,
  measured: (row: Row) => void,
): Promise<Row[]> {
  const flags = name === "deno" ? ["run", "--quiet", "-A"] : [];
  const command = [path, ...flags, WORKER, JSON.stringify(orders)];
  const [program, ...args] = process.platform === "win32"
    ? command
    : ["sh", "-c", RAISED, "sh", ...command];
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  const timer = setTimeout(() => child.kill(), LIMIT);
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  const rows: Row[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const message: Message = JSON.parse(line);
    if ("row" in message) {
      rows.push(message.row);
      measured(message.row);
    } else if ("progress" in message) showProgress(message.progress);
    else {
      clearProgress();
      console.error(message.note);
    }
  }
  const code = await ended;
  clearTimeout(timer);
  if (code !== 0) throw new Error(`Cannot measure: ${name} ended with ${code}`);
  return rows;
}

/** Raises the number of open files as far as it takes, or as is allowed. */
const RAISED = `
{
  [ "$(ulimit -n)" -ge ${FILES} ] || ulimit -S -n ${FILES} ||
    ulimit -S -n "$(ulimit -H -n)"
} 2>/dev/null
exec "$@"
`.trim();

// --- the command line ---

function settingsOf(args: string[]): Settings {
  const { values } = readFlags(args, {
    runtimes: { type: "string" },
    only: { type: "string" },
    pairs: { type: "string" },
    short: { type: "boolean" },
    json: { type: "boolean" },
    markdown: { type: "boolean" },
    plot: { type: "string" },
  });
  const works = listOf("only", values.only, Object.keys(WORKS) as Work[]);
  const pairs = Number(values.pairs ?? (values.short ? 3 : 15));
  if (!/^[1-9]\d{0,3}$/.test(values.pairs ?? "1")) {
    throw new UsageError("--pairs takes a number from 1 to 9999");
  }
  if (values.plot !== undefined && !works.includes("clients")) {
    throw new UsageError("--plot draws the work clients: add it to --only");
  }
  if (values.json && values.markdown) {
    throw new UsageError("--json and --markdown exclude each other");
  }
  return {
    runtimes: listOf("runtimes", values.runtimes, RUNTIMES),
    orders: { works, pairs, short: values.short ?? false, python: undefined },
    output: values.json ? "json" : values.markdown ? "markdown" : "table",
    picture: values.plot,
  };
}

if (import.meta.main) await main(process.argv.slice(2));
