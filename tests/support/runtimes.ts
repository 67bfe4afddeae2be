/**
 * The three runtimes on this machine, and running a script on one of them.
 *
 * Bun is the one that runs the tests. Deno and Node are taken from the PATH if
 * they are new enough, else from npm. Off line a runtime may be missing: then
 * its tests are skipped with the reason, and fail where CI=true.
 */
import { spawn, spawnSync } from "node:child_process";
import process from "node:process";
import { CACHE } from "../../scripts/tools/support/processes.ts";

export type RuntimeName = "deno" | "bun" | "node";

/** What is pinned: the versions that the README names. */
const WANTED = {
  deno: { package: "deno@2.9.6", oldest: [2, 9], path: "Deno.execPath()" },
  node: { package: "node@24", oldest: [24, 2], path: "process.execPath" },
};

export const RUNTIMES: readonly RuntimeName[] = ["deno", "bun", "node"];

/** The program of a runtime, or why there is none. */
export function find(name: RuntimeName): { path?: string; reason?: string } {
  if (name === "bun") return { path: process.execPath };
  const variable = `SOCKET_LAB_${name.toUpperCase()}`;
  const path = process.env[variable] ??= onPath(name) ?? fromNpm(name) ?? "";
  return path ? { path } : { reason: `${name} is not on the PATH nor in npm` };
}

/** Python itself, or why there is none: what is on the PATH may be a shim. */
export function python(): { path?: string; reason?: string } {
  const path = process.env.SOCKET_LAB_PYTHON3 ??= spawnSync(
    "python3",
    ["-c", "import sys; print(sys.executable)"],
    { encoding: "utf8" },
  ).stdout?.trim() ?? "";
  return path ? { path } : { reason: "python3 is not on the PATH" };
}

/** The command that runs a Python script; it needs no installed packages. */
export function pythonCommand(script: string): string[] {
  return [python().path!, "-S", script];
}

/** The command that runs a script, as the README and the headers write it. */
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
   * Resolves to the match when standard output or standard error has said it;
   * rejects if the process ends first.
   */
  said(pattern: RegExp): Promise<RegExpMatchArray>;
  kill(signal?: NodeJS.Signals): void;
}

/**
 * Makes a process keep the memory that it has had, and take it in large pages:
 * to get a page from the system again and again is much of what a test costs.
 * Of glibc ("Memory Allocation Tunables") and of mimalloc, which Bun has.
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
 * Starts a command; it is killed after `limit` ms, so that no test hangs. One
 * whose memory is `measured` deals with it as it does elsewhere.
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
  const [file, ...args] = command;
  const child = spawn(file, args, {
    cwd,
    env: {
      ...CACHE,
      ...(measured ? {} : ROOMY),
      ...process.env,
      NO_COLOR: "1",
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  const watchers = new Set<() => void>();
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      output[name] += text;
      for (const watch of watchers) watch();
    });
  }
  const timer = setTimeout(() => child.kill("SIGKILL"), limit);
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code, ...output });
    });
  });
  return {
    pid: child.pid!,
    finished,
    said: (pattern) =>
      new Promise((resolve, reject) => {
        const watch = () => {
          const match = output.stdout.match(pattern) ??
            output.stderr.match(pattern);
          if (!match) return;
          watchers.delete(watch);
          resolve(match);
        };
        watchers.add(watch);
        watch();
        finished.then(({ code, stdout, stderr }) => {
          const all = `${stdout}${stderr}`;
          reject(new Error(`ended (${code}) without ${pattern}: ${all}`));
        });
      }),
    kill: (signal = "SIGTERM") => void child.kill(signal),
  };
}

/** Runs a command to its end. */
export function run(
  command: string[],
  options: Parameters<typeof start>[1] = {},
): Promise<Finished> {
  return start(command, options).finished;
}

function onPath(name: "deno" | "node"): string | undefined {
  const { stdout } = spawnSync(name, ["--version"], { encoding: "utf8" });
  const [major, minor] = stdout?.match(/(\d+)\.(\d+)/)?.slice(1).map(Number) ??
    [0, 0];
  const [wantedMajor, wantedMinor] = WANTED[name].oldest;
  const fits = major > wantedMajor ||
    (major === wantedMajor && minor >= wantedMinor);
  return fits ? pathOf(name, []) : undefined;
}

function fromNpm(name: "deno" | "node"): string | undefined {
  return pathOf("npx", ["-y", WANTED[name].package], name) ??
    pathOf(process.execPath, ["x", WANTED[name].package], name);
}

/** Asks the program itself, since npx and shims only lead to it. */
function pathOf(
  program: string,
  args: string[],
  name = program as "deno" | "node",
): string | undefined {
  const print = name === "deno" ? ["eval", "-p"] : ["-p"];
  const { status, stdout } = spawnSync(
    program,
    [...args, ...print, WANTED[name].path],
    { encoding: "utf8", env: { ...process.env, NO_COLOR: "1" } },
  );
  return status === 0 ? stdout.trim() : undefined;
}
