/**
 * The matrix: every pair of runtimes understands each other, failures are found
 * and reported, and no process stays behind.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { read } from "../scripts/tools/matrix.ts";
import { runOwn, sideBySide } from "../scripts/tools/matrix/own.ts";
import {
  experiments,
  pairsOf,
  type Result,
  runPair,
  SEEDS,
} from "../scripts/tools/matrix/pair.ts";
import { table } from "../scripts/tools/matrix/table.ts";
import {
  find as findRuntime,
  type Runtime,
} from "../scripts/tools/support/runtimes.ts";
import { having, noProc } from "./support/proc.ts";
import { commandFor, find, RUNTIMES, start } from "./support/runtimes.ts";
import { GUIDED, ROOT, SCRIPTS } from "./support/scripts.ts";
import { alongside, needing, testOn } from "./support/test_on.ts";
import { noTerminal, onTerminal } from "./support/terminal.ts";

const folder = mkdtempSync(join(tmpdir(), "socket-lab-matrix-"));
afterAll(() => rmSync(folder, { recursive: true }));

const missing = RUNTIMES.map((name) => find(name).reason).find(Boolean);
const names = SCRIPTS.filter((file) => !GUIDED.includes(file))
  .map((file) => file.slice(0, -3));

/** The tool, on one of the runtimes. */
function toolOn(runtime: typeof RUNTIMES[number], args: string[]): string[] {
  const tool = join(ROOT, "scripts/tools/matrix.ts");
  return [...commandFor(runtime, ["-A"]), tool, ...args];
}

let runs = 0;

/** Tells the processes of one test from those of others. */
const newMark = () => `lab-${process.pid}-${runs++}-`;

/** Starts the tool; `left` returns what it has started and still runs. */
function startTool(
  args: string[],
  { runtime = "bun" as typeof RUNTIMES[number], env = {}, limit = 60_000 } = {},
) {
  const mark = newMark();
  const tool = start(toolOn(runtime, args), {
    limit,
    cwd: folder,
    env: { ...env, SOCKET_LAB_TEST: mark },
  });
  return { ...tool, left: () => having(mark) };
}

async function matrix(...given: Parameters<typeof startTool>) {
  const tool = startTool(...given);
  const finished = await tool.finished;
  return { ...finished, left: tool.left() };
}

function resultsIn(stdout: string): Result[] {
  return stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
}

