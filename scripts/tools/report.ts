/**
 * Writes the lab report of an experiment: its file taken apart, and a run of
 * it, in the form that is asked for.
 *
 *     deno task report NAME... [--out DIR] [--format md|html]
 *     bun scripts/tools/report.ts NAME...
 *     node scripts/tools/report.ts NAME...
 *
 * `--help` explains the flags.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { listOf, readFlags, UsageError } from "../../lib/experiment/flags.ts";
import { escapeControls } from "../../lib/sockets/escape.ts";
import { contentOf, terminalsOf } from "./report/content.ts";
import {
  type Detail,
  DETAILS_FILE,
  readDetail,
  readDetails,
  withDetails,
} from "./report/details.ts";
import {
  checkReplaceable,
  readTextFile,
  writeReport,
  writing,
} from "./report/files.ts";
import {
  type Form,
  FORMS,
  readFormFile,
  type SectionName,
  THEORY,
  usualForm,
} from "./report/headings.ts";
import { html } from "./report/html.ts";
import { markdown } from "./report/markdown.ts";
import { isOwnPng, pngOf } from "./report/png.ts";
import { type Made, runExperiment, runGuided } from "./report/run.ts";
import { readSource, type Source } from "./report/source.ts";
import { pictureOf } from "./report/terminal_window.ts";
import { canRun, runTwoProcesses } from "./report/two_processes.ts";
import {
  allNames,
  hasTwoEnds,
  nameOf,
  sourceOf,
} from "./support/experiments.ts";
import { readHeader } from "./support/header.ts";
import { checkStopped } from "./support/processes.ts";
import { clearProgress, showProgress } from "./support/progress_line.ts";
import { find, type Name, NAMES } from "./support/runtimes.ts";
import { commandName, quoted, runTool, ToolError } from "./support/tool.ts";

const HELP = `Writes lab reports: runs experiments, and says what they show.

  deno task report NAME... [flags]      (bun, node: scripts/tools/report.ts)

  NAME...          what to report: an experiment, such as tcp_time;
                   study, which is experiment 1a as a whole; or quiz
  --all            all of them
  --out DIR        where to write DIR/NAME.md (reports)
  --format F       md (the default) or html; a browser prints HTML to PDF
  --detail "NAME=VALUE"
                   a line on top, such as "Name=Asha Rao"; repeatable.
                   "Experiment" and "Date" replace the usual ones
  --details FILE   such lines in a file, NAME = VALUE; # begins a comment.
                   DIR/details.txt is used if it is there
  --headings FORM  the sections: ${FORMS.join(", ")};
                   or a file, one section a line, in their order:
                     Aim = AIM OF THE EXPERIMENT
                     Program
                     Sockets + Use cases = Two sections, one heading
                     < mine.md = A text of your own (Markdown)
                     "It worked at once." = A short one
                   Sections are Aim, Introduction, Algorithm, Program,
                   Output, Sequence of calls, Step by step, Questions,
                   Result; their parts are Server, Client, Both ends.
                   Theory:
${listed(THEORY.map((name) => name.replaceAll("_", " ")))}
  --server R       run the ends in two processes, with these of
  --client R       deno, bun, node and python3 (for the programs of
                   the seeds); both flags go together
  --picture F      also draw the output as terminal windows, in
                   DIR/NAME.svg; with png in DIR/NAME.png, too
  --force          replace reports that were changed by hand, too
  --help           print this`;

/** Names in lines that stand in the help's second column. */
function listed(names: string[]): string {
  const lines = [""];
  for (const name of names) {
    const line = `${lines.at(-1)}${lines.at(-1) && ", "}${name}`;
    if (line.length <= 47) lines[lines.length - 1] = line;
    else lines.push(name);
  }
  return lines.map((line) => `${" ".repeat(19)}${line}`).join(",\n");
}

const FORMATS = { md: markdown, html };

