/**
 * What the header of an experiment promises: its commands run on every runtime
 * and print its output.
 */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { difference, readHeader } from "../scripts/tools/support/header.ts";
import { commandFor, run, RUNTIMES } from "./support/runtimes.ts";
import { ROOT, SCRIPTS } from "./support/scripts.ts";
import { testScript } from "./support/test_on.ts";

for (const script of SCRIPTS) {
  const header = readHeader(readFileSync(`${ROOT}scripts/${script}`, "utf8"));

  describe.concurrent(script, () => {
    test("the header states a fact and quotes an output", () => {
      expect(header.fact).toMatch(/^[A-Z].*\.$/);
      expect(header.output).not.toBeEmpty();
    });

    test("the output fits a report: at most 68 columns", () => {
      expect(header.output.filter((line) => line.length > 68)).toEqual([]);
    });

    test("the header has one command for each runtime", () => {
      const programs = header.commands.map((command) => command.split(" ")[0]);
      expect(programs.sort()).toEqual([...RUNTIMES].sort());
    });

    for (const command of header.commands) {
      const [program, ...words] = command.split(" ");
      const runtime = RUNTIMES.find((name) => name === program)!;
      const file = words.findIndex((word) => word.endsWith(".ts"));

      testScript(script, runtime, `${command} prints the output`, async () => {
        expect(words[file]).toBe(`scripts/${script}`);
        const permissions = words.slice(0, file).filter((w) => w !== "run");
        const { code, stdout, stderr } = await run(
          [...commandFor(runtime, permissions), ...words.slice(file)],
          { cwd: ROOT },
        );
        expect(stderr).toBe("");
        const printed = stdout.trimEnd().split("\n");
        expect(difference(header.output, printed)).toBeNull();
        expect(code).toBe(0);
      });
    }
  });
}

describe("difference()", () => {
  const expected = ["server: a <x>", "client: b", "server: c"];

  test("lets the speakers mix, and <...> vary", () => {
    const printed = ["client: b", "server: a 7", "server: c"];
    expect(difference(expected, printed)).toBeNull();
  });

  test("sees a line that is missing, other, added or out of order", () => {
    for (
      const printed of [
        ["server: a 7", "client: b"],
        ["server: a 7", "client: B", "server: c"],
        ["server: a 7", "client: b", "server: c", "client: d"],
        ["server: c", "client: b", "server: a 7"],
        ["server: a ", "client: b", "server: c"],
      ]
    ) {
      expect(difference(expected, printed)).not.toBeNull();
    }
  });

  test("lets `...` stand for lines, or the rest of one", () => {
    const expected = ["a", "...", "b ...", "c", "...", "d"];
    expect(difference(["..."], [])).toBeNull();
    for (
      const printed of [
        ["a", "b", "c", "d"],
        ["a", "b 1 2", "c", "x", "y", "d"],
        ["a", "b", "d", "x", "b", "c", "d"],
      ]
    ) {
      expect(difference(expected, printed)).toBeNull();
    }
  });

  test("sees what `...` does not stand for", () => {
    const expected = ["a", "...", "b ...", "c", "...", "d"];
    for (
      const printed of [
        ["x", "a", "b", "c", "d"],
        ["a", "b", "c", "d", "x"],
        ["a", "b", "x", "c", "d"],
        ["a", "bb", "c", "d"],
        ["a", "c", "b", "d"],
        ["a", "b", "c"],
      ]
    ) {
      expect(difference(expected, printed)).not.toBeNull();
    }
  });
});
