/**
 * The conformance suite on every runtime, and that a run of it says which case
 * is to blame. What takes long is in `gate/conformance.ts`.
 */
import { expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import { deviations } from "./conformance/deviations.ts";
import type { Result } from "./conformance/fixtures.ts";
import { HUNG } from "./conformance/perform.ts";
import { cases } from "./conformance/suite.ts";
import { testCases } from "./conformance/tests.ts";
import { commandFor, run, RUNTIMES } from "./support/runtimes.ts";
import { testOn } from "./support/test_on.ts";

test("no two cases have the same name", () => {
  const names = cases.map(({ name }) => name);
  expect(names.filter((name, at) => names.indexOf(name) < at)).toEqual([]);
});

test("each deviation is one of a case", () => {
  const names = cases.map(({ name }) => name);
  for (const name of Object.keys(deviations)) expect(names).toContain(name);
});

testCases({ gate: false });

const FAULTY = fileURLToPath(import.meta.resolve("./conformance/faulty.ts"));

for (const runtime of RUNTIMES) {
  testOn(runtime, `a run on ${runtime} names the cases to blame`, async () => {
    const { code, stdout, stderr } = await run([
      ...commandFor(runtime, ["--allow-net"]),
      FAULTY,
    ]);
    const results = stdout.trim().split("\n")
      .map((line): Result => JSON.parse(line));
    expect(results.map(({ name }) => name)).toEqual([
      "waits for ever",
      "rejects where nobody waits",
      "leaves a socket open",
      "leaves a timer behind",
      "does what it should",
    ]);
    const [waits, rejects, socket, timer, fine] = results;
    const late = "itself, which did not end in 500 ms";
    expect(waits.left).toEqual([late]);
    expect(rejects.error).toContain("nobody waits for this");
    expect(socket.left).toHaveLength(1);
    expect(timer.left).toEqual(["a timer of 3600000 ms"]);
    expect(fine).toMatchObject({ ok: true });
    expect(fine.left).toBeUndefined();
    expect(code).toBe(HUNG);
    expect(stderr).toContain(`\n  waits for ever: ${late}`);
    expect(stderr).toContain("\n  leaves a socket open: ");
    expect(stderr).toContain("\n  leaves a timer behind: ");
  });
}
