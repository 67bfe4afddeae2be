/**
 * Runs an experiment for its report, in a process of its own under the runtime
 * that runs the report, and keeps what it printed and its socket calls.
 *
 * @module
 */
import process from "node:process";
import type { CallInWords as Call } from "../../../lib/observe/strace.ts";
import { escapeControls } from "../../../lib/sockets/escape.ts";
import { after, endedAs } from "../matrix/pair.ts";
import { ROOT } from "../support/experiments.ts";
import { commandFor, type Header } from "../support/header.ts";
import { start, within } from "../support/processes.ts";
import { ToolError } from "../support/tool.ts";
import type { Source } from "./source.ts";
import type { TwoProcesses } from "./two_processes.ts";

/** One run of an experiment. */
export interface Run {
  /** The command as a user types it. */
  readonly command: string;
  readonly lines: { end: Call["end"]; line: string }[];
  readonly calls: Call[];
  /** The lines that it printed on standard error, though it ended well. */
  readonly notes: string[];
  readonly runtime: string;
  readonly date: Date;
}

/** What a report is made from: what it is about, and the runs it needs. */
export interface Made {
  /** Such as `tcp_time` or `study`. */
  readonly name: string;
  readonly header: Header;
  readonly experiment?: {
    source: Source;
    /** Its lines are those of the two processes, if there are any. */
    run: Run;
    processes?: TwoProcesses;
  };
  readonly study?: GuidedRun;
  readonly quiz?: GuidedRun;
  /** The file with a picture of the output. */
  readonly picture?: string;
  /** The command that makes the report. */
  readonly command: string;
}

const LIMIT = 60_000; // ms, of a run

/** A run of the study or the quiz. */
export type GuidedRun =
  & Pick<Run, "command" | "runtime" | "date">
  & { readonly lines: string[] };

/** Runs an experiment with both ends; throws a ToolError if that fails. */
export async function runExperiment(source: Source): Promise<Run> {
  const ran = await runScript(source.name, source, ["--json", "--trace"]);
  const { written, ...about } = ran;
  return { ...about, ...readRun(source.name, written) };
}

/** Runs the study or the quiz. */
export async function runGuided(
  name: string,
  header: Header,
): Promise<GuidedRun> {
  // The kernel's states, which the study reads, take all permissions of Deno.
  const commands = header.commands.map((command) =>
    command.replace("--allow-net", "--allow-all")
  );
  const ran = await runScript(name, { commands }, []);
  const { written, ...about } = ran;
  return { ...about, lines: linesOf(written.stdout) };
}

async function runScript(
  name: string,
  header: Pick<Header, "commands">,
  flags: string[],
) {
  const date = new Date();
  const { command, args } = commandOf(header);
  const { ended, written, signal } = start(
    [process.execPath, ...args, ...flags],
    { cwd: ROOT, most: Infinity, group: false },
  );
  const end = await within(LIMIT, ended);
  if (!end) signal("SIGKILL");
  if (end?.code !== 0) {
    const how = end ? endedAs(end) : `had not ended ${after(LIMIT)}`;
    const [note] = linesOf(written.stderr);
    throw new ToolError(`${name} ${how}${note ? `: ${note}` : ""}`);
  }
  return { command, date, runtime: runtimeName(), written };
}

/** Reads what a run has printed: lines of JSON. All text in them is escaped. */
export function readRun(
  name: string,
  { stdout, stderr }: { stdout: string; stderr: string },
): Pick<Run, "lines" | "calls" | "notes"> {
  const lines: Run["lines"] = [];
  const calls: Call[] = [];
  for (const text of stdout.split("\n").filter((line) => line !== "")) {
    const event = readEvent(text);
    if (event === undefined) {
      const start = escapeControls(text.slice(0, 60));
      throw new ToolError(`${name} has printed a line without JSON: ${start}`);
    }
    if (typeof event?.line === "string") lines.push(event);
    else if (typeof event?.call === "string" && !event.begins) {
      calls.push(event);
    }
  }
  if (calls.length === 0) throw new ToolError(`${name} made no calls`);
  return { lines, calls, notes: linesOf(stderr) };
}

/** A line of JSON, in which all text is escaped; undefined if it is none. */
// deno-lint-ignore no-explicit-any
export function readEvent(text: string): any {
  try {
    return JSON.parse(
      text,
      (_, value) => typeof value === "string" ? escapeControls(value) : value,
    );
  } catch {
    return;
  }
}

function commandOf(header: Pick<Header, "commands">) {
  const { deno, bun } = process.versions as Record<string, string | undefined>;
  const runtime = deno ? "deno" : bun ? "bun" : "node";
  const command = commandFor(header, runtime);
  const args = command.split(" ").slice(1);
  if (deno) args.splice(1, 0, "--no-prompt");
  return { command, args };
}

function linesOf(text: string): string[] {
  return text.split(/\r?\n/).filter((line) => line !== "").map(escapeControls);
}

/** The runtime and its versions, such as `Deno 2.9.6 (V8 14.7), Linux x64`. */
function runtimeName(): string {
  const { platform, arch } = process;
  const { deno, bun, node, v8, typescript } = process
    .versions as Record<string, string | undefined>;
  const short = `V8 ${v8?.match(/^\d+\.\d+/)}`;
  const name = deno
    ? `Deno ${deno} (${short}, TypeScript ${typescript})`
    : bun
    ? `Bun ${bun}`
    : `Node ${node} (${short})`;
  const systems = { linux: "Linux", darwin: "macOS", win32: "Windows" };
  return `${name}, ${systems[platform as "linux"] ?? platform} ${arch}`;
}
