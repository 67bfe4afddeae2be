/**
 * A line of the table, and what the project wants to reach.
 *
 * @module
 */
import type { Spread } from "./pairs.ts";

/** A runtime, as its table calls it. */
export type RuntimeName = "deno" | "bun" | "node";

/** What can be measured, by the name that `--only` takes. */
export const WORKS = {
  "round-trip": "64-byte round trips",
  "exchange": "exchanges, one at a time",
  "exchange-64": "exchanges, 64 at once",
  "bulk": "bulk",
  "udp": "UDP round trips",
  "memory": "memory of an idle connection",
  "start": "start to exit",
  "observe": "round trips, observed",
  "clients": "exchanges by clients",
} as const;
export type Work = keyof typeof WORKS;

/** The library against something else, on one runtime. */
export interface Row {
  runtime: RuntimeName;
  version: string;
  work: Work;
  /** Which point of the work, if it has several: the number of clients. */
  clients?: number;
  against: string;
  /** Medians over the rounds; which of both is above, `better` says. */
  ratio: number;
  low: number;
  high: number;
  rounds: number;
  /** What the ratio means: speed (more is better), or cost (less is). */
  better: "more" | "less";
  /** The median costs of both. */
  cost: number;
  otherCost: number;
  unit: "us" | "ms" | "KiB";
  /** What is to be reached, if there is such a thing. */
  limit?: number;
  reached?: boolean;
}

/** Fills in a row; the limit is what LIMITS says unless it is given. */
export function rowOf(
  row: Omit<Row, "ratio" | "low" | "high" | "reached">,
  { middle, low, high }: Spread,
): Row {
  const limit = row.limit ?? LIMITS[row.runtime][keyOf(row)];
  const reached = limit === undefined
    ? undefined
    : row.better === "more"
    ? middle >= limit
    : middle <= limit;
  return { ...row, ratio: middle, low, high, limit, reached };
}

function keyOf({ work, clients, against }: Partial<Row>): string {
  const point = clients === undefined ? "" : ` ${clients}`;
  return `${work}${point} / ${against}`;
}

/** Of the speed at least, of memory, time and growth at most. */
const LIMITS: Record<RuntimeName, Record<string, number>> = {
  deno: {
    "round-trip / raw": 0.92,
    "exchange / raw": 0.93,
    "exchange / CPython": 1,
    "exchange-64 / raw": 0.92,
    "bulk / raw": 0.75,
    "udp / raw": 0.90,
    "memory / raw": 1.25,
    "start / raw": 1.25,
    "start / empty": 1.6,
    "start / CPython": 2.8,
    "observe / unobserved": 0.85,
    "clients 1000 / 10 clients": 1.5,
  },
  bun: {
    "round-trip / raw": 0.91,
    "exchange / raw": 0.90,
    "exchange / CPython": 1,
    "exchange-64 / raw": 0.88,
    "bulk / raw": 0.88,
    "udp / raw": 0.90,
    // of memory it is raw and 2 KiB: see the worker
    "start / raw": 1.4,
    "start / empty": 2.7,
    "start / CPython": 3.5,
    "observe / unobserved": 0.85,
    "clients 1000 / 10 clients": 1.5,
  },
  node: {
    "round-trip / raw": 0.89,
    "exchange / raw": 0.88,
    "exchange-64 / raw": 0.87,
    "bulk / raw": 0.90,
    "udp / raw": 0.87,
    "memory / raw": 1.25,
    "start / raw": 1.7,
    "start / empty": 2.3,
    "observe / unobserved": 0.85,
    "clients 1000 / 10 clients": 1.5,
  },
};
