/**
 * Lab reports: of every experiment, complete, true to the run, well formed, and
 * safe from what a peer sends.
 */
import {
  afterAll,
  beforeAll,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CallInWords as Call } from "../lib/observe/strace.ts";
import { experiments, make } from "../scripts/tools/report.ts";
import { contentOf, type Made } from "../scripts/tools/report/content.ts";
import { readHeadings, SECTIONS } from "../scripts/tools/report/headings.ts";
import { html } from "../scripts/tools/report/html.ts";
import { markdown } from "../scripts/tools/report/markdown.ts";
import { readEvents } from "../scripts/tools/report/run.ts";
import { condensed } from "../scripts/tools/report/calls.ts";
import { readSource } from "../scripts/tools/report/source.ts";
import { printable } from "../scripts/tools/support/text.ts";
import { commandFor, run, RUNTIMES } from "./support/runtimes.ts";
import { ROOT } from "./support/scripts.ts";
import { alongside, testOn } from "./support/test_on.ts";

setDefaultTimeout(90_000);

/** What deno.json gives the tool. */
const PERMISSIONS = [
  "--allow-read",
  "--allow-write",
  "--allow-run",
  "--allow-env",
];

const folder = mkdtempSync(join(tmpdir(), "socket-lab-"));
afterAll(() => rmSync(folder, { recursive: true }));

const { names, others } = experiments();

test("every experiment with two ends has a report", () => {
  const files = readdirSync(join(ROOT, "scripts"))
    .filter((name) => name.endsWith(".ts"))
    .map((name) => name.slice(0, -3)).sort();
  expect([...names, ...others].sort()).toEqual(files);
  expect(others.filter((name) => !/^(study|quiz)$/.test(name))).toEqual([]);
});

for (const name of names) {
  describe.concurrent(`the report of ${name}`, () => {
    let making: Promise<Made> | undefined;
    const report = () => making ??= make(name);

    test("has every section, and none is empty", async () => {
      const made = await report();
      const sections = markdownSections(markdown(contentOf(made)));
      expect(sections.map(({ heading }) => heading)).toEqual([...SECTIONS]);
      const page = parse(html(contentOf(made)));
      for (const { heading, body, parts } of sections) {
        const full = [body, ...parts.values()].filter((text) =>
          /\w/.test(text)
        );
        expect([heading, full.length]).toEqual([
          heading,
          parts.size + (body ? 1 : 0),
        ]);
        expect([heading, full]).not.toEqual([heading, []]);
      }
      expect(all(page, "h2").map(textOf)).toEqual([...SECTIONS]);
      for (const section of all(page, "section")) {
        const [heading, ...rest] = section.children.filter((child) =>
          textOf(child).trim() !== ""
        );
        expect(textOf(heading)).not.toBe("");
        expect([textOf(heading), rest.length]).not.toEqual([
          textOf(heading),
          0,
        ]);
      }
    });

    test("quotes what the run printed, line for line", async () => {
      const made = await report();
      const page = parse(html(contentOf(made)));
      const sections = markdownSections(markdown(contentOf(made)));
      const { parts } = sections.find(({ heading }) => heading === "Output")!;
      for (const end of ["server", "client"] as const) {
        const lines = made.run.lines.filter((line) => line.end === end)
          .map(({ line }) => line);
        const title = end === "server" ? "Server" : "Client";
        expect(fencesOf(parts.get(title)!)).toEqual(
          lines.length > 0 ? [["text", lines.join("\n")]] : [],
        );
        const terminal = all(page, "section")
          .find((one) => one.attributes.class === "output")!;
        const part = all(terminal, "section")
          .find((one) => one.attributes.class === `part ${end}`)!;
        expect(all(part, "samp").map(textOf)).toEqual(
          lines.length > 0 ? [lines.join("\n")] : [],
        );
      }
    });

    test("quotes the whole program, and all of the algorithm", async () => {
      const made = await report();
      const { source } = made;
      const file = readFileSync(join(ROOT, `scripts/${name}.ts`), "utf8");
      const chunks = file.replace(/^\/\*\*[\s\S]*?\n \*\/\n/, "").trim()
        .split(/\n\n(?=\S)/);
      const program = [source.shared, source.server.program]
        .concat(source.client.program).join("\n\n");
      expect(program.split(/\n\n(?=\S)/).sort()).toEqual(chunks.sort());
      const numbered = [...file.matchAll(/^ *\/\/ \d+\. /gm)].length;
      const { server, client } = source;
      expect(server.steps.length + client.steps.length).toBe(numbered);
    });

    test("draws each call of each end", async () => {
      const made = await report();
      const page = parse(html(contentOf(made)));
      const rows = condensed(made.run.calls);
      expect(rows.reduce((sum, { times }) => sum + times, 0))
        .toBe(made.run.calls.length);
      for (const width of ["wide", "narrow"]) {
        const pictures = all(page, "svg")
          .filter(({ attributes }) => attributes.class === width);
        const dots = pictures.flatMap((picture) => all(picture, "circle"));
        expect(dots).toHaveLength(rows.length);
        const drawn = pictures.flatMap((picture) => all(picture, "tspan"))
          .map((span) => textOf(span).replace(/^\[\d+\]\s/, ""));
        expect(drawn).toEqual(rows.map(({ call }) => call.call));
      }
    });

    test("is one well-formed page that fetches and runs nothing", async () => {
      standsAlone(parse(html(contentOf(await report()))));
    });

    test("names its runtime, and the command that makes it", async () => {
      const made = await report();
      for (const file of [markdown, html]) {
        const text = file(contentOf(made));
        expect(text).toContain(`Bun ${Bun.version}`);
        expect(text).toContain(`bun scripts/tools/report.ts ${name}`);
      }
    });
  });
}

