/**
 * Runs each experiment once a runtime, by the command in its header: it prints
 * the header's output, makes the same calls everywhere, and has a report.
 */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { merge } from "../lib/observe/merge.ts";
import { type CallInWords, textOf } from "../lib/observe/strace.ts";
import { usualForm } from "../scripts/tools/report/headings.ts";
import { excerpt } from "../scripts/tools/report/calls.ts";
import { contentOf } from "../scripts/tools/report/content.ts";
import { html } from "../scripts/tools/report/html.ts";
import { markdown } from "../scripts/tools/report/markdown.ts";
import { type Made, readRun } from "../scripts/tools/report/run.ts";
import { readSource } from "../scripts/tools/report/source.ts";
import {
  difference,
  type Header,
  placeholder,
  readHeader,
} from "../scripts/tools/support/header.ts";
import { backwards, tracesIn } from "./support/causality.ts";
import * as pages from "./support/report_files.ts";
import {
  commandFor,
  find,
  type Finished,
  run,
  type RuntimeName,
  RUNTIMES,
} from "./support/runtimes.ts";
import { GUIDED, ROOT, SCRIPTS, TIMED } from "./support/scripts.ts";
import { needing, testScript } from "./support/test_on.ts";

const missing = RUNTIMES.map((name) => find(name).reason).find(Boolean);

for (const script of SCRIPTS) {
  const source = readFileSync(`${ROOT}scripts/${script}`, "utf8");
  const header = readHeader(source);
  const guided = GUIDED.includes(script);
  const calm = TIMED.includes(script);
  const runs = new Map<RuntimeName, Promise<Finished>>();

  /** The run on a runtime: one for all tests. */
  const runOn = (runtime: RuntimeName): Promise<Finished> => {
    const started = runs.get(runtime) ?? runHeader(script, header, runtime);
    runs.set(runtime, started);
    return started;
  };

  describe.concurrent(script, () => {
    test("the header states a fact, an aim, three commands and an output", () => {
      expect(header.fact).toMatch(/^[A-Z][^:.]{5,45}: .*\.$/);
      expect(header.aim).toMatch(/^To [a-z].*\.$/);
      const programs = header.commands.map((command) => command.split(" ")[0]);
      expect(programs.sort()).toEqual([...RUNTIMES].sort());
      for (const command of header.commands) {
        expect(command.split(" ")).toContain(`scripts/${script}`);
      }
      expect(header.output).not.toBeEmpty();
      // It fits a report.
      expect(header.output.filter((line) => line.length > 68)).toEqual([]);
      for (const [, content] of header.output.join().matchAll(/<([^<>]+)>/g)) {
        expect(placeholder(content)).not.toBeEmpty();
      }
    });

    for (const runtime of RUNTIMES) {
      const title = `${commandOf(header, runtime)} prints the output`;
      testScript(script, runtime, title, async () => {
        const { code, stdout, stderr } = await runOn(runtime);
        expect(stderr).toBe("");
        const printed = guided
          ? stdout.trimEnd().split("\n")
          : objectsIn(stdout).filter(({ line }) => line !== undefined)
            .map(({ end, line }) => `${end}: ${line}`);
        expect(difference(header.output, printed)).toBeNull();
        expect(code).toBe(0);
      });
    }

    if (guided) return;
    const name = script.slice(0, -3);

    for (const runtime of RUNTIMES) {
      const title = `the traces of its ends give their order on ${runtime}`;
      testScript(script, runtime, title, async () => {
        const calls = tracesIn((await runOn(runtime)).stdout);
        const of = (name: string) => calls.filter(({ end }) => end === name);
        const merged = merge(of("server"), of("client"));
        expect(merged.map(textOf)).toEqual(calls.map(textOf));
        expect(backwards(merged)).toEqual([]);
      });
    }

    needing(
      missing,
      "makes the same calls on every runtime",
      async () => {
        const [bun, ...others] = await Promise.all(
          (["bun", "deno", "node"] as const).map(async (runtime) => {
            const { stdout } = await runOn(runtime);
            const calls = objectsIn(stdout).filter(({ call }) => call);
            return REPEATING.includes(script) ? kinds(calls) : bySocket(calls);
          }),
        );
        expect(bun).not.toBeEmpty();
        for (const other of others) expect(other).toEqual(bun);
      },
      undefined,
      calm,
    );

    for (const runtime of RUNTIMES) {
      testScript(script, runtime, `has a report on ${runtime}`, async () => {
        const experiment = {
          source: readSource(name, source),
          run: {
            ...readRun(name, await runOn(runtime)),
            command: commandOf(header, runtime),
            runtime,
            date: new Date(),
          },
        };
        const made = { name, header, experiment, command: `report ${name}` };
        const text = markdown(contentOf(made, usualForm(name)));
        // Bun asks the kernel for a backlog of 512: nobody is held back.
        const other = name === "tcp_backlog" && runtime === "bun";
        expect(text).toContain(
          other
            ? "This run has not shown what the experiment is about: `expected"
            : "is reached: the program ended without an error, and its output",
        );
        expect(text).not.toContain("See the man page");
        if (runtime === "bun") expectReport(made, source);
      });
    }
  });
}

