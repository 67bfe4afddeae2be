/**
 * Lab reports, of which runs_spec.ts makes one a run: safe from what a peer
 * sends, with the headings wanted, from a command that reports its errors.
 */
import { afterAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { escapeControls } from "../lib/sockets/escape.ts";
import { read } from "../scripts/tools/report.ts";
import { excerpt, written } from "../scripts/tools/report/calls.ts";
import { contentOf } from "../scripts/tools/report/content.ts";
import { readDetails } from "../scripts/tools/report/details.ts";
import { readQuiz, readStudy } from "../scripts/tools/report/guided.ts";
import {
  FORMS,
  readForm,
  readFormFile,
  THEORY,
  usualForm,
} from "../scripts/tools/report/headings.ts";
import { html } from "../scripts/tools/report/html.ts";
import { markdown } from "../scripts/tools/report/markdown.ts";
import { readProse } from "../scripts/tools/report/prose.ts";
import { type Made, readRun } from "../scripts/tools/report/run.ts";
import { readSource } from "../scripts/tools/report/source.ts";
import { contradiction, readHeader } from "../scripts/tools/support/header.ts";
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
import { ROOT } from "./support/scripts.ts";
import { alongside, testOn } from "./support/test_on.ts";

/** The permissions that deno.json gives the tool. */
const PERMISSIONS = ["read", "write", "run", "env"].map((name) =>
  `--allow-${name}`
);

const folder = mkdtempSync(join(tmpdir(), "socket-lab-"));
afterAll(() => rmSync(folder, { recursive: true }));

const FORM = usualForm("tcp_time");
const SECTIONS = [
  "Aim",
  "Introduction",
  "Algorithm",
  "Program",
  "Output",
  "Sequence of calls",
  "Result",
];

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

const UNSAFE =
  // deno-lint-ignore no-control-regex
  /[\0-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffe]/;

describe("what a peer sends", () => {
  const made = madeOf(HOSTILE);
  const wanted = HOSTILE.map(escapeControls).join("\n");
  test("is escaped where it could drive a terminal or turn a line", () => {
    for (const file of [markdown, html]) {
      const text = file(contentOf(made, FORM));
      expect(text.match(UNSAFE)).toBeNull();
      expect(text.isWellFormed()).toBe(true);
      expect(text).toContain("\\x1b[2J\\x1b]0;title\\x07");
      expect(text).toContain("\\u{202e}gnp.exe\\u{2066} \\u{200f}");
    }
  });

  test("is text in a page, and no markup", () => {
    const page = parse(html(contentOf(made, FORM)));
    standsAlone(page);
    expect(all(page, "samp").map(textOf)).toEqual([wanted, wanted]);
    expect(all(page, "h2")).toHaveLength(SECTIONS.length);
    expect(textOf(all(page, "table", "sequence")[0])).toContain("title");
  });

  test("stays in the code blocks of Markdown", () => {
    const sections = markdownSections(markdown(contentOf(made, FORM)));
    expect(sections.map(({ heading }) => heading)).toEqual(SECTIONS);
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
        const text = markdown(contentOf(madeOf(texts), FORM));
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
  const source = readSource("tcp_time", file);
  const run = {
    command: "bun scripts/tcp_time.ts",
    ...readRun("tcp_time", { stdout, stderr: "" }),
    notes: texts.map(escapeControls),
    runtime: "Bun",
    date: new Date(0),
  };
  const command = "bun scripts/tools/report.ts tcp_time";
  return {
    name: "tcp_time",
    header: source,
    experiment: { source, run },
    command,
  };
}

// --- what is drawn of a run ---

describe("of a long run", () => {
  const call = (end: "server" | "client", name: string, connection = 1) => ({
    ...{ time: 0, end, connection, socket: connection, descriptor: 3 },
    ...{
      call: name,
      args: [],
      result: name === "recv" ? '"x"' : "0",
      bytes: 1,
    },
  });
  const exchange = (connection = 1) => [
    call("client", "sendall", connection),
    call("server", "recv", connection),
    call("server", "sendall", connection),
    call("client", "recv", connection),
  ];
  const drawn = ({ rows }: ReturnType<typeof excerpt>) =>
    rows.map(({ call, times }) => `${call.end} ${call.call} ${times}`);

  test("an exchange that comes again is drawn once, and counted", () => {
    const calls = Array(20).fill(0).flatMap(() => exchange());
    const once = ["client sendall", "server recv", "server sendall"];
    const wanted = [...once, "client recv"];
    expect(drawn(excerpt(calls))).toEqual([
      ...wanted.map((name) => `${name} 1`),
      ...wanted.map((name) => `${name} 19`),
    ]);
    expect(excerpt(calls).leftOut).toBe("");
  });

  test("as many clients are drawn as have room, and the line says so", () => {
    const calls = Array(30).fill(0).flatMap((_, i) => [
      call("client", "connect", i + 1),
      ...exchange(i + 1),
      call("client", "close", i + 1),
    ]);
    const { rows, leftOut } = excerpt(calls);
    expect(leftOut).toStartWith(
      "36 of 180 calls are drawn, those of the first 6",
    );
    expect(new Set(rows.map(({ call }) => call.connection)).size).toBe(6);
  });

  test("the first calls are drawn where one client has too many", () => {
    const calls = Array(50).fill(0).flatMap(() => [
      call("client", "connect"),
      call("client", "close"),
    ]);
    const { rows, leftOut } = excerpt(calls);
    expect(leftOut).toBe(`The first ${rows.length} of 100 calls are drawn`);
    expect(rows.length).toBeLessThan(50);
  });

  test("Mermaid can draw the longest calls", () => {
    const text = markdown(
      contentOf(madeOf(Array(99).fill("x".repeat(80))), FORM),
    );
    const [, diagram] = fencesOf(text).find(([name]) => name === "mermaid")!;
    expect(diagram.length).toBeLessThan(50_000);
    expect(text).toMatch(
      /^The first \d+ of 495 calls are drawn; `bun .*` prints/m,
    );
  });

  test("bytes that are no text are shown by the first eight", () => {
    const data = '"\\x00\\x01\\n\\x02\\\\a\\xffbc\\x03"';
    const sent = { ...call("client", "sendto"), args: [data, "('::1', 7)"] };
    const row = { call: sent, times: 1, bytes: 10 };
    expect(written(row)).toBe(
      "sendto(3, \"\\x00\\x01\\n\\x02\\\\a\\xffb\"... (10 bytes), ('::1', 7))",
    );
    const cut = { ...sent, args: [`${data}... (48 bytes)`] };
    expect(written({ ...row, call: cut })).toContain('b"... (48 bytes))');
    const text = { ...sent, args: ['"a text with one \\x00"'] };
    expect(written({ ...row, call: text })).toContain('one \\x00"');
  });
});

// --- what is concluded ---

describe("the result", () => {
  const resultOf = (lines: string[]) => {
    const made = madeOf(["x"]);
    const { source, run } = made.experiment!;
    const printed = lines.map((line) => {
      const [, end, text] = line.match(/^(server|client): (.*)/)!;
      return { end: end as "server", line: text };
    });
    const experiment = { source, run: { ...run, lines: printed } };
    const text = markdown(contentOf({ ...made, experiment }, FORM));
    return markdownSections(text).at(-1)!.body;
  };
  const lines = [
    "server: Waiting for a client to connect...",
    "server: Client Address: ('127.0.0.1', 50000)",
    "client: Received from server: 28/11/2026 01:02:03",
    "server: Acknowledgment from client: Time received successfully.",
  ];

  test("is that the aim is reached if the output is the promised one", () => {
    expect(resultOf(lines)).toStartWith(
      "The aim, to send the date and time from a server to its clients over " +
        "TCP, and to have each client acknowledge it, is reached: ",
    );
  });

  test("is that it is not reached if a line is another, or missing", () => {
    for (const other of [lines.slice(0, 3), [...lines, "client: x"]]) {
      expect(resultOf(other)).toContain("so that the aim is not reached: `");
    }
  });

  test("names what contradicts the fact, by a header's `Otherwise:`", () => {
    const file = (otherwise: string) =>
      `/**\n * A title: a fact.\n *\n * ${otherwise}\n *\n` +
      " * Output:\n *\n *     client: held: <yes|no>\n */\n";
    const header = readHeader(file("Otherwise: Bun\n * does it."));
    expect(header.otherwise).toBe("Bun does it.");
    expect(header.prose).toEqual([]);
    expect(contradiction(header, ["client: held: yes"])).toBeNull();
    expect(contradiction(header, ["client: held: no"]))
      .toBe('expected "client: held: yes", saw "client: held: no"');
    const equal = readHeader(file("Either is right."));
    expect(contradiction(equal, ["client: held: no"])).toBeNull();
  });
});

// --- the study and the quiz ---

test("a step of the study is a call, its meaning and the states after it", () => {
  const [step, next] = readStudy([
    "socket    one endpoint",
    " 8. client: shutdown(SHUT_WR)",
    "    Announces that the client",
    "    sends no more (FIN).",
    "    server   ESTABLISHED > CLOSE-WAIT              [CLOSE-WAIT]",
    "    client   ESTABLISHED > FIN-WAIT-1 > FIN-WAIT-2",
    "10. client: close()",
  ]);
  expect(step).toEqual({
    call: "client: shutdown(SHUT_WR)",
    meaning: "Announces that the client sends no more (FIN).",
    states: [
      {
        socket: "server",
        states: ["ESTABLISHED", "CLOSE-WAIT"],
        reported: "CLOSE-WAIT",
      },
      {
        socket: "client",
        states: ["ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2"],
        reported: undefined,
      },
    ],
  });
  expect(next.call).toBe("client: close()");
});

test("a question of the quiz has its choices, its answer and its proof", () => {
  const [right, wrong] = readQuiz([
    " 7. Which of these is none?",
    "    a) TCP",
    "    b) A choice that is longer",
    "       than a line",
    "    Your answer: b. Right.",
    "    There are",
    "    two.",
    "      recv() fails: ENOTCONN",
    " 8. In which order?",
    "    a) socket()",
    "    Your answer: a. Wrong: it is e.",
  ]);
  expect(right).toEqual({
    text: "Which of these is none?",
    choices: ["TCP", "A choice that is longer than a line"],
    answer: "b",
    why: "There are two.",
    proof: ["recv() fails: ENOTCONN"],
  });
  expect(wrong.answer).toBe("e");
});

// --- texts ---

test("a text has headings, paragraphs, lists, tables and code", () => {
  const { heading, blocks } = readProse(
    "\n# Title\n\nOne `a|b`\ntwo.\n- x\n  y\n- z\n\n1. s\n2) t\n## Sub\ntext\n" +
      "| a | b \\| c |\n|---|:-:|\n| `d` | |\n```js\n# no\n\n- no\n```\n" +
      "``` \nplain\n```",
  );
  expect(heading).toBe("Title");
  expect(blocks).toEqual([
    { kind: "text", text: ["One ", { code: "a|b" }, " two."] },
    { kind: "list", items: [["x y"], ["z"]] },
    { kind: "steps", items: [["s"], ["t"]] },
    { kind: "heading", text: ["Sub"] },
    { kind: "text", text: ["text"] },
    {
      kind: "table",
      head: [["a"], ["b | c"]],
      rows: [[[{ code: "d" }], []]],
    },
    { kind: "program", text: "# no\n\n- no" },
    { kind: "terminal", text: "plain" },
  ]);
});

test("a text of one's own is text in a page, whatever it holds", () => {
  const own = readProse(HOSTILE.filter((text) => !/`/.test(text)).join("\n\n"));
  const form = { ...FORM, sections: [{ heading: "Mine", items: [own] }] };
  const report = contentOf(madeOf(["x"]), form);
  const page = parse(html(report));
  standsAlone(page);
  expect(textOf(page)).toContain("</script><script>alert(1)</script>");
  for (const file of [markdown, html]) {
    expect(file(report).match(UNSAFE)).toBeNull();
  }
  expect(markdown(report)).toContain("\\</script\\>\\<script\\>");
});

// --- forms ---

describe("a form", () => {
  test("renames, orders and leaves out, and # begins a comment", () => {
    const { sections, parts } = readForm(
      "# for the marker\n\nAim = AIM OF THE EXPERIMENT:\noutput\n" +
        "Program = <PROGRAM>\nClient = CLIENT:\nServer = SERVER:\n",
      "FILE",
    );
    expect(sections).toEqual([
      { heading: "AIM OF THE EXPERIMENT:", items: ["Aim"] },
      { heading: undefined, items: ["Output"] },
      { heading: "<PROGRAM>", items: ["Program"] },
    ]);
    expect([...parts]).toEqual([
      ["Client", "CLIENT:"],
      ["Server", "SERVER:"],
      ["Both ends", "Both ends"],
    ]);
  });

  test("takes theory, one's own texts, and several under one heading", () => {
    writeFileSync(join(folder, "mine.md"), "\ufeff# My text\r\n\r\nA\r\nB\r\n");
    const { sections } = readForm(
      'TCP/IP + use_cases = Both\n< mine.md\n"1 = `one`" = A = B\n',
      join(folder, "form.txt"),
    );
    const [both, mine, typed] = sections;
    expect(both.heading).toBe("Both");
    expect(both.items).toHaveLength(2);
    expect(mine.items).toEqual([{
      heading: "My text",
      blocks: [{ kind: "text", text: ["A B"] }],
    }]);
    expect(typed.heading).toBe("A = B");
    expect(typed.items).toEqual([{
      heading: undefined,
      blocks: [{ kind: "text", text: ["1 = ", { code: "one" }] }],
    }]);
  });

  test("of the project names each section of the theory somewhere", () => {
    const named = FORMS.flatMap((name) => readFormFile(name).sections)
      .flatMap(({ items }) => items)
      .map((item) => typeof item === "string" ? item : item.heading);
    const report = contentOf(madeOf(["x"]), readFormFile("theory"));
    const [, theory] = report.sections;
    expect(theory.heading).toBe("Theory");
    expect(theory.parts.map(({ blocks }) => blocks.length)).not.toContain(0);
    expect(new Set(named).size).toBeGreaterThanOrEqual(THEORY.length);
  });

  test("lists the references that the report cites, and no others", () => {
    writeFileSync(
      join(folder, "cites.md"),
      "As in [RFC 9293, 3.4] and [tcp(7)].",
    );
    const form = readForm("< cites.md = Mine\nReferences", join(folder, "f"));
    const text = markdown(contentOf(madeOf(["x"]), form));
    const listed = text.matchAll(/^- \\\[(.*?)\\\]/gm);
    expect([...listed].map(([, key]) => key)).toEqual(["RFC 9293", "tcp(7)"]);
    expect(text).not.toContain("Textbooks");
  });

  const wrong: [text: string, message: string][] = [
    ["Aim\nAims = X", 'line 2: no section "Aims" (there are: Aim, '],
    ["Aim =", "line 1: no heading after ="],
    ["\nAim\naim = X", "line 3: aim is there already"],
    ["= X", 'line 1: no section ""'],
    ["Aim + Goal = X", 'line 1: no section "Goal"'],
    ['"text"', "line 1: a text needs a heading"],
    ["< none.md = X", "line 1: Cannot read none.md: there is no such file"],
    ["# nothing\nServer = X", "line 2: it names no section"],
    ["Aim + Server = X", "line 1: Server stands in a line of its own"],
  ];
  for (const [text, message] of wrong) {
    test(`is refused: ${message}`, () => {
      expect(() => readForm(text, "FILE")).toThrow(`FILE, ${message}`);
    });
  }
});

// --- details ---

describe("details", () => {
  test("stand on top in their order, and replace the usual ones", () => {
    const details = readDetails(
      "# mine\n\nName = <b>Asha</b>\n date = 1 = 2\nSignature =\n",
      "FILE",
    );
    const report = contentOf(madeOf(["x"]), FORM, details);
    expect(report.details).toEqual([
      { name: "Experiment", value: "tcp_time" },
      { name: "Name", value: "<b>Asha</b>" },
      { name: "date", value: "1 = 2" },
      { name: "Signature", value: "" },
    ]);
    const page = parse(html(report));
    expect(all(page, "dd").map(textOf)).toEqual(
      report.details.map(({ value }) => value),
    );
    expect(markdown(report)).toContain("- **Name:** \\<b\\>Asha\\</b\\>\n");
  });

  test("cannot drive a terminal or turn a line", () => {
    const [{ value }] = readDetails("Name = \x1b[2J\u202eevil", "FILE");
    expect(value).toBe("\\x1b[2J\\u{202e}evil");
  });

  const wrong: [text: string, message: string][] = [
    ["Name: Asha", 'line 1: not "Name = value": "Name: Asha"'],
    ["a = b\n= c", "line 2: not"],
    ["Name = a\nname = b", "line 2: name is there already"],
    [`${"x".repeat(41)} = a`, "line 1: the name has more than 40"],
    [`Name = ${"x".repeat(201)}`, "line 1: Name has more than 200"],
    [
      Array.from({ length: 21 }, (_, i) => `${i} = x`).join("\n"),
      "line 21: at most 20 details",
    ],
  ];
  for (const [text, message] of wrong) {
    test(`are refused: ${message}`, () => {
      expect(() => readDetails(text, "FILE")).toThrow(`FILE, ${message}`);
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
      expect(text).toContain("is reached: the program ended without an error");
      expect(text).toMatch(new RegExp(`with ${name} \\d+\\.\\d+`));
      expect(text).toContain(`made by ${command} tcp_time --format html`);
    });
  }

  for (const [runtime] of names) {
    testOn(runtime, `reports the study under ${runtime}`, async () => {
      const out = join(folder, `study-${runtime}`);
      const args = ["study", "quiz", "--format", "html", "--out", out];
      const { code, stderr } = await report(args, { runtime });
      expect([code, stderr]).toEqual([0, ""]);
      const [study, quiz] = ["study", "quiz"].map((name) =>
        parse(readFileSync(join(out, `${name}.html`), "utf8"))
      );
      standsAlone(study);
      standsAlone(quiz);
      const wanted = readFormFile("whole").sections.map(({ heading, items }) =>
        heading ?? (typeof items[0] === "string" ? items[0] : items[0].heading!)
      );
      expect(all(study, "h2").map(textOf)).toEqual(wanted);
      expect(textOf(study)).toContain("The 13 steps of the study were made");
      if (existsSync("/proc/net/tcp")) {
        expect(textOf(study)).toMatch(
          /The kernel reported \d+ states of the sockets after them, each the one/,
        );
      }
      const questions = all(quiz, "h4").map(textOf);
      expect(questions.map((text) => Number(text.split(".")[0])))
        .toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
      expect(textOf(quiz)).toContain("another answer to questions 7 and 8");
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
  const utf16 = join(folder, "utf16.txt");
  writeFileSync(utf16, "\ufeffName = Asha\n", "utf16le");
  const known = "(experiments: dns_lookup, ";
  const wrong: [args: string[], message: string][] = [
    [["tcp_tim\x1b[2J"], 'No experiment "tcp_tim\\x1b[2J" ' + known],
    [[], "Which experiment? " + known],
    [["--al"], "Unknown flag --al"],
    [["tcp_time", "--all"], "Give names or --all, not both"],
    [["tcp_time", "--format", "pdf"], '--format takes md or html, not "pdf"'],
    [["tcp_time", "--out"], "--out needs a value"],
    [["tcp_time", "--headings", bad], `${bad}, line 2: no section "Goal"`],
    [["tcp_time", "--headings", "none"], "Cannot read none: there is no"],
    [["tcp_time", "--details", "none"], "Cannot read none: there is no"],
    [["tcp_time", "--details", utf16], `Cannot read ${utf16}: it is not text`],
    [["tcp_time", "--detail", "Asha"], '--detail: not "Name = value": "Asha"'],
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

  alongside("takes details from a file that is kept beside", async () => {
    const out = mkdtempSync(join(folder, "details-"));
    const file = join(out, "details.txt");
    writeFileSync(file, "\ufeffName = Asha\r\nRoll = 1\r\n");
    const args = ["tcp_hello", "--out", out, "--detail", "roll=2"];
    const { code, stderr } = await report(args);
    expect([code, stderr]).toEqual([0, `With the details of ${file}\n`]);
    expect(readFileSync(join(out, "tcp_hello.md"), "utf8")).toMatch(
      /^- \*\*Experiment:\*\* tcp_hello\n.*\n.* Asha\n- \*\*roll:\*\* 2\n\n/m,
    );
    writeFileSync(file, "Name\n");
    const wrong = await report(args);
    expect(wrong.stderr).toBe(`${file}, line 1: not "Name = value": "Name"\n`);
    expect(wrong.code).toBe(2);
  });

  alongside("keeps a report that was changed by hand", async () => {
    const out = mkdtempSync(join(folder, "kept-"));
    const [mine, made, link] = ["tcp_hello", "tcp_thank_you", "tcp_time"].map(
      (name) => join(out, `${name}.md`),
    );
    const victim = join(out, "victim.txt");
    writeFileSync(victim, "precious");
    symlinkSync(victim, link);
    const args = ["tcp_hello", "tcp_thank_you", "tcp_time", "--out", out];
    expect((await report(args)).code).toBe(1);
    const text = readFileSync(mine, "utf8");
    const edited = text.replace("## Aim", "## My aim");
    writeFileSync(mine, edited);
    // An editor may change the line ends, and nothing else.
    const windows = `\ufeff${readFileSync(made, "utf8")}`.replaceAll(
      "\n",
      "\r\n",
    );
    writeFileSync(made, windows);

    const again = await report(args);
    expect(again.code).toBe(1);
    expect(again.stdout).toBe(`${made}\n`);
    expect(again.stderr.split("\n")).toEqual([
      expect.stringContaining(`${mine} is kept: it was changed by hand`),
      `${link} is kept: it is a symbolic link`,
      "",
    ]);
    expect(readFileSync(mine, "utf8")).toBe(edited);
    expect(readFileSync(made, "utf8")).not.toContain("\r");
    expect(readFileSync(victim, "utf8")).toBe("precious");

    const forced = await report(["tcp_hello", "--out", out, "--force"]);
    expect([forced.code, forced.stderr]).toEqual([0, ""]);
    expect(readFileSync(mine, "utf8")).not.toContain("My aim");
    expect(readdirSync(out).filter((name) => name.endsWith("tmp"))).toEqual([]);
  });

  alongside("cannot write into a file", async () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    const { code, stderr } = await report(["tcp_hello", "--out", file]);
    expect(stderr).toBe(`Cannot write ${file}: it is no folder\n`);
    expect(code).toBe(1);
  });
});
