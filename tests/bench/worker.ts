/**
 * Measures on the runtime that executes it, which bench.ts starts; tells each
 * result, and how far it is, as one JSON object a line.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { observe } from "../../lib/mod.ts";
import { works as library } from "./library.ts";
import { idleMemory } from "./memory.ts";
import { interleaved, type Measure, ratios, spread, timed } from "./pairs.ts";
import { type Python, startPython } from "./python.ts";
import { type Row, rowOf, type RuntimeName, type Work, WORKS } from "./row.ts";
import { startTimes } from "./start.ts";
import type { Works } from "./works.ts";

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

const [runtime, version]: [RuntimeName, string] = "Deno" in globalThis
  ? ["deno", `Deno ${Deno.version.deno}`]
  : "Bun" in globalThis
  ? ["bun", `Bun ${Bun.version}`]
  : ["node", `Node ${process.versions.node}`];
const { works: raw }: { works: Works } = runtime === "deno"
  ? await import("./raw_deno.ts")
  : runtime === "bun"
  ? await import("./raw_bun.ts")
  : await import("./raw_node.ts");

const orders: Orders = JSON.parse(process.argv[2]);
const { pairs, short } = orders;
/** Few, where one measure takes long. */
const fewPairs = Math.max(1, Math.ceil(pairs / 3));

function tell(message: Message): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

function told(work: Work, rounds: number) {
  return {
    warmUp: short ? 1 : 2,
    tick: (round: number) =>
      tell({ progress: `${version}: ${WORKS[work]} ${round}/${rounds}` }),
  };
}

function report(
  row: Pick<Row, "work" | "against" | "better" | "unit"> & Partial<Row>,
  [costs, others]: [number[], number[]],
  perUnit = 1,
): void {
  const { better } = row;
  const compared = better === "more"
    ? ratios(others, costs)
    : ratios(costs, others);
  const each = (all: number[]) => spread(all).middle * perUnit;
  const rest = { cost: each(costs), otherCost: each(others) };
  const rounds = costs.length;
  tell({ row: rowOf({ runtime, version, rounds, ...rest, ...row }, compared) });
}

// --- the work on one connection, or one exchange after the other ---

type Repeated = "round-trip" | "exchange" | "exchange-64" | "bulk" | "udp";

/** How often: about 50 ms. Of bulk it is bytes. */
const COUNTS: Record<Repeated, number> = {
  "round-trip": 4096,
  "exchange": 768,
  "exchange-64": 1024,
  "bulk": 64 << 20,
  "udp": 2048,
};

const DO: Record<Repeated, (works: Works, count: number) => Promise<void>> = {
  "round-trip": (works, count) => works.roundTrips(count),
  "exchange": (works, count) => works.exchanges(count, 1),
  "exchange-64": (works, count) => works.exchanges(count, 64),
  "bulk": (works, count) => works.bulk(count),
  "udp": (works, count) => works.datagrams(count),
};

async function repeated(work: Repeated, python: Python | undefined) {
  const count = short ? COUNTS[work] / 8 : COUNTS[work];
  const measures: Measure[] = [
    () => timed(() => DO[work](library, count)),
    () => timed(() => DO[work](raw, count)),
  ];
  if (python) measures.push(() => python.time(work, count));
  const [own, others, theirs] = await interleaved(
    pairs,
    measures,
    told(work, pairs),
  );
  // Of bulk it is the cost of 1 MiB.
  const perUnit = 1000 / (work === "bulk" ? count >> 20 : count);
  const row = { work, better: "more", unit: "us" } as const;
  report({ ...row, against: "raw" }, [own, others], perUnit);
  if (theirs) report({ ...row, against: "CPython" }, [own, theirs], perUnit);
}

/** One listener to `observe` against none. */
async function observed() {
  const count = COUNTS["round-trip"] / (short ? 8 : 2);
  const watched = async () => {
    const stop = await observe(() => {});
    await library.roundTrips(count);
    stop();
  };
  const [own, others] = await interleaved(pairs, [
    () => timed(watched),
    () => timed(() => library.roundTrips(count)),
  ], told("observe", pairs));
  const against = "unobserved";
  report(
    { work: "observe", against, better: "more", unit: "us" },
    [own, others],
    1000 / count,
  );
}

// --- many clients ---

const CLIENTS = [1, 10, 100, 1000, 5000];

/** So many exchanges at least, in as many crowds as that takes. */
const EXCHANGES = 1000;

async function clients() {
  const points = (short ? CLIENTS.slice(0, 3) : CLIENTS).filter(filesSuffice);
  const least = short ? 100 : EXCHANGES;
  const measures = points.flatMap((clients) =>
    [library, raw].map((works): Measure => {
      const crowds = Math.ceil(least / clients);
      const work = () => works.crowds(clients, crowds);
      // of one exchange, so that the points can be compared
      return async () => await timed(work) * 1000 / crowds / clients;
    })
  );
  const costs = await interleaved(
    fewPairs,
    measures,
    told("clients", fewPairs),
  );
  const row = { work: "clients", unit: "us" } as const;
  for (const [i, clients] of points.entries()) {
    const own = costs[2 * i];
    const against = {
      ...row,
      clients,
      better: "more",
      against: "raw",
    } as const;
    report(against, [own, costs[2 * i + 1]]);
    if (clients <= 10 || !points.includes(10)) continue;
    report(
      { ...row, clients, better: "less", against: "10 clients" },
      [own, costs[2 * points.indexOf(10)]],
    );
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
  const most = short ? 500 : 5000;
  const connections = Math.min(most, openFiles() - 200);
  const measures = ["library", "raw"].map((kind) => () =>
    idleMemory(kind, connections)
  );
  const costs = await interleaved(fewPairs, measures, {
    ...told("memory", fewPairs),
    warmUp: 0,
  });
  const [own, others] = costs.map((all) => all.map((bytes) => bytes / 1024));
  const limit = runtime === "bun"
    ? 1 + 2 / spread(others).middle // KiB
    : undefined;
  report(
    { work: "memory", against: "raw", better: "less", unit: "KiB", limit },
    [own, others],
  );
}

async function start() {
  const measures = startTimes(runtime, orders.python);
  const [own, raw, empty, python] = await interleaved(
    pairs,
    measures,
    { ...told("start", pairs), warmUp: short ? 0 : 1 },
  );
  const row = { work: "start", better: "less", unit: "ms" } as const;
  report({ ...row, against: "raw" }, [own, raw]);
  report({ ...row, against: "empty" }, [own, empty]);
  if (!python) return;
  report({ ...row, better: "more", against: "CPython" }, [own, python]);
}

// --- all of it ---

const python = orders.python ? startPython(orders.python) : undefined;
for (const work of orders.works) {
  if (work === "memory") await memory();
  else if (work === "start") await start();
  else if (work === "observe") await observed();
  else if (work === "clients") await clients();
  else await repeated(work, python);
}
python?.end();
