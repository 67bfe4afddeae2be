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
import { execFile } from "node:child_process";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** A bundler that a runtime ships. */
export interface Bundler {
  /** What the snippet calls it. */
  readonly name: string;
  /** The program and its arguments, but for the file. */
  readonly command: string[];
}

const ROOT = fileURLToPath(new URL("../..", import.meta.url).href);
const SCRIPTS = join(ROOT, "scripts");

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

/** The names of the experiments. */
export function names(): string[] {
  return readdirSync(SCRIPTS).filter((file) => file.endsWith(".ts"))
    .map((file) => file.slice(0, -".ts".length)).sort();
}

/** The text of the snippet; rejects if no bundler makes one. */
export async function snippet(
  name: string,
  bundlers = BUNDLERS,
): Promise<string> {
  const source = readFileSync(join(SCRIPTS, `${name}.ts`), "utf8");
  const [header] = source.match(/^\/\*\*[\s\S]*?\*\/\n/) ?? [""];
  const { entry, used, rest } = takeImports(source.slice(header.length));
  const [bundle, bundler] = await bundled(entry, bundlers);
  return `${header.replaceAll(`scripts/${name}.ts`, `${name}.ts`)}
// One file, made by scripts/tools/snippet.ts of Socket Lab. First comes the
// experiment as it is written, then what it uses of the library.
// @ts-nocheck The library comes without its types.

${destructure(used)}
${rest.trimEnd()}

// ${"-".repeat(72)}
// The library, as \`${bundler}\` puts it together.
// ${"-".repeat(72)}

async function library() {
${asBody(bundle)}}
`;
}

/** An experiment without its imports, and the module that exports those. */
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
  if (left) throw new Error(`The experiment has an import too many: ${left}`);
  return { entry, used, rest };
}

/** What the first bundler that there is makes of a module, and its name. */
async function bundled(
  entry: string,
  bundlers: Bundler[],
): Promise<[text: string, bundler: string]> {
  const folder = mkdtempSync(join(tmpdir(), "snippet-"));
  const file = join(folder, "library.ts");
  const reasons: string[] = [];
  try {
    writeFileSync(file, entry);
    for (const { name, command: [program, ...args] } of bundlers) {
      try {
        const { stdout } = await promisify(execFile)(program, [...args, file], {
          cwd: ROOT,
          env: { ...process.env, NO_COLOR: "1" },
        });
        return [stdout, name];
      } catch (error) {
        const { stderr } = error as { stderr?: string };
        const [reason] = stderr?.match(/error: .*/) ?? ["error: not found"];
        reasons.push(`${name}: ${reason.slice("error: ".length)}`);
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  throw new Error(
    `Cannot bundle (${reasons.join("; ")}): install Deno, or Bun, ` +
      "or both with npm install -g deno bun",
  );
}

/**
 * A module as the body of a function, whose names clash with nothing and which
 * may stand below its caller: it imports when it is called, and returns what
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
    .replace(
      /^export \{([^}]*)\};\s*$/m,
      (_, list) => `return {${list.replaceAll(" as ", ": ")}};\n`,
    );
}

function destructure(used: string[]): string {
  const line = `const { ${used.join(", ")} } = await library();`;
  if (line.length <= 80) return line;
  return `const {\n  ${used.join(",\n  ")},\n} = await library();`;
}

function help(): string {
  const lines = names().join(", ").match(/.{1,58}(?:, |$)/g)!;
  return `snippet.ts NAME

Prints an experiment as one file that runs as it is, in an empty
folder, under Deno, Bun and Node.

  NAME    ${lines.map((line) => line.trim()).join("\n          ")}`;
}

async function main([name = "", ...more]: string[]): Promise<void> {
  process.stdout.on("error", () => {}); // a reader that has left, as in | head
  if ([name, ...more].includes("--help")) return console.log(help());
  if (more.length > 0 || !names().includes(name)) {
    process.exitCode = 2;
    return console.error(`Name one experiment: ${names().join(", ")}`);
  }
  try {
    console.log((await snippet(name)).trimEnd());
  } catch (error) {
    process.exitCode = 1;
    console.error((error as Error).message);
  }
}

if (import.meta.main) await main(process.argv.slice(2));
