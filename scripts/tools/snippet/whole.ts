/**
 * Makes a snippet with the whole library: the experiment as it is written, and
 * below it what it uses, bundled by `deno bundle` or `bun build`. Bundlers drop
 * comments, and types; so only the library goes through one.
 *
 * @module
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { ROOT } from "../support/experiments.ts";
import { start } from "../support/processes.ts";
import { ToolError } from "../support/tool.ts";

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
export async function wholeSnippet(
  name: string,
  source: string,
  bundlers = BUNDLERS,
): Promise<string> {
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
