/**
 * The two ends of a run, each a process of its own.
 *
 * @module
 */
import { commandOf } from "../matrix/pair.ts";
import { ROOT } from "../support/experiments.ts";
import { commandFor } from "../support/header.ts";
import { type Running, start, WINDOWS } from "../support/processes.ts";
import type { Runtime } from "../support/runtimes.ts";
import { quoted } from "../support/tool.ts";
import type { Order } from "./choices.ts";

export type End = "server" | "client";

/** An end, as far as it has run. */
export interface EndProcess extends Running {
  readonly end: End;
  readonly runtime: Runtime;
  /** The command as a user types it. */
  readonly typed: string;
  /** What its terminal shows. */
  readonly lines: string[];
  /** Whether it stands before a call, or was told to make it. */
  state: "held" | "told" | "free";
  /** The calls that it has begun and not ended: their names and descriptors. */
  readonly waits: Set<string>;
  /** When it has printed something, as `performance.now()` tells it. */
  last: number;
}

/** Starts an end; all that it prints is given to `heard`. */
export function startEnd(
  end: End,
  order: Order,
  port: number,
  heard: (output: "stdout" | "stderr", line: string) => void,
): EndProcess {
  const { experiment, step } = order;
  const runtime = order[end];
  // Windows has no Ctrl-C for it: the end of its standard input is one.
  const orders = WINDOWS && end === "server" && !step;
  const command = commandOf(experiment, runtime, { orders }).concat(
    wordsOf(order, end, port),
    ["--trace", "--json", "--bytes"],
    step ? ["--step"] : [],
  );
  const options = { cwd: ROOT, most: LONGEST, orders: orders || step };
  const typed = typedBy(order, end, port);
  const running = start(command, { ...options, heardLine: heard });
  const about = { end, runtime, typed, lines: [], last: 0 };
  return { ...running, ...about, state: "free", waits: new Set() };
}

/** The command of an end as a user types it. */
export function typedBy(order: Order, end: End, port: number): string {
  const words = wordsOf(order, end, port).map(quoted);
  const program = commandFor(order.experiment.header, order[end].name);
  return [program, ...words].join(" ");
}

function wordsOf({ flags }: Order, end: End, port: number): string[] {
  // A value that begins with a minus sign belongs to its flag.
  const own = flags.flatMap(([name, value]) =>
    value.startsWith("-") ? [`--${name}=${value}`] : [`--${name}`, value]
  );
  return [end, "--port", String(port), ...own];
}

/** The longest line of an end, in characters: a call with its data. */
const LONGEST = 2 ** 20;