/** Runs the header's command, observed; guided scripts have no such flags. */
function runHeader(
  script: string,
  header: Header,
  runtime: RuntimeName,
): Promise<Finished> {
  const words = commandOf(header, runtime).split(" ").slice(1);
  const file = words.indexOf(`scripts/${script}`);
  const permissions = words.slice(0, file).filter((w) => w !== "run");
  const observed = GUIDED.includes(script) ? [] : ["--json", "--trace"];
  const command = commandFor(runtime, permissions);
  return run([...command, ...words.slice(file), ...observed], { cwd: ROOT });
}

function commandOf({ commands }: Header, runtime: RuntimeName): string {
  return commands.find((command) => command.startsWith(`${runtime} `))!;
}

/** What `--json` prints: lines and calls. */
function objectsIn(
  stdout: string,
): (CallInWords & { end: string; line?: string })[] {
  return stdout.trimEnd().split("\n").map((line) => JSON.parse(line))
    .filter(({ begins }) => !begins);
}

/**
 * Each socket's calls in order, without what differs from run to run: ports,
 * dates, names and numbers made for the run, and in how many pieces a stream
 * arrives.
 */
function bySocket(calls: CallInWords[]): string[] {
  const sockets = new Map<number, string[]>();
  const received = new Map<number, number>();
  for (const call of calls) {
    const lines = sockets.get(call.socket) ?? [];
    sockets.set(call.socket, lines);
    const before = received.get(call.socket);
    const bytes = call.call === "recv" ? call.bytes : undefined;
    if (bytes && before !== undefined) lines.pop();
    const all = bytes ? (before ?? 0) + bytes : undefined;
    if (all === undefined) received.delete(call.socket);
    else received.set(call.socket, all);
    const text = all === undefined ? textOf(call) : `recv: ${all} bytes`;
    lines.push(`${call.end} ${text}`);
  }
  return [...sockets.values()].map((lines) =>
    lines.join("\n")
      .replace(/', [1-9]\d*\)/g, "', PORT)")
      .replace(/\|\d{5}\|/g, "|PORT|")
      // A client's frame of a WebSocket has a random mask.
      .replace(/"\\x8[18]\\x8(?:\\.|[^"\\])*"(\.\.\.)?/g, "MASKED")
      .replace(/\d\d\/\d\d\/\d{4} \d\d:\d\d:\d\d/g, "DATE")
      .replace(
        /\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}|[A-Z][a-z]{2} [ \d]\d [\d:]{8}/g,
        "TIME",
      )
      .replace(/lab-[0-9a-f]{8}/g, "lab-NAME")
      .replace(/"(?:[^"\\]|\\.)*"\.\.\. \(48 bytes\)/g, "SNTP") // holds times
      .replace(DNS_NUMBER, '"$1NUMBER')
  ).sort();
}

