/**
 * The parts of a report that are drawn: the output of two real processes,
 * terminal windows as a picture, and the colours of a program.
 */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { escapeControls } from "../lib/sockets/escape.ts";
import { read } from "../scripts/tools/report.ts";
import { type Language, piecesOf } from "../scripts/tools/report/colour.ts";
import { isOwnPng, pngOf } from "../scripts/tools/report/png.ts";
import { readSource } from "../scripts/tools/report/source.ts";
import {
  columnsOf,
  pictureOf,
  shortened,
} from "../scripts/tools/report/terminal_window.ts";
import {
  canRun,
  limits,
  runTwoProcesses,
} from "../scripts/tools/report/two_processes.ts";
import { canListen } from "../scripts/tools/support/free_port.ts";
import { difference } from "../scripts/tools/support/header.ts";
import {
  find as findRuntime,
  type Name,
  type Runtime,
} from "../scripts/tools/support/runtimes.ts";
import { silentServer } from "./support/silent_server.ts";
import { noProc } from "./support/proc.ts";
import {
  commandFor,
  find,
  python,
  run,
  type RuntimeName,
  RUNTIMES,
  start,
} from "./support/runtimes.ts";
import { ROOT, SCRIPTS } from "./support/scripts.ts";
import { CTRL_C, noTerminal, onTerminal } from "./support/terminal.ts";
import { alongside, failureOf, needing } from "./support/test_on.ts";

const folder = mkdtempSync(join(tmpdir(), "socket-lab-terminals-"));
afterAll(() => rmSync(folder, { recursive: true }));

const missing = RUNTIMES.map((name) => find(name).reason).find(Boolean) ??
  python().reason;

const LIMIT = 60_000; // ms, of a test that starts processes

function sourceOf(name: string) {
  return readSource(name, readFileSync(`${ROOT}scripts/${name}.ts`, "utf8"));
}

async function runtimesOf(server: Name, client: Name) {
  const [one, other] = await Promise.all([server, client].map(findRuntime));
  return { server: one as Runtime, client: other as Runtime };
}

// --- two processes ---

