/**
 * Finds the runtimes on this machine that can be a server or a client.
 *
 * @module
 */
import process from "node:process";
import { printable } from "./text.ts";
import { start, within } from "./processes.ts";

export const NAMES = ["deno", "bun", "node", "python3"] as const;
export type Name = typeof NAMES[number];

/** A runtime that is there. */
export interface Runtime {
  readonly name: Name;
  readonly path: string;
  readonly version: string;
}

/** One that is not, or is too old, and the line that says so. */
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
  const { ended, written, signal } = start([program, ...QUESTIONS[name]]);
  const end = await within(PATIENCE, ended);
  if (!end) signal("SIGKILL");
  const [, version, path] = end?.code === 0
    ? written.stdout.match(/^v?(\d+\.\d+\S*) (.+)/) ?? []
    : [];
  if (!path) {
    const where = program === name ? "on the PATH" : `at ${printable(program)}`;
    return { name, reason: `${name}: not found ${where}` };
  }
  const shown = printable(version);
  if (isOlder(version, OLDEST[name])) {
    const least = `it takes ${OLDEST[name]}`;
    const hint = `${variable}=PATH names another`;
    return { name, reason: `${name}: ${shown} is too old, ${least} (${hint})` };
  }
  return { name, path, version: shown };
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
 * Each is asked for its version and its own path: what is on the PATH may be
 * another program that only leads to it, and costs a start more.
 */
const QUESTIONS: Record<Name, string[]> = {
  deno: ["eval", "console.log(Deno.version.deno, Deno.execPath())"],
  bun: ["-e", "console.log(Bun.version, process.execPath)"],
  node: ["-e", "console.log(process.version, process.execPath)"],
  python3: [
    "-c",
    "import sys; print('%d.%d.%d' % sys.version_info[:3], sys.executable)",
  ],
};

/** What an answer may take, in ms. */
const PATIENCE = 10_000;

function isOlder(version: string, oldest: string): boolean {
  const [major, minor] = version.split(".").map(Number);
  const [leastMajor, leastMinor] = oldest.split(".").map(Number);
  return major < leastMajor || (major === leastMajor && minor < leastMinor);
}
