/**
 * The command line of the experiments, on every runtime: flags, errors, the
 * ends in two processes, and how a server stops.
 */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import net from "node:net";
import { parse } from "../lib/experiment/command_line.ts";
import {
  listOf,
  readFlags,
  UsageError,
  wholeNumber,
} from "../lib/experiment/flags.ts";
import { canListen, freePort } from "../scripts/tools/support/free_port.ts";
import { readHeader } from "../scripts/tools/support/header.ts";
import { type CommandLine, runAll } from "./support/command_lines.ts";
import { silentServer } from "./support/silent_server.ts";
import {
  commandFor,
  run,
  type Running,
  RUNTIMES,
  start,
} from "./support/runtimes.ts";
import { ROOT } from "./support/scripts.ts";
import { testOn } from "./support/test_on.ts";

const USAGE = "(usage: tcp_time.ts [both | server | client] [--host H] " +
  "[--port P] [--clients N] [--timeout MS] [--trace] [--step] [--diagram] " +
  "[--json] [--bytes] [--help])\n";

const WRONG: [args: string[], message: string][] = [
  [["--port", "banana"], '--port takes 0 to 65535, not "banana"'],
  [["--port", "70000"], '--port takes 0 to 65535, not "70000"'],
  [["--port", "-1"], '--port takes 0 to 65535, not "-1"'],
  [["client", "--port", "0"], '--port takes 1 to 65535, not "0"'],
  [["--port"], "--port needs a value"],
  [["--port", "--host", "::1"], "--port needs a value"],
  [["--clients", "0"], '--clients takes 1 to 1000000, not "0"'],
  [["--timeout", "1.5"], '--timeout takes 1 to 2147483647, not "1.5"'],
  [["--prot", "8000"], "Unknown flag --prot"],
  [["-x"], "Unknown flag -x"],
  [["-hx"], "Unknown flag -x"],
  [["--no-json"], "Unknown flag --no-json"],
  [["--json=yes"], '--json takes no value, not "yes"'],
  [["--json", "--\x1b[2J"], "Unknown flag --\\x1b[2J"],
  [["sever"], 'Unknown role "sever"'],
  [["--bytes", "--json"], "--bytes is for --trace --json"],
  [["server", "client"], 'One role only, not "client"'],
];

const TAKEN = "Another server has this port: stop it, or choose another with " +
  "--port\n";

