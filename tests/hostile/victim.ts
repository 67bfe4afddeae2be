/**
 * The server that is besieged: a process of its own, of which is seen what it
 * prints, how many descriptors it has and how much memory it takes.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { CACHE } from "../../scripts/tools/support/processes.ts";
import { FORGED } from "./garbage.ts";
import { PATIENCE, pause, within } from "./waits.ts";

/** The memory that a process takes, in KiB. */
export interface Memory {
  resident: number;
  /** The most that it was since `forgetPeak()`. */
  peak: number;
}

/** All that it takes. */
export interface Figures extends Memory {
  descriptors: number;
}

export class Victim {
  /** What it printed and should not have. */
  readonly faults: string[] = [];
  readonly #listening = Promise.withResolvers<string>();
  readonly #process: ChildProcess;
  readonly #ended: Promise<number | string>;

  constructor([file, ...args]: string[], cwd: string) {
    this.#process = spawn(file, args, {
      cwd,
      env: { ...CACHE, ...process.env, NO_COLOR: "1", ...FRUGAL },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#watch("stdout");
    this.#watch("stderr");
    this.#ended = new Promise((resolve) => {
      this.#process.on("error", ({ message }) => resolve(message));
      this.#process.on("close", (code, signal) => resolve(code ?? signal!));
    });
  }

  /** Resolves to what it listens on: a port, or an abstract name. */
  get listening(): Promise<string> {
    return this.#listening.promise;
  }

  memory(): Memory {
    const status = readFileSync(`/proc/${this.#process.pid}/status`, "utf8");
    const of = (field: string) =>
      Number(status.match(new RegExp(`^${field}:\\s*(\\d+) kB`, "m"))?.[1]);
    return { resident: of("VmRSS"), peak: of("VmHWM") };
  }

  figures(): Figures {
    const descriptors = readdirSync(`/proc/${this.#process.pid}/fd`).length;
    return { descriptors, ...this.memory() };
  }

  /** Makes the peak what is resident now: proc_pid_clear_refs(5). */
  forgetPeak(): void {
    writeFileSync(`/proc/${this.#process.pid}/clear_refs`, "5");
  }

  /** Its figures when they are as wanted, or when they did not become so. */
  async settled(
    wanted: (figures: Figures) => boolean,
    patience = PATIENCE,
  ): Promise<Figures> {
    for (let waited = 0;; waited += 50) {
      const figures = this.figures();
      if (wanted(figures) || waited >= patience) return figures;
      await pause(50);
    }
  }

  /** Asks it to end; gives its exit code, or what ended it. */
  async stop(): Promise<number | string> {
    this.#process.kill("SIGTERM");
    const code = await within(this.#ended);
    this.kill();
    return code ?? "still there";
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }

  /** Reads what it prints, line by line, and keeps only what is wrong. */
  #watch(output: "stdout" | "stderr"): void {
    const decoder = new TextDecoder("utf-8", { fatal: true });
    let rest = "";
    this.#process[output]!.on("data", (chunk: Uint8Array) => {
      let text: string;
      try {
        text = decoder.decode(chunk, { stream: true });
      } catch {
        return this.#fault(`invalid UTF-8 on ${output}`);
      }
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) this.#line(output, line);
    });
  }

  #line(output: "stdout" | "stderr", line: string): void {
    const fault = (what: string) =>
      this.#fault(`${what} on ${output}: ${JSON.stringify(line.slice(0, 80))}`);
    if (line.length > LONGEST) fault("a long line");
    if (RAW.test(line)) fault("a raw control");
    if (STACK.test(line)) fault("a stack trace");
    if (line.startsWith(FORGED)) fault("a forged line");
    if (output === "stdout") return;
    const [, port, name] = line.match(LISTENING) ?? [];
    if (port || name) this.#listening.resolve(port ?? `\0${name}`);
    else if (!NOTE.test(line)) fault("something else");
  }

  #fault(fault: string): void {
    if (this.faults.length < 10) this.faults.push(fault);
  }
}

/**
 * V8 would let garbage lie as long as there is room: with little of it, what a
 * process has is what it needs.
 */
const HEAP = ["--max-old-space-size=32", "--max-semi-space-size=1"];
const FRUGAL = { NODE_OPTIONS: HEAP.join(" "), DENO_V8_FLAGS: HEAP.join(",") };

/** A line may hold 1000 characters of a peer's, each escaped as `\u{2028}`. */
const LONGEST = 10_000;

/** What drives a terminal, or turns the direction of writing. */
// deno-lint-ignore no-control-regex
const RAW = /[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/;
const STACK = /^\s+at .+:\d+|Uncaught|[Uu]nhandled|panic|Error: /;
const LISTENING = /^Listening on (?:[\d.]+:(\d+)|@(\S+)) /;
/** All else that a server may say there: one line about one client. */
const NOTE =
  /^Cannot (send|receive|read|shut down)\b.*: |^Other machines can |^Not answered: /;
