/**
 * Writes the lab report of an experiment: its file taken apart, and a run of
 * it, under the headings of the original lab.
 *
 *     deno task report NAME... [--out DIR] [--format md|html]
 *     bun scripts/tools/report.ts NAME...
 *     node scripts/tools/report.ts NAME...
 *
 * `--all` writes the reports of all experiments, `--headings FILE` renames,
 * orders and leaves out sections; `--help` explains them.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { readFlags, UsageError } from "../../lib/experiment/flags.ts";
import { escapeControls } from "../../lib/sockets/escape.ts";
import { contentOf, type Made } from "./report/content.ts";
import { HEADINGS, type Headings, readHeadings } from "./report/headings.ts";
import { html } from "./report/html.ts";
import { markdown } from "./report/markdown.ts";
import { runExperiment } from "./report/run.ts";
import { readSource } from "./report/source.ts";
import {
  allNames,
  hasTwoEnds,
  nameOf,
  sourceOf,
} from "./support/experiments.ts";
import { clearProgress, showProgress } from "./support/progress_line.ts";
import { runTool, ToolError } from "./support/tool.ts";

const HELP = `Writes lab reports: runs experiments, and says what they show.

  deno task report NAME... [flags]      (bun, node: scripts/tools/report.ts)

  NAME...          which experiments, such as tcp_time
  --all            all that have two ends
  --out DIR        where to write DIR/NAME.md (reports)
  --format F       md (the default) or html
  --headings FILE  the sections wanted, one a line, in their order;
                   each may have another heading:
                     Aim = AIM OF THE EXPERIMENT
                     Program
                   Sections are Aim, Introduction, Algorithm, Program,
                   Output, Sequence of calls and Result; their parts
                   are Server, Client and Both ends. # begins a comment.
  --help           print this`;

const FORMATS = { md: markdown, html };

interface Request {
  names: string[];
  out: string;
  format: keyof typeof FORMATS;
  headings: Headings;
  /** The flags that shape a report, for the command that it names. */
  flags: string;
}

/** The experiments that have two ends, and the scripts that do not. */
export function experiments(): { names: string[]; others: string[] } {
  const all = Map.groupBy(allNames(), (name) => hasTwoEnds(sourceOf(name)));
  return { names: all.get(true) ?? [], others: all.get(false) ?? [] };
}

/** Runs an experiment, for reports in any format and with any headings. */
export async function make(name: string, flags = ""): Promise<Made> {
  const source = readSource(name, sourceOf(name));
  const run = await runExperiment(source);
  return { source, run, command: `${commandName()} ${name}${flags}` };
}

function commandName(): string {
  if ("Deno" in globalThis) return "deno task report";
  return `${process.versions.bun ? "bun" : "node"} scripts/tools/report.ts`;
}

const OPTIONS = {
  all: { type: "boolean" },
  out: { type: "string" },
  format: { type: "string" },
  headings: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/** Reads the command line; undefined if help is asked for. */
export function read(args: string[]): Request | undefined {
  const { values, positionals } = readFlags(args, OPTIONS, {
    positionals: true,
  });
  if (values.help) return;
  const { format = "md", headings, out = "reports", all = false } = values;
  if (format !== "md" && format !== "html") {
    throw new UsageError(`--format takes md or html, not "${format}"`);
  }
  return {
    names: chosen(positionals, all),
    out,
    format,
    headings: headings === undefined ? HEADINGS : headingsFrom(headings),
    flags: (format === "md" ? "" : ` --format ${format}`) +
      (headings === undefined ? "" : ` --headings ${quoted(headings)}`),
  };
}

/** The name of a file as a shell takes it. */
function quoted(file: string): string {
  if (/^[\w./-]+$/.test(file)) return file;
  return `'${escapeControls(file).replaceAll("'", "'\\''")}'`;
}

function chosen(given: string[], all: boolean): string[] {
  const { names, others } = experiments();
  const wanted = all ? names : [...new Set(given.map(nameOf))];
  const strange = wanted.find((name) => !names.includes(name));
  const wrong = all && given.length > 0
    ? "Give names or --all, not both"
    : wanted.length === 0
    ? "Which experiment?"
    : strange === undefined
    ? undefined
    : others.includes(strange)
    ? `${strange} has no two ends to report`
    : `No experiment "${strange}"`;
  if (wrong) {
    throw new UsageError(`${wrong} (experiments: ${names.join(", ")})`);
  }
  for (const name of all ? others : []) {
    console.log(`${name}: left out, it has no two ends to report`);
  }
  return wanted;
}

function headingsFrom(file: string): Headings {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new UsageError(`Cannot read ${file}: ${reasonOf(error)}`);
  }
  return readHeadings(text, file);
}

/** Writes all reports; the exit code is 1 if one could not be made. */
async function run(
  { names, out, format, headings, flags }: Request,
): Promise<number> {
  writing(out, () => mkdirSync(out, { recursive: true }));
  let failed = 0;
  for (const [i, name] of names.entries()) {
    if (names.length > 1) showProgress(`${i} of ${names.length} reports`);
    try {
      const report = contentOf(await make(name, flags), headings);
      const file = join(out, `${name}.${format}`);
      writing(file, () => writeFileSync(file, FORMATS[format](report)));
      clearProgress();
      console.log(file);
    } catch (error) {
      clearProgress();
      if (!(error instanceof ToolError)) throw error;
      console.error(escapeControls(error.message));
      failed++;
    }
  }
  return failed === 0 ? 0 : 1;
}

function writing(file: string, write: () => void): void {
  try {
    write();
  } catch (error) {
    throw new ToolError(`Cannot write ${file}: ${reasonOf(error)}`);
  }
}

function reasonOf(error: unknown): string {
  const { code = "", message } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return "there is no such file";
  if (code === "EISDIR") return "it is a folder";
  if (code === "EACCES") return "this user may not";
  return /^(EEXIST|ENOTDIR)$/.test(code) ? "it is no folder" : message;
}

if (import.meta.main) await runTool({ help: () => HELP, read, run });