for (const runtime of RUNTIMES) {
  describe(runtime, () => {
    const command = (args: string[], permissions = ["--allow-net"]) => [
      ...commandFor(runtime, permissions),
      "scripts/tcp_time.ts",
      ...args,
    ];
    const runTime = (...args: string[]) => run(command(args), { cwd: ROOT });

    /** A server on a free port, which it prints on standard error. */
    async function startServer(
      ...args: string[]
    ): Promise<{ server: Running; port: string }> {
      const all = command(["server", "--port", "0", ...args]);
      const server = start(all, { cwd: ROOT });
      const [, port] = await server.said(/Listening on 127\.0\.0\.1:(\d+)/);
      return { server, port };
    }

    /** A client that has been served, and keeps its connection. */
    async function connected(port: string): Promise<net.Socket> {
      const client = net.connect(Number(port), "127.0.0.1");
      await new Promise((resolve) => client.once("data", resolve));
      return client;
    }

    testOn(
      runtime,
      "a wrong flag, and a failed call, say what to do",
      async () => {
        await using taken = await silentServer();
        const free = String(await freePort());
        const start = runtime === "deno" ? "deno run --allow-net" : runtime;
        const host = `${"x".repeat(64)}.invalid`;
        const failures: [args: string[], stderr: string | RegExp][] = [
          [
            ["client", "--port", free],
            `Cannot connect to 127.0.0.1:${free}: connection refused\n` +
            `Start the server first: ${start} scripts/tcp_time.ts server ` +
            `--port ${free}\n`,
          ],
          ...["server", "both"].map((role): [string[], string] => [
            [role, "--port", taken.port],
            `Cannot bind to 127.0.0.1:${taken.port}: address already in use\n` +
            TAKEN,
          ]),
          [
            ["client", "--host", host],
            `Cannot connect to ${host}:8000: name not known\n` +
            "Check the name after --host\n",
          ],
          [
            ["client", "--host", "::1"],
            /^Cannot connect to \[::1\]:8000: address family .*\n.* IPv4.*\n$/,
          ],
          [
            ["client", "--port", taken.port, "--timeout", "100"],
            `Cannot receive from 127.0.0.1:${taken.port}: timed out\n` +
            "Nothing came in 100 ms: is it the right server? (--timeout)\n",
          ],
        ];
        const all = [...WRONG, ...failures];
        const lines = all.map(([args]): CommandLine => ["tcp_time", args]);
        const results = await runAll(runtime, lines);
        expect(results).toHaveLength(all.length);
        WRONG.forEach(([, message], i) =>
          expect(results[i]).toEqual({
            code: 2,
            stdout: "",
            stderr: `${message} ${USAGE}`,
          })
        );
        failures.forEach(([, stderr], i) => {
          const result = results[WRONG.length + i];
          expect(result).toMatchObject({ code: 1, stdout: "" });
          if (typeof stderr === "string") expect(result.stderr).toBe(stderr);
          else expect(result.stderr).toMatch(stderr);
        });
      },
    );

    testOn(runtime, "the process exits with 2, and with 1", async () => {
      const wrong = await runTime("--prot", "8000");
      expect(wrong).toEqual({
        code: 2,
        stdout: "",
        stderr: `Unknown flag --prot ${USAGE}`,
      });
      const failed = await runTime("client", "--port", "1");
      expect([failed.code, failed.stdout]).toEqual([1, ""]);
      expect(failed.stderr).toStartWith("Cannot connect to 127.0.0.1:1: ");
    });

    testOn(runtime, "--help lists the flags and exits 0", async () => {
      const lines: CommandLine[] = [["tcp_time", ["--help"]], ["tcp_time", [
        "client",
        "-h",
        "--port=0",
      ]]];
      const [{ code, stdout, stderr }, short] = await runAll(runtime, lines);
      for (const flag of USAGE.match(/(?<=\[)--\w+( [A-Z]+)?/g)!) {
        expect(stdout).toMatch(new RegExp(`^  ${flag} +[a-z].*`, "m"));
      }
      expect(stdout).toMatch(/^ {16}[a-z]/m); // a long description
      expect([code, stderr]).toEqual([0, ""]);
      expect(short).toEqual({ code, stdout, stderr });
    });

    testOn(
      runtime,
      "--help begins with the fact, ends with the output",
      async () => {
        const { code, stdout, stderr } = await runTime("--help");
        const header = readHeader(
          readFileSync(`${ROOT}scripts/tcp_time.ts`, "utf8"),
        );
        const [fact] = stdout.split("\n\n");
        expect(fact.replaceAll("\n", " ")).toBe(header.fact);
        const [, output] = stdout.split("Output (<...> varies):\n\n");
        expect(output).toBe(
          header.output.map((line) => `    ${line}\n`).join(""),
        );
        expect([code, stderr]).toEqual([0, ""]);
        // The limits are those of this runtime.
        const queue = {
          deno: "4096",
          bun: "512 wait",
          node: "Node accepts 4096",
        };
        expect(stdout).toContain(queue[runtime]);
      },
    );

    testOn(runtime, "unix_echo --help has no host and no port", async () => {
      const script = `${ROOT}scripts/unix_echo.ts`;
      const { code, stdout } = await run(
        [...commandFor(runtime, ["--allow-net"]), script, "--help"],
      );
      expect(stdout).toMatch(/^ {2}--path /m);
      expect(stdout).not.toMatch(/--(host|port)/);
      expect(code).toBe(0);
    });

    testOn(
      runtime,
      "a refused client learns of a server at 127.0.1.1",
      async () => {
        const server = net.createServer().listen(0, "127.0.1.1");
        let visitors = 0;
        server.on("connection", () => visitors++);
        await new Promise((resolve) => server.once("listening", resolve));
        const { port } = server.address() as net.AddressInfo;
        const { code, stderr } = await runTime("client", "--port", `${port}`);
        server.close();
        expect(stderr).toBe(
          `Cannot connect to 127.0.0.1:${port}: connection refused\n` +
            "A server has this port at 127.0.1.1 (a machine's own name on " +
            "Debian): add --host 127.0.1.1\n",
        );
        expect([code, visitors]).toEqual([1, 0]);
      },
    );

    testOn(runtime, "two processes look as in the seed", async () => {
      const { server, port } = await startServer("--clients", "2");
      const clients = await runTime("client", "--port", port, "--clients", "2");
      const { code, stdout } = await server.finished;
      expect(clients.stdout).toMatch(
        /^(Received from server: [\d/]{10} [\d:]{8}\n){2}$/,
      );
      const [first, ...served] = stdout.replace(/\d+(?=\))/g, "N").split("\n");
      expect(first).toBe("Waiting for a client to connect...");
      // The second client may come before the first one's thanks.
      expect(served.sort()).toEqual([
        "",
        "Acknowledgment from client: Time received successfully.",
        "Acknowledgment from client: Time received successfully.",
        "Client Address: ('127.0.0.1', N)",
        "Client Address: ('127.0.0.1', N)",
      ]);
      expect([clients.code, code]).toEqual([0, 0]);
    });

    testOn(
      runtime,
      "--json prints an object a line; loopback will do",
      async () => {
        const args = command(["--json"], ["--allow-net=127.0.0.1"]);
        const { code, stdout } = await run(args, { cwd: ROOT });
        const lines = stdout.trimEnd().split("\n").map((line) =>
          JSON.parse(line)
        );
        expect(lines.map(({ end }) => end).sort()).toEqual(
          ["client", "server", "server", "server"],
        );
        expect(lines).toContainEqual({
          end: "server",
          line: "Acknowledgment from client: Time received successfully.",
        });
        expect(code).toBe(0);
      },
    );

    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      testOn(runtime, `${signal} lets the running exchange end`, async () => {
        const { server, port } = await startServer();
        const client = await connected(port);
        server.kill(signal);
        // The port is free while the exchange goes on.
        await until(() => canListen(Number(port)));
        client.end("thanks");
        const { code, stdout, stderr } = await server.finished;
        expect(stdout).toEndWith("Acknowledgment from client: thanks\n");
        expect(stderr).not.toContain("at ");
        expect(code).toBe(0);
      });
    }

    testOn(runtime, "a second signal ends a server at once", async () => {
      const { server, port } = await startServer();
      const client = await connected(port);
      server.kill("SIGINT");
      await until(() => canListen(Number(port)));
      server.kill("SIGINT");
      expect((await server.finished).code).toBe(130);
      client.destroy();
    });

    testOn(runtime, "a reader of the output may leave", async () => {
      const { code, stderr } = await run([
        ...["bash", "-c"],
        `set -o pipefail; ${
          command(["--clients", "50"]).join(" ")
        } | head -n 1`,
      ], { cwd: ROOT });
      expect([code, stderr]).toEqual([0, ""]);
    });

    testOn(runtime, "a peer's reset ends nothing", async () => {
      const { server, port } = await startServer("--clients", "2");
      const rude = await connected(port);
      rude.resetAndDestroy();
      await server.said(/Cannot receive from .*: connection reset by peer/);
      (await connected(port)).end("thanks");
      const { code, stdout } = await server.finished;
      expect(stdout).toEndWith("Acknowledgment from client: thanks\n");
      expect(code).toBe(0);
    });

    testOn(
      runtime,
      "without a free descriptor a failure says what to do, too",
      async () => {
        const permissions = ["--allow-net", "--allow-read"];
        const file = "tests/faults/no_descriptor.ts";
        for (const role of ["both", "server", "client"]) {
          const { code, stdout, stderr } = await run([
            ...["sh", "-c", 'ulimit -n 64 && exec "$0" "$@"'],
            ...[...commandFor(runtime, permissions), file, role],
          ], { cwd: ROOT });
          const call = role === "client" ? "connect" : "bind";
          // Bun does not say why it cannot.
          const reason = runtime === "bun" ? ".*" : "too many open files";
          expect(stderr).toMatch(
            new RegExp(
              `^Cannot ${call} to 127\\.0\\.0\\.1:\\d+: ${reason}\n` +
                "Allow more open files: ulimit -n 4096\n$",
            ),
          );
          expect([code, stdout]).toEqual([1, ""]);
        }
      },
    );

    if (runtime === "deno") {
      testOn(runtime, "a denied permission names the flag", async () => {
        const { code, stderr } = await run(command([], []), { cwd: ROOT });
        expect(stderr).toMatch(
          /^Cannot bind to 127\.0\.0\.1:0: permission denied \(.*--allow-net/,
        );
        expect(stderr).not.toContain("    at ");
        expect(code).toBe(1);
      });
    }
  });
}

