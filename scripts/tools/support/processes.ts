/**
 * Starts and stops commands: each can be a process group of its own, and what has
 * left it is found by a mark, so that nothing that was started stays behind.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { lstatSync, mkdirSync, mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as later } from "node:timers";

/** It has neither signals nor process groups. */
export const WINDOWS = process.platform === "win32";

/**
 * Lets Node cache compiled TypeScript, as Deno and Bun do by themselves, which
 * makes each start faster: in a folder that nobody else can write, or not at all.
 */
const CACHE = cacheIn(tmpdir());

/** The setting of Node for a folder of the user's within this one. */
export function cacheIn(folder: string): { NODE_COMPILE_CACHE?: string } {
  const user = (process.env.USER ?? "").replace(/\W/g, "");
  const cache = join(folder, `socket-lab-cache-${user}`);
  try {
    mkdirSync(cache, { mode: 0o700, recursive: true });
    const found = lstatSync(cache); // a symbolic link is not followed
    const closed = WINDOWS || (found.mode & 0o77) === 0;
    if (!closed || !found.isDirectory()) return {};
    const probe = mkdtempSync(join(cache, "probe-"));
    const { uid } = lstatSync(probe); // Deno tells its own only if it may
    rmdirSync(probe);
    return uid === found.uid ? { NODE_COMPILE_CACHE: cache } : {};
  } catch {
    return {};
  }
}

/** In the environment of all that is started, whoever has started this. */
const MARK = "SOCKET_LAB_STARTED_BY";
const mark = `${process.env[MARK] ?? ""}/${process.pid}-${Date.now()}`;

/** How a command ended. */
export interface Ended {
  /** null if a signal ended it, or it could not be started. */
  readonly code: number | null;
  readonly signal: string | null;
  /** Why it could not be started. */
  readonly error?: string;
}

type Output = "stdout" | "stderr";

/** A command that runs, or has run. */
export interface Running {
  /** undefined if it could not be started. */
  readonly pid: number | undefined;
  /** Resolves when it has ended and nobody can write to its output any more. */
  readonly ended: Promise<Ended>;
  /** The output so far; of each stream at most `most` characters. */
  readonly written: Record<Output | "both", string>;
  /** Resolves to the match when either output contains the pattern. */
  said(pattern: RegExp): Promise<RegExpMatchArray>;
  /** Writes a line to its standard input; needs `orders`. */
  tell(line: string): void;
  /** Ends its standard input. */
  tellEnd(): void;
  /**
   * Sends a signal to the command, and to all that it has started. On Windows
   * SIGTERM ends its standard input, if it has `orders`; all else ends it.
   */
  signal(name: NodeJS.Signals): void;
  /** Lets its output go, whoever still holds it. */
  release(): void;
}

/** How to start a command. */
export interface Dealings {
  readonly cwd?: string;
  /** Added to the environment. */
  readonly env?: Record<string, string>;
  /** Called with each line of standard output, which then is not kept. */
  readonly heard?: (line: string) => void;
  /**
   * Called with each line of either output, which then is not kept; of a line that
   * is longer than `most`, with each piece.
   */
  readonly heardLine?: (output: Output, line: string) => void;
  /** Called with all output as it comes, which then is not kept. */
  readonly heardBytes?: (output: Output, bytes: Uint8Array) => void;
  /** The command has a standard input. */
  readonly orders?: boolean;
  /** How many characters to keep of each output (`MOST`). */
  readonly most?: number;
  /**
   * Whether the command gets a process group of its own (true). Without one,
   * a Ctrl-C on the terminal ends it, and `signal` reaches the command alone.
   */
  readonly group?: boolean;
}

/** Everything is being stopped: nothing more is started. */
export class Stopped extends Error {}

/** Starts a command; a string is run by the shell. Throws `Stopped`. */
export function start(
  command: string[] | string,
  options: Dealings = {},
): Running {
  checkStopped();
  const { cwd, env, orders = false, group = true } = options;
  const [file, args] = typeof command === "string"
    ? [command, []]
    : [command[0], command.slice(1)];
  const child = spawn(file, args, {
    cwd,
    shell: typeof command === "string",
    // On Windows it would get a console, and survive what ends this one.
    detached: group && !WINDOWS,
    windowsHide: true,
    env: {
      ...CACHE,
      ...process.env,
      [MARK]: mark,
      NO_COLOR: "1",
      NODE_NO_WARNINGS: "1",
      ...env,
    },
    stdio: [orders ? "pipe" : "ignore", "pipe", "pipe"],
  });
  child.stdin?.on("error", () => {}); // it has ended already
  const running: Running = {
    pid: child.pid,
    ended: endOf(child),
    ...readOutput(child, options),
    tell: (line) => void child.stdin?.write(`${line}\n`),
    tellEnd: () => void child.stdin?.end(),
    signal(name) {
      // Another process may have the id of one that has ended.
      if (!alive.has(running)) return;
      if (WINDOWS && orders && name === "SIGTERM") child.stdin?.end();
      else if (WINDOWS) endTree(child);
      else if (group) signalGroup(child, name);
      else child.kill(name);
    },
    release() {
      for (const stream of child.stdio) stream?.destroy();
    },
  };
  alive.add(running);
  running.ended.then(() => {
    running.signal("SIGKILL"); // whoever has closed its output, but stays
    alive.delete(running);
  });
  return running;
}

