/**
 * Runs scripts with many command lines one after the other, all in one process
 * of a runtime, and prints as JSON how each ended:
 *
 *     bun tests/support/command_lines.ts '[["tcp_time", ["--port", "x"]]]'
 *
 * A process for each would cost most of a suite's time.
 */
import process from "node:process";
import { experiment } from "../../lib/experiment/experiment.ts";
import { guide } from "../../lib/experiment/guide.ts";
import type { Finished, RuntimeName } from "./runtimes.ts";
import { GUIDED, ROOT } from "./scripts.ts";

export type CommandLine = [script: string, args: readonly string[]];

/** How each ends on a runtime, in the order given. */
export async function runAll(
  runtime: RuntimeName,
  lines: CommandLine[],
  permissions = ["--allow-net", `--allow-read=${ROOT}`],
): Promise<Finished[]> {
  const { commandFor, run } = await import("./runtimes.ts");
  const { code, stdout, stderr } = await run([
    ...commandFor(runtime, permissions),
    `${ROOT}tests/support/command_lines.ts`,
    JSON.stringify(lines),
  ]);
  if (code !== 0) throw new Error(`command_lines.ts: ${stdout}${stderr}`);
  return JSON.parse(stdout);
}

class Exit extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`exit(${code})`);
    this.code = code;
  }
}

const { log, error } = console;

/** Sets a method of the console, also where a script would set its own. */
function capture(name: "log" | "error", method: (line?: string) => void): void {
  const set = () => {};
  const descriptor = { get: () => method, set, configurable: true };
  Object.defineProperty(console, name, descriptor);
}

/** Those of experiments that have paths. */
const FLAGS: Record<string, Record<string, { help: string }>> = {
  unix_echo: { path: { help: "a file to listen on" } },
  event_log: { file: { help: "append each message to this file" } },
};

/** Runs a script as `experiment` or `guide` does in a process of its own. */
async function runOne([name, args]: CommandLine): Promise<Finished> {
  const finished = { code: 0, stdout: "", stderr: "" };
  capture("log", (line = "") => finished.stdout += `${line}\n`);
  capture("error", (line = "") => finished.stderr += `${line}\n`);
  process.argv.splice(2, process.argv.length, ...args);
  if ("Deno" in globalThis) {
    Object.defineProperty(Deno, "args", { value: args, configurable: true });
  }
  const url = `file:///scripts/${name}.ts`;
  const module = await import(`../../scripts/${name}.ts`);
  try {
    if (GUIDED.includes(`${name}.ts`)) await guide({ ...module.script, url });
    else {
      const flags = FLAGS[name];
      await experiment({ ...module, url, port: 8000, flags });
    }
  } catch (thrown) {
    if (!(thrown instanceof Exit)) throw thrown;
    finished.code = thrown.code;
  } finally {
    capture("log", log);
    capture("error", error);
  }
  return finished;
}

if (import.meta.main) {
  const runtime = "Deno" in globalThis ? Deno : process;
  const { exit } = runtime;
  runtime.exit = (code = 0): never => {
    throw new Exit(Number(code));
  };
  for (const output of [process.stdout, process.stderr]) {
    output.setMaxListeners(0); // each script adds one
  }
  const results: Finished[] = [];
  for (const line of JSON.parse(process.argv[2]) as CommandLine[]) {
    results.push(await runOne(line));
  }
  // A script that failed has left its sockets open.
  process.stdout.write(JSON.stringify(results), () => {
    runtime.exit = exit;
    exit(0);
  });
}
