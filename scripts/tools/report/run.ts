/**
 * Runs an experiment in a process of its own, under the runtime that runs the
 * report, and keeps what it printed and which socket calls it made.
 *
 * @module
 */
import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { CallInWords as Call } from "../../../lib/observe/strace.ts";
import type { Source } from "./source.ts";
import { printable } from "../support/text.ts";

/** A line that an end printed. */
export interface Line {
  readonly end: "server" | "client";
  readonly line: string;
}

/** One run of an experiment. */
export interface Run {
  /** The command as a user types it. */
  readonly command: string;
  readonly lines: Line[];
  readonly calls: Call[];
  /** What it told on standard error, though it ended well. */
  readonly notes: string[];
  readonly runtime: string;
  readonly date: Date;
}

/** The folder of the project. */
export const ROOT = fileURLToPath(new URL("../../..", import.meta.url).href);

/** What a run may take, in ms. */
const LIMIT = 60_000;

/** An experiment that could not be run to its end; the message is one line. */
export class RunError extends Error {}

/** Runs an experiment with both ends. */
export async function runExperiment(source: Source): Promise<Run> {
  const date = new Date();
  const { command, args } = commandOf(source);
  const { code, stdout, stderr } = await finished([...args, ...OBSERVED]);
  const notes = linesOf(stderr);
  if (code !== 0) {
    const ended = code === null
      ? `had not ended after ${LIMIT / 1000} s`
      : `ended with ${code}`;
    throw new RunError(
      `${source.name} ${ended}${notes.length ? `: ${notes[0]}` : ""}`,
    );
  }
  const { lines, calls } = readEvents(stdout, source.name);
  if (calls.length === 0) throw new RunError(`${source.name} made no calls`);
  return { command, lines, calls, notes, runtime: runtimeName(), date };
}

const OBSERVED = ["--json", "--trace"];

/** Takes the lines of JSON apart; all text in them is made printable. */
export function readEvents(
  stdout: string,
  name = "The experiment",
): { lines: Line[]; calls: Call[] } {
  const lines: Line[] = [];
  const calls: Call[] = [];
  for (const text of stdout.split("\n").filter((line) => line !== "")) {
    let event;
    try {
      event = JSON.parse(
        text,
        (_, value) => typeof value === "string" ? printable(value) : value,
      );
    } catch {
      const start = printable(text.slice(0, 60));
      throw new RunError(`${name} has printed a line without JSON: ${start}`);
    }
    if (typeof event?.line === "string") lines.push(event);
    else if (typeof event?.call === "string") calls.push(event);
  }
  return { lines, calls };
}

/** The runtime's command for the script, as the header has it. */
function commandOf({ name, commands }: Source) {
  const { deno } = process.versions as Record<string, string | undefined>;
  const runtime = deno ? "deno" : process.versions.bun ? "bun" : "node";
  const command = commands.find((line) => line.startsWith(`${runtime} `)) ??
    `${runtime} scripts/${name}.ts`;
  const [, ...words] = command.split(" ");
  if (deno) words.splice(1, 0, "--no-prompt");
  return { command, args: words };
}

interface Finished {
  /** null when it was stopped. */
  code: number | null;
  stdout: string;
  stderr: string;
}

function finished(args: string[]): Promise<Finished> {
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { ...process.env, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text) => output[name] += text);
  }
  const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT);
  return new Promise((resolve, reject) => {
    child.on("error", (error) => {
      clearTimeout(timer);
      reject(new RunError(error.message));
    });
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code, ...output });
    });
  });
}

function linesOf(text: string): string[] {
  return text.split(/\r?\n/).filter((line) => line !== "").map(printable);
}

/** The runtime and its versions, such as `Deno 2.9.6 (V8 14.7), Linux x64`. */
function runtimeName(): string {
  const { deno, bun, node, v8, typescript } = process
    .versions as Record<string, string | undefined>;
  const short = v8?.match(/^\d+\.\d+/)?.[0];
  const name = deno
    ? `Deno ${deno} (V8 ${short}, TypeScript ${typescript})`
    : bun
    ? `Bun ${bun}`
    : `Node ${node} (V8 ${short})`;
  const { platform, arch } = process;
  const system = { linux: "Linux", darwin: "macOS", win32: "Windows" };
  return `${name}, ${system[platform as "linux"] ?? platform} ${arch}`;
}
