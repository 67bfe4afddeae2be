/**
 * The project's shape, as DESIGN and README promise it: who imports what, how
 * large a room may be, how much a run loads, and what the README lists.
 */
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { difference, readHeader } from "../scripts/tools/support/header.ts";
import { GUIDED, ROOT, SCRIPTS } from "./support/scripts.ts";

const LIB = filesIn("lib");
const EXPERIMENTS = SCRIPTS.map((name) => `scripts/${name}`);
const TOOLS = filesIn("scripts/tools");
const guided = (file: string) => GUIDED.includes(file.slice("scripts/".length));

function filesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true })
    .map(String)
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `${folder}/${name.replaceAll("\\", "/")}`);
}

/** An import: static, of types, or dynamic, in an expression or a type. */
interface Import {
  /** A path relative to the project, or the name of a package. */
  readonly name: string;
  /** It is loaded together with the file. */
  readonly loads: boolean;
  readonly line: number;
}

/** Every import of a file. */
function importsOf(file: string): Import[] {
  const source = codeOf(file);
  const found: Import[] = [];
  const add = (specifier: string, loads: boolean, index: number) => {
    const name = specifier.startsWith(".")
      ? normalize(join(dirname(file), specifier)).replaceAll("\\", "/")
      : specifier;
    const line = source.slice(0, index).split("\n").length;
    found.push({ name, loads, line });
  };
  const statement =
    /^ *(?:import|export)\b(\s+type\b)?[^;"'()]*?\bfrom\s*["']([^"']+)["']/gm;
  for (const { 1: type, 2: name, index } of source.matchAll(statement)) {
    add(name, !type, index);
  }
  for (
    const { 1: name, index } of source.matchAll(/^import\s*["'](.+?)["']/gm)
  ) {
    add(name, true, index);
  }
  const call = /\bimport\(\s*["'`]([^"'`$]+)["'`]\s*\)/g;
  for (const { 1: name, index } of source.matchAll(call)) {
    add(name, false, index);
  }
  return found;
}

function read(file: string): string {
  return readFileSync(join(ROOT, file), "utf8").replaceAll("\r\n", "\n");
}

/** The code of a file: comments are blank, and lines keep their numbers. */
function codeOf(file: string): string {
  const token =
    /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\/\*[\s\S]*?\*\/|(?<![:\\"'`])\/\/.*$/gm;
  return read(file).replace(
    token,
    (text) => text.startsWith("/") ? text.replace(/[^\n]/g, " ") : text,
  );
}

/** The code of a file without its texts. */
function namesIn(file: string): string {
  return codeOf(file).replace(/"[^"\n]*"|`[^`]*`/g, "");
}

test("the project has the entries of its design at the top, and no other", () => {
  const allowed =
    /^(deno\.json|deno\.lock|scripts|lib|tests|README\.md|LICENSE|package\.json|\..+)$/;
  const entries = readdirSync(ROOT).filter((name) =>
    !["node_modules", "reports"].includes(name)
  );
  expect(entries.filter((name) => !allowed.test(name))).toEqual([]);
});

/** The rooms, and what each may import: DESIGN section 1. */
const ARROWS: [room: RegExp, allowed: RegExp][] = [
  [/^lib\/sockets\//, /^(lib\/sockets\/|node:)/],
  [/^lib\/observe\//, /^lib\/(observe|sockets)\//],
  [/^lib\/slips\//, /^(lib\/(slips|sockets)\/|node:)/],
  [/^lib\/process\//, /^(lib\/(process|sockets)\/|node:)/],
  [
    /^lib\/experiment\//,
    /^(lib\/(experiment|process|slips|observe|sockets)\/|node:)/,
  ],
  [/^lib\/protocols\//, /^lib\/protocols\//],
  [/^lib\/services\//, /^(lib\/(services|protocols|sockets)\/|node:)/],
  [/^lib\/mod\.ts$/, /^lib\/(sockets|observe|experiment)\//],
  [
    /^scripts\/(study|quiz)\.ts$/,
    /^lib\/(mod\.ts|experiment\/guide\.ts|(protocols|services)\/[\w/]+\.ts)$/,
  ],
  [
    /^scripts\/\w+\.ts$/,
    /^lib\/(mod\.ts|(protocols|services)\/[\w/]+\.ts)$/,
  ],
  [/^scripts\/tools\//, /^(lib\/|scripts\/tools\/|node:)/],
];

/**
 * Lines, comments included: DESIGN section 1, which gives lib/sockets 2,800. It
 * had 2,803 before bind() became real, received bytes the caller's own, errors
 * true and a program's end free of open sockets. lib/observe has 20 lines more
 * than there, which number sockets and shorten runs; lib/experiment 150, which
 * notice slips, and --help its header and output; lib/slips names them, and
 * lib/process was a part of it: the signals, and output that nobody reads. Then
 * 530 in lib/observe put the traces of two processes on one axis and into one
 * order, and 290 in lib/experiment hold each call for `--step`.
 */
const BUDGETS: [lines: number, of: string, files: RegExp][] = [
  [3600, "lib/sockets", /^lib\/sockets\//],
  [1270, "lib/observe", /^lib\/observe\//],
  [1540, "lib/experiment", /^lib\/experiment\//],
  [370, "lib/process", /^lib\/process\//],
  [275, "lib/slips", /^lib\/slips\//],
  [5160, "scripts/tools but the board", /^scripts\/tools\/(?!board)/],
  [1300, "the board with its page", /^scripts\/tools\/board/],
];

/** What the board sends to a browser. */
const PAGE = "scripts/tools/board/page/";

/** Those whose files are counted one by one. */
const FILE_BUDGETS: [lines: number, file: RegExp][] = [
  [300, /^lib\/protocols\//],
  [200, /^lib\/services\//],
  [150, /^scripts\/(time_sync|event_log|iot_devices|job_schedule)\.ts$/],
  [100, /^scripts\/(?!study|quiz)\w+\.ts$/],
];

describe("the rooms", () => {
  const files = [...LIB, ...EXPERIMENTS, ...TOOLS];

  test("import downwards only, types and dynamic imports included", () => {
    const wrong: string[] = [];
    for (const file of files) {
      const [, allowed] = ARROWS.find(([room]) => room.test(file))!;
      for (const { name, line } of importsOf(file)) {
        const types = name === "bun" && file === "lib/sockets/runtimes/bun.ts";
        if (!types && !allowed.test(name)) {
          wrong.push(`${file}:${line} ${name}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  test("have no circle of files", () => {
    const done = new Set<string>();
    const circles: string[] = [];
    const visit = (file: string, path: string[]) => {
      if (path.includes(file)) {
        return void circles.push([...path, file].join(" -> "));
      }
      if (done.has(file) || !files.includes(file)) return;
      for (const { name, line } of importsOf(file)) {
        visit(name, [...path, `${file}:${line}`.replace(/:\d+$/, "")]);
      }
      done.add(file);
    };
    for (const file of files) visit(file, []);
    expect(circles).toEqual([]);
  });

  test("keep their budgets of lines", () => {
    const count = (file: string) => read(file).trimEnd().split("\n").length;
    const over: string[] = [];
    const page = readdirSync(join(ROOT, PAGE)).map((name) => PAGE + name);
    for (const [most, room, pattern] of BUDGETS) {
      const lines = [...files, ...page].filter((file) => pattern.test(file))
        .map(count);
      const sum = lines.reduce((a, b) => a + b, 0);
      if (sum > most) over.push(`${room}: ${sum} of ${most}`);
    }
    for (const file of files) {
      const budget = FILE_BUDGETS.find(([, pattern]) => pattern.test(file));
      if (budget && count(file) > budget[0]) {
        over.push(`${file}: ${count(file)} of ${budget[0]}`);
      }
    }
    expect(over).toEqual([]);
  });

  test("name a runtime's sockets in lib/sockets/runtimes only", () => {
    const sockets =
      /\b(Deno\.(listen|connect|Conn|Listener)|Bun\.(listen|connect|udp))|node:(net|dgram)\b/;
    const runtime = /\b(Deno|Bun|process)\.[a-zA-Z]/;
    // These know the process and the system, and no socket.
    const process = /^lib\/(process\/\w+|services\/proc_net_tcp)\.ts$/;
    for (const file of [...LIB, ...EXPERIMENTS]) {
      if (file.startsWith("lib/sockets/runtimes/")) continue;
      expect([file, codeOf(file).match(sockets)?.[0]]).toEqual([
        file,
        undefined,
      ]);
      if (process.test(file)) continue;
      expect([file, namesIn(file).match(runtime)?.[0]]).toEqual([
        file,
        undefined,
      ]);
    }
  });

  test("ask Linux for what it alone has where that is guarded", () => {
    const guarded =
      /(true_error|proc_net_tcp|support\/processes|matrix\/own)\.ts$/;
    for (const file of files.filter((file) => !guarded.test(file))) {
      const linux = codeOf(file).match(/process\.kill\(-|\/proc\/|"\/proc/);
      expect([file, linux?.[0]]).toEqual([file, undefined]);
    }
  });

  test("have each file for one stated reason, and every file is used", () => {
    const used = new Set(
      files.flatMap((file) => importsOf(file).map(({ name }) => name)),
    );
    for (const file of LIB) {
      expect([file, read(file)]).toEqual([
        file,
        expect.stringMatching(/^\/\*\*\n \* [A-Z][\s\S]*? \* @module\n \*\//),
      ]);
      if (!file.endsWith("/mod.ts")) expect(used).toContain(file);
    }
  });
});

describe("scripts", () => {
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

  test("has a line for each room of the library", () => {
    const [table] = read("lib/README.md").split("## The rooms")[1]
      .split("\n## ");
    const listed = [...table.matchAll(/^\| \[`(lib\/\w+(?:\/|\.ts))`\]/gm)];
    const rooms = LIB.map((file) => file.match(/^lib\/(\w+\/|\w+\.ts)/)![0]);
    expect(listed.map(([, room]) => room).sort()).toEqual(
      [...new Set(rooms)].sort(),
    );
  });

  test("quotes the output that the experiment's header promises", () => {
    const quoted = readme.match(/```\n((?:server|client): [\s\S]*?)\n```/)?.[1];
    const { output } = readHeader(read("scripts/tcp_time.ts"));
    expect(difference(output, quoted?.split("\n") ?? [])).toBeNull();
  });

  test("and those of the folders link to files that are there", () => {
    for (const file of ["", "lib/", "tests/", "tests/bench/"]) {
      const text = read(`${file}README.md`);
      for (const [, path] of text.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
        const there = existsSync(join(ROOT, file, path));
        expect([file, path, there]).toEqual([file, path, true]);
      }
      for (const [, anchor] of text.matchAll(/\]\(#([^)]+)\)/g)) {
        const headings = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
          heading.toLowerCase().replace(/[^\w -]/g, "").replaceAll(" ", "-")
        );
        expect(headings).toContain(anchor);
      }
    }
  });
});

test("a TCP experiment loads little, since it is read at every start", () => {
  const loaded = new Set<string>();
  const load = (file: string) => {
    if (!file.startsWith("lib/") || loaded.has(file)) return;
    loaded.add(file);
    for (const { name, loads } of importsOf(file)) if (loads) load(name);
  };
  load("lib/mod.ts");
  load("lib/sockets/runtimes/node.ts");
  expect([...loaded].join()).not.toMatch(
    /command_line|failure|guide|terminal|slips\/(slips|source)|services|protocols|observe\/watch|deno|bun/,
  );
  // Comments cost nothing that could be measured; code does.
  // 2,400 characters of it note what is needed to name a slip; the rest is loaded
  // only then. 700 save Bun from loading node:fs, which costs more.
  const code = [...loaded].map(codeOf).join("").replace(/\s+/g, " ");
  expect(code.length).toBeLessThan(75_000);
});