testOn("bun", "the scripts run from another folder", async () => {
  const script = `${ROOT}scripts/tcp_hello.ts`;
  const { code } = await run([...commandFor("bun", []), script], { cwd: "/" });
  expect(code).toBe(0);
});

test("parse() gives the settings, and the experiment's own flags only", async () => {
  const number = { help: "", takes: "digits", pattern: /^\d+$/ };
  const experiment = {
    ...{
      url: "file:///a.ts",
      port: 8000,
      flags: { seed: number, other: number },
    },
    server: async () => {},
    client: async () => {},
  };
  const args = [
    "client",
    "--seed",
    "7",
    "--port=9",
    "--clients",
    "2",
    "--trace",
  ];
  expect(await parse(experiment, args)).toEqual({
    ...{ role: "client", host: "127.0.0.1", port: 9, clients: 2 },
    ...{ timeout: undefined, trace: true, diagram: false, json: false },
    bytes: false,
    flags: { seed: "7", other: undefined },
  });
});

describe("readFlags()", () => {
  const options = {
    name: { type: "string" },
    all: { type: "boolean", short: "a" },
  } as const;

  test("gives values, and other arguments if they are allowed", () => {
    const args = ["one", "--name", "x", "-a", "two"];
    const { values, positionals } = readFlags(args, options, {
      positionals: true,
    });
    expect({ ...values }).toEqual({ name: "x", all: true });
    expect(positionals).toEqual(["one", "two"]);
    expect(() => readFlags(args, options)).toThrow(
      new UsageError('Only flags, not "one"'),
    );
  });

  test("takes a negative number as a value, and no other flag", () => {
    for (const args of [["--name", "-2500"], ["--name=-2500"]]) {
      expect(readFlags(args, options).values.name).toBe("-2500");
    }
    for (const value of ["-a", "--all", "-x"]) {
      expect(() => readFlags(["--name", value], options)).toThrow(
        "--name needs a value",
      );
    }
  });

  test("blames the first argument to which the error applies", () => {
    for (const fine of [["--name", "-"], ["--name=-x"], ["--name="]]) {
      expect(() => readFlags([...fine, "--all=1", "--none"], options)).toThrow(
        new UsageError('--all takes no value, not "1"'),
      );
    }
  });
});

test("wholeNumber() takes digits within its bounds", () => {
  expect(wholeNumber("n", undefined, 1, 9)).toBeUndefined();
  for (const value of ["1", "9", "005"]) {
    expect(wholeNumber("n", value, 1, 9)).toBe(Number(value));
  }
  for (const value of ["0", "10", "", " 1", "1e0", "0x1", "-1", "1.0"]) {
    expect(() => wholeNumber("n", value, 1, 9)).toThrow(
      new UsageError(`--n takes 1 to 9, not "${value}"`),
    );
  }
});

test("listOf() gives known names in their own order, all by default", () => {
  const known = ["deno", "bun", "node"];
  expect(listOf("only", undefined, known)).toEqual(known);
  expect(listOf("only", "node,deno,node", known)).toEqual(["deno", "node"]);
  for (const list of ["", "deno,", "Deno", "bun node"]) {
    expect(() => listOf("only", list, known)).toThrow(
      new UsageError("--only takes deno, bun, node"),
    );
  }
});

/** Waits for a condition; the test's own limit ends it. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!await condition()) await Bun.sleep(20);
}
