/**
 * Prints an experiment as one file that runs as it is, in an empty folder,
 * under Deno, Bun and Node: the experiment as it is written, and below it what
 * it uses of the library, bundled by `deno bundle` or `bun build`.
 *
 *     deno run -A scripts/tools/snippet.ts NAME > NAME.ts
 *     bun scripts/tools/snippet.ts NAME > NAME.ts
 *     node scripts/tools/snippet.ts NAME > NAME.ts
 *
 * Bundlers drop comments, and types; so only the library goes through one.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { readFlags, UsageError } from "../../lib/experiment/flags.ts";
import { allNames, nameOf, ROOT, sourceOf } from "./support/experiments.ts";
import { start } from "./support/processes.ts";
import { runTool, ToolError } from "./support/tool.ts";

/** A bundler that a runtime ships. */
export interface Bundler {
  readonly name: string;
  readonly command: string[]; // without the file
}

/** The bundlers to try: this runtime's own, then what is on the PATH. */
export const BUNDLERS: Bundler[] = [
  bundleWith("deno", "Deno" in globalThis ? process.execPath : "deno"),
  bundleWith("bun", "Bun" in globalThis ? process.execPath : "bun"),
];
if ("Bun" in globalThis) BUNDLERS.reverse();

/** The bundler of a runtime; `program` is where that is. */
export function bundleWith(runtime: "deno" | "bun", program: string): Bundler {
  return runtime === "deno"
    ? { name: "deno bundle", command: [program, "bundle", "--quiet"] }
    : { name: "bun build", command: [program, "build", "--target=node"] };
}

/** The text of the snippet; throws a ToolError if no bundler makes one. */
export async function snippet(
  name: string,
  bundlers = BUNDLERS,
): Promise<string> {
  const source = sourceOf(name);
  const [header] = source.match(/^\/\*\*[\s\S]*?\*\/\n/) ?? [""];
  const { entry, used, rest } = takeImports(source.slice(header.length));
  const [bundle, bundler] = await bundled(entry, bundlers);
  return `${header.replaceAll(`scripts/${name}.ts`, `${name}.ts`)}
// One file, made by scripts/tools/snippet.ts of Socket Lab. First comes the
// experiment as it is written, then what it uses of the library.
// @ts-nocheck The library comes without its types.

const {
  ${used.join(",\n  ")},
} = await library();
${rest.trimEnd()}

// ${"-".repeat(72)}
// The library, as \`${bundler}\` puts it together.
// ${"-".repeat(72)}

async function library() {
${asBody(bundle)}}
`;
}

/** An experiment without its imports, and a module that exports what they name. */
function takeImports(source: string) {
  let entry = "";
  const used: string[] = [];
  const statement = /^import (type )?\{([^}]*)\} from "\.\.\/([^"]+)";\n/gm;
  const rest = source.replace(statement, (_, type, list, file) => {
    const values = list.split(",").map((name: string) => name.trim())
      .filter((name: string) => name && !type && !name.startsWith("type "));
    const path = JSON.stringify(join(ROOT, file));
    entry += `export { ${values.join(", ")} } from ${path};\n`;
    used.push(...values.map((name: string) => name.split(" as ").at(-1)!));
    return "";
  });
  const [left] = rest.match(/(from |import\()"\.[^"]*"/) ?? [];
  if (left) throw new Error(`Cannot bundle this import: ${left}`);
  return { entry, used, rest };
}

/** The module, bundled by the first bundler that can, and that one's name. */
async function bundled(
  entry: string,
  bundlers: Bundler[],
): Promise<[text: string, bundler: string]> {
  const folder = mkdtempSync(join(tmpdir(), "snippet-"));
  const file = join(folder, "library.ts");
  const reasons: string[] = [];
  try {
    writeFileSync(file, entry);
    for (const { name, command } of bundlers) {
      const { ended, written } = start([...command, file], {
        ...{ cwd: ROOT, most: Infinity, group: false },
      });
      if ((await ended).code === 0) return [written.stdout, name];
      const [, reason = "not found"] = written.stderr.match(/error: (.*)/) ??
        [];
      reasons.push(`${name}: ${reason}`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  throw new ToolError(
    `Cannot bundle (${reasons.join("; ")}): install Deno, or Bun, ` +
      "or both with npm install -g deno bun",
  );
}

/**
 * A module as the body of a function, so that its names clash with nothing and
 * it may stand below its caller: it imports when it is called, and returns what
 * the module exports.
 */
function asBody(module: string): string {
  return module
    .replace(/^import ([^;"]+) from "([^"]+)";$/gm, (_, what, from) => {
      const name = what.startsWith("{")
        ? what.replaceAll(" as ", ": ")
        : what.startsWith("*")
        ? what.slice("* as ".length)
        : `{ default: ${what} }`;
      return `const ${name} = await import("${from}");`;
    })
    // Bun calls this helper without defining it: oven-sh/bun#42046.
    .replaceAll("__promiseAll([", "Promise.all([")
    .replace(
      /^export \{([^}]*)\};\s*$/m,
      (_, list) => `return {${list.replaceAll(" as ", ": ")}};\n`,
    );
}

function help(): string {
  const lines = allNames().join(", ").match(/.{1,58}(?:, |$)/g)!;
  return `snippet.ts NAME

Prints an experiment as one file that runs as it is, in an empty
folder, under Deno, Bun and Node.

  NAME    ${lines.map((line) => line.trim()).join("\n          ")}`;
}

/** Reads the command line: one name; undefined if help is asked for. */
export function read(args: string[]): string | undefined {
  const options = { help: { type: "boolean", short: "h" } } as const;
  const { values, positionals } = readFlags(args, options, {
    positionals: true,
  });
  if (values.help) return;
  const [name, ...more] = positionals.map(nameOf);
  if (more.length === 0 && allNames().includes(name)) return name;
  throw new UsageError(`Name one experiment: ${allNames().join(", ")}`);
}

async function run(name: string): Promise<number> {
  console.log((await snippet(name)).trimEnd());
  return 0;
}

if (import.meta.main) await runTool({ help, read, run });
