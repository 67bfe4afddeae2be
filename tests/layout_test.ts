/**
 * The project's shape, as DESIGN and README promise it: who imports what, who
 * may name a runtime, how much a run loads, and what the README lists.
 */
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { difference, readHeader } from "../scripts/tools/support/header.ts";
import { GUIDED, ROOT, SCRIPTS } from "./support/scripts.ts";

const LIB = readdirSync(join(ROOT, "lib"), { recursive: true })
  .map(String)
  .filter((name) => name.endsWith(".ts"))
  .map((name) => `lib/${name}`);
const EXPERIMENTS = SCRIPTS.map((name) => `scripts/${name}`);
const guided = (file: string) => GUIDED.includes(file.slice("scripts/".length));

/** What a file imports: `[specifier, how]`, paths relative to the project. */
function importsOf(file: string): [string, "static" | "type" | "dynamic"][] {
  const source = read(file);
  const found: [string, "static" | "type" | "dynamic"][] = [];
  const statement = /^(?:import|export)\s+(type\s)?[^;]*?from "([^"]+)";/gm;
  for (const [, type, name] of source.matchAll(statement)) {
    found.push([resolve(file, name), type ? "type" : "static"]);
  }
  for (const [, name] of source.matchAll(/^[^*/\n]*import\("([^"]+)"\)/gm)) {
    found.push([resolve(file, name), "dynamic"]);
  }
  return found;
}

function resolve(file: string, name: string): string {
  return name.startsWith(".") ? normalize(join(dirname(file), name)) : name;
}

function read(file: string): string {
  return readFileSync(join(ROOT, file), "utf8");
}

/** The code of a file, without comments. */
function codeOf(file: string): string {
  return read(file).replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
}

test("the project has the entries of its design at the top, and no other", () => {
  const allowed =
    /^(deno\.json|deno\.lock|scripts|lib|tests|README\.md|LICENSE|\..+)$/;
  const entries = readdirSync(ROOT).filter((name) =>
    !["node_modules", "reports"].includes(name)
  );
  expect(entries.filter((name) => !allowed.test(name))).toEqual([]);
});

describe("lib", () => {
  test("imports itself and what all three runtimes ship, never a script", () => {
    for (const file of LIB) {
      for (const [name, how] of importsOf(file)) {
        if (how === "type" && name === "bun") continue; // erased
        expect(name).toMatch(/^(lib\/|node:)/);
      }
    }
  });

  test("names a runtime only in runtimes/", () => {
    for (const file of [...LIB, ...EXPERIMENTS]) {
      if (file.startsWith("lib/runtimes/")) continue;
      expect([file, codeOf(file)]).not.toEqual([
        file,
        expect.stringMatching(
          /\b(Deno|Bun|process)\.|node:(net|dgram|process)/,
        ),
      ]);
    }
  });

  test("has each file for one stated reason, and every file is used", () => {
    const used = new Set(
      [...LIB, ...EXPERIMENTS].flatMap((file) =>
        importsOf(file).map(([name]) => name)
      ),
    );
    for (const file of LIB) {
      expect(read(file)).toMatch(/^\/\*\*\n \* \S[\s\S]*?\n \* @module\n \*\//);
      expect(used).toContain(file);
    }
  });

  test("is imported downwards: no file loads one that loads it", () => {
    const below = (file: string, seen = new Set<string>()): Set<string> => {
      for (const [name, how] of importsOf(file)) {
        if (how !== "static" || !name.startsWith("lib/") || seen.has(name)) {
          continue;
        }
        seen.add(name);
        below(name, seen);
      }
      return seen;
    };
    for (const file of LIB) expect(below(file)).not.toContain(file);
  });
});

describe("scripts", () => {
  test("import lib/mod.ts, the protocols and what shares them, no more", () => {
    for (const file of EXPERIMENTS) {
      for (const [name] of importsOf(file)) {
        if (guided(file) && name === "lib/guide.ts") continue;
        expect(name).toMatch(
          /^lib\/(mod|open_both|random|serve_all|time_service|protocols\/\w+)\.ts$/,
        );
      }
    }
  });

  test("export both ends, whose comments are numbered from 1", () => {
    for (const file of EXPERIMENTS.filter((file) => !guided(file))) {
      const [, server, client] = read(file).split(
        /^export async function (?:server|client)\(/m,
      );
      for (const body of [server, client]) {
        const numbers = [...body.matchAll(/^ *\/\/ (\d+)\. /gm)].map(([, n]) =>
          Number(n)
        );
        expect(numbers).not.toBeEmpty();
        expect(numbers).toEqual(numbers.map((_, i) => i + 1));
      }
    }
  });
});

describe("README.md", () => {
  const readme = read("README.md");

  test("lists every experiment once, and none that is not there", () => {
    const listed = [...readme.matchAll(/\]\(scripts\/(\w+\.ts)\)/g)];
    expect(listed.map(([, name]) => name).sort()).toEqual(SCRIPTS);
  });

  test("says where each file of the library is", () => {
    const [table] = readme.split("in this order:")[1].split("\n## ");
    const listed = [...table.matchAll(/`(\w+\.ts|\w+\/)`/g)].map(([, f]) => f);
    const files = LIB.map((file) => file.match(/^lib\/(\w+\/|.*)/)![1]);
    expect(listed.sort()).toEqual([...new Set(files)].sort());
  });

  test("quotes the output that the experiment's header promises", () => {
    const quoted = readme.match(/```\n((?:server|client): [\s\S]*?)\n```/)?.[1];
    const { output } = readHeader(read("scripts/tcp_time.ts"));
    expect(difference(output, quoted?.split("\n") ?? [])).toBeNull();
  });

  test("links to files that are there", () => {
    for (const [, path] of readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
      expect([path, existsSync(join(ROOT, path))]).toEqual([path, true]);
    }
  });
});

test("a TCP experiment loads little, since it is read at every start", () => {
  const loaded = new Set<string>();
  const load = (file: string) => {
    if (!file.startsWith("lib/") || loaded.has(file)) return;
    loaded.add(file);
    for (const [name, how] of importsOf(file)) if (how === "static") load(name);
  };
  load("lib/mod.ts");
  load("lib/runtimes/node.ts");
  expect([...loaded].join()).not.toMatch(
    /command_line|failure|guide|terminal|kernel|trace|deno|bun/,
  );
  // Comments cost nothing that could be measured; code does.
  const code = [...loaded].map(codeOf).join("").replace(/\s+/g, " ");
  expect(code.length).toBeLessThan(46_100);
});
