/**
 * One end of a run: a process of its own, and what it prints.
 *
 * @module
 */
import { commandOf } from "../matrix/pair.ts";
import { quoted } from "../report.ts";
import { ROOT } from "../support/experiments.ts";
import {
  type Ended,
  type Running,
  start,
  WINDOWS,
  within,
} from "../support/processes.ts";
import type { Runtime } from "../support/runtimes.ts";
import type { Order } from "./choices.ts";

export type End = "server" | "client";

/** Called with each line, which standard output has as JSON. */
export interface Listener {
  heard(end: EndProcess, output: "stdout" | "stderr", line: string): void;
  /** It prints a line without end. */
  endless(end: EndProcess): void;
}

export class EndProcess {
  readonly end: End;
  readonly runtime: Runtime;
  /** The command as a user types it. */
  readonly typed: string;
  readonly ended: Promise<Ended>;
  /** What its terminal shows. */
  readonly lines: string[] = [];
  /** It stands before a call. */
  held = false;
  /** When it has printed something, as `performance.now()`. */
  last = 0;
  readonly #running: Running;

  constructor(end: End, order: Order, port: number, listener: Listener) {
    const { choice: { experiment }, step } = order;
    this.end = end;
    this.runtime = order[end];
    this.typed = typedBy(order, end, port);
    // Windows has no Ctrl-C for it: the end of its standard input is one.
    const orders = WINDOWS && end === "server" && !step;
    const command = [
      ...commandOf(experiment, this.runtime, { orders }),
      ...wordsOf(order, end, port),
      ...TRACE,
      ...(step ? ["--step"] : []),
    ];
    const parts = { stdout: "", stderr: "" };
    const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
    const heardBytes = (output: keyof typeof parts, bytes: Uint8Array) => {
      this.last = performance.now();
      const text = decoders[output].decode(bytes, { stream: true });
      const lines = (parts[output] + text).split("\n");
      parts[output] = lines.pop()!;
      for (const line of lines) listener.heard(this, output, line);
      if (parts[output].length < LONGEST) return;
      parts[output] = "";
      listener.endless(this);
    };
    const running = start(command, {
      cwd: ROOT,
      heardBytes,
      orders: orders || step,
    });
    this.#running = running;
    this.ended = running.ended.then((ended) => {
      for (const output of ["stdout", "stderr"] as const) {
        if (parts[output]) listener.heard(this, output, parts[output]);
      }
      return ended;
    });
  }

  /** Lets the call go before which it stands; with `run` all that follow. */
  next(run: boolean): void {
    if (this.held || run) this.#running.tell(run ? "run" : "");
    this.held = false;
  }

  /** As Ctrl-C on its terminal; nobody holds it any more. */
  interrupt(): void {
    this.#running.tellEnd();
    this.#running.signal(WINDOWS ? "SIGTERM" : "SIGINT");
  }

  /** Ends it, and all that it has started. */
  async kill(): Promise<void> {
    this.#running.signal("SIGTERM");
    if (await within(GRACE, this.ended)) return;
    this.#running.signal("SIGKILL");
    if (await within(GRACE, this.ended)) return;
    this.#running.release();
  }
}

/** The command of an end, without its flags: `bun scripts/tcp_time.ts`. */
export function programOf({ choice: { source } }: Order, name: string): string {
  return source.commands.find((command) => command.startsWith(`${name} `))!;
}

/** The command of an end as a user types it. */
export function typedBy(order: Order, end: End, port: number): string {
  const words = wordsOf(order, end, port).map(quoted);
  return [programOf(order, order[end].name), ...words].join(" ");
}

function wordsOf({ flags }: Order, end: End, port: number): string[] {
  // A value that begins with a minus sign belongs to its flag.
  const own = flags.flatMap(([name, value]) =>
    value.startsWith("-") ? [`--${name}=${value}`] : [`--${name}`, value]
  );
  return [end, "--port", String(port), ...own];
}

const TRACE = ["--trace", "--json", "--bytes"];
/** The longest line of an end, in characters: a call with its data. */
const LONGEST = 2 ** 20;
/** How long an end may take to end, in ms. */
const GRACE = 500;