/** Characters that drive a terminal, or turn the direction of writing. */
// deno-lint-ignore no-control-regex
const UNSAFE = /[\0-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/;

function fits(text: string): void {
  const wide = text.split("\n").filter((line) => [...line].length > 68);
  expect(wide).toEqual([]);
  expect(text).not.toMatch(UNSAFE);
}

describe("the matrix", () => {
  test("has every experiment with two ends", () => {
    expect(experiments().map(({ name }) => name)).toEqual(names);
    for (const { permissions, output } of experiments()) {
      expect(permissions).toContain("--allow-net");
      expect(output).not.toBeEmpty();
    }
  });

  test("has all pairs of the runtimes, and Python's for the seeds", () => {
    const runtimes = [...RUNTIMES, "python3" as const].map((name) => ({
      ...{ name, path: name, version: "1.0" },
    }));
    const pairs = pairsOf(experiments(), runtimes);
    const seen = pairs.map(([{ name }, [server, client]]) =>
      `${name} ${server.name} ${client.name}`
    );
    const expected = names.flatMap((name) => {
      const able = runtimes.slice(0, SEEDS.includes(name) ? 4 : 3);
      return able.flatMap((server) =>
        able.map((client) => `${name} ${server.name} ${client.name}`)
      );
    });
    expect(seen).toEqual(expected);
  });

  // The gate, `deno task ok`, runs all: it has the tool itself.
  const three = [
    ["tcp_time", "deno", "bun"],
    ["unix_echo", "bun", "node"],
    ["udp_echo", "node", "deno"],
  ] as const;
  for (const [name, server, client] of three) {
    const title = `is green: ${name}, ${server} server, ${client} client`;
    needing(missing, title, async () => {
      const [one, other] = await Promise.all([server, client].map(findRuntime));
      const experiment = experiments().find((one) => one.name === name)!;
      const pair = [one, other] as [Runtime, Runtime];
      const result = await runPair(experiment, pair, 20_000);
      expect(result).toEqual({
        ...{ experiment: name, server, client, ok: true, reason: null },
        ms: expect.any(Number),
      });
      expect(result.ms).toBeInteger();
    });
  }
});

for (const runtime of RUNTIMES) {
  describe(`the tool on ${runtime}`, () => {
    testOn(runtime, "prints the table, and only that on stdout", async () => {
      const args = ["--only", "tcp_hello", "--runtimes", "bun"];
      const { code, stdout, stderr, left } = await matrix(args, { runtime });
      expect(stdout).toMatch(
        /^ +client\nexperiment +server +bun\ntcp_hello +bun +✓/,
      );
      expect(stdout).toMatch(/^1 pairs, all well, in \d+\.\d s\n$/m);
      expect(stderr).toMatch(/^tcp_hello, bun server, bun client: \d+ ms$/m);
      expect([code, left]).toEqual([0, []]);
      fits(stdout);
    });

    const reason = find(runtime).reason ?? noProc;
    needing(reason, "stops all that it has started at Ctrl-C", async () => {
      const many = startTool([], { runtime });
      await many.said(/, .* server, .* client: /);
      expect(many.left().length).toBeGreaterThan(1);
      many.kill("SIGINT");
      expect((await many.finished).code).toBe(130);
      expect(many.left()).toEqual([]);

      const own = startTool([
        ...["--server", "sleep 300 & sleep 301"],
        ...["--client", "sh -c 'trap \"\" TERM; sleep 302; sleep 303'"],
      ], { runtime });
      await until(() => own.left().length >= 5);
      own.kill("SIGTERM");
      const { code, stdout } = await own.finished;
      expect([code, stdout, own.left()]).toEqual([143, "", []]);
    });

    testOn(runtime, "runs two commands as one pair", async () => {
      const args = ["server", "client"].flatMap((end) => [
        `--${end}`,
        `"${process.execPath}" "${ROOT}scripts/udp_echo.ts" ${end} --port {port}`,
      ]);
      const { code, stdout, stderr, left } = await matrix(args, { runtime });
      // In whatever order a busy machine has the server's two outputs.
      expect(stdout).toMatch(/^Listening on 127\.0\.0\.1:.* \| /m);
      expect(stdout).toMatch(/ \| To \('127/);
      expect(stdout).toMatch(/^✓ \d+ ms: both ended well\n$/m);
      expect([code, stderr, left]).toEqual([0, "", []]);
      fits(stdout);
    });
  });
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
}

describe("a pair that fails", () => {
  /** Node as a shell script; with `"$0"` for what it does to be an end. */
  function fakeNode(body: string, version = "v24.99.0") {
    const mark = newMark();
    const file = join(folder, `node-${mark}`);
    const answer = `case $1 in -e) echo "${version} $0"; exit;; esac`;
    const bun = `bun() { "${process.execPath}" "$@"; }`;
    // A shell that the signal for its group ends would hide how bun ends.
    const marked = `export SOCKET_LAB_TEST=${mark}`;
    const lines = ["#!/bin/sh", answer, bun, marked, "trap : TERM", body, ""];
    writeFileSync(file, lines.join("\n"), { mode: 0o755 });
    return { file, mark };
  }

  const well = 'bun "$@"';
  const broken = "printf 'at x\\nError: \\033[2J broken\\nby y\\n' >&2; exit 3";
  const cases: [server: string, client: string, reason: string][] = [
    // Those that wait come first, so that others go on beside them.
    [well, "sleep 300", "the client had not ended after 5 s"],
    ["sleep 300", well, "the server does not listen after 5 s"],
    [
      `trap "" TERM; ${well}; sleep 300`,
      well,
      "the server had not ended after 5 s",
    ],
    [`${well}; exit 4`, well, "the server ended with 4"],
    [
      well,
      `${well} | sed s/Hello/Hallo/`,
      'expected "client: Hello World!", saw "client: Hallo World!"',
    ],
    [
      `${well}; echo "{\x1b[2J"`,
      well,
      'expected "nothing", saw "{\\x1b[2J"',
    ],
    [well, broken, "the client ended with 3: Error: \\x1b[2J broken"],
    [
      broken,
      well,
      "the server ended with 3 before it listened: Error: \\x1b[2J broken",
    ],
    [well, `echo "a warning" >&2; ${well}`, "the client says: a warning"],
  ];
  for (const [server, client, reason] of cases) {
    alongside(reason, async () => {
      const { file, mark } = fakeNode(
        `case $2 in server) ${server};; *) ${client};; esac`,
      );
      const node: Runtime = { name: "node", path: file, version: "24.99.0" };
      const hello = experiments().find(({ name }) => name === "tcp_hello")!;
      const timeout = reason.endsWith("after 5 s") ? 5000 : 20_000;
      const result = await runPair(hello, [node, node], timeout);
      expect([result.ok, result.reason]).toEqual([false, reason]);
      expect(having(mark)).toEqual([]);
    });
  }

  alongside("has a cross in the table, and its reason below", async () => {
    const { code, stdout, left } = await matrix(
      ["--runtimes", "bun,node", "--only", "tcp_hello"],
      { env: { SOCKET_LAB_NODE: fakeNode("exit 5").file } },
    );
    expect(stdout).toMatch(/^tcp_hello +bun +✓ +\d+ ms +✗ \[1\]$/m);
    expect(stdout).toMatch(/^ +node +✗ \[2\] +✗ \[3\]$/m);
    expect(stdout).toContain(
      "[1] tcp_hello, bun server, node client: the client ended with 5\n",
    );
    expect(stdout).toMatch(/^4 pairs, 3 failed, in /m);
    expect([code, left]).toEqual([1, []]);
    fits(stdout);
  });

  alongside("is none if a runtime is missing, or too old", async () => {
    const old = fakeNode("exit 6", "v20.20.2").file;
    for (
      const [path, reason] of [
        [old, "20.20.2 is too old, it takes 24.2"],
        ["/no/such\x1b[2J", "not found at /no/such\\x1b[2J"],
        [fakeNode("", "hello").file, "not found at"],
      ]
    ) {
      const { code, stdout, stderr } = await matrix(
        ["--runtimes", "bun,node", "--only", "tcp_hello", "--json"],
        { env: { SOCKET_LAB_NODE: path } },
      );
      expect(resultsIn(stdout)).toMatchObject([{ ok: true, server: "bun" }]);
      expect(stderr).toStartWith(`node: ${reason}`);
      expect(stderr).not.toMatch(UNSAFE);
      expect(code).toBe(0);
    }
  });
});

/** Runs two commands; what is shown of them is safe and fits. */
async function own(server: string, client: string, timeout = 20_000) {
  const mark = newMark();
  const marked = (command: string) =>
    `export SOCKET_LAB_TEST=${mark}; ${command}`;
  const result = await runOwn(
    { server: marked(server), client: marked(client) },
    timeout,
  );
  fits(sideBySide(result));
  expect(JSON.stringify(result)).not.toMatch(UNSAFE);
  expect(result.ok).toBe(result.reason === null);
  expect(having(mark)).toEqual([]);
  return result;
}

describe("own commands", () => {
  const bad: [server: string, client: string, reason: RegExp][] = [
    ["echo {port}; sleep 300", "", /^the server does not listen on port \d+ /],
    ["echo {port}; exit 3", "", /^the server ended with 3 before it listened$/],
    ["exit 3", "", /^the server ended with 3 before the client started$/],
    ["sleep 2; exit 3", "sleep 3", /^the server ended with 3$/],
    [
      "trap 'exit 3' TERM; sleep 300 & wait",
      "true",
      /^the server ended with 3 when it was stopped$/,
    ],
    [
      "trap '' TERM; sleep 300; sleep 301",
      "true",
      /^the server had not ended after 4 s of SIGTERM$/,
    ],
    ["sleep 300", "exit 3", /^the client ended with 3$/],
    [
      "sleep 300",
      "sleep 301 & sleep 302",
      /^the client had not ended after 4 s$/,
    ],
  ];
  for (const [server, client, reason] of bad) {
    alongside(`are a failure: ${server} | ${client}`, async () => {
      expect((await own(server, client, 4000)).reason).toMatch(reason);
    });
  }

  alongside("may print without end", async () => {
    const client = "yes 'client\x1b'";
    const { reason, lines } = await own("yes server", client, 1000);
    expect(reason).toBe("the client had not ended after 1 s");
    expect(lines.server.at(-1)).toBe("...");
    expect(lines.client.length).toBeLessThan(200);
  });

  alongside("are shown side by side, whatever they print", async () => {
    const result = await own(
      // Two pipes have no common order, so there is a second between them.
      "printf 'a\\033[2J\\rb\\r\\n\\tc\\n'; sleep 1; echo '\u202e' >&2; " +
        "sleep 300",
      `sleep 2; printf '${"wide ".repeat(30)}\\n\\n\\302\\233 \\377'`,
    );
    const { ok, lines } = result;
    expect(ok).toBe(true);
    expect(lines.server).toEqual(["a\\x1b[2J\\rb", "    c", "\\u{202e}"]);
    expect(lines.client).toEqual(["wide ".repeat(30), "", "\\x9b \ufffd"]);
    expect(sideBySide(result)).toMatch(/^a\\x1b\[2J\\rb +\| wide wide/m);
  });

  alongside("are well if the server serves one client, and ends", async () => {
    const bun = `"${process.execPath}" "${ROOT}scripts/tcp_hello.ts"`;
    const { ok, lines } = await own(
      `${bun} server --port {port} --clients 1`,
      `${bun} client --port {port}`,
    );
    expect([ok, lines.client]).toEqual([true, ["Hello World!"]]);
  });

  alongside("are printed as JSON, and a failure is exit code 1", async () => {
    const args = ["--server", "sleep 300", "--client", "exit 3", "--json"];
    const { code, stdout, left } = await matrix(args);
    expect(JSON.parse(stdout)).toMatchObject({
      ...{ experiment: null, server: "sleep 300", client: "exit 3", ok: false },
      ...{ reason: "the client ended with 3", lines: { client: [] } },
    });
    expect([code, left]).toEqual([1, []]);
  });
});

describe("the command line", () => {
  const wrong: [args: string[], message: RegExp][] = [
    [["tcp_tim\x1b"], /^Only flags, not "tcp_tim\\x1b"$/],
    [["--nothing"], /^Unknown flag --nothing$/],
    [["--only"], /^--only needs a value$/],
    [["--json=1"], /^--json takes no value, not "1"$/],
    [["--only", "tcp_tim"], /^--only takes dns_lookup, .*tcp_time/],
    [["--only", "study"], /^--only takes /],
    [
      ["--runtimes", "deno,perl"],
      /^--runtimes takes deno, bun, node, python3$/,
    ],
    [["--timeout", "0"], /^--timeout takes 1 to 9999999, not "0"$/],
    [["--server", "x"], /^--server and --client go together$/],
    [
      ["--server", "x", "--client", "y", "--only", "tcp_time"],
      /^--server and --client leave nothing to choose$/,
    ],
  ];
  for (const [args, message] of wrong) {
    test(`refuses ${JSON.stringify(args.join(" "))}`, () => {
      expect(() => read(args)).toThrow(message);
    });
  }

  test("takes experiments by their files, too", () => {
    const { only } = read(["--only", "scripts/tcp_time.ts, names"])!;
    expect(only.map(({ name }) => name)).toEqual(["names", "tcp_time"]);
  });

  alongside("is refused in one line, with 2", async () => {
    const [[args, message]] = wrong;
    const { code, stdout, stderr } = await matrix(args);
    expect(stderr.trimEnd()).toMatch(message);
    expect([code, stdout]).toEqual([2, ""]);
  });

  alongside("may leave no pair", async () => {
    const args = ["--runtimes", "python3", "--only", "names"];
    const { code, stdout, stderr } = await matrix(args);
    expect(stderr).toEndWith("There is no pair to run\n");
    expect([code, stdout]).toEqual([0, ""]);
  });

  alongside("has --help", async () => {
    const { code, stdout } = await matrix(["--help"]);
    expect(code).toBe(0);
    for (const flag of ["runtimes", "only", "json", "timeout", "server"]) {
      expect(stdout).toContain(`--${flag} `);
    }
    fits(stdout);
  });

  needing(noTerminal, "shows on a terminal how far it is", async () => {
    const args = ["--only", "tcp_hello", "--runtimes", "bun"];
    const { stdout } = await onTerminal(toolOn("bun", args), []);
    expect(stdout).toStartWith("\r\x1b[K1 of 1 pairs\r\x1b[K");
    expect(stdout).not.toContain("bun server");
  });
});

test("table() breaks a long reason, and leaves out who has no such end", () => {
  const common = { experiment: "tcp_address_lookup", ms: 9999 };
  const text = table([
    { ...common, server: "python3", client: "deno", ok: true, reason: null },
    {
      ...common,
      ...{ server: "python3", client: "python3", ok: false },
      reason: `expected ${"word ".repeat(20)}${"x".repeat(200)}`,
    },
  ], ["deno", "bun", "node", "python3"]);
  fits(text);
  expect(text.split("\n").slice(2, 4)).toEqual([
    "tcp_address_lookup python3 ✓ 9999 ms                     ✗ [1]",
    "",
  ]);
  expect(text).toContain("[1] tcp_address_lookup, python3 server, python3");
  expect(text.replace(/\s/g, "")).toContain("x".repeat(200));
});