/** The number of a message of DNS, before its flags; over TCP, behind its length. */
const DNS_NUMBER =
  /"(\\x00\*|\\x06\\x8f)?(?:\\x..|\\.|[^"\\]){2}(?=\\x[08][046]\\x0[03]\\x00\\x01)/g;

/**
 * They send again what is only late: how often, a busy machine decides. In a game
 * keys are random, and what two players send arrives in any order.
 */
const REPEATING = ["game_snapshots.ts", "tftp_files.ts"];

/** The calls that each end makes, and the errors that they have. */
function kinds(calls: CallInWords[]): string[] {
  const all = calls.map(({ end, call, error }) => `${end} ${call} ${error}`);
  return [...new Set(all)].sort();
}

/** What the report of an experiment is made from. */
type ExperimentMade = Made & { experiment: NonNullable<Made["experiment"]> };

/** The report is complete, true to the run, and well formed. */
function expectReport(made: ExperimentMade, file: string) {
  const content = contentOf(made, usualForm(made.name));
  const sections = pages.markdownSections(markdown(content));
  const page = pages.parse(html(content));
  pages.standsAlone(page);
  expectComplete(sections, page);
  expectOutput(made, sections, page);
  expectProgram(made, file);
  expectCalls(made, page);
}

const SECTIONS = [
  "Aim",
  "Introduction",
  "Algorithm",
  "Program",
  "Output",
  "Sequence of calls",
  "Result",
];

/** Every section is there, and none is empty. */
function expectComplete(sections: pages.MarkdownSection[], page: pages.Node) {
  expect(sections.map(({ heading }) => heading)).toEqual(SECTIONS);
  for (const { heading, body, parts } of sections) {
    const texts = [
      ...(body || parts.size === 0 ? [body] : []),
      ...parts.values(),
    ];
    expect([heading, texts.filter((text) => !/\w/.test(text))])
      .toEqual([heading, []]);
  }
  expect(pages.all(page, "h2").map(pages.textOf)).toEqual(SECTIONS);
  for (const section of pages.all(page, "section")) {
    const [heading, ...rest] = section.children.map(pages.textOf)
      .filter((text) => text.trim() !== "");
    expect([heading, rest.length > 0]).toEqual([
      expect.stringMatching(/\w/),
      true,
    ]);
  }
}

/** The report quotes what the run printed, line for line. */
function expectOutput(
  { experiment: { run: { lines } } }: ExperimentMade,
  sections: pages.MarkdownSection[],
  page: pages.Node,
) {
  const { parts } = sections.find(({ heading }) => heading === "Output")!;
  const [output] = pages.all(page, "section", "output");
  for (const [end, title] of [["server", "Server"], ["client", "Client"]]) {
    const own = lines.filter((line) => line.end === end);
    const text = own.map(({ line }) => line).join("\n");
    expect(pages.fencesOf(parts.get(title)!))
      .toEqual(own.length > 0 ? [["text", text]] : []);
    const [part] = pages.all(output, "section", `part ${end}`);
    expect(pages.all(part, "samp").map(pages.textOf))
      .toEqual(own.length > 0 ? [text] : []);
  }
}

/** The report quotes the whole program, and all of the algorithm. */
function expectProgram(
  { experiment: { source } }: ExperimentMade,
  file: string,
) {
  const chunksOf = (code: string) => code.trim().split(/\n\n(?=\S)/).sort();
  const { server, client, shared } = source;
  expect(chunksOf([shared, server.program, client.program].join("\n\n")))
    .toEqual(chunksOf(file.replace(/^\/\*\*[\s\S]*?\n \*\/\n/, "")));
  const numbered = [...file.matchAll(/^ *\/\/ \d+\. /gm)].length;
  expect(server.steps.length + client.steps.length).toBe(numbered);
}

/** The sequence has each call of each end, at its side. */
function expectCalls(
  { experiment: { run: { calls } } }: ExperimentMade,
  page: pages.Node,
) {
  const { rows, leftOut } = excerpt(calls);
  const times = rows.reduce((sum, { times }) => sum + times, 0);
  expect(times).toBe(leftOut ? Number(leftOut.match(/\d+/)) : calls.length);
  const drawn = pages.all(page, "tr", "call").map((row) => {
    const [, cell] = pages.all(row, "td");
    return [cell.attributes.class, pages.textOf(pages.all(cell, "b")[0])];
  });
  expect(drawn).toEqual(rows.map(({ call }) => [call.end, call.call]));
}

