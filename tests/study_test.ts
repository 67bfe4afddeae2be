/**
 * The study of the calls: what it says of each step on every runtime, that the
 * kernel agrees, and how it waits on a terminal.
 */
import { describe, expect, test } from "bun:test";
import net from "node:net";
import process from "node:process";
import { commandFor, find, run, RUNTIMES } from "./support/runtimes.ts";
import { ROOT } from "./support/scripts.ts";
import { CTRL_C, CTRL_D, noTerminal, onTerminal } from "./support/terminal.ts";
import { needing, testOn } from "./support/test_on.ts";

const STUDY = "scripts/study.ts";

/** Each call, and the state in which it leaves what it is about. */
const STEPS: [call: string, states: Record<string, string>][] = [
  ["server: socket(AF_INET, SOCK_STREAM)", { listener: "CLOSED" }],
  ["server: bind(('127.0.0.1', 0))", { listener: "CLOSED" }],
  ["server: listen(5)", { listener: "LISTEN" }],
  [
    "client: connect(('127.0.0.1', N))",
    { server: "ESTABLISHED", client: "ESTABLISHED" },
  ],
  [
    "server: accept() = a socket, ('127.0.0.1', N)",
    { listener: "LISTEN", server: "ESTABLISHED", client: "ESTABLISHED" },
  ],
  [
    'client: send("What time is it?") = 16',
    { server: "ESTABLISHED", client: "ESTABLISHED" },
  ],
  [
    'server: recv(1024) = "What time is it?"',
    { server: "ESTABLISHED", client: "ESTABLISHED" },
  ],
  [
    "client: shutdown(SHUT_WR)",
    { server: "CLOSE-WAIT", client: "FIN-WAIT-2" },
  ],
  ['server: recv(1024) = ""', { server: "CLOSE-WAIT", client: "FIN-WAIT-2" }],
  [
    'server: sendall(...); client: recv(1024) = "TIME"',
    { server: "CLOSE-WAIT", client: "FIN-WAIT-2" },
  ],
  ["server: close()", { server: "CLOSED", client: "TIME-WAIT" }],
  ["client: close()", { client: "TIME-WAIT" }],
  ["server: close() of the listener", { listener: "CLOSED" }],
];

const ROW = /^ {4}(listener|server|client) +((?:[A-Z0-9-]+ > )*)([A-Z0-9-]+)/;

/** The calls, numbered from 1, and the last state in each of their rows. */
function stepsOf(printed: string) {
  const steps: typeof STEPS = [];
  for (const line of printed.split("\n")) {
    const [, number, call] = line.match(/^([ 1]\d)\. (.*)/) ?? [];
    if (call) {
      expect(Number(number)).toBe(steps.length + 1);
      steps.push([normal(call), {}]);
    }
    const [, name, , state] = line.match(ROW) ?? [];
    if (name) steps.at(-1)![1][name] = state;
  }
  return steps;
}

/** Without what differs from run to run. */
function normal(text: string): string {
  return text.replace(/(?<='127\.0\.0\.1', )[1-9]\d*/g, "N")
    .replace(/[\d/]{10} [\d:]{8}/, "TIME");
}