/** Ends a command: by SIGTERM, and half a second later by SIGKILL. */
export async function kill({ signal, ended }: Running): Promise<void> {
  for (const name of ["SIGTERM", "SIGKILL"] as const) {
    signal(name);
    if (await within(500, ended)) return;
  }
}

/** Collects the output of a command, or passes it on. */
function readOutput(
  child: ChildProcess,
  { heard, heardBytes, heardLine, most = MOST }: Dealings,
): Pick<Running, "written" | "said"> {
  const written = { stdout: "", stderr: "", both: "" };
  const watchers = new Set<() => void>();
  for (const name of ["stdout", "stderr"] as const) {
    const output = child[name]!;
    if (heardBytes) {
      output.on("data", (bytes: Uint8Array) => heardBytes(name, bytes));
      continue;
    }
    output.setEncoding("utf8");
    if (heardLine) {
      let rest = "";
      output.on("data", (text: string) => {
        const lines = (rest + text).split(/\r?\n/);
        rest = lines.at(-1)!.length < most ? lines.pop()! : "";
        for (const line of lines) heardLine(name, line);
      });
      output.on("end", () => rest && heardLine(name, rest));
      continue;
    }
    if (name === "stdout" && heard) {
      createInterface({ input: output }).on("line", heard);
      continue;
    }
    output.on("data", (text: string) => {
      for (const into of [name, "both"] as const) {
        written[into] += text.slice(0, most - written[into].length);
      }
      for (const watch of watchers) watch();
    });
  }
  const said = (pattern: RegExp) =>
    new Promise<RegExpMatchArray>((resolve) => {
      const watch = () => {
        const match = written.stdout.match(pattern) ??
          written.stderr.match(pattern);
        if (!match) return;
        watchers.delete(watch);
        resolve(match);
      };
      watchers.add(watch);
      watch();
    });
  return { written, said };
}

/** Throws `Stopped` after `endAll`. */
export function checkStopped(): void {
  if (stopped) throw new Stopped();
}

/**
 * Does the work of a tool. When it is done, or a signal stops it, nothing that it
 * has started stays; resolves to the exit code, which tells of the signal.
 */
export async function supervise(work: () => Promise<number>): Promise<number> {
  let stoppedAs = 0;
  for (const [signal, code] of SIGNALS) {
    process.on(signal, () => {
      if (stoppedAs) process.exit(code); // the second time
      stoppedAs = code;
      // The tool ends by itself, unless it waits for something else.
      end().then(() => later(() => process.exit(code), 1000).unref());
    });
  }
  const guard = WINDOWS ? undefined : spawn("sh", ["-c", GUARD, mark], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  const guarded = guard && endOf(guard);
  const end = async () => {
    await endAll();
    guard?.stdin.end();
    await within(1000, Promise.resolve(guarded));
    for (const { release } of alive) release(); // nobody could find who holds it
  };
  try {
    const code = await work();
    return stoppedAs || code;
  } catch (error) {
    if (!stoppedAs) throw error;
    return stoppedAs; // whatever has failed has failed because of that
  } finally {
    await end();
  }
}

/**
 * Waits for the end of its standard input, which a tool that is killed ends, too.
 * Then it ends all with the mark in their environment, proc_pid_environ(5):
 * elsewhere than on Linux there is nothing to find them by.
 */
const GUARD = `
cat >/dev/null
cd /proc || exit
for again in 1 2 3; do
  found=$(grep -lsF "$0" [0-9]*/environ | cut -d/ -f1)
  [ -z "$found" ] || kill -9 $found
done 2>/dev/null
`;

/** Stops whatever still runs: SIGTERM, and SIGKILL a second later. */
async function endAll(): Promise<void> {
  stopped = true;
  const all = [...alive];
  for (const running of all) running.signal("SIGTERM");
  const ended = Promise.all(all.map(({ ended }) => ended));
  if (await within(1000, ended)) return;
  for (const running of all) running.signal("SIGKILL");
}

/** The signals that stop a tool, and the exit codes that tell of them. */
const SIGNALS = [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const;

/** What the promise resolves to, or undefined if that takes longer than `ms`. */
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

/** More output than anybody reads: a command may write without end. */
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
    // the whole group has ended
  }
}

/** Windows: ends a command, and all that it has started. */
function endTree(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null) return;
  const tree = ["/T", "/F", "/PID", String(child.pid)];
  spawn("taskkill", tree, { stdio: "ignore" }).on("error", () => child.kill());
}
