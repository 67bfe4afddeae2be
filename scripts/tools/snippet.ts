/**
 * Prints an experiment as one file that runs as it is, in an empty folder,
 * under Deno, Bun and Node: the experiment as it is written, and below it what
 * it uses of the pocket edition, which is the same socket calls on a page or two.
 *
 *     deno run -A scripts/tools/snippet.ts NAME --out NAME.ts
 *     bun scripts/tools/snippet.ts NAME --out NAME.ts
 *     node scripts/tools/snippet.ts NAME --out NAME.ts
 *
 * An experiment that uses more than the pocket edition has gets the whole
 * library, as a bundler puts it together.
 */
import { existsSync, writeFileSync } from "node:fs";
import { readFlags, UsageError } from "../../lib/experiment/flags.ts";
import { checkReplaceable } from "./report/files.ts";
import { lackOf, paste } from "./snippet/paste.ts";
import { wholeSnippet } from "./snippet/whole.ts";
import { allNames, nameOf, sourceOf } from "./support/experiments.ts";
import { runTool, ToolError } from "./support/tool.ts";

/** What the command line asks for. */
export interface Request {
  readonly name: string;
  /** With the whole library. */
  readonly whole: boolean;
  /** In two files, `server.ts` and `client.ts`. */
  readonly ends: boolean;
  /** The file to write; without it the snippet is printed. */
  readonly out?: string;
  /** Files that exist are replaced. */
  readonly force: boolean;
}

function help(): string {
  const lines = allNames().join(", ").match(/.{1,58}(?:, |$)/g)!;
  return `snippet.ts NAME [flags]

Prints an experiment as one file that runs as it is, in an empty
folder, under Deno, Bun and Node.

  NAME        ${lines.map((line) => line.trim()).join("\n              ")}
  --out FILE  write the file instead (in PowerShell, > would write
              UTF-16, which Node cannot read)
  --ends      write two files, server.ts and client.ts
  --whole     with the whole library instead of the pocket edition,
              and with all flags of the experiment
  --force     replace files that exist
  --help      print this`;
}

/** Reads the command line; undefined if help is asked for. */
export function read(args: string[]): Request | undefined {
  const { values, positionals } = readFlags(args, {
    help: { type: "boolean", short: "h" },
    whole: { type: "boolean" },
    ends: { type: "boolean" },
    force: { type: "boolean" },
    out: { type: "string" },
  }, { positionals: true });
  if (values.help) return;
  const [name, ...more] = positionals.map(nameOf);
  if (more.length > 0 || !allNames().includes(name)) {
    throw new UsageError(`Name one experiment: ${allNames().join(", ")}`);
  }
  const { whole = false, ends = false, force = false, out } = values;
  if (ends && (whole || out !== undefined)) {
    throw new UsageError("--ends goes with neither --whole nor --out");
  }
  if (out === "") throw new UsageError("--out needs a value");
  return { name, whole, ends, force, out };
}

async function run({ name, whole, ends, force, out }: Request) {
  const source = sourceOf(name).replaceAll("\r\n", "\n");
  const lack = lackOf(source);
  if (ends) {
    if (lack) throw new ToolError(`Cannot split ${name}: it needs ${lack}`);
    write({
      "server.ts": paste(name, source, "server"),
      "client.ts": paste(name, source, "client"),
    }, force);
    return 0;
  }
  if (lack && !whole) {
    console.error(`With the whole library: ${name} needs ${lack}`);
  }
  const text = whole || lack
    ? await wholeSnippet(name, source)
    : paste(name, source);
  if (out === undefined) console.log(text.trimEnd());
  else write({ [out]: text }, force);
  return 0;
}

/** Writes all of the files, or none if one of them exists; follows no link. */
function write(files: Record<string, string>, force: boolean): void {
  for (const file of Object.keys(files)) {
    checkReplaceable(file, true);
    if (force || !existsSync(file)) continue;
    throw new ToolError(`${file} exists: --force replaces it`);
  }
  for (const [file, text] of Object.entries(files)) {
    try {
      writeFileSync(file, text, { flag: force ? "w" : "wx" });
    } catch (error) {
      throw new ToolError(`Cannot write ${file}: ${(error as Error).message}`);
    }
    console.log(`Wrote ${file}`);
  }
}

if (import.meta.main) await runTool({ help, read, run });