interface Request {
  names: string[];
  out: string;
  format: keyof typeof FORMATS;
  /** The form of all reports; without one, each has its usual form. */
  form: Form | undefined;
  details: Detail[];
  /** Whether `details` are those of `--details`. */
  fromFile: boolean;
  force: boolean;
  /** The runtimes of the server and the client, if each has a process. */
  runtimes: Ends | undefined;
  picture: "svg" | "png" | undefined;
  /** The flags that shape a report, for the command that it names. */
  flags: string;
}

type Ends = Record<"server" | "client", Name>;

/** Runs what a report in this form needs: the experiment, or an example. */
export async function make(
  name: string,
  { sections }: Form,
  { flags = "", runtimes }: { flags?: string; runtimes?: Ends } = {},
): Promise<Made> {
  const asked = new Set(sections.flatMap(({ items }) => items));
  const asks = (...some: SectionName[]) => some.some((one) => asked.has(one));
  const header = readHeader(sourceOf(name));
  const own = hasTwoEnds(sourceOf(name));
  const example = own ? name : EXAMPLE;
  const source = readSource(example, sourceOf(example));
  const shown = asks("Algorithm", "Program", "Output", "Sequence of calls");
  const study = name === "study" || asks("Step by step");
  const quiz = name === "quiz" || asks("Questions");
  return {
    name,
    header,
    ...(own || shown ? { experiment: await runEnds(source, runtimes) } : {}),
    ...(study ? { study: await guided("study") } : {}),
    ...(quiz ? { quiz: await guided("quiz") } : {}),
    command: `${commandName("report")} ${name}${flags}`,
  };
}

/** Runs both ends in one process, for its calls; and in two, if asked for. */
async function runEnds(source: Source, names: Ends | undefined) {
  const run = await runExperiment(source);
  if (!names) return { source, run };
  const [server, client] = await Promise.all(
    [names.server, names.client].map(async (name) => {
      const runtime = await find(name);
      if ("reason" in runtime) throw new ToolError(runtime.reason);
      if (canRun(runtime, source.name)) return runtime;
      throw new ToolError(`${source.name}: ${name} has no program of it`);
    }),
  );
  const processes = await runTwoProcesses(source, { server, client });
  return { source, processes, run: { ...run, lines: processes.lines } };
}

/** The program that the study and the quiz show. */
const EXAMPLE = "tcp_time";

function guided(name: string) {
  return runGuided(name, readHeader(sourceOf(name)));
}