describe("runTwoProcesses()", () => {
  const pairs: [string, Name, Name][] = [
    ["tcp_time", "bun", "node"],
    ["tcp_address_lookup", "deno", "python3"],
    ["tcp_time", "python3", "deno"],
    ["udp_echo", "node", "bun"],
    ["unix_echo", "bun", "deno"],
  ];
  for (const [name, server, client] of pairs) {
    const title = `runs ${name}: ${server} server, ${client} client`;
    needing(missing, title, async () => {
      const source = sourceOf(name);
      const runtimes = await runtimesOf(server, client);
      const ran = await runTwoProcesses(source, runtimes);
      const printed = ran.lines.map(({ end, line }) => `${end}: ${line}`);
      expect(difference(source.output, printed)).toBeNull();
      for (const end of ["server", "client"] as const) {
        const { title, runtime, command, lines } = ran[end];
        const { name: itsName, version } = runtimes[end];
        expect(title.toLowerCase()).toBe(end);
        expect(runtime.toLowerCase())
          .toBe(`${itsName.replace("3", "")} ${version}`);
        const header = source.commands.find((one) => one.startsWith(itsName));
        const typed = header ?? `python3 tests/peers/peers.py ${name}`;
        expect(command).toStartWith(`${typed} ${end}`);
        const own = ran.lines.filter((line) => line.end === end)
          .map(({ line }) => line);
        expect(lines.filter((line) => own.includes(line))).toEqual(own);
      }
      expect(ran.server.lines.join("\n")).toContain("Listening on ");
      const stopped = ran.server.lines.some((line) => line.startsWith("^C"));
      expect(stopped).toBe(server !== "python3"); // which ends by itself
    });
  }

  test("gives Python the programs of the seeds only", async () => {
    const { server, client } = await runtimesOf("python3", "bun");
    expect([canRun(server, "tcp_time"), canRun(server, "tcp_stream")])
      .toEqual([true, false]);
    expect(canRun(client, "tcp_stream")).toBe(true);
  }, LIMIT);

  needing(
    noTerminal ?? missing,
    "shows what a terminal shows, Ctrl-C included",
    async () => {
      const source = sourceOf("event_log");
      const { bun } = { bun: (await findRuntime("bun")) as Runtime };
      const ran = await runTwoProcesses(source, { server: bun, client: bun });
      const port = String(31_000 + process.pid % 1000);
      const script = ["scripts/event_log.ts"];
      const terminal = onTerminal(
        [bun.path, ...script, "server", "--port", port],
        [["door lock notice: 5 opens", CTRL_C]],
      );
      while (await canListen(Number(port))) await Bun.sleep(50);
      await run([bun.path, ...script, "client", "--port", port], { cwd: ROOT });
      const { stdout, code } = await terminal;
      // Ports and times have other digits, and so may the last column.
      const shape = (text: string) => text.trim().replace(/\d+/g, "0");
      expect(code).toBe(0);
      expect(shape(ran.server.lines.join("\n"))).toBe(shape(stdout));
      expect(ran.server.lines.at(-1)).toStartWith("^C5 messages: ");
    },
  );

  needing(missing, "takes another port if its own is taken", async () => {
    await using taken = await silentServer();
    const source = fake({
      server: `const at = process.argv.indexOf("--port");
        const port = at < 0 ? ${taken.port} : Number(process.argv[at + 1]);
        try {
          Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } });
        } catch {
          console.error("Cannot bind: address already in use");
          process.exit(1);
        }
        console.log("Listening on " + port);`,
      client: `console.log(process.argv.slice(2).join(" "));`,
    });
    const runtimes = await runtimesOf("bun", "bun");
    const { server, client } = await runTwoProcesses(source, runtimes);
    expect(server.command).toMatch(/ server --port \d{5}$/);
    const [port] = server.command.match(/\d+$/)!;
    expect(client.lines).toEqual([`client --port ${port}`]);
    expect(server.lines).toEqual([`Listening on ${port}`, "^C"]);
  });

  test(
    "escapes what an end prints, and keeps the order of its outputs",
    async () => {
      const source = fake({
        client: String.raw`for (let i = 0; i < 50; i++) {
          console.log("out " + i); console.error("err " + i);
        }
        console.log("\x1b[2J\u202e\ttab");`,
      });
      const runtimes = await runtimesOf("bun", "bun");
      const { client: { lines }, ...ran } = await runTwoProcesses(
        source,
        runtimes,
      );
      expect(lines.slice(0, 4)).toEqual(["out 0", "err 0", "out 1", "err 1"]);
      const ordered = Array.from(
        { length: 50 },
        (_, i) => [`out ${i}`, `err ${i}`],
      );
      expect(lines.slice(0, 100)).toEqual(ordered.flat());
      expect(lines[100]).toBe("[1 more line]");
      expect(ran.lines.at(-1))
        .toEqual({ end: "client", line: "\\x1b[2J\\u{202e}    tab" });
    },
    LIMIT,
  );

  // These set `limits`, and so run alone.
  const usual = { ...limits };
  afterEach(() => void Object.assign(limits, usual));
  const stubborn =
    `process.on("SIGINT", () => {}); process.on("SIGTERM", () => {});`;
  const failures: [string, Ends, string, Partial<typeof limits>?][] = [
    [
      "a server that fails",
      {
        server: String
          .raw`console.error("Cannot \x1b[2J bind"); process.exit(3);`,
      },
      "The server (bun) ended with 3 before it listened: Cannot \\x1b[2J bind",
    ],
    [
      "a server that says nothing",
      { server: "setInterval(() => {}, 1000);" },
      "The server (bun) does not listen after 0.5 s",
      { start: 500 },
    ],
    [
      "a client that fails",
      { client: "process.exit(4);" },
      "The client (bun) ended with 4",
    ],
    [
      "a client that hangs",
      { client: `${stubborn} setInterval(() => {}, 9);` },
      "The client (bun) had not ended after 0.5 s",
      { client: 500 },
    ],
    [
      "a server that hangs at Ctrl-C",
      { server: `${SERVER}${stubborn}` },
      "The server (bun) had not ended after 0.5 s: Listening on 1",
      { stop: 500 },
    ],
    [
      "a server that never stops talking",
      {
        server:
          `${SERVER}${stubborn} console.log("x"); setInterval(() => console.log("x"), 50);`,
      },
      "The server (bun) had not ended after 0.5 s: x",
      { stop: 500 },
    ],
  ];
  for (const [title, ends, message, limit] of failures) {
    test(`names ${title}, and ends it`, async () => {
      Object.assign(limits, { silence: 100, ...limit });
      const mark = `lab-${process.pid}-${title.replaceAll(" ", "-")}`;
      const source = fake(ends, mark);
      const runtimes = await runtimesOf("bun", "bun");
      const failure = await failureOf(runTwoProcesses(source, runtimes));
      expect((failure as Error).message).toBe(message);
      expect(having(mark)).toEqual([]);
    }, LIMIT);
  }
});