// --- what a peer sends ---

const HOSTILE = [
  "\x1b[2J\x1b]0;title\x07",
  "\u009b31m red",
  "\u202egnp.exe\u2066 \u200f",
  "</script><script>alert(1)</script>",
  "</samp></pre><img src=x onerror=alert(1)>",
  "<!-- --> ]]> -->",
  "</svg></desc></title></style>",
  "&lt;b&gt; &amp; &#60; &copy",
  "```",
  "`````js\n# heading\n~~~",
  "`code` | cell | ![x](http://example.com/x.png) [y](javascript:z)",
  "end",
  "end; server->>client: forged",
  "#quot; #35; %% comment %%{init: {}}%%",
  "Note over server: forged\nclient->>server: forged",
  "\ud800 \ufffe \u2028 \u2029 \0",
  "x".repeat(5000),
  "漢字".repeat(300),
  "a\u0301\u0302\u0303".repeat(50),
  "",
];

describe("what a peer sends", () => {
  let made: Made;
  beforeAll(() => {
    const file = readFileSync(join(ROOT, "scripts/tcp_time.ts"), "utf8");
    const calls = HOSTILE.map((text) => text.slice(0, 80)).flatMap((
      text,
      i,
    ): Call[] => [
      call(i, { call: "sendall", args: [`"${text}"`], result: "0", bytes: 9 }),
      call(i, { call: "recv", args: ["9"], result: `"${text}"`, bytes: 9 }),
      call(i, { call: "connect", args: [text], error: text, reason: text }),
      call(i, { call: "accept", args: [], result: `socket, ${text}` }),
      call(i, { call: "close", args: [text] }),
    ]);
    const lines = HOSTILE.flatMap((line) => [
      { end: "server", line },
      { end: "client", line },
    ]);
    const json = [...lines, ...calls].map((one) => JSON.stringify(one));
    made = {
      source: readSource("tcp_time", file)!,
      run: {
        command: "bun scripts/tcp_time.ts",
        ...readEvents(json.join("\n")),
        notes: HOSTILE.map(printable),
        runtime: "Bun",
        date: new Date(0),
      },
      command: "bun scripts/tools/report.ts tcp_time",
    };
  });

  function call(i: number, rest: Partial<Call>): Call {
    const end = i % 2 ? "server" : "client";
    return { time: i, end, connection: 1, socket: 1, ...rest } as Call;
  }

  const wanted = HOSTILE.map(printable).join("\n");
  const unsafe =
    // deno-lint-ignore no-control-regex
    /[\0-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffe]/;

  test("is escaped where it could drive a terminal or turn a line", () => {
    for (const file of [markdown, html]) {
      const text = file(contentOf(made));
      expect(text.match(unsafe)).toBeNull();
      expect(text.isWellFormed()).toBe(true);
      expect(text).toContain("\\x1b[2J\\x1b]0;title\\x07");
      expect(text).toContain("\\u{202e}gnp.exe\\u{2066} \\u{200f}");
    }
    for (const text of HOSTILE) expect(printable(text)).not.toContain("\n");
  });

  test("is text in a page, and no markup", () => {
    const page = parse(html(contentOf(made)));
    standsAlone(page);
    expect(all(page, "samp").map(textOf)).toEqual([wanted, wanted]);
    expect(all(page, "h2")).toHaveLength(SECTIONS.length);
    expect(textOf(all(page, "desc")[0])).toContain("title");
  });

  test("stays in the code blocks of Markdown", () => {
    const text = markdown(contentOf(made));
    const sections = markdownSections(text);
    expect(sections.map(({ heading }) => heading)).toEqual([...SECTIONS]);
    const { parts } = sections.find(({ heading }) => heading === "Output")!;
    for (const part of parts.values()) {
      expect(fencesOf(part)).toEqual([["text", wanted]]);
    }
    // Outside of them it is one span of code, longer fenced than it has.
    const result = sections.find(({ heading }) => heading === "Result")!.body;
    const told = result.matchAll(/^- On standard error: (.*)$/gm);
    expect([...told].map(([, span]) => codeOf(span))).toEqual(
      HOSTILE.filter((text) => text !== "").map(printable),
    );
  });

  test("adds no statement to the diagram", () => {
    const count = (of: Made) => {
      const sections = markdownSections(markdown(contentOf(of)));
      const { body } = sections.find(({ heading }) =>
        heading === "Sequence of calls"
      )!;
      const [[language, diagram]] = fencesOf(body);
      expect(language).toBe("mermaid");
      return diagram.split("\n").length;
    };
    const harmless = made.run.calls.map((call) =>
      JSON.parse(
        JSON.stringify(call, (key, value) =>
          /args|result|error|reason/.test(key) && value
            ? Array.isArray(value)
              ? value.map(() => '"x"')
              : '"x"'
            : value),
      )
    );
    const { run } = made;
    expect(count(made)).toBe(
      count({ ...made, run: { ...run, calls: harmless } }),
    );
  });
});

