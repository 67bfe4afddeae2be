/**
 * The matrix: every pair of runtimes understands each other, what goes wrong is
 * seen and told, and nothing stays behind.
 */
import { afterAll, describe, expect, test } from "bun:test";
import {
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
import { type OwnResult, sideBySide } from "../scripts/tools/matrix/own.ts";
import {
  experiments,
  type Result,
  SEEDS,
} from "../scripts/tools/matrix/pair.ts";
import { table } from "../scripts/tools/matrix/table.ts";
import {
  commandFor,
  find,
  python,
  RUNTIMES,
  start,
} from "./support/runtimes.ts";
import { GUIDED, ROOT, SCRIPTS } from "./support/scripts.ts";
import { alongside, needing, testOn } from "./support/test_on.ts";
import { noTerminal, onTerminal } from "./support/terminal.ts";

const folder = mkdtempSync(join(tmpdir(), "socket-lab-matrix-"));
afterAll(() => rmSync(folder, { recursive: true }));

const missing = RUNTIMES.map((name) => find(name).reason).find(Boolean);
const noProcesses = existsSync("/proc/self/environ")
  ? undefined
  : "no /proc here";
const names = SCRIPTS.filter((file) => !GUIDED.includes(file))
  .map((file) => file.slice(0, -3));

/** The tool, on one of the runtimes. */
function toolOn(runtime: typeof RUNTIMES[number], args: string[]): string[] {
  const tool = join(ROOT, "scripts/tools/matrix.ts");
  return [...commandFor(runtime, ["-A"]), tool, ...args];
}

let runs = 0;

/** Starts the tool; `left` gives what it has started and still runs. */
function startTool(
  args: string[],
  { runtime = "bun" as typeof RUNTIMES[number], env = {}, limit = 60_000 } = {},
) {
  const mark = `${process.pid}-${runs++}`;
  const tool = start(toolOn(runtime, args), {
    limit,
    cwd: folder,
    env: { ...env, SOCKET_LAB_TEST: mark },
  });
  return { ...tool, left: () => having(`SOCKET_LAB_TEST=${mark}`) };
}

async function matrix(...given: Parameters<typeof startTool>) {
  const tool = startTool(...given);
  const finished = await tool.finished;
  return { ...finished, left: tool.left() };
}

/** The processes that have this in their environment, where that is told. */
function having(variable: string): string[] {
  if (noProcesses) return [];
  const processes = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return processes.filter((pid) => {
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, "utf8");
      return environment.split("\0").includes(variable);
    } catch {
      return false; // it has ended
    }
  });
}

function resultsIn(stdout: string): Result[] {
  return stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
}