type Ends = { server?: string; client?: string };

const SERVER = `console.log("Listening on 1"); setInterval(() => {}, 1000);`;

let fakes = 0;

/** An experiment whose ends run these texts under Bun. */
function fake(
  { server = SERVER, client = 'console.log("Hello");' }: Ends,
  mark = "fake",
) {
  const file = join(folder, `${mark}-${fakes++}.ts`);
  writeFileSync(
    file,
    `if (process.argv[2] === "server") { ${server} } else { ${client} }`,
  );
  return { ...sourceOf("tcp_hello"), commands: [`bun ${file}`] };
}

/** The processes with this in their command, as /proc has it. */
function having(mark: string): string[] {
  if (noProc) return [];
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) &&
        readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(mark);
    } catch {
      return false; // it has ended
    }
  });
}

// --- a picture ---

const HOSTILE = [
  "\x1b[2J\x1b]0;title\x07",
  "</text></g></svg><script>alert(1)</script>",
  "<![CDATA[ ]]> <!-- --> <?xml?> &lt; &amp; &#60; \"'",
  "\u202egnp.exe\u2066 \u200f \ud800 \ufffe \u2028 \0",
  "שלום abc (hello) 123",
  "😀👩‍👩‍👧🇩🇪",
  "a\u0301\u0302\u0303".repeat(60),
  "   indented  line",
  "x".repeat(1000),
  "漢字".repeat(100),
  "",
].map(escapeControls);

const time = {
  server: {
    ...{ title: "Server", runtime: "Bun 1.4.5" },
    command: "bun scripts/tcp_time.ts server",
    lines: ["Waiting for a client to connect...", "^C"],
  },
  client: {
    ...{ title: "Client", runtime: "Node 24.2.0" },
    command: "node scripts/tcp_time.ts client",
    lines: ["Received from server: 28/11/2026 01:12:34"],
  },
};
const hostile = { ...time.server, lines: HOSTILE };

