/**
 * Measures on the runtime that executes it, which bench.ts starts; writes each
 * result, and how far it is, as one JSON object a line.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { observe } from "../../lib/mod.ts";
import {
  type Running,
  start as startProcess,
} from "../../scripts/tools/support/processes.ts";
import { idleMemory, said } from "./idle_memory.ts";
import { interleaved, type Measure, ratios, spread, timed } from "./pairs.ts";
import { type Row, rowOf, type Work, WORKS } from "./results.ts";
import { load, runtime, type Workloads } from "./workloads.ts";

/** What bench.ts asks for. */
export interface Orders {
  works: Work[];
  pairs: number;
  short: boolean;
  /** The path of python3, if there is one. */
  python: string | undefined;
}

/** What it is told. */
export type Message = { row: Row } | { progress: string } | { note: string };

const { deno, bun, node } = process.versions;
const version = deno ? `Deno ${deno}` : bun ? `Bun ${bun}` : `Node ${node}`;
const [library, raw] = [await load("library"), await load("raw")];

const orders: Orders = JSON.parse(process.argv[2]);
const { pairs, short } = orders;
/** Few rounds, where one measure takes long. */
const fewPairs = Math.max(1, Math.ceil(pairs / 3));

function tell(message: Message): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** The costs of the measures, by round. */
function costsOf(
  work: Work,
  measures: Measure[],
  { rounds = pairs, warmUp = short ? 1 : 2 } = {},
): Promise<number[][]> {
  const tick = (round: number) =>
    tell({ progress: `${version}: ${WORKS[work]} ${round}/${rounds}` });
  return interleaved(rounds, measures, { warmUp, tick });
}

function report(
  row: Pick<Row, "work" | "against" | "better" | "unit"> & Partial<Row>,
  [costs, others]: number[][],
  perUnit = 1,
): void {
  const compared = row.better === "more"
    ? ratios(others, costs)
    : ratios(costs, others);
  const each = (all: number[]) => spread(all).middle * perUnit;
  const rest = { cost: each(costs), otherCost: each(others) };
  const rounds = costs.length;
  tell({ row: rowOf({ runtime, version, rounds, ...rest, ...row }, compared) });
}

// --- one connection, or one exchange after the other ---

type Repeated =
  | "round-trip"
  | "exchange"
  | "exchange-64"
  | "bulk"
  | "bulk-into"
  | "udp";

/** How often takes about 50 ms (of bulk it is bytes), and the work. */
const REPEATED: Record<
  Repeated,
  [often: number, (workloads: Workloads, count: number) => Promise<void>]
> = {
  "round-trip": [4096, (own, count) => own.roundTrips(count)],
  "exchange": [768, (own, rounds) => own.exchanges({ rounds })],
  "exchange-64": [1024, (own, rounds) => own.exchanges({ rounds, lanes: 64 })],
  "bulk": [64 << 20, (own, size) => own.bulk(size)],
  "bulk-into": [64 << 20, (own, size) => own.bulk(size, true)],
  "udp": [2048, (own, count) => own.datagrams(count)],
};

/** How many answers Python was asked for. */
let asked = 0;

async function repeated(work: Repeated, python: Running | undefined) {
  const [often, act] = REPEATED[work];
  const count = short ? often / 8 : often;
  const measures = [library, raw].map((own): Measure => () =>
    timed(() => act(own, count))
  );
  if (python && work !== "bulk-into") {
    measures.push(async () => {
      const id = ++asked;
      python.tell(`${id} ${work} ${count}`);
      return Number(await said(python, new RegExp(`^${id} (\\S+)\n`, "m")));
    });
  }
  const [own, others, theirs] = await costsOf(work, measures);
  // Of bulk it is the cost of 1 MiB.
  const perUnit = 1000 / (work.startsWith("bulk") ? count >> 20 : count);
  const row = { work, better: "more", unit: "us" } as const;
  report({ ...row, against: "raw" }, [own, others], perUnit);
  if (theirs) report({ ...row, against: "CPython" }, [own, theirs], perUnit);
}

/** With a listener to `observe`, against none. */
async function observed() {
  const count = REPEATED["round-trip"][0] / (short ? 8 : 2);
  const roundTrips = () => library.roundTrips(count);
  const costs = await costsOf("observe", [
    () =>
      timed(async () => {
        const stop = await observe(() => {});
        await roundTrips();
        stop();
      }),
    () => timed(roundTrips),
  ]);
  const row = { against: "unobserved", better: "more", unit: "us" } as const;
  report({ work: "observe", ...row }, costs, 1000 / count);
}

// --- many clients ---

const CLIENTS = [1, 10, 100, 1000, 5000];

/** So many exchanges at least, in as many rounds as that takes. */
const EXCHANGES = 1000;