for (const runtime of RUNTIMES) {
  const study = (args: string[] = [], permissions = ["--allow-net"]) =>
    run([...commandFor(runtime, permissions), STUDY, ...args], { cwd: ROOT });

  describe(runtime, () => {
    testOn(runtime, "each call has its end, result and states", async () => {
      const { code, stdout, stderr } = await study();
      expect(stepsOf(stdout)).toEqual(STEPS);
      expect([code, stderr]).toEqual([0, ""]);
    });

    testOn(runtime, "the lines fit a report", async () => {
      for (const permissions of [["--allow-net"], ["--allow-all"]]) {
        const { stdout } = await study(["--port", "0"], permissions);
        const lines = stdout.split("\n");
        expect(lines.filter((line) => line.length > 68)).toEqual([]);
        expect(lines.length).toBeLessThan(90);
      }
    });

    const notLinux = process.platform === "linux" ? undefined : "not Linux";
    const missing = find(runtime).reason ?? notLinux;

    needing(missing, "the kernel says the same of each state", async () => {
      const { stdout } = await study([], ["--allow-all"]);
      const rows = stdout.split("\n").filter((line) => ROW.test(line));
      const asked = rows.filter((row) => row.endsWith("]"));
      // All but the two before listen(), when there is no port.
      expect(asked.length).toBe(rows.length - 2);
      for (const row of asked) {
        const [, said] = row.match(/\[(.+)\]$/)!;
        expect([row, said]).toEqual([row, row.match(ROW)![3]]);
      }
    });

    testOn(runtime, "--port is where it listens", async () => {
      await using taken = await listening();
      const { code, stdout, stderr } = await study(["--port", taken.port]);
      expect(stepsOf(stdout).map(([call]) => call)).toEqual([
        "server: socket(AF_INET, SOCK_STREAM)",
        "server: bind(('127.0.0.1', N))",
      ]);
      expect(stderr).toBe(
        `Cannot listen on 127.0.0.1:${taken.port}: address already in use\n` +
          "Another server has this port: stop it, or choose another with " +
          "--port\n",
      );
      expect(code).toBe(1);
    });

    testOn(runtime, "a wrong flag is one line and exit 2", async () => {
      const usage = "(usage: study.ts [--port P] [--help])\n";
      for (
        const [args, message] of [
          [["--port", "65536"], '--port takes 0 to 65535, not "65536"'],
          [["--port", "x"], '--port takes 0 to 65535, not "x"'],
          [["--port"], "--port needs a value"],
          [["--json"], "Unknown flag --json"],
          [["server"], 'Only flags, not "server"'],
        ] as [string[], string][]
      ) {
        const { code, stdout, stderr } = await study(args);
        expect(stderr).toBe(`${message} ${usage}`);
        expect([code, stdout]).toEqual([2, ""]);
      }
    });

    testOn(runtime, "--help lists the flags and exits 0", async () => {
      const { code, stdout, stderr } = await study(["--help"]);
      for (const flag of ["--port P", "--help", "Enter", "Ctrl-D"]) {
        expect(stdout).toContain(flag);
      }
      expect([code, stderr]).toEqual([0, ""]);
    });
  });

  describe(`${runtime} on a terminal`, () => {
    const command = [...commandFor(runtime, ["--allow-net"]), STUDY];
    const missing = find(runtime).reason ?? noTerminal;
    const enter = ["(Enter) ", "\n"] as [string, string];

    needing(missing, "Enter goes on to the next step", async () => {
      const dialogue = STEPS.map(() => enter);
      const { code, stdout } = await onTerminal(command, dialogue);
      expect(stepsOf(stdout)).toEqual(STEPS);
      expect(stdout.match(/\(Enter\) \n/g)).toHaveLength(STEPS.length);
      expect(code).toBe(0);
    });

    needing(missing, "Ctrl-D ends it at any step", async () => {
      for (const steps of [1, 6]) {
        const dialogue = Array(steps).fill(enter);
        dialogue[steps - 1] = ["(Enter) ", CTRL_D];
        const { code, stdout } = await onTerminal(command, dialogue);
        expect(stepsOf(stdout)).toEqual(STEPS.slice(0, steps));
        expect(stdout).toEndWith("    (Enter) \n");
        expect(code).toBe(0);
      }
    });

    needing(missing, "Ctrl-C ends it with 130", async () => {
      const dialogue = [enter, ["(Enter) ", CTRL_C] as [string, string]];
      const { code, stdout } = await onTerminal(command, dialogue);
      expect(stepsOf(stdout)).toEqual(STEPS.slice(0, 2));
      expect(code).toBe(130);
    });

    needing(missing, "what goes to a file waits for nobody", async () => {
      const shell = ["sh", "-c", `${command.join(" ")} | cat`];
      const { code, stdout } = await onTerminal(shell, []);
      expect(stepsOf(stdout)).toEqual(STEPS);
      expect(stdout).not.toContain("Enter");
      expect(code).toBe(0);
    });
  });
}

describe("deno without a permission", () => {
  const deno = find("deno");

  needing(deno.reason ?? noTerminal, "is not asked for one", async () => {
    // Without --no-prompt, as a user types it.
    const command = [deno.path!, "run", "--allow-net", STUDY];
    const dialogue = [["(Enter) ", CTRL_D]] as [string, string][];
    const { code, stdout } = await onTerminal(command, dialogue);
    expect(stdout).not.toMatch(/Allow\?|permission/);
    expect(stdout).toContain("kernel reports: deno run --allow-all\n");
    expect(code).toBe(0);
  });

  testOn("deno", "to the network names the flag", async () => {
    const { code, stderr } = await run([...commandFor("deno", []), STUDY], {
      cwd: ROOT,
    });
    expect(stderr).toMatch(/^Cannot listen on 127\.0\.0\.1:0: permission/);
    expect(stderr.split("\n").slice(1)).toEqual([
      "Add --allow-net before the name of the script",
      "",
    ]);
    expect(code).toBe(1);
  });
});

test("stepsOf() sees a step that is missing", () => {
  expect(() => stepsOf(" 2. client: close()")).toThrow();
});

async function listening() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const port = String((server.address() as net.AddressInfo).port);
  return {
    port,
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
