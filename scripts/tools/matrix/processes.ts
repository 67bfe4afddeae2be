/**
 * Starts commands, each in a process group of its own, so that all that one
 * has started ends with it.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";

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
  /** Resolves when nothing that it has started can write any more. */
  readonly ended: Promise<Ended>;
  /** What it has written so far; of each at most `MOST` characters. */
  readonly written: { stdout: string; stderr: string; both: string };
  /** Resolves to the match when standard error has it. */
  said(pattern: RegExp): Promise<RegExpMatchArray>;
  /** Sends a signal to the whole group. */
  signal(name: NodeJS.Signals): void;
}

/** All is to end: nothing more is started. */
export class Stopped extends Error {}

/** Starts a command; a text is for the shell. Throws `Stopped`. */
export function start(command: string[] | string, cwd?: string): Running {
  checkStopped();
  const [file, args] = typeof command === "string"
    ? [command, []]
    : [command[0], command.slice(1)];
  const child = spawn(file, args, {
    cwd,
    shell: typeof command === "string",
    detached: true, // the leader of a group
    env: { ...process.env, NO_COLOR: "1", NODE_NO_WARNINGS: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const written = { stdout: "", stderr: "", both: "" };
  const watchers = new Set<() => void>();
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      for (const into of [name, "both"] as const) {
        written[into] += text.slice(0, MOST - written[into].length);
      }
      for (const watch of watchers) watch();
    });
  }
  const running: Running = {
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
