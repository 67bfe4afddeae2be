/**
 * Finds the runtimes on this machine that can be a server or a client.
 *
 * @module
 */
import process from "node:process";
import { escapeControls } from "../../../lib/sockets/escape.ts";
import { start, WINDOWS, within } from "./processes.ts";

export const NAMES = ["deno", "bun", "node", "python3"] as const;
export type Name = typeof NAMES[number];

/** A runtime that can be used. */
export interface Runtime {
  readonly name: Name;
  readonly path: string;
  readonly version: string;
}

/** One that is missing or too old, and the line that says so. */
export interface Missing {
  readonly name: Name;
  readonly reason: string;
}

/**
 * Finds a runtime: the one that runs this, else what `SOCKET_LAB_NAME` names,
 * else what is on the PATH.
 */
export async function find(name: Name): Promise<Runtime | Missing> {
  const variable = `SOCKET_LAB_${name.toUpperCase()}`;
  const program = name === own
    ? process.execPath
    : process.env[variable] || name;
  const others = program === "python3" ? [["python"], ["py", "-3"]] : [];
  let runtime: Runtime | undefined;
  for (const words of [[program], ...others]) {
    runtime ??= await ask(name, words);
  }
  if (!runtime) {
    const where = program === name
      ? "on the PATH"
      : `at ${escapeControls(program)}`;
    return { name, reason: `${name}: not found ${where}` };
  }
  if (isOlder(runtime.version, OLDEST[name])) {
    const old = `${name}: ${runtime.version} is too old`;
    const hint = `${variable}=PATH names another`;
    return { name, reason: `${old}, it takes ${OLDEST[name]} (${hint})` };
  }
  return runtime;
}

/**
 * Asks a program that should be this runtime, or lead to it, for its version
 * and its own path; undefined if it does not answer.
 */
export async function ask(
  name: Name,
  program: string[],
  patience = PATIENCE,
): Promise<Runtime | undefined> {
  const words = [...program, ...QUESTIONS[name]];
  // What npm installs on Windows is run by the shell only: a .cmd file.
  const { ended, written, signal } = start(
    WINDOWS ? words.map((word) => `"${word}"`).join(" ") : words,
  );
  const end = await within(patience, ended);
  if (!end) signal("SIGKILL");
  const [, version, path] = end?.code === 0
    ? written.stdout.match(/^v?(\d+\.\d+\S*) (.+)/) ?? []
    : [];
  return path ? { name, path, version: escapeControls(version) } : undefined;
}

/** The runtime that runs this. */
const own: Name = "Deno" in globalThis
  ? "deno"
  : "Bun" in globalThis
  ? "bun"
  : "node";

/** The versions that the README names. */
const OLDEST: Record<Name, string> = {
  deno: "2.9",
  bun: "1.4",
  node: "24.2",
  python3: "3.8",
};

/**
 * How to ask for the version and the real path: what is on the PATH may be a
 * shim, which costs another start each time.
 */
const QUESTIONS: Record<Name, string[]> = {
  deno: ["eval", "console.log(Deno.version.deno, Deno.execPath())"],
  bun: ["-e", "console.log(Bun.version, process.execPath)"],
  node: ["-e", "console.log(process.version, process.execPath)"],
  python3: [
    "-c",
    "import sys; print(sys.version.split()[0], sys.executable)",
  ],
};

/** How long an answer may take, in ms. */
const PATIENCE = 10_000;

function isOlder(version: string, oldest: string): boolean {
  const [major, minor] = version.split(".").map(Number);
  const [leastMajor, leastMinor] = oldest.split(".").map(Number);
  return major < leastMajor || (major === leastMajor && minor < leastMinor);
}
