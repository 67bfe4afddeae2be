/**
 * The study of the calls: its steps on every runtime, the states that the
 * kernel reports, and how it waits on a terminal.
 */
import { describe, expect, test } from "bun:test";
import process from "node:process";
import { type CommandLine, runAll } from "./support/command_lines.ts";
import { silentServer } from "./support/silent_server.ts";
import { commandFor, find, run, RUNTIMES } from "./support/runtimes.ts";
import { ROOT } from "./support/scripts.ts";
import { CTRL_C, CTRL_D, noTerminal, onTerminal } from "./support/terminal.ts";
import { needing, testOn } from "./support/test_on.ts";

const STUDY = "scripts/study.ts";

/** Each call, and the state of each socket after it. */
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

/** The calls, numbered from 1, and the last state in each row. */
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

/** The lines that a report cannot paste. */
function tooWide(printed: string): string[] {
  return printed.split("\n").filter((line) => line.length > 68);
}

const USAGE = "(usage: study.ts [--port P] [--help])\n";

for (const runtime of RUNTIMES) {
  describe(runtime, () => {
    testOn(runtime, "each call has its end, result and states", async () => {
      // Deno needs all permissions to ask the kernel.
      const command = [...commandFor(runtime, ["--allow-all"]), STUDY];
      const { code, stdout, stderr } = await run(command, { cwd: ROOT });
      expect(stepsOf(stdout)).toEqual(STEPS);
      expect(tooWide(stdout)).toEqual([]);
      expect(stdout.split("\n").length).toBeLessThan(90);
      expect([code, stderr]).toEqual([0, ""]);
      // After bind() with port 0 the port is known, before listen().
      const [, bound] = stdout.match(/its address,\s+\(\S+\s+([1-9]\d+)\);/)!;
      expect(stdout).toContain(`client: connect(('127.0.0.1', ${bound}))`);

      if (process.platform !== "linux") return; // it has no /proc/net/tcp
      const rows = stdout.split("\n").filter((line) => ROW.test(line));
      const reported = rows.filter((row) => row.endsWith("]"));
      // All but the one before bind(), when there is no port.
      expect(reported.length).toBe(rows.length - 1);
      for (const row of reported) {
        const [, state] = row.match(/\[(.+)\]$/)!;
        expect([row, state]).toEqual([row, row.match(ROW)![3]]);
      }
    });

    testOn(runtime, "--port and --help do what they say", async () => {
      await using taken = await silentServer();
      const wrong: [args: string[], message: string][] = [
        [["--port", "65536"], '--port takes 0 to 65535, not "65536"'],
        [["--port", "x"], '--port takes 0 to 65535, not "x"'],
        [["--port"], "--port needs a value"],
        [["--json"], "Unknown flag --json"],
        [["server"], 'Only flags, not "server"'],
      ];
      const [failed, help, ...results] = await runAll(runtime, [
        ["study", ["--port", taken.port]],
        ["study", ["--help"]],
        ...wrong.map(([args]): CommandLine => ["study", args]),
      ]);
      expect(stepsOf(failed.stdout).map(([call]) => call)).toEqual([
        "server: socket(AF_INET, SOCK_STREAM)",
      ]);
      expect(failed.stderr).toBe(
        `Cannot bind to 127.0.0.1:${taken.port}: address already in use\n` +
          "Another server has this port: stop it, or choose another with " +
          "--port\n",
      );
      expect(failed.code).toBe(1);
      for (const flag of ["--port P", "--help", "Enter", "Ctrl-D"]) {
        expect(help.stdout).toContain(flag);
      }
      expect([help.code, help.stderr]).toEqual([0, ""]);
      expect(results).toEqual(
        wrong.map(([, message]) => ({
          code: 2,
          stdout: "",
          stderr: `${message} ${USAGE}`,
        })),
      );
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

    needing(missing, "Ctrl-D ends it", async () => {
      const dialogue = Array(6).fill(enter);
      dialogue[5] = ["(Enter) ", CTRL_D];
      const { code, stdout } = await onTerminal(command, dialogue);
      expect(stepsOf(stdout)).toEqual(STEPS.slice(0, 6));
      expect(stdout).toEndWith("    (Enter) \n");
      expect(code).toBe(0);
    });

    needing(missing, "Ctrl-C ends it with 130", async () => {
      const dialogue = [enter, ["(Enter) ", CTRL_C] as [string, string]];
      const { code, stdout } = await onTerminal(command, dialogue);
      expect(stepsOf(stdout)).toEqual(STEPS.slice(0, 2));
      expect(code).toBe(130);
    });

    needing(missing, "output to a file waits for nobody", async () => {
      const shell = ["sh", "-c", `${command.join(" ")} | cat`];
      const { code, stdout } = await onTerminal(shell, []);
      expect(stepsOf(stdout)).toEqual(STEPS);
      expect(stdout).not.toContain("Enter");
      expect(tooWide(stdout)).toEqual([]);
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
    expect(stepsOf(stdout)).toEqual(STEPS.slice(0, 1));
    expect(stdout).not.toMatch(/Allow\?|permission/);
    expect(stdout).toContain("kernel reports: deno run --allow-all\n");
    expect(code).toBe(0);
  });

  testOn("deno", "to the network names the flag", async () => {
    const { code, stderr } = await run([...commandFor("deno", []), STUDY], {
      cwd: ROOT,
    });
    expect(stderr).toMatch(/^Cannot bind to 127\.0\.0\.1:0: permission/);
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
