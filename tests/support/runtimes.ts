/**
 * The three runtimes on this machine, and running a script on one of them.
 *
 * Bun is the one that runs the tests. Deno and Node are taken from the PATH if
 * they are new enough, else from npm. Off line a runtime may be missing: then
 * its tests are skipped with the reason, and fail where CI=true.
 */
import process from "node:process";
import {
  ask,
  find as findInstalled,
  type Name,
} from "../../scripts/tools/support/runtimes.ts";
import { start as startProcess } from "./started.ts";

export type RuntimeName = "deno" | "bun" | "node";

export const RUNTIMES: readonly RuntimeName[] = ["deno", "bun", "node"];

/** The npm packages with the versions that the README names. */
const PACKAGES: Partial<Record<Name, string>> = {
  deno: "deno@2.9.6",
  node: "node@24",
};

/** A download may take long, in ms. */
const NPM_PATIENCE = 300_000;

interface Found {
  path?: string;
  reason?: string;
}

const found = new Map<Name, Found>(
  await Promise.all(
    ([...RUNTIMES, "python3"] as const).map(async (name) =>
      [name, await look(name)] as const
    ),
  ),
);

/** The program of a runtime, or why there is none. */
export function find(name: RuntimeName): Found {
  return found.get(name)!;
}

/** Python itself, or why there is none. */
export function python(): Found {
  return found.get("python3")!;
}

/** Looks for a program, and lets the tools that the tests start find it, too. */
async function look(name: Name): Promise<Found> {
  const installed = await findInstalled(name);
  const runtime = "path" in installed ? installed : await fromNpm(name);
  if (!runtime) return { reason: (installed as { reason: string }).reason };
  process.env[`SOCKET_LAB_${name.toUpperCase()}`] = runtime.path;
  return runtime;
}

async function fromNpm(name: Name) {
  const wanted = PACKAGES[name];
  if (!wanted) return;
  return await ask(name, ["npx", "-y", wanted], NPM_PATIENCE) ??
    await ask(name, [process.execPath, "x", wanted], NPM_PATIENCE);
}

/** The command that runs a Python script; it needs no installed packages. */
export function pythonCommand(script: string): string[] {
  return [python().path!, "-S", script];
}

/** The start of a command that runs a script, as the README writes it. */
export function commandFor(name: RuntimeName, permissions: string[]): string[] {
  const path = find(name).path!;
  return name === "deno"
    ? [path, "run", "--no-prompt", ...permissions]
    : [path];
}

export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A process that a test started. */
export interface Running {
  readonly pid: number;
  readonly finished: Promise<Finished>;
  /**
   * Resolves to the match when either output contains the pattern; rejects if
   * the process ends first.
   */
  said(pattern: RegExp): Promise<RegExpMatchArray>;
  kill(signal?: NodeJS.Signals): void;
}

/**
 * Makes a process keep its memory, and get it in large pages: getting one page
 * after the other from the system is much of what a test costs. For glibc
 * ("Memory Allocation Tunables"), and mimalloc, which Bun has.
 */
const ROOMY = {
  GLIBC_TUNABLES: [
    "hugetlb=1",
    ...["mmap_threshold", "trim_threshold"].map((of) => `${of}=1000000000`),
    "top_pad=16777216",
  ].map((setting) => `glibc.malloc.${setting}`).join(":"),
  MIMALLOC_ALLOW_THP: "1",
  MIMALLOC_PURGE_DELAY: "-1",
};

/**
 * Starts a command; it is killed after `limit` ms, so that no test hangs. If its
 * memory is `measured`, it allocates as usual.
 */
export function start(
  command: string[],
  { limit = 60_000, measured = false, cwd, env }: {
    limit?: number;
    measured?: boolean;
    cwd?: string;
    env?: Record<string, string>;
  } = {},
): Running {
  const { pid, ended, written, said, signal } = startProcess(command, {
    cwd,
    env: {
      NODE_NO_WARNINGS: "0", // a warning is output that a test has to see
      ...(measured ? {} : ROOMY),
      ...env,
    },
    most: Infinity,
    group: false, // ends with the tests
  });
  const timer = setTimeout(() => signal("SIGKILL"), limit);
  const finished = ended.then(({ code, error }): Finished => {
    clearTimeout(timer);
    if (error) throw new Error(error);
    return { code, stdout: written.stdout, stderr: written.stderr };
  });
  const early = (pattern: RegExp) =>
    finished.then(({ code, stdout, stderr }): never => {
      const all = `${stdout}${stderr}`;
      throw new Error(`ended (${code}) without ${pattern}: ${all}`);
    });
  return {
    pid: pid!,
    finished,
    said: (pattern) => Promise.race([said(pattern), early(pattern)]),
    kill: (name = "SIGTERM") => signal(name),
  };
}

/** Runs a command to its end. */
export function run(
  command: string[],
  options: Parameters<typeof start>[1] = {},
): Promise<Finished> {
  return start(command, options).finished;
}
