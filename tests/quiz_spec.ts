/**
 * The quiz: the results of its proofs on every runtime, the score of answers,
 * and how it asks on a terminal.
 */
import { describe, expect } from "bun:test";
import { type CommandLine, runAll } from "./support/command_lines.ts";
import {
  commandFor,
  find,
  type Finished,
  RUNTIMES,
} from "./support/runtimes.ts";
import { CTRL_C, CTRL_D, noTerminal, onTerminal } from "./support/terminal.ts";
import { needing, testOn } from "./support/test_on.ts";

const QUIZ = "scripts/quiz.ts";

const RIGHT = "b,b,c,d,c,a,e,e,b,c";
const ORIGINAL = "b,b,c,d,c,a,c,c,b,c";

/** What the proofs show, question by question; ports are in order N, M. */
const EVIDENCE = [
  [
    "getsockname() = ('0.0.0.0', 0)",
    "recv() fails: ENOTCONN",
    "accept() fails: EINVAL",
  ],
  [
    "getsockname() = ('0.0.0.0', 0)",
    "getsockname() after bind() with port 0 = ('127.0.0.1', N)",
    "bind() of a second server fails: EADDRINUSE",
  ],
  [
    "connect() before listen() fails: ECONNREFUSED",
    "connect() after it succeeds",
  ],
  [
    "client: getsockname() = ('127.0.0.1', N)",
    "accept(): the address = ('127.0.0.1', N)",
    'accept(): the socket: recv() = "Hello"',
    "the listening socket: recv() fails: ENOTCONN",
  ],
  [
    "getpeername() = ('127.0.0.1', N)",
    "getsockname() = ('127.0.0.1', M)",
    "connect() to nobody fails: ECONNREFUSED",
  ],
  [
    'shutdown(); server: recv() = ""',
    'client: recv() = "Goodbye"',
    'close(); server: recv() = ""',
    "client: recv() fails: EBADF",
  ],
  [
    "socket(AF_INET, SOCK_STREAM) succeeds",
    "socket(AF_INET, SOCK_DGRAM) succeeds",
    "socket(AF_INET, SOCK_SMTP) fails: EPROTONOSUPPORT",
    "socket(AF_INET, SOCK_HTTP) fails: EPROTONOSUPPORT",
    'SOCK_STREAM: recv() = "HELO client.example\\r\\n"',
    'SOCK_STREAM: recv() = "GET / HTTP/1.1\\r\\n"',
  ],
  [
    "a) socket, bind, connect, listen fails: EINVAL",
    "b) socket, connect, bind fails: EINVAL",
    "c) socket, bind, listen, accept, connect fails: EISCONN",
    "d) socket, bind, listen, connect fails: EISCONN",
    "socket, bind, listen, accept succeeds",
    "socket, bind, accept fails: EINVAL",
  ],
  [
    "client: getsockname() = ('127.0.0.1', N)",
    "server: getpeername() = ('127.0.0.1', N)",
    'server: recv() = "ping"',
    'client: recv() = "pong"',
  ],
  [
    'client: send("Hello") = 5',
    'server: recv(3) = "Hel"',
    'server: recv(1024) = "lo"',
    'server: recv(1024) = ""',
  ],
];

/** The text of each question. */
function questionsOf(printed: string): string[] {
  return printed.split(/^(?=[ 1]\d\. )/m);
}

/** The lines of evidence, with names for the ports in the order they come. */
function evidenceOf(question: string): string[] {
  const ports: string[] = [];
  const named = question.replace(/(?<='127\.0\.0\.1', )\d+/g, (port) => {
    if (!ports.includes(port)) ports.push(port);
    return "NM"[ports.indexOf(port)];
  });
  return [...named.matchAll(/^ {6}(\S.*)$/gm)].map(([, line]) => line);
}

const NAME = 'Zoë "O" Ng';

const TAKES = "--answers takes ten letters, such as a,b,c,d,a,b,c,d,a,b, not";
const WRONG: [args: string[], message: string][] = [
  [["--answers", "b,b"], `${TAKES} "b,b"`],
  [["--answers", `${RIGHT},a`], `${TAKES} "${RIGHT},a"`],
  [["--answers", "e,b,c,d,c,a,e,e,b,c"], `${TAKES} "e,b,c,d,c,a,e,e,b,c"`],
  [["--answers", "\x1b[2J"], `${TAKES} "\\x1b[2J"`],
  [["--answers"], "--answers needs a value"],
  [["--name", "A\nB"], '--name takes 1 to 60 characters, not "A\\nB"'],
  [["--prove=yes"], '--prove takes no value, not "yes"'],
  [["--port", "1"], "Unknown flag --port"],
];

