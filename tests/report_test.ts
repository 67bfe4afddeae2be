/**
 * Lab reports, of which runs_test.ts makes one a run: safe from what a peer
 * sends, with the headings wanted, from a command that reports its errors.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { escapeControls } from "../lib/sockets/escape.ts";
import { experiments, read } from "../scripts/tools/report.ts";
import { contentOf, type Made } from "../scripts/tools/report/content.ts";
import { readHeadings, SECTIONS } from "../scripts/tools/report/headings.ts";
import { html } from "../scripts/tools/report/html.ts";
import { markdown } from "../scripts/tools/report/markdown.ts";
import { readRun } from "../scripts/tools/report/run.ts";
import { readSource } from "../scripts/tools/report/source.ts";
import {
  all,
  codeOf,
  fencesOf,
  markdownSections,
  parse,
  standsAlone,
  textOf,
} from "./support/report_files.ts";
import { commandFor, run, type RuntimeName } from "./support/runtimes.ts";
import { GUIDED, ROOT, SCRIPTS } from "./support/scripts.ts";
import { alongside, testOn } from "./support/test_on.ts";

/** The permissions that deno.json gives the tool. */
const PERMISSIONS = ["read", "write", "run", "env"].map((name) =>
  `--allow-${name}`
);

const folder = mkdtempSync(join(tmpdir(), "socket-lab-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("every experiment with two ends has a report", () => {
  const { names, others } = experiments();
  expect(others.map((name) => `${name}.ts`)).toEqual([...GUIDED]);
  expect([...names, ...others].map((name) => `${name}.ts`).sort())
    .toEqual(SCRIPTS);
});

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
  const made = madeOf(HOSTILE);
  const wanted = HOSTILE.map(escapeControls).join("\n");
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
  });

  test("is text in a page, and no markup", () => {
    const page = parse(html(contentOf(made)));
    standsAlone(page);
    expect(all(page, "samp").map(textOf)).toEqual([wanted, wanted]);
    expect(all(page, "h2")).toHaveLength(SECTIONS.length);
    expect(textOf(all(page, "table", "sequence")[0])).toContain("title");
  });

  test("stays in the code blocks of Markdown", () => {
    const sections = markdownSections(markdown(contentOf(made)));
    expect(sections.map(({ heading }) => heading)).toEqual([...SECTIONS]);
    const { parts } = sections.find(({ heading }) => heading === "Output")!;
    for (const part of parts.values()) {
      expect(fencesOf(part)).toEqual([["text", wanted]]);
    }
    // Elsewhere it is one code span, with a longer fence than any in it.
    const result = sections.find(({ heading }) => heading === "Result")!.body;
    const notes = result.matchAll(/^- On standard error: (.*)$/gm);
    expect([...notes].map(([, span]) => codeOf(span))).toEqual(
      HOSTILE.filter((text) => text !== "").map(escapeControls),
    );
  });

  test("adds no statement to the diagram", () => {
    const [hostile, harmless] = [HOSTILE, HOSTILE.map(() => '"x"')].map(
      (texts) => {
        const text = markdown(contentOf(madeOf(texts)));
        const { body } = markdownSections(text).find(({ heading }) =>
          heading === "Sequence of calls"
        )!;
        const [[language, diagram]] = fencesOf(body);
        expect(language).toBe("mermaid");
        return diagram.split("\n").length;
      },
    );
    expect(hostile).toBe(harmless);
  });
});

/** What a report is made from when a peer sends these texts. */
function madeOf(texts: string[]): Made {
  const file = readFileSync(join(ROOT, "scripts/tcp_time.ts"), "utf8")
    .replaceAll("\r\n", "\n");
  const calls = texts.map((text) => text.slice(0, 80)).flatMap((text, i) => {
    const end = i % 2 ? "server" : "client";
    const common = { time: i, end, connection: 1, socket: 1 };
    return [
      { call: "sendall", args: [`"${text}"`], result: "0", bytes: 9 },
      { call: "recv", args: ["9"], result: `"${text}"`, bytes: 9 },
      { call: "connect", args: [text], error: text, reason: text },
      { call: "accept", args: [], result: `socket, ${text}` },
      { call: "close", args: [text] },
    ].map((call) => ({ ...common, ...call }));
  });
  const lines = texts.flatMap((line) => [
    { end: "server", line },
    { end: "client", line },
  ]);
  const stdout = [...lines, ...calls].map((one) => JSON.stringify(one))
    .join("\n");
  return {
    source: readSource("tcp_time", file),
    run: {
      command: "bun scripts/tcp_time.ts",
      ...readRun("tcp_time", { stdout, stderr: "" }),
      notes: texts.map(escapeControls),
      runtime: "Bun",
      date: new Date(0),
    },
    command: "bun scripts/tools/report.ts tcp_time",
  };
}

test("a diagram that Mermaid would refuse is cut, and says so", () => {
  const made = madeOf(Array(200).fill("x".repeat(80)));
  const text = markdown(contentOf(made));
  const [, diagram] = fencesOf(text).find(([name]) => name === "mermaid")!;
  expect(diagram.length).toBeWithin(40_000, 50_001);
  expect(diagram).toMatch(/and \d+ more calls$/);
});

// --- headings ---

