/**
 * Writes the lab report of an experiment: its file taken apart, and a run of
 * it, under the headings of the original lab.
 *
 *     deno task report NAME... [--out DIR] [--format md|html]
 *     bun scripts/tools/report.ts NAME...
 *     node scripts/tools/report.ts NAME...
 *
 * `--all` makes those of all experiments, `--headings FILE` renames, orders and
 * leaves out sections; `--help` tells more.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { ignoreBrokenPipe } from "../../lib/experiment/process.ts";
import { contentOf, type Made } from "./report/content.ts";
import {
  HEADINGS,
  type Headings,
  HeadingsError,
  readHeadings,
} from "./report/headings.ts";
import { html } from "./report/html.ts";
import { markdown } from "./report/markdown.ts";
import { progress } from "./report/progress.ts";
import { ROOT, RunError, runExperiment } from "./report/run.ts";
import { readSource } from "./report/source.ts";
import { printable } from "./support/text.ts";

const HELP = `Writes lab reports: runs experiments, and says what they show.

  deno task report NAME... [flags]      (bun, node: scripts/tools/report.ts)

  NAME...          which experiments, such as tcp_time
  --all            all that have two ends
  --out DIR        where to write DIR/NAME.md (reports)
  --format F       md (the default) or html
  --headings FILE  the sections wanted, a line each, in their order,
                   with another heading or not:
                     Aim = AIM OF THE EXPERIMENT
                     Program
                   Sections are Aim, Introduction, Algorithm, Program,
                   Output, Sequence of calls and Result; in them are
                   Server, Client and Both ends. # begins a comment.
  --help           print this`;

const FORMATS = { md: markdown, html };

/** What was asked for. */
interface Request {
  names: string[];
  out: string;
  format: keyof typeof FORMATS;
  headings: Headings;
  /** The flags that shape a report, for the command that it names. */
  flags: string;
}

/** A command line that means nothing. */
class UsageError extends Error {}

/** The experiments that have two ends, and the files that do not. */
export function experiments(): { names: string[]; others: string[] } {
  const files = readdirSync(join(ROOT, "scripts"))
    .filter((file) => file.endsWith(".ts"))
    .map((file) => basename(file, ".ts")).sort();
  const reportable = (name: string) => sourceOf(name) !== undefined;
  return {
    names: files.filter(reportable),
    others: files.filter((name) => !reportable(name)),
  };
}

/** Runs an experiment, for reports in any format and with any headings. */
export async function make(name: string, flags = ""): Promise<Made> {
  const source = sourceOf(name)!;
  const run = await runExperiment(source);
  return { source, run, command: `${commandName()} ${name}${flags}` };
}

function sourceOf(name: string) {
  const file = readFileSync(join(ROOT, "scripts", `${name}.ts`), "utf8");
  return readSource(name, file);
}

function commandName(): string {
  if ("Deno" in globalThis) return "deno task report";
  return `${process.versions.bun ? "bun" : "node"} scripts/tools/report.ts`;
}

/** Reads the command line; undefined if help is asked for. */
function read(args: string[]): Request | undefined {
  const { values, positionals } = parseArgs({
    args,
    options: OPTIONS,
    strict: false,
    allowPositionals: true,
  });
  for (const [name, value] of Object.entries(values)) {
    const flag = name.length === 1 ? `-${name}` : `--${name}`;
    const { type } = OPTIONS[name as keyof typeof OPTIONS] ?? {};
    if (!type) throw new UsageError(`Unknown flag ${flag}`);
    if (type === "string" && /^(true|--.*|)$/.test(String(value))) {
      throw new UsageError(`${flag} needs a value`);
    }
    if (type === "boolean" && value !== true) {
      throw new UsageError(`${flag} takes no value, not "${value}"`);
    }
  }
  if (values.help) return;
  const format = String(values.format ?? "md") as Request["format"];
  if (!Object.hasOwn(FORMATS, format)) {
    throw new UsageError(`--format takes md or html, not "${format}"`);
  }
  const file = values.headings as string | undefined;
  return {
    names: namesOf(positionals, Boolean(values.all)),
    out: String(values.out ?? "reports"),
    format,
    headings: file === undefined ? HEADINGS : headingsFrom(file),
    flags: (format === "md" ? "" : ` --format ${format}`) +
      (file === undefined ? "" : ` --headings ${quoted(file)}`),
  };
}

/** A file's name as a shell takes it. */
function quoted(file: string): string {
  if (/^[\w./-]+$/.test(file)) return file;
  return `'${printable(file).replaceAll("'", "'\\''")}'`;
}

const OPTIONS = {
  all: { type: "boolean" },
  out: { type: "string" },
  format: { type: "string" },
  headings: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

function namesOf(given: string[], all: boolean): string[] {
  const { names, others } = experiments();
  const known = `experiments: ${names.join(", ")}`;
  if (all && given.length > 0) {
    throw new UsageError(`Give names or --all, not both`);
  }
  if (!all && given.length === 0) {
    throw new UsageError(`Which experiment? (${known})`);
  }
  if (all) {
    for (const name of others) {
      console.log(`${name}: left out, it has no two ends to report`);
    }
    return names;
  }
  const wanted = given.map((name) => basename(name, ".ts"));
  for (const name of wanted) {
    if (names.includes(name)) continue;
    throw new UsageError(
      others.includes(name)
        ? `${name} has no two ends to report (${known})`
        : `No experiment "${name}" (${known})`,
    );
  }
  return [...new Set(wanted)];
}

function headingsFrom(file: string): Headings {
  try {
    return readHeadings(readFileSync(file, "utf8"));
  } catch (error) {
    if (error instanceof HeadingsError) {
      throw new UsageError(`${file}, ${error.message}`);
    }
    throw new UsageError(`Cannot read ${file}: ${reasonOf(error)}`);
  }
}

/** Makes them all; says whether none failed. */
async function write(
  { names, out, format, headings, flags }: Request,
): Promise<boolean> {
  makeFolder(out);
  const told = await progress(names.length);
  let failed = 0;
  for (const name of names) {
    try {
      const report = contentOf(await make(name, flags), headings);
      told.done(save(join(out, `${name}.${format}`), FORMATS[format](report)));
    } catch (error) {
      if (!(error instanceof RunError)) throw error;
      told.done(printable(error.message), "failed");
      failed++;
    }
  }
  await told.end();
  return failed === 0;
}

function save(file: string, text: string): string {
  try {
    writeFileSync(file, text);
    return file;
  } catch (error) {
    throw new RunError(`Cannot write ${file}: ${reasonOf(error)}`);
  }
}

function makeFolder(out: string): void {
  try {
    mkdirSync(out, { recursive: true });
  } catch (error) {
    throw new RunError(`Cannot write ${out}: ${reasonOf(error)}`);
  }
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const reasons: Record<string, string> = {
    ENOENT: "there is no such file",
    EISDIR: "it is a folder",
    EACCES: "this user may not",
    EEXIST: "it is no folder",
    ENOTDIR: "it is no folder",
  };
  return reasons[code ?? ""] ?? message;
}

/** Ends with 1 when a report could not be made, 2 for a wrong flag. */
async function main(): Promise<number> {
  try {
    const request = read(process.argv.slice(2));
    if (!request) {
      console.log(HELP);
      return 0;
    }
    return await write(request) ? 0 : 1;
  } catch (error) {
    const usage = error instanceof UsageError;
    if (!usage && !(error instanceof RunError)) throw error;
    console.error(printable(error.message));
    return usage ? 2 : 1;
  }
}

if (import.meta.main) {
  ignoreBrokenPipe();
  process.exitCode = await main();
}