test("a diagram that Mermaid would refuse is cut, and says so", () => {
  const call: Call = {
    time: 1,
    end: "server",
    connection: 1,
    socket: 1,
    call: "shutdown",
    args: ["x".repeat(1000)],
  };
  const text = markdown({
    name: "long",
    title: "Long",
    date: new Date(0),
    colophon: [],
    sections: [{
      name: "Output",
      heading: "Output",
      blocks: [{ kind: "calls", calls: Array(100).fill(call) }],
      parts: [],
    }],
  });
  const [[, diagram]] = fencesOf(text);
  expect(diagram.length).toBeWithin(40_000, 50_001);
  expect(diagram).toMatch(/and \d+ more calls$/);
});

// --- headings ---

describe("a headings file", () => {
  test("renames, orders and leaves out, and # begins a comment", () => {
    const headings = readHeadings(
      "# for the marker\n\nAim = AIM OF THE EXPERIMENT:\r\noutput\n" +
        "Program = <PROGRAM>\nClient = CLIENT:\nServer = SERVER:\n",
    );
    expect([...headings.sections]).toEqual([
      ["Aim", "AIM OF THE EXPERIMENT:"],
      ["Output", "Output"],
      ["Program", "<PROGRAM>"],
    ]);
    expect([...headings.parts]).toEqual([
      ["Client", "CLIENT:"],
      ["Server", "SERVER:"],
      ["Both ends", "Both ends"],
    ]);
  });

  test("is refused with the number of the line", () => {
    for (
      const [text, message] of [
        ["Aim\nAims = X", 'line 2: no section "Aims" (there are: Aim, '],
        ["Aim =", "line 1: no heading after ="],
        ["\nAim\naim = X", "line 3: Aim is there already"],
        ["= X", 'line 1: no section ""'],
        ["# nothing\nServer = X", "it names no section"],
      ]
    ) {
      expect(() => readHeadings(text)).toThrow(message);
    }
  });
});

// --- the command ---