describe("a headings file", () => {
  test("renames, orders and leaves out, and # begins a comment", () => {
    const headings = readHeadings(
      "# for the marker\n\nAim = AIM OF THE EXPERIMENT:\r\noutput\n" +
        "Program = <PROGRAM>\nClient = CLIENT:\nServer = SERVER:\n",
      "FILE",
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

  const wrong: [text: string, message: string][] = [
    ["Aim\nAims = X", 'line 2: no section "Aims" (there are: Aim, '],
    ["Aim =", "line 1: no heading after ="],
    ["\nAim\naim = X", "line 3: Aim is there already"],
    ["= X", 'line 1: no section ""'],
    ["# nothing\nServer = X", "it names no section"],
  ];
  for (const [text, message] of wrong) {
    test(`is refused: ${message}`, () => {
      expect(() => readHeadings(text, "FILE")).toThrow(`FILE, ${message}`);
    });
  }
});

// --- the command ---

describe("report.ts", () => {
  /** Runs the tool, as a rule under Bun. */
  function report(
    args: string[],
    { runtime = "bun" as RuntimeName, env = {} } = {},
  ) {
    const command = commandFor(runtime, PERMISSIONS);
    return run([...command, "scripts/tools/report.ts", ...args], {
      cwd: ROOT,
      env,
    });
  }

  const names: [RuntimeName, name: string, command: string][] = [
    ["deno", "Deno", "deno task report"],
    ["bun", "Bun", "bun scripts/tools/report.ts"],
    ["node", "Node", "node scripts/tools/report.ts"],
  ];
  for (const [runtime, name, command] of names) {
    testOn(runtime, `writes a page under ${runtime}`, async () => {
      const out = join(folder, runtime);
      const args = ["tcp_time", "--format", "html", "--out", out];
      const { code, stdout, stderr } = await report(args, { runtime });
      expect([code, stderr]).toEqual([0, ""]);
      expect(stdout).toBe(`${join(out, "tcp_time.html")}\n`);
      const page = readFileSync(join(out, "tcp_time.html"), "utf8");
      const text = textOf(parse(page));
      expect(text).toContain("The aim is reached");
      expect(text).toMatch(new RegExp(`with ${name} \\d+\\.\\d+`));
      expect(text).toContain(`made by ${command} tcp_time --format html`);
    });
  }

  alongside("uses a headings file, and says so in the report", async () => {
    const file = join(folder, "headings.txt");
    writeFileSync(file, "Output = OUTPUT:\nAim = <b>Aim\n");
    const args = ["tcp_hello", "--headings", file, "--out", folder];
    expect((await report(args)).code).toBe(0);
    const text = readFileSync(join(folder, "tcp_hello.md"), "utf8");
    expect(text.match(/^## .*$/gm)).toEqual(["## OUTPUT:", "## \\<b\\>Aim"]);
    expect(text).toContain(`report.ts tcp_hello --headings ${file}`);
  });

  const bad = join(folder, "bad.txt");
  writeFileSync(bad, "Aim\nGoal = X\n");
  const known = "(experiments: event_log, ";
  const wrong: [args: string[], message: string][] = [
    [["tcp_tim\x1b[2J"], 'No experiment "tcp_tim\\x1b[2J" ' + known],
    [["study"], "study has no two ends to report " + known],
    [[], "Which experiment? " + known],
    [["--al"], "Unknown flag --al"],
    [["tcp_time", "--all"], "Give names or --all, not both"],
    [["tcp_time", "--format", "pdf"], '--format takes md or html, not "pdf"'],
    [["tcp_time", "--out"], "--out needs a value"],
    [["tcp_time", "--headings", bad], `${bad}, line 2: no section "Goal"`],
    [["tcp_time", "--headings", "none"], "Cannot read none: there is no"],
  ];
  for (const [args, message] of wrong) {
    test(`refuses ${JSON.stringify(args.join(" "))}`, () => {
      expect(() => read(args)).toThrow(message);
    });
  }

  alongside("refuses it in one line, with 2", async () => {
    const [[args, message]] = wrong;
    const { code, stdout, stderr } = await report(args);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toStartWith(message);
    expect(stderr).toMatch(/^.*\n$/);
  });

  alongside(
    "reports that a run fails, and makes the other reports",
    async () => {
      const broken = join(folder, "broken.ts");
      writeFileSync(
        broken,
        'if (process.argv[1].endsWith("tcp_hello.ts")) {' +
          'console.error("Cannot \\x1b[2J listen\\nAdvice"); process.exit(1); }',
      );
      const { code, stdout, stderr } = await report(
        ["tcp_hello", "tcp_thank_you", "--out", folder],
        { env: { BUN_OPTIONS: `--preload ${broken}` } },
      );
      expect(stderr).toBe("tcp_hello ended with 1: Cannot \\x1b[2J listen\n");
      expect(stdout).toBe(`${join(folder, "tcp_thank_you.md")}\n`);
      expect(code).toBe(1);
    },
  );

  alongside("cannot write into a file", async () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    const { code, stderr } = await report(["tcp_hello", "--out", file]);
    expect(stderr).toBe(`Cannot write ${file}: it is no folder\n`);
    expect(code).toBe(1);
  });
});