/** What drives a terminal, or turns the direction of writing. */
// deno-lint-ignore no-control-regex
const UNSAFE = /[\0-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/;

function fits(text: string): void {
  const wide = text.split("\n").filter((line) => [...line].length > 68);
  expect(wide).toEqual([]);
  expect(text).not.toMatch(UNSAFE);
}

/** The gate, `deno task ok`, has all: it runs the tool. */
const SOME = ["tcp_time", "unix_echo"];

describe("the matrix", () => {
  test("has every experiment with two ends", () => {
    expect(experiments().map(({ name }) => name)).toEqual(names);
    for (const { permissions, output } of experiments()) {
      expect(permissions).toContain("--allow-net");
      expect(output).not.toBeEmpty();
    }
  });

  const run = async () => {
    const { code, stdout, stderr, left } = await matrix([
      ...["--json", "--only", SOME.join()],
    ]);
    const results = resultsIn(stdout);
    expect(results.filter(({ ok }) => !ok)).toEqual([]);
    expect([code, stderr, left]).toEqual([0, "", []]);

    const expected: string[] = [];
    for (const name of SOME) {
      const seed = SEEDS.includes(name) && python().path;
      const able = seed ? [...RUNTIMES, "python3"] : RUNTIMES;
      for (const server of able) {
        for (const client of able) expected.push(`${name} ${server} ${client}`);
      }
    }
    const seen = results.map((one) =>
      `${one.experiment} ${one.server} ${one.client}`
    );
    expect(seen.sort()).toEqual(expected.sort());
    for (const result of results) {
      expect(Object.keys(result).sort()).toEqual(
        ["client", "experiment", "ms", "ok", "reason", "server"],
      );
      expect(result).toMatchObject({ ok: true, reason: null });
      expect(result.ms).toBeInteger();
    }
  };
  const title = "is green: each of some experiments, server and client";
  needing(missing, title, run);
});

for (const runtime of RUNTIMES) {
  describe(`the tool on ${runtime}`, () => {
    testOn(runtime, "prints the table, and only that on stdout", async () => {
      const args = ["--only", "tcp_hello", "--runtimes", "deno,bun"];
      const { code, stdout, stderr, left } = await matrix(args, { runtime });
      expect(stdout).toMatch(
        /^ +client\nexperiment +server +deno( +bun)?\ntcp_hello +(deno|bun) +✓/,
      );
      expect(stdout).toMatch(/^\d+ pairs, all well, in \d+\.\d s\n$/m);
      expect(stderr).toMatch(/^tcp_hello, bun server, bun client: \d+ ms$/m);
      expect([code, left]).toEqual([0, []]);
      fits(stdout);
    });

    const reason = find(runtime).reason ?? noProcesses;
    needing(reason, "ends all that it has started at Ctrl-C", async () => {
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
      const end = (role: string) =>
        `"${process.execPath}" "${ROOT}scripts/udp_echo.ts" ${role}`;
      const args = ["server", "client"].flatMap((role) => [
        `--${role}`,
        `${end(role)} --port {port}`,
      ]);
      const { code, stdout, stderr, left } = await matrix(args, { runtime });
      expect(stdout).toMatch(/^Listening on 127\.0\.0\.1:.* \| To \('127/m);
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
  function fakeNode(body: string, version = "v24.99.0"): string {
    const file = join(folder, `node-${runs++}`);
    const answer = `case $1 in -e) echo "${version} $0"; exit;; esac`;
    const bun = `bun() { "${process.execPath}" "$@"; }`;
    // A shell that the signal for its group ends would hide how bun ends.
    const lines = ["#!/bin/sh", answer, bun, "trap : TERM", body, ""];
    writeFileSync(file, lines.join("\n"), { mode: 0o755 });
    return file;
  }

  /** Runs tcp_hello on the fake, or on others too; gives each failure. */
  async function failures(
    body: string,
    { timeout = "20000", runtimes = "node" } = {},
  ) {
    const { code, stdout, left } = await matrix(
      [
        ...["--runtimes", runtimes, "--only", "tcp_hello"],
        ...["--timeout", timeout, "--json"],
      ],
      { env: { SOCKET_LAB_NODE: fakeNode(body) } },
    );
    expect([code, left]).toEqual([1, []]);
    expect(stdout).not.toMatch(UNSAFE);
    const failed: Record<string, string | null> = {};
    for (const { server, client, ok, reason } of resultsIn(stdout)) {
      expect(ok).toBe(reason === null);
      if (!ok) failed[`${server} ${client}`] = reason;
    }
    return failed;
  }

  /** Does one thing as the server, and another as the client. */
  const byRole = (server: string, client: string) =>
    `case $2 in server) ${server};; *) ${client};; esac`;

  // Those that wait come first, so that others go on beside them.
  alongside("has a client that hangs", async () => {
    const body = byRole('bun "$@"', "sleep 300");
    expect(await failures(body, { timeout: "5000" })).toEqual({
      "node node": "the client had not ended after 5 s",
    });
  });

  alongside("has a server that never listens", async () => {
    const body = byRole("sleep 300", 'bun "$@"');
    expect(await failures(body, { timeout: "5000" })).toEqual({
      "node node": "the server does not listen after 5 s",
    });
  });

  alongside("has a server that ends badly, or never", async () => {
    const bad = byRole('bun "$@"; exit 4', 'bun "$@"');
    const never = byRole('bun "$@"; sleep 300', 'bun "$@"');
    const [ended, stayed] = await Promise.all([
      failures(bad),
      failures(`trap "" TERM; ${never}`, { timeout: "5000" }),
    ]);
    expect(ended).toEqual({ "node node": "the server ended with 4" });
    expect(stayed).toEqual({
      "node node": "the server had not ended after 5 s",
    });
  });

  alongside("prints other lines than the header has", async () => {
    const body = byRole('bun "$@"', 'bun "$@" | sed s/Hello/Hallo/');
    const reason =
      'expected "client: Hello World!", saw "client: Hallo World!"';
    expect(await failures(body, { runtimes: "bun,node" })).toEqual({
      "bun node": reason,
      "node node": reason,
    });
  });

  alongside("prints what is no line of an experiment", async () => {
    const body = byRole('bun "$@"; echo "{\x1b[2J"', 'bun "$@"');
    const reason = 'expected "nothing", saw "{\\x1b[2J"';
    expect(await failures(body)).toEqual({ "node node": reason });
  });

  alongside("ends with an error, which is told in one safe line", async () => {
    const body = "printf 'at x\\nError: \\033[2J broken\\nby y\\n' >&2; exit 3";
    expect(await failures(body, { runtimes: "bun,node" })).toEqual({
      "bun node": "the client ended with 3: Error: \\x1b[2J broken",
      "node bun":
        "the server ended with 3 before it listened: Error: \\x1b[2J broken",
      "node node":
        "the server ended with 3 before it listened: Error: \\x1b[2J broken",
    });
  });

  alongside("says on standard error that something is wrong", async () => {
    const body = byRole('bun "$@"', 'echo "a warning" >&2; bun "$@"');
    expect(await failures(body)).toEqual({
      "node node": "the client says: a warning",
    });
  });

  alongside("has a cross in the table, and its reason below", async () => {
    const { code, stdout } = await matrix(
      ["--runtimes", "bun,node", "--only", "tcp_hello"],
      { env: { SOCKET_LAB_NODE: fakeNode("exit 5") } },
    );
    expect(stdout).toMatch(/^tcp_hello +bun +✓ +\d+ ms +✗ \[1\]$/m);
    expect(stdout).toMatch(/^ +node +✗ \[2\] +✗ \[3\]$/m);
    expect(stdout).toContain(
      "[1] tcp_hello, bun server, node client: the client ended with 5\n",
    );
    expect(stdout).toMatch(/^4 pairs, 3 failed, in /m);
    expect(code).toBe(1);
    fits(stdout);
  });

  alongside("is none if a runtime is missing, or too old", async () => {
    const old = fakeNode("exit 6", "v20.20.2");
    for (
      const [path, reason] of [
        [old, "20.20.2 is too old, it takes 24.2"],
        ["/no/such\x1b[2J", "not found at /no/such\\x1b[2J"],
        [fakeNode("", "hello"), "not found at"],
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
async function own(server: string, client: string, ...more: string[]) {
  const args = ["--server", server, "--client", client, "--json", ...more];
  const { stdout, ...rest } = await matrix(args);
  const result: OwnResult = JSON.parse(stdout);
  fits(sideBySide(result));
  expect(stdout).not.toMatch(UNSAFE);
  return { ...rest, ...result };
}

alongside("own commands may print without end", async () => {
  const { reason, lines, left } = await own(
    "yes server",
    "yes 'client\x1b'",
    "--timeout",
    "1000",
  );
  expect(reason).toBe("the client had not ended after 1 s");
  expect(lines.server.at(-1)).toBe("...");
  expect(lines.client.length).toBeLessThan(200);
  expect(left).toEqual([]);
});

describe("own commands", () => {
  alongside(
    "are a failure if the server does not start, or end, well",
    async () => {
      const bad: [server: string, reason: RegExp, client?: string][] = [
        ["echo {port}; sleep 300", /^the server does not listen on port \d+ /],
        ["echo {port}; exit 3", /^the server ended with 3 before it listened$/],
        ["exit 3", /^the server ended with 3 before the client started$/],
        ["sleep 2; exit 3", /^the server ended with 3$/, "sleep 3"],
        [
          "trap 'exit 3' TERM; sleep 300 & wait",
          /^the server ended with 3 when it was stopped$/,
        ],
        [
          "trap '' TERM; sleep 300; sleep 301",
          /^the server had not ended after 4 s of SIGTERM$/,
        ],
      ];
      await Promise.all(bad.map(async ([server, reason, client = "true"]) => {
        const result = await own(server, client, "--timeout", "4000");
        expect(result.reason).toMatch(reason);
        expect([result.code, result.left]).toEqual([1, []]);
      }));
    },
  );

  alongside("are shown side by side, whatever they print", async () => {
    const { code, ok, lines, left, ...result } = await own(
      // Two pipes have no common order, but for the second between them.
      "printf 'a\\033[2J\\rb\\r\\n\\tc\\n'; sleep 1; echo '\u202e' >&2; " +
        "sleep 300",
      `sleep 2; printf '${"wide ".repeat(30)}\\n\\n\\302\\233 \\377'`,
    );
    expect([code, ok, left]).toEqual([0, true, []]);
    expect(lines.server).toEqual(["a\\x1b[2J\\x0db", "    c", "\\u{202e}"]);
    expect(lines.client).toEqual(["wide ".repeat(30), "", "\\x9b \ufffd"]);
    const text = sideBySide({ ...result, ok, lines });
    expect(text).toMatch(/^a\\x1b\[2J\\x0db +\| wide wide/m);
  });

  alongside("are a failure if the client is, or hangs", async () => {
    const [failed, hung] = await Promise.all([
      own("sleep 300", "exit 3"),
      own("sleep 300", "sleep 301 & sleep 302", "--timeout", "1000"),
    ]);
    expect(failed.reason).toBe("the client ended with 3");
    expect(hung.reason).toBe("the client had not ended after 1 s");
    for (const { code, ok, left } of [failed, hung]) {
      expect([code, ok, left]).toEqual([1, false, []]);
    }
  });

  alongside("are well if the server serves one client, and ends", async () => {
    const bun = `"${process.execPath}" "${ROOT}scripts/tcp_hello.ts"`;
    const { code, ok, lines } = await own(
      `${bun} server --port {port} --clients 1`,
      `${bun} client --port {port}`,
    );
    expect([code, ok, lines.client]).toEqual([0, true, ["Hello World!"]]);
  });
});

describe("the command line", () => {
  alongside("is told in one line what is wrong with it", async () => {
    const wrong: [string[], RegExp][] = [
      [["--nothing"], /^Unknown flag --nothing$/],
      [["tcp_time"], /^Only flags, not "tcp_time"$/],
      [["--only"], /^--only needs a value$/],
      [["--json=1"], /^--json takes no value, not "1"$/],
      [["--only", "tcp_tim\x1b"], /^No experiment "tcp_tim\\x1b" \(.*tcp_time/],
      [["--only", "study"], /^No experiment "study" \(/],
      [["--runtimes", "deno,perl"], /^No runtime "perl" \(deno, bun, node, py/],
      [["--timeout", "0"], /^--timeout takes 1 to 9999999, not "0"$/],
      [["--server", "x"], /^--server and --client go together$/],
      [
        ["--server", "x", "--client", "y", "--only", "tcp_time"],
        /^--server and --client leave nothing to choose$/,
      ],
    ];
    await Promise.all(wrong.map(async ([args, line]) => {
      const { code, stdout, stderr } = await matrix(args);
      expect(stderr.trimEnd()).toMatch(line);
      expect([code, stdout]).toEqual([2, ""]);
    }));
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
    expect(stdout).toStartWith("\r1 of 1 pairs\r\x1b[K");
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