describe("report.ts", () => {
  function report(...args: string[]) {
    return run([...commandFor("bun", []), "scripts/tools/report.ts", ...args], {
      cwd: ROOT,
    });
  }

  for (const runtime of RUNTIMES) {
    testOn(runtime, `writes a page under ${runtime}`, async () => {
      const out = join(folder, runtime);
      const command = [
        ...commandFor(runtime, PERMISSIONS),
        "scripts/tools/report.ts",
        ...["tcp_time", "--format", "html", "--out", out],
      ];
      const { code, stdout, stderr } = await run(command, { cwd: ROOT });
      expect([code, stderr]).toEqual([0, ""]);
      expect(stdout).toBe(`${join(out, "tcp_time.html")}\n`);
      const text = readFileSync(join(out, "tcp_time.html"), "utf8");
      expect(textOf(parse(text))).toContain("The aim is reached");
      const name = runtime[0].toUpperCase() + runtime.slice(1);
      expect(text).toMatch(new RegExp(`with ${name} \\d+\\.\\d+`));
    });
  }

  alongside("uses a headings file, and says so in the report", async () => {
    const file = join(folder, "headings.txt");
    writeFileSync(file, "Output = OUTPUT:\nAim = <b>Aim\n");
    const { code } = await report(
      "tcp_hello",
      "--headings",
      file,
      "--out",
      folder,
    );
    expect(code).toBe(0);
    const text = readFileSync(join(folder, "tcp_hello.md"), "utf8");
    expect(text.match(/^## .*$/gm)).toEqual(["## OUTPUT:", "## \\<b\\>Aim"]);
    expect(text).toContain(`report.ts tcp_hello --headings ${file}`);
  });

  alongside("refuses what it does not know, in one line, with 2", async () => {
    const bad = join(folder, "bad.txt");
    writeFileSync(bad, "Aim\nGoal = X\n");
    const known = "(experiments: event_log, ";
    for (
      const [args, message] of [
        [["tcp_tim\x1b[2J"], 'No experiment "tcp_tim\\x1b[2J" ' + known],
        [["study"], "study has no two ends to report " + known],
        [[], "Which experiment? " + known],
        [["--al"], "Unknown flag --al"],
        [["tcp_time", "--all"], "Give names or --all, not both"],
        [
          ["tcp_time", "--format", "pdf"],
          '--format takes md or html, not "pdf"',
        ],
        [["tcp_time", "--out"], "--out needs a value"],
        [["tcp_time", "--headings", bad], `${bad}, line 2: no section "Goal"`],
        [["tcp_time", "--headings", "none"], "Cannot read none: there is no"],
      ] as [string[], string][]
    ) {
      const { code, stdout, stderr } = await report(...args);
      expect([code, stdout]).toEqual([2, ""]);
      expect(stderr.trimEnd()).toStartWith(message);
      expect(stderr.trimEnd()).not.toContain("\n");
    }
  });

  alongside(
    "tells of an experiment that fails, and makes the others",
    async () => {
      const broken = join(folder, "broken.ts");
      writeFileSync(
        broken,
        'if (process.argv[1].endsWith("tcp_hello.ts")) {' +
          'console.error("Cannot \\x1b[2J listen\\nAdvice"); process.exit(1); }',
      );
      const { code, stdout, stderr } = await run([
        ...commandFor("bun", []),
        "scripts/tools/report.ts",
        ...["tcp_hello", "tcp_thank_you", "--out", folder],
      ], { cwd: ROOT, env: { BUN_OPTIONS: `--preload ${broken}` } });
      expect(stderr).toBe("tcp_hello ended with 1: Cannot \\x1b[2J listen\n");
      expect(stdout).toBe(`${join(folder, "tcp_thank_you.md")}\n`);
      expect(code).toBe(1);
    },
  );

  alongside("cannot write into a file", async () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    const { code, stderr } = await report("tcp_hello", "--out", file);
    expect(stderr).toBe(`Cannot write ${file}: it is no folder\n`);
    expect(code).toBe(1);
  });
});

// --- reading reports ---

/** A section of a Markdown report. */
interface MarkdownSection {
  heading: string;
  body: string;
  parts: Map<string, string>;
}

/** The lines outside of code blocks tell where a section begins. */
function markdownSections(text: string): MarkdownSection[] {
  const sections: MarkdownSection[] = [];
  let part: string | undefined;
  let fence = "";
  for (const line of text.split("\n")) {
    const [ticks] = line.match(/^`{3,}/) ?? [];
    if (!fence && ticks) fence = ticks;
    else if (fence && line.trimEnd() === fence) fence = "";
    const section = sections.at(-1);
    const [, level, heading] = fence ? [] : line.match(/^(##+) (.*)$/) ?? [];
    if (level === "##") {
      sections.push({ heading, body: "", parts: new Map() });
      part = undefined;
    } else if (level === "###") {
      section!.parts.set(part = heading, "");
    } else if (!fence && line === "---") {
      break;
    } else if (section && part) {
      section.parts.set(part, `${section.parts.get(part)}${line}\n`);
    } else if (section) {
      section.body += `${line}\n`;
    }
  }
  expect(fence).toBe("");
  for (const section of sections) section.body = section.body.trim();
  return sections;
}

/** The code blocks of Markdown: `[language, text]`. */
function fencesOf(text: string): [string, string][] {
  const blocks = text.matchAll(/^(`{3,})(\w+)\n([\s\S]*?)\n\1$/gm);
  return [...blocks].map(([, , language, code]) => [language, code]);
}

/** What a span of code says; undefined if it is not one from end to end. */
function codeOf(span: string): string | undefined {
  const [, ticks, code] = span.match(/^(`+)(?!`)(.*)(?<!`)\1$/) ?? [];
  if (!code || code.match(/`+/g)?.includes(ticks)) return;
  return /^ .*[^ ].* $/.test(code) ? code.slice(1, -1) : code;
}

/** An element of a page; a text has no name. */
interface Node {
  name: string;
  attributes: Record<string, string>;
  children: Node[];
  text: string;
}

/** Reads a page strictly: what a browser would have to mend is an error. */
function parse(page: string): Node {
  expect(page).toStartWith("<!DOCTYPE html>\n");
  const node = (name: string, text = ""): Node => ({
    name,
    attributes: {},
    children: [],
    text,
  });
  const root = node("root");
  const open = [root];
  const token = /<(\/?)([a-z][a-z0-9]*)((?:\s[^<>]*?)?)(\/?)>|[^<]+|</gi;
  for (
    const [all, close, name, attributes, selfClosed] of page
      .slice("<!DOCTYPE html>\n".length).matchAll(token)
  ) {
    if (!name) {
      expect(all).not.toBe("<");
      const style = open.at(-1)!.name === "style";
      if (!style) expect(all).not.toMatch(/&(?!(amp|lt|gt|quot|#39);)/);
      open.at(-1)!.children.push(node("", style ? all : unescaped(all)));
    } else if (close) {
      expect(open.pop()!.name).toBe(name);
    } else {
      const element = node(name);
      const pattern = /\s+([a-z-]+)="([^"]*)"/gi;
      expect(attributes.replace(pattern, "").trim()).toBe("");
      for (const [, key, value] of attributes.matchAll(pattern)) {
        expect(Object.keys(element.attributes)).not.toContain(key);
        element.attributes[key] = unescaped(value);
      }
      open.at(-1)!.children.push(element);
      if (!selfClosed && name !== "meta") open.push(element);
    }
  }
  expect(open.map(({ name }) => name)).toEqual(["root"]);
  return root;
}

function unescaped(text: string): string {
  const marks: Record<string, string> = {
    amp: "&",
    lt: "<",
    gt: ">",
    quot: '"',
    "#39": "'",
  };
  return text.replace(/&(amp|lt|gt|quot|#39);/g, (_, name) => marks[name]);
}

function all(node: Node, name: string): Node[] {
  return node.children.flatMap((child) => [
    ...(child.name === name ? [child] : []),
    ...all(child, name),
  ]);
}

function textOf(node: Node): string {
  return node.text + node.children.map(textOf).join("");
}

/** A page without scripts, links or anything that it would have to fetch. */
function standsAlone(page: Node): void {
  const ids = new Set<string>();
  const visit = ({ name, attributes, children }: Node) => {
    expect(name).not.toMatch(/^(script|img|link|iframe|object|embed|a|base)$/);
    for (const [key, value] of Object.entries(attributes)) {
      expect(key).not.toMatch(/^(on|href|src|style|xlink)/);
      if (key !== "content") expect(value).not.toMatch(/url\(|:\/\//);
      if (key === "id") {
        expect(ids).not.toContain(value);
        ids.add(value);
      }
    }
    children.forEach(visit);
  };
  visit(page);
  const style = all(page, "style").map(textOf).join("");
  expect(style).not.toMatch(/url\(|@import|:\/\//);
  const [root] = all(page, "html");
  expect(root.attributes.lang).toBe("en");
  expect(textOf(all(page, "title")[0])).not.toBe("");
  for (const picture of all(page, "svg")) {
    const named = picture.attributes["aria-labelledby"].split(" ");
    expect(named.every((id) => ids.has(id))).toBe(true);
  }
}
