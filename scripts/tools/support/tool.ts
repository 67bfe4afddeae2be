/**
 * Runs a tool: its help, its exit code, and one line for what goes wrong.
 *
 * @module
 */
import process from "node:process";
import { UsageError } from "../../../lib/experiment/flags.ts";
import { queueOutput } from "../../../lib/process/output.ts";
import { guardOutput, setExitCode } from "../../../lib/process/process.ts";
import { escapeControls } from "../../../lib/sockets/escape.ts";
import { supervise } from "./processes.ts";

/** What a tool cannot do; the message is for the user. */
export class ToolError extends Error {}

export interface Tool<Request> {
  help(): string;
  /** Reads the command line; undefined if it asks for help. */
  read(args: string[]): Request | undefined;
  run(request: Request): Promise<number>; // the exit code
}

/** Sets the exit code to 1 for a ToolError, and to 2 for a UsageError. */
export async function runTool<T>({ help, read, run }: Tool<T>): Promise<void> {
  guardOutput();
  queueOutput(); // a signal ends it even if nobody reads what it prints
  try {
    const request = read(process.argv.slice(2));
    if (request === undefined) console.log(help());
    else setExitCode(await supervise(() => run(request)));
  } catch (error) {
    const usage = error instanceof UsageError;
    if (!usage && !(error instanceof ToolError)) throw error;
    console.error(escapeControls(error.message));
    setExitCode(usage ? 2 : 1);
  }
}

/** The command of a tool, under the runtime that runs this. */
export function commandName(tool: string): string {
  if ("Deno" in globalThis) return `deno task ${tool}`;
  return `${process.versions.bun ? "bun" : "node"} scripts/tools/${tool}.ts`;
}

/** A word, such as the name of a file, as a shell takes it. */
export function quoted(file: string): string {
  if (/^[\w./=@:,+-]+$/.test(file)) return file;
  return `'${escapeControls(file).replaceAll("'", "'\\''")}'`;
}