/** The elements of a picture, each with its attributes, and the text in it. */
function elementsOf(svg: string) {
  const token = /<(\/?)([a-z]+)((?: [\w:-]+="[^"<]*")*)(\/?)>|([^<]+)|</g;
  const open: string[] = [];
  const found: { name: string; at: Record<string, string>; text: string }[] =
    [];
  for (
    const [all, close, name, attributes, empty, text] of svg.matchAll(token)
  ) {
    expect(all).not.toBe("<");
    if (text !== undefined) {
      expect(text).not.toMatch(/&(?!#\d+;)/);
      if (found.length > 0) found.at(-1)!.text += text;
    } else if (close) {
      expect(open.pop()).toBe(name);
    } else {
      const pairs = attributes.matchAll(/ ([\w:-]+)="([^"]*)"/g);
      const at = Object.fromEntries(
        [...pairs].map(([, key, value]) => [key, value]),
      );
      found.push({ name, at, text: "" });
      if (!empty) open.push(name);
    }
  }
  expect(open).toEqual([]);
  return found.map(({ name, at, text }) => ({
    ...{ name, at },
    text: text.trimEnd().replace(
      /&#(\d+);/g,
      (_, code) => String.fromCharCode(code),
    ),
  }));
}

describe("pictureOf()", () => {
  test("has all text, and nothing of it is markup", () => {
    const { svg } = pictureOf([hostile, time.client], "<title>");
    const elements = elementsOf(svg);
    expect([...new Set(elements.map(({ name }) => name))].sort()).toEqual(
      ["circle", "g", "path", "rect", "style", "svg", "text", "title"],
    );
    // deno-lint-ignore no-control-regex
    expect(svg).not.toMatch(/[\0-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ufffe]/);
    expect(svg.isWellFormed()).toBe(true);
    expect(svg).not.toMatch(/href|url\(|@import|script>/);
    const shown = elements.filter(({ name }) => name === "text")
      .map(({ text }) => text).join("\n");
    expect(shown.replaceAll("\n", "")).toBe([
      ...["Server – Bun 1.4.5", `$ ${hostile.command}`, ...HOSTILE],
      ...["Client – Node 24.2.0", `$ ${time.client.command}`],
      ...time.client.lines,
    ].join(""));
  });

  test("has room for each line in the widest of the usual fonts", () => {
    for (const other of [hostile, time.server]) {
      const { svg, width, height } = pictureOf([other, time.client], "");
      let [right, bottom] = [0, 0];
      for (const { name, at, text } of elementsOf(svg)) {
        if (name === "rect" && at.class === "screen") {
          [right, bottom] = [Number(at.width), Number(at.height)];
        }
        if (name !== "text" || at["text-anchor"]) continue;
        const columns = columnsOf(text);
        expect(columns).toBeLessThanOrEqual(80);
        // SF Mono: 0.618 em, at 14 px.
        expect(Number(at.x) + columns * 0.618 * 14).toBeLessThan(right - 10);
        expect(Number(at.textLength)).toBeCloseTo(columns * 8.4, 1);
        expect(Number(at.y)).toBeLessThan(bottom - 10);
      }
      expect(width).toBeGreaterThan(right);
      expect(height).toBeGreaterThan(bottom);
    }
  });

  test("puts windows beside each other, or long ones below", () => {
    const placed = (server: typeof time.server) =>
      elementsOf(pictureOf([server, time.client], "").svg)
        .flatMap(({ at }) => at.transform ?? [])
        .map((text) => text.match(/\d+/g)!.map(Number));
    const [[x, y], [besideX, besideY]] = placed(time.server);
    expect(besideX).toBeGreaterThan(x + 300);
    expect(besideY).toBe(y);
    const [, [belowX, belowY]] = placed(hostile);
    expect(belowX).toBe(x);
    expect(belowY).toBeGreaterThan(y + 400);
  });

  test("is shorter than what a server may print", () => {
    const lines = Array.from({ length: 250 }, (_, i) => `line ${i}`);
    expect(shortened(lines).slice(98)).toEqual([
      ...["line 98", "line 99", "[150 more lines]"],
    ]);
    expect(shortened(lines.slice(0, 100))).toHaveLength(100);
  });

  const widths: [string, number][] = [
    ["", 0],
    ["abc", 3],
    ["é", 1],
    ["e\u0301", 1],
    ["漢字", 4],
    ["ｆｕｌｌ", 8],
    ["👩‍👩‍👧🇩🇪❤️", 6],
    ["한국", 4],
  ];
  for (const [text, columns] of widths) {
    test(`knows that "${text}" takes ${columns} columns`, () => {
      expect(columnsOf(text)).toBe(columns);
    });
  }
});

// --- PNG ---

/** The permissions that deno.json gives the tool. */
const PERMISSIONS = ["read", "write", "run", "env"].map((name) =>
  `--allow-${name}`
);

/** A PNG of one pixel: RFC 2083. */
const PIXEL = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+k" +
    "cQAAAABJRU5ErkJggg==",
  "base64",
);

describe("a PNG", () => {
  const report = (
    runtime: RuntimeName,
    out: string,
    path: string,
    flags: string[] = [],
  ) =>
    run([
      ...commandFor(runtime, PERMISSIONS),
      ...["scripts/tools/report.ts", "tcp_hello", "--picture", "png"],
      ...["--out", out, ...flags],
    ], { cwd: ROOT, env: { PATH: path } });

  /** A folder with a program that draws that pixel. */
  function withPainter(): string {
    const bin = mkdtempSync(join(folder, "bin-"));
    writeFileSync(join(bin, "pixel.png"), PIXEL);
    const program = join(bin, "rsvg-convert");
    writeFileSync(program, `#!/bin/sh\n/bin/cp ${bin}/pixel.png "$3"\n`);
    chmodSync(program, 0o755);
    return bin;
  }

  needing(
    missing,
    "is made by what is installed, and replaced if nobody changed it",
    async () => {
      const out = join(folder, "made");
      const path = withPainter();
      const files = ["md", "svg", "png"].map((type) =>
        join(out, `tcp_hello.${type}`)
      );
      const [md, svg, png] = files;
      for (let i = 0; i < 2; i++) {
        const { code, stdout, stderr } = await report("deno", out, path);
        expect([code, stderr]).toEqual([0, ""]);
        expect(stdout).toBe(files.map((file) => `${file}\n`).join(""));
      }
      expect(readFileSync(md, "utf8")).toContain("](tcp_hello.png)");
      expect(readdirSync(out).sort()).toEqual(
        ["tcp_hello.md", "tcp_hello.png", "tcp_hello.svg"],
      );
      expect(elementsOf(readFileSync(svg, "utf8").split("<!--")[0]).length)
        .toBeGreaterThan(8);
      expect(isOwnPng(png)).toBe(true);

      // A screenshot of the student's own has that name.
      writeFileSync(png, PIXEL);
      expect(isOwnPng(png)).toBe(false);
      const refused = await report("deno", out, path);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toStartWith(`${png} is kept: `);
      expect(readFileSync(png)).toEqual(PIXEL);
      expect((await report("deno", out, path, ["--force"])).code).toBe(0);
      expect(isOwnPng(png)).toBe(true);
    },
  );

  needing(
    missing,
    "is not made where nothing can, and one line says so",
    async () => {
      const out = join(folder, "none");
      const empty = mkdtempSync(join(folder, "empty-"));
      const { code, stdout, stderr } = await report("node", out, empty);
      expect(stderr).toMatch(
        /^.*tcp_hello.png is not written: no browser .*\n$/,
      );
      expect([code, existsSync(join(out, "tcp_hello.svg"))]).toEqual([0, true]);
      expect(stdout).not.toContain(".png");
      expect(readFileSync(join(out, "tcp_hello.md"), "utf8"))
        .toContain("](tcp_hello.svg)");
    },
  );

  test("is the tool's own only as it was made", () => {
    const file = join(folder, "other.png");
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(80), PIXEL]) {
      writeFileSync(file, bytes);
      expect(isOwnPng(file)).toBe(false);
    }
    expect(isOwnPng(join(folder, "nowhere.png"))).toBe(false);
  });

  alongside(
    "shows the whole picture, by a real program",
    async () => {
      const picture = pictureOf([time.server, time.client], "tcp_time");
      const svg = join(folder, "a b#c.svg");
      writeFileSync(svg, picture.svg);
      const bytes = await pngOf(svg, picture);
      if (!bytes) return; // nothing is installed; the case above has that
      const [width, height] = [16, 20].map((at) => bytes.readUInt32BE(at));
      expect([1, 2]).toContain(width / picture.width);
      expect(height / picture.height).toBe(width / picture.width);
      // The comment is a chunk as RFC 2083 has it, before IEND.
      const types: string[] = [];
      for (let at = 8; at < bytes.length;) {
        types.push(bytes.toString("latin1", at + 4, at + 8));
        at += 12 + bytes.readUInt32BE(at);
      }
      expect(types.slice(-2)).toEqual(["tEXt", "IEND"]);
    },
  );
});