async function clients() {
  const points = (short ? CLIENTS.slice(0, 3) : CLIENTS).filter(filesSuffice);
  const least = short ? 100 : EXCHANGES;
  const measures = points.flatMap((crowd) =>
    [library, raw].map((own): Measure => {
      const rounds = Math.ceil(least / crowd);
      const work = () => own.exchanges({ rounds, crowd });
      // of one exchange, so that the points can be compared
      return async () => await timed(work) * 1000 / rounds / crowd;
    })
  );
  const costs = await costsOf("clients", measures, { rounds: fewPairs });
  const costsAt = (clients: number) => costs[2 * points.indexOf(clients)];
  for (const [i, clients] of points.entries()) {
    const row = { work: "clients", unit: "us", clients } as const;
    const [own, others] = [costs[2 * i], costs[2 * i + 1]];
    report({ ...row, better: "more", against: "raw" }, [own, others]);
    if (clients <= 10 || !points.includes(10)) continue;
    const growth = { ...row, better: "less", against: "10 clients" } as const;
    report(growth, [own, costsAt(10)]);
  }
}

/** Whether so many clients may be open at once, with their other ends. */
function filesSuffice(clients: number): boolean {
  const needed = 2 * clients + 100;
  const most = openFiles();
  if (most >= needed) return true;
  const note = `${clients} clients are left out: they take ${needed} open ` +
    `files, and ulimit -n is ${most}`;
  tell({ note });
  return false;
}

/** How many files a process may have open. */
function openFiles(): number {
  const { stdout } = spawnSync("sh", ["-c", "ulimit -n"], { encoding: "utf8" });
  return Number(stdout?.trim()) || Infinity; // `unlimited`, or there is no sh
}

// --- processes of their own ---

async function memory() {
  const connections = Math.min(short ? 500 : 5000, openFiles() - 200);
  const measures = ["library", "raw"].map((kind) => () =>
    idleMemory(kind, connections)
  );
  const how = { rounds: fewPairs, warmUp: 0 };
  const costs = (await costsOf("memory", measures, how))
    .map((all) => all.map((bytes) => bytes / 1024));
  // For Bun it is 2 KiB more than raw.
  const limit = runtime === "bun" ? 1 + 2 / spread(costs[1]).middle : undefined;
  const row = { against: "raw", better: "less", unit: "KiB" } as const;
  report({ work: "memory", ...row, limit }, costs);
}

const ROOT = fileURLToPath(new URL("../..", import.meta.url).href);

/** An experiment, the same raw in one file, an empty file, and in Python. */
async function start(python: string | undefined) {
  const measures = [
    "scripts/tcp_time.ts",
    `tests/bench/start/${runtime}.ts`,
    "tests/bench/start/empty.ts",
  ].map((file): Measure => () => timed(() => runFile(file)));
  if (python) measures.push(() => timed(() => runPython(python)));
  const warmUp = short ? 0 : 1;
  const [own, ...others] = await costsOf("start", measures, { warmUp });
  const row = { work: "start", unit: "ms" } as const;
  const [raw, empty, theirs] = others.map((other) => [own, other]);
  report({ ...row, better: "less", against: "raw" }, raw);
  report({ ...row, better: "less", against: "empty" }, empty);
  if (theirs) report({ ...row, better: "more", against: "CPython" }, theirs);
}

async function runFile(file: string): Promise<void> {
  const flags = runtime === "deno" ? ["run", "--allow-net"] : [];
  // Nothing of this process takes part in what is timed.
  const { status } = spawnSync(process.execPath, [...flags, file], {
    cwd: ROOT,
    stdio: "ignore",
  });
  if (status !== 0) throw new Error(`${file} has ended with ${status}`);
}

/** Python's server, then its client, which needs the server's port. */
async function runPython(python: string): Promise<void> {
  const peers = [python, "tests/peers/peers.py", "tcp_time"];
  const options = { cwd: ROOT, group: false };
  const server = startProcess([...peers, "server"], options);
  const [port] = await server.said(/^\d+(?=\n)/);
  const client = startProcess([...peers, "client", port], options);
  for (const { ended } of [server, client]) {
    if ((await ended).code !== 0) throw new Error("peers.py has failed");
  }
}

// --- all of it ---

const script = fileURLToPath(new URL("python.py", import.meta.url).href);
const python = orders.python === undefined
  ? undefined
  : startProcess([orders.python, script], {
    orders: true,
    group: false,
    most: Infinity,
  });
for (const work of orders.works) {
  if (work === "memory") await memory();
  else if (work === "start") await start(orders.python);
  else if (work === "observe") await observed();
  else if (work === "clients") await clients();
  else await repeated(work, python);
}
python?.tellEnd();
