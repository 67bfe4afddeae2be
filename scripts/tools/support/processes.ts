/**
 * Starts commands, each in a process group of its own, so that all that one
 * has started ends with it.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";

/**
 * Node keeps what it has made of TypeScript only where it is told to (Deno and
 * Bun do so by themselves), and each start costs it a third then. The folder is
 * the one that it chooses itself for a program that asks for a cache.
 */
export const CACHE = {
  NODE_COMPILE_CACHE: join(tmpdir(), "node-compile-cache"),
};

/** How a command ended. */
export interface Ended {
  /** null if a signal ended it, or it could not be started. */
  readonly code: number | null;
  readonly signal: string | null;
  /** Why it could not be started. */
  readonly error?: string;
}

/** A command that runs, or has run. */
export interface Running {
  /** undefined if it could not be started. */
  readonly pid: number | undefined;
  /** Resolves when nothing that it has started can write any more. */
  readonly ended: Promise<Ended>;
  /** What it has written so far; of each at most `MOST` characters. */
  readonly written: { stdout: string; stderr: string; both: string };
  /** Resolves to the match when standard error has it. */
  said(pattern: RegExp): Promise<RegExpMatchArray>;
  /** Says a line on its standard input, if that was asked for. */
  tell(line: string): void;
  /** Ends its standard input. */
  tellEnd(): void;
  /** Sends a signal to the whole group. */
  signal(name: NodeJS.Signals): void;
}

/** How to deal with a command. */
export interface Dealings {
  readonly cwd?: string;
  /** Is given each line of standard output, of which then nothing is kept. */
  readonly heard?: (line: string) => void;
  /** It has a standard input. */
  readonly orders?: boolean;
}

/** All is to end: nothing more is started. */
export class Stopped extends Error {}

/** Starts a command; a text is for the shell. Throws `Stopped`. */
export function start(
  command: string[] | string,
  { cwd, heard, orders = false }: Dealings = {},
): Running {
  checkStopped();
  const [file, args] = typeof command === "string"
    ? [command, []]
    : [command[0], command.slice(1)];
  const child = spawn(file, args, {
    cwd,
    shell: typeof command === "string",
    detached: true, // the leader of a group
    env: { ...CACHE, ...process.env, NO_COLOR: "1", NODE_NO_WARNINGS: "1" },
    stdio: [orders ? "pipe" : "ignore", "pipe", "pipe"],
  });
  child.stdin?.on("error", () => {}); // it has ended already
  const written = { stdout: "", stderr: "", both: "" };
  const watchers = new Set<() => void>();
  for (const name of ["stdout", "stderr"] as const) {
    const output = child[name]!.setEncoding("utf8");
    if (name === "stdout" && heard) {
      createInterface({ input: output }).on("line", heard);
      continue;
    }
    output.on("data", (text: string) => {
      for (const into of [name, "both"] as const) {
        written[into] += text.slice(0, MOST - written[into].length);
      }
      for (const watch of watchers) watch();
    });
  }
  const running: Running = {
    pid: child.pid,
    ended: endOf(child),
    written,
    said: (pattern) =>
      new Promise((resolve) => {
        const watch = () => {
          const match = written.stderr.match(pattern);
          if (!match) return;
          watchers.delete(watch);
          resolve(match);
        };
        watchers.add(watch);
        watch();
      }),
    tell: (line) => void child.stdin?.write(`${line}\n`),
    tellEnd: () => void child.stdin?.end(),
    signal(name) {
      // The system may have given the id of an ended one to another.
      if (alive.has(running)) signalGroup(child, name);
    },
  };
  alive.add(running);
  running.ended.then(() => {
    running.signal("SIGKILL"); // what has closed its output, but stays
    alive.delete(running);
  });
  return running;
}

/** Throws `Stopped` after `endAll`. */
export function checkStopped(): void {
  if (stopped) throw new Stopped();
}

/** Ends whatever still runs: asks first, and after a second asks no more. */
export async function endAll(): Promise<void> {
  stopped = true;
  const all = [...alive];
  for (const running of all) running.signal("SIGTERM");
  const ended = Promise.all(all.map(({ ended }) => ended));
  if (await within(1000, ended)) return;
  for (const running of all) running.signal("SIGKILL");
  await within(1000, ended);
}

/** Ends all at Ctrl-C and the like; gives what then is the exit code. */
export function endAllAtSignals(): () => number {
  let code = 0;
  for (const [signal, itsCode] of SIGNALS) {
    process.on(signal, () => {
      code = itsCode;
      endAll(); // and that ends the rest of this
    });
  }
  return () => code;
}

/** What ends a tool, and the exit code that says so. */
const SIGNALS = [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const;

/** What the promise gives, or undefined if that takes longer than `ms`. */
export async function within<T>(
  ms: number,
  promise: Promise<T>,
): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms, undefined);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

const alive = new Set<Running>();
let stopped = false;

/** More output than anybody reads; a command may write without end. */
export const MOST = 65_536;

function endOf(child: ChildProcess): Promise<Ended> {
  return new Promise((resolve) => {
    child.on("error", ({ message }) => {
      resolve({ code: null, signal: null, error: message });
    });
    child.on("close", (code, signal) => resolve({ code, signal }));
  });
}

function signalGroup({ pid }: ChildProcess, name: NodeJS.Signals): void {
  if (pid === undefined) return; // never started
  try {
    process.kill(-pid, name);
  } catch {
    // all of the group have ended
  }
}