// --- the command ---

describe("report.ts", () => {
  const wrong: [args: string[], message: string][] = [
    [["--server", "bun"], "--server and --client go together"],
    [["--client", "bun"], "--server and --client go together"],
    [["--server", "ruby", "--client", "bun"], "--server takes deno, bun, node"],
    [["--server", "bun", "--client", "perl"], "--client takes deno, bun, node"],
    [["--picture", "gif"], '--picture takes svg or png, not "gif"'],
  ];
  for (const [args, message] of wrong) {
    test(`refuses ${args.join(" ")}`, () => {
      expect(() => read(["tcp_time", ...args])).toThrow(message);
    });
  }

  const command = (name: string, out: string, ends: [Name, Name]) => [
    ...[find("bun").path!, join(ROOT, "scripts/tools/report.ts"), name],
    ...["--server", ends[0], "--client", ends[1], "--out", join(folder, out)],
  ];

  needing(missing, "says which part comes from which processes", async () => {
    const args = command("tcp_time", "two", ["python3", "deno"]);
    const { code, stderr } = await run([...args, "--format", "html"]);
    expect([code, stderr]).toEqual([0, ""]);
    await run(args);
    const [page, text] = ["html", "md"].map((type) =>
      readFileSync(join(folder, "two", `tcp_time.${type}`), "utf8")
    );
    expect(text).toMatch(/^### Server – Python 3\.[\d.]+$/m);
    expect(text).toMatch(/^### Client – Deno [\d.]+$/m);
    expect(text).toContain(
      "```console\n$ python3 tests/peers/peers.py tcp_time",
    );
    expect(text).toMatch(
      /^\$ deno run --allow-net scripts\/tcp_time.ts client( --port \d+)?$/m,
    );
    expect(text).toContain(
      "these are from a run with both ends in one process",
    );
    expect(text).toMatch(/with Python [\d.]+ and Deno [\d.]+ \(the output\)/);
    expect(text).toContain("is reached");
    expect(page).toContain(
      "<kbd>$ python3 tests/peers/peers.py tcp_time server",
    );
  });

  needing(missing, "refuses an experiment that Python has not", async () => {
    const args = command("tcp_stream", "no", ["bun", "python3"]);
    const { code, stderr } = await run(args);
    expect([code, stderr])
      .toEqual([1, "tcp_stream: python3 has no program of it\n"]);
    expect(existsSync(join(folder, "no", "tcp_stream.md"))).toBe(false);
  });

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    needing(
      noProc ?? missing,
      `ends all that it started at ${signal}`,
      async () => {
        const mark = `/lab-${process.pid}-${signal}`;
        // It takes seconds.
        const tool = start(command("job_schedule", signal, ["bun", "bun"]), {
          env: { SOCKET_LAB_TEST: mark },
        });
        const own = () =>
          readdirSync("/proc").filter((pid) => {
            try {
              return readFileSync(`/proc/${pid}/environ`, "utf8").includes(
                mark,
              ) &&
                readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(
                  "\0server",
                );
            } catch {
              return false;
            }
          });
        while (own().length === 0) await Bun.sleep(20);
        tool.kill(signal);
        const { code, stderr } = await tool.finished;
        expect([code, stderr]).toEqual([signal === "SIGINT" ? 130 : 143, ""]);
        expect(own()).toEqual([]);
        expect(readdirSync(join(folder, signal))).toEqual([]);
      },
    );
  }
});

// --- colours ---

describe("piecesOf()", () => {
  const files = SCRIPTS.map((name) => `scripts/${name}`).concat(
    "tests/peers/peers.py",
    "scripts/tools/report/colour.ts",
  );
  for (const file of files) {
    test(`leaves the text of ${file} as it is`, () => {
      const text = readFileSync(ROOT + file, "utf8");
      const language = file.endsWith(".py") ? "python" : "typescript";
      const pieces = piecesOf(text, language);
      expect(pieces.map(({ text }) => text).join("")).toBe(text);
      const comments = pieces.filter(({ kind }) => kind === "comment");
      expect(comments.length).toBeGreaterThan(2);
      for (const { kind, text } of pieces) {
        // What holds a mark of a comment or a string is nothing else.
        if (kind === "plain") expect(text).not.toMatch(/["'`]|\/\/|\/\*/);
      }
    });
  }

  const cases: [Language, string, string][] = [
    ["typescript", "const a = 1; // x", "keyword const|number 1|comment // x"],
    ["typescript", "/* a\n*/ b", "comment /* a\n*/"],
    [
      "typescript",
      'f("a\\"b//", \'c\')',
      'name f|string "a\\"b//"|string \'c\'',
    ],
    [
      "typescript",
      "`a ${f(`b ${c}`)} // d` // e",
      "string `a ${f(`b ${c}`)} // d`|comment // e",
    ],
    [
      "typescript",
      "`a ${{ b: 1 }} \\` $c` + 1",
      "string `a ${{ b: 1 }} \\` $c`|number 1",
    ],
    [
      "typescript",
      'x.match(/[/"]+/g) / 2 / y',
      'name match|string /[/"]+/g|number 2',
    ],
    ["typescript", "a / b; c / d", ""],
    [
      "typescript",
      "o.from(x.type, { of: 1 }); import { a } from 'b'",
      "name from|number 1|keyword import|keyword from|string 'b'",
    ],
    [
      "typescript",
      "for (const a of b) await using c = new D();",
      "keyword for|keyword const|keyword of|keyword await|keyword using|keyword new|name D",
    ],
    [
      "typescript",
      "x.#private = 0x1f + 1_000.5e-3 + 2n",
      "number 0x1f|number 1_000.5e-3|number 2n",
    ],
    [
      "python",
      'def f(x): # "c"\n  return f"a{x}" + b\'\'',
      'keyword def|name f|comment # "c"|keyword return|string f"a{x}"|string b\'\'',
    ],
    [
      "python",
      '"""a "b" # c\n""" else: 1',
      'string """a "b" # c\n"""|keyword else|number 1',
    ],
    ["python", "if not in_ and x.is_:", "keyword if|keyword not|keyword and"],
    ["typescript", '"open\n`', ""],
    ["typescript", "`${".repeat(3000), ""],
  ];
  for (const [language, text, wanted] of cases) {
    test(`of ${JSON.stringify(text.slice(0, 50))} (${language})`, () => {
      const pieces = piecesOf(text, language);
      expect(pieces.map(({ text }) => text).join("")).toBe(text);
      const coloured = pieces.filter(({ kind }) => kind !== "plain")
        .map(({ kind, text }) => `${kind} ${text}`).join("|");
      expect(coloured).toBe(wanted);
    });
  }

  test("has a readable colour for each kind: 4.5 to 1 (WCAG 2.2, AA)", () => {
    const [style, program] = ["style", "program"].map((name) =>
      readFileSync(`${ROOT}scripts/tools/report/${name}.css`, "utf8")
    );
    const pair = /light-dark\((#\w{6}), (#\w{6})\)/;
    const [, field] = style.match(/--field: (light-dark.*);/)!;
    const [, light, dark] = field.match(pair)!;
    const rules = [
      ...program.matchAll(/^\.program \.(\w+) \{\n {2}color: (.*);/gm),
    ];
    expect(rules.map(([, kind]) => kind))
      .toEqual(["comment", "string", "keyword", "number", "name"]);
    for (const [, kind, colour] of rules) {
      const [, onLight, onDark] = colour.match(pair)!;
      const contrasts = [[onLight, light], [onLight, "#ffffff"], [onDark, dark]]
        .map(([a, b]) => contrast(a, b));
      expect([kind, contrasts.map((ratio) => ratio >= 4.5)])
        .toEqual([kind, [true, true, true]]);
    }
  });
});

/** The contrast of two colours: WCAG 2.2, "contrast ratio". */
function contrast(...colours: [string, string]): number {
  const [low, high] = colours.map((colour) => {
    const [r, g, b] = colour.match(/\w\w/g)!.map((hex) => {
      const part = parseInt(hex, 16) / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }).sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}