const OPTIONS = {
  all: { type: "boolean" },
  out: { type: "string" },
  format: { type: "string" },
  detail: { type: "string", multiple: true },
  details: { type: "string" },
  headings: { type: "string" },
  force: { type: "boolean" },
  server: { type: "string" },
  client: { type: "string" },
  picture: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/** Reads the command line; undefined if help is asked for. */
export function read(args: string[]): Request | undefined {
  const { values, positionals } = readFlags(args, OPTIONS, {
    positionals: true,
  });
  if (values.help) return;
  const { format = "md", headings, out = "reports", details: file } = values;
  const { all = false, force = false, detail = [] } = values;
  if (format !== "md" && format !== "html") {
    throw new UsageError(`--format takes md or html, not "${format}"`);
  }
  const { picture, server, client } = values;
  if (picture !== undefined && picture !== "svg" && picture !== "png") {
    throw new UsageError(`--picture takes svg or png, not "${picture}"`);
  }
  if ((server === undefined) !== (client === undefined)) {
    throw new UsageError("--server and --client go together");
  }
  const [one] = server === undefined ? [] : listOf("server", server, NAMES);
  const [other] = client === undefined ? [] : listOf("client", client, NAMES);
  const typed = detail.map((text) => readDetail(text, "--detail"));
  const kept = file === undefined ? [] : readDetails(readTextFile(file), file);
  return {
    names: chosen(positionals, all),
    out,
    format,
    form: headings === undefined ? undefined : readFormFile(headings),
    details: withDetails(kept, typed),
    fromFile: file !== undefined,
    force,
    runtimes: one && other ? { server: one, client: other } : undefined,
    picture,
    flags: (format === "md" ? "" : ` --format ${format}`) +
      (headings === undefined ? "" : ` --headings ${quoted(headings)}`) +
      (one ? ` --server ${one} --client ${other}` : "") +
      (picture === undefined ? "" : ` --picture ${picture}`),
  };
}

function chosen(given: string[], all: boolean): string[] {
  const names = allNames();
  const wanted = all ? names : [...new Set(given.map(nameOf))];
  const strange = wanted.find((name) => !names.includes(name));
  const wrong = all && given.length > 0
    ? "Give names or --all, not both"
    : wanted.length === 0
    ? "Which experiment?"
    : strange === undefined
    ? undefined
    : `No experiment "${strange}"`;
  if (wrong) {
    throw new UsageError(`${wrong} (experiments: ${names.join(", ")})`);
  }
  return wanted;
}

/** Writes all reports; the exit code is 1 if one could not be made. */
async function run(request: Request): Promise<number> {
  const { names, out } = request;
  writing(out, () => mkdirSync(out, { recursive: true }));
  const details = detailsFor(request);
  let failed = 0;
  for (const [i, name] of names.entries()) {
    if (names.length > 1) showProgress(`${i} of ${names.length} reports`);
    try {
      const files = await writeOne(name, { ...request, details });
      clearProgress();
      for (const file of files) console.log(escapeControls(file));
    } catch (error) {
      clearProgress();
      checkStopped();
      if (!(error instanceof ToolError)) throw error;
      console.error(escapeControls(error.message));
      failed++;
    }
  }
  return failed === 0 ? 0 : 1;
}

/** The details given, and without `--details` those that are kept beside. */
function detailsFor({ out, details, fromFile }: Request): Detail[] {
  const file = join(out, DETAILS_FILE);
  if (fromFile || !existsSync(file)) return details;
  const kept = readDetails(readTextFile(file), file);
  console.error(`With the details of ${escapeControls(file)}`);
  return withDetails(kept, details);
}

async function writeOne(name: string, request: Request): Promise<string[]> {
  const { out, format, details, force, flags, picture, runtimes } = request;
  const file = join(out, `${name}.${format}`);
  const [svg, png] = ["svg", "png"].map((type) => join(out, `${name}.${type}`));
  // Before a run that would be for nothing.
  checkReplaceable(file, force);
  if (picture) checkReplaceable(svg, force);
  if (picture === "png") checkReplaceable(png, force || isOwnPng(png));

  const form = request.form ?? usualForm(name);
  const made = await make(name, form, { flags, runtimes });
  const files = picture ? await draw(made, [svg, png], request) : [];
  const drawn = files.at(-1);
  const report = contentOf(
    { ...made, ...(drawn ? { picture: basename(drawn) } : {}) },
    form,
    details,
  );
  writeReport(file, FORMATS[format](report), force);
  return [file, ...files];
}

/** Draws the output, also as PNG if that is asked for and can be done. */
async function draw(
  made: Made,
  [svg, png]: string[],
  { picture, force }: Request,
): Promise<string[]> {
  const drawing = pictureOf(terminalsOf(made), made.header.title);
  writeReport(svg, drawing.svg, force);
  if (picture === "svg") return [svg];
  const bytes = await pngOf(svg, drawing);
  if (bytes) {
    writing(png, () => writeFileSync(png, bytes));
    return [svg, png];
  }
  console.error(
    `${escapeControls(png)} is not written: no browser and no converter was ` +
      `found; open ${escapeControls(svg)} in a browser and take a ` +
      "screenshot, or install Chromium",
  );
  return [svg];
}

if (import.meta.main) await runTool({ help: () => HELP, read, run });