/** Answers, and their score. */
const ANSWERS: [answers: string, score: number][] = [
  [RIGHT, 10],
  [RIGHT.toUpperCase(), 10],
  [ORIGINAL, 8],
  ["a,a,a,a,a,b,a,a,a,a", 0],
];

const ARGS: string[][] = [
  [],
  ["--help"],
  ["--prove"],
  ["--json"],
  ["--json", "--prove"],
  ["--json", "--answers", ORIGINAL, "--name", NAME],
  ["--answers", RIGHT, "--name", NAME],
  ...ANSWERS.map(([answers]) => ["--answers", answers]),
  ...WRONG.map(([args]) => args),
];

for (const runtime of RUNTIMES) {
  /** Everything that does not ask runs in one process. */
  let results: Promise<Finished[]> | undefined;
  const quiz = async (...args: string[]) => {
    const lines = ARGS.map((args): CommandLine => ["quiz", args]);
    results ??= runAll(runtime, lines);
    const index = ARGS.findIndex((known) => known.join() === args.join());
    return (await results)[index];
  };

  describe(runtime, () => {
    testOn(runtime, "--prove proves each answer by its results", async () => {
      const { code, stdout, stderr } = await quiz("--prove");
      expect(questionsOf(stdout).map(evidenceOf)).toEqual(EVIDENCE);
      const answers = stdout.match(/(?<=The answer: ).*/g);
      expect(answers?.join()).toBe(RIGHT);
      expect([code, stderr]).toEqual([0, ""]);
    });

    testOn(runtime, "--answers are judged, and proved", async () => {
      for (const [answers, score] of ANSWERS) {
        const { code, stdout } = await quiz("--answers", answers);
        expect(questionsOf(stdout).map(evidenceOf)).toEqual(EVIDENCE);
        expect(stdout.match(/Right\.$/gm) ?? []).toHaveLength(score);
        expect(stdout).toEndWith(`\nScore: ${score} of 10\n`);
        expect(code).toBe(0);
      }
    });

    testOn(runtime, "the original key is contradicted twice", async () => {
      const { stdout } = await quiz("--answers", ORIGINAL);
      const wrong = questionsOf(stdout).flatMap((question, i) =>
        question.includes("Wrong: it is e.") ? [i + 1] : []
      );
      expect(wrong).toEqual([7, 8]);
      for (const number of wrong) {
        expect(questionsOf(stdout)[number - 1]).toContain(
          "The original key says c, which is wrong:",
        );
      }
    });

    testOn(
      runtime,
      "--json prints an object a question, and the score",
      async () => {
        const objects = async (...args: string[]) => {
          const { code, stdout, stderr } = await quiz("--json", ...args);
          expect([code, stderr]).toEqual([0, ""]);
          return stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
        };
        const answered = await objects("--answers", ORIGINAL, "--name", NAME);
        expect(answered.pop()).toEqual({ name: NAME, right: 8, of: 10 });
        const evidence = ({ proof }: { proof: string[] }) =>
          evidenceOf(proof.map((line) => `      ${line}`).join("\n"));
        for (const list of [answered, await objects("--prove")]) {
          expect(list.map(evidence)).toEqual(EVIDENCE);
          expect(list.map(({ answer }) => answer).join()).toBe(RIGHT);
        }
        const wrong = answered.filter(({ given, answer }) => given !== answer);
        expect(wrong.map(({ name, question, key }) => [name, question, key]))
          .toEqual([[NAME, 7, "c"], [NAME, 8, "c"]]);
        for (const [i, question] of (await objects()).entries()) {
          expect(Object.keys(question)).toEqual([
            "question",
            "text",
            "choices",
          ]);
          expect(question.question).toBe(i + 1);
        }
      },
    );

    testOn(runtime, "--name comes first", async () => {
      const { stdout } = await quiz("--answers", RIGHT, "--name", NAME);
      expect(stdout).toStartWith(`Name: ${NAME}\n 1. What`);
    });

    testOn(runtime, "without a terminal it prints the questions", async () => {
      const { code, stdout, stderr } = await quiz();
      const questions = questionsOf(stdout);
      expect(questions).toHaveLength(10);
      for (const question of questions) {
        expect(question).toMatch(/^ {4}a\) [^]*^ {4}d\) /m);
        expect(evidenceOf(question)).toEqual([]);
      }
      expect(stdout).not.toMatch(/Right|answer:|Score|key/);
      expect(stdout).toContain("--answers");
      expect([code, stderr]).toEqual([0, ""]);
    });

    testOn(runtime, "the lines fit a report", async () => {
      for (const args of [[], ["--prove"], ["--answers", ORIGINAL]]) {
        const { stdout } = await quiz(...args);
        expect(stdout).not.toBe("");
        const wide = stdout.split("\n").filter((line) => line.length > 68);
        expect(wide).toEqual([]);
      }
    });

    testOn(runtime, "wrong flags are one line and exit 2", async () => {
      for (const [args, message] of WRONG) {
        expect(await quiz(...args)).toEqual({
          code: 2,
          stdout: "",
          stderr:
            `${message} (usage: quiz.ts [--answers A] [--name N] [--prove] [--json] [--help])\n`,
        });
      }
    });

    testOn(runtime, "--help lists the flags and exits 0", async () => {
      const { code, stdout } = await quiz("--help");
      const flags = ["--answers A", "--prove", "--help", "On a terminal"];
      for (const flag of flags) expect(stdout).toContain(flag);
      expect(code).toBe(0);
    });
  });

  describe(`${runtime} on a terminal`, () => {
    const command = [...commandFor(runtime, ["--allow-net"]), QUIZ];
    const missing = find(runtime).reason ?? noTerminal;
    const type = (letter: string): [string, string] => [
      "Your answer (a to ",
      `${letter}\n`,
    ];

    needing(missing, "letters are accepted, and judged", async () => {
      const dialogue = RIGHT.split(",").map((letter, i) =>
        type(i === 0 ? ` ${letter.toUpperCase()} ` : letter)
      );
      const { code, stdout } = await onTerminal(command, dialogue);
      expect(questionsOf(stdout).map(evidenceOf)).toEqual(EVIDENCE);
      expect(stdout).toEndWith("\nScore: 10 of 10\n");
      expect(code).toBe(0);
    });

    needing(missing, "an invalid answer is asked for again", async () => {
      const wrong = ["e", "ab", "1", "\x1b[A"].map(type);
      const { code, stdout } = await onTerminal(command, [
        ...wrong,
        type("a"),
        ["Your answer", CTRL_D],
      ]);
      expect(stdout.match(/Type a letter, a to d\n/g)).toHaveLength(4);
      expect(stdout).toContain("    Wrong: it is b.\n");
      expect(stdout).toEndWith("\nScore: 0 of 1\n");
      expect(code).toBe(0);
    });

    needing(missing, "Ctrl-D ends it, with the score so far", async () => {
      const end: [string, string] = ["Your answer", CTRL_D];
      const none = await onTerminal(command, [end]);
      expect(none.stdout).toMatch(/ 1\. [^]*Your answer \([^)]*\): \n$/);
      const some = await onTerminal(command, [type("b"), type("a"), end]);
      expect(some.stdout).toEndWith("\nScore: 1 of 2\n");
      expect([none.code, some.code]).toEqual([0, 0]);
    });

    needing(missing, "Ctrl-C ends it with 130", async () => {
      const dialogue = [type("b"), ["Your answer", CTRL_C]];
      const { code, stdout } = await onTerminal(
        command,
        dialogue as [string, string][],
      );
      expect(questionsOf(stdout)).toHaveLength(2);
      expect(code).toBe(130);
    });
  });
}

describe("deno where the list of choices cannot be loaded", () => {
  const deno = find("deno");

  needing(deno.reason ?? noTerminal, "goes on with letters", async () => {
    const command = commandFor("deno", ["--allow-net", "--no-remote"]);
    const { code, stdout } = await onTerminal([...command, QUIZ], [
      ["(a to d, or Enter for a list): ", "\n"],
      ["Your answer (a to d): ", "b\n"],
      ["Your answer (a to d): ", CTRL_D],
    ]);
    expect(stdout).toEndWith("\nScore: 1 of 1\n");
    expect(code).toBe(0);
  });
});
