/**
 * The server that is besieged, in a process of its own: checks everything that
 * it prints, and tells what it uses.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { Running } from "../../scripts/tools/support/processes.ts";
import { start } from "../support/started.ts";
import { type Figures, figuresOf } from "../support/proc.ts";
import { FORGED, inTime } from "./attack.ts";

type Output = "stdout" | "stderr";

export class Victim {
  /** What it printed and should not have. */
  readonly faults: string[] = [];
  readonly #listening = Promise.withResolvers<string>();
  readonly #running: Running;
  readonly #read = {
    stdout: this.#reader("stdout"),
    stderr: this.#reader("stderr"),
  };

  readonly #patience: number;

  constructor(
    command: string[],
    { cwd, patience }: { cwd: string; patience: number },
  ) {
    this.#patience = patience;
    this.#running = start(command, {
      cwd,
      env: { ...FRUGAL, NODE_NO_WARNINGS: "0" },
      heardBytes: (output, bytes) => this.#read[output](bytes),
      group: false, // ends with the tests
    });
  }

  get pid(): number {
    return this.#running.pid!;
  }

  /** Resolves to what it listens on: a port, or an abstract name. */
  get listening(): Promise<string> {
    return this.#listening.promise;
  }

  figures(): Figures {
    const figures = figuresOf(this.pid);
    if (figures) return figures;
    throw new Error("has ended");
  }

  /** Its figures as soon as they are as wanted, or after a while. */
  async settled(
    wanted: (figures: Figures) => boolean,
    patience = this.#patience,
  ): Promise<Figures> {
    for (let waited = 0;; waited += 50) {
      const figures = this.figures();
      if (wanted(figures) || waited >= patience) return figures;
      await pause(50);
    }
  }

  /** Asks it to end; gives its exit code, or what ended it. */
  async stop(): Promise<number | string> {
    this.#running.signal("SIGTERM");
    const ended = await inTime(this.#running.ended);
    this.kill();
    if (!ended) return "still there";
    return ended.code ?? ended.signal ?? ended.error!;
  }

  kill(): void {
    this.#running.signal("SIGKILL");
  }

  /** Takes the output in pieces, and checks it line by line. */
  #reader(output: Output) {
    const decoder = new TextDecoder("utf-8", { fatal: true });
    let rest = "";
    return (bytes: Uint8Array) => {
      let text: string;
      try {
        text = decoder.decode(bytes, { stream: true });
      } catch {
        return this.#fault(`invalid UTF-8 on ${output}`, rest);
      }
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) this.#line(output, line);
    };
  }

  #line(output: Output, line: string): void {
    const fault = (what: string) => this.#fault(`${what} on ${output}`, line);
    if (line.length > LONGEST) fault("a long line");
    if (RAW.test(line)) fault("a raw control");
    if (STACK.test(line)) fault("a stack trace");
    if (line.startsWith(FORGED)) fault("a forged line");
    if (output === "stdout") return;
    const [, port, name] = line.match(LISTENING) ?? [];
    if (port || name) this.#listening.resolve(port ?? `\0${name}`);
    else if (!NOTE.test(line)) fault("something else");
  }

  /** Keeps the first fault of each kind. */
  #fault(kind: string, line: string): void {
    if (this.faults.some((fault) => fault.startsWith(kind))) return;
    this.faults.push(`${kind}: ${JSON.stringify(line.slice(0, 80))}`);
  }
}

/** V8 keeps garbage while there is room: with little room, growth is a leak. */
const HEAP = ["--max-old-space-size=32", "--max-semi-space-size=1"];
const FRUGAL = { NODE_OPTIONS: HEAP.join(" "), DENO_V8_FLAGS: HEAP.join(",") };

/** A line may show 1000 characters of a peer's, each as long as `\u{2028}`. */
const LONGEST = 10_000;

/** Drives a terminal, or turns the direction of writing. */
// deno-lint-ignore no-control-regex
const RAW = /[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/;
const STACK = /^\s+at .+:\d+|Uncaught|[Uu]nhandled|panic|Error: /;
const LISTENING = /^Listening on (?:[\d.]+:(\d+)|@(\S+)) /;
/** What else a server may print there: one line about one client. */
const NOTE =
  /^Cannot (send|receive|read|shut down)\b.*: |^Other machines can |^Not answered: /;