describe("difference()", () => {
  const mixed = "server: a <port>|client: b|server: c";
  const leftOut = "a|...|b ...|c|...|d";
  const cases: [expected: string, same: string[], other: string[]][] = [
    [mixed, ["client: b|server: a 7|server: c"], [
      "server: a 7|client: b",
      "server: a 7|client: B|server: c",
      "server: a 7|client: b|server: c|client: d",
      "server: c|client: b|server: a 7",
      "server: a |client: b|server: c",
      "server: a x|client: b|server: c",
    ]],
    ["...", [""], []],
    [
      leftOut,
      ["a|b|c|d", "a|b 1 2|c|x|y|d", "a|b|d|x|b|c|d"],
      ["x|a|b|c|d", "a|b|c|d|x", "a|b|x|c|d", "a|bb|c|d", "a|c|b|d", "a|b|c"],
    ],
  ];
  for (const [expected, same, other] of cases) {
    test(`of ${expected}`, () => {
      const of = (printed: string) =>
        difference(expected.split("|"), printed ? printed.split("|") : []);
      for (const printed of same) {
        expect([printed, of(printed)]).toEqual([printed, null]);
      }
      for (const printed of other) {
        expect([printed, of(printed)]).toEqual([printed, expect.any(String)]);
      }
    });
  }
});

describe("placeholder()", () => {
  const cases: [content: string, matches: string[], refuses: string[]][] = [
    ["yes|no", ["yes", "no"], ["", "maybe", "yesno", "yes|no"]],
    ["EPIPE|ECONNRESET", ["ECONNRESET"], ["EBADF"]],
    ["port", ["1", "65535"], ["", "0x1", "-1", "123456"]],
    ["name", ["vm", "a-b.example"], ["", "a b", "$x"]],
    ["path", ["\\x00lab-1", "/tmp/x/server"], ["", "lab", "/a b", "/a'"]],
    ["dd/mm/yyyy", ["20/11/2026"], ["2026-11-20", "1/1/2026"]],
    ["hh:mm:ss", ["18:55:12"], ["18:55", "8:55:12"]],
    ["18:55:12.001", ["00:00:00.999"], ["00:00:00", "0:00:00.000", "-"]],
    ["18:55:12.002", ["2026-11-28T00:00:26"], ["2026-11-28", "1-1-1T1:1:1"]],
    ["2026-11-20T18:55:12.345Z", ["1999-01-01T00:00:00.000Z"], ["now"]],
    ["6", ["0", "1200"], ["", "-1", "1.0", "six"]],
    ["0.25", ["0.00", "12.34"], ["1", "1.2", "1.234", "-1.23", "NaN"]],
    ["+0.1", ["-3.0", "+3.9"], ["3.0", "+-3.0"]],
    ["0.6..2.0", ["1.0..10.5"], ["1.0", "1..2", "1.0...2.0"]],
    ["broadcast", ["<broadcast>"], ["broadcast", "255.255.255.255"]],
    ["a@lab.test", ["<a@lab.test>"], ["a@lab.test", "<b@lab.test>"]],
  ];
  for (const [content, matches, refuses] of cases) {
    test(`<${content}> matches what has its form, and nothing else`, () => {
      for (const text of matches) {
        expect(difference([`a <${content}> b`], [`a ${text} b`])).toBeNull();
      }
      for (const text of refuses) {
        expect(difference([`a <${content}> b`], [`a ${text} b`])).not
          .toBeNull();
      }
    });
  }

  test("refuses a name that it does not know", () => {
    for (const content of ["yes", "EPIPE", "x", "1..2..3", "ms", "toString"]) {
      expect(() => placeholder(content)).toThrow(`No placeholder is named <`);
    }
  });
});
