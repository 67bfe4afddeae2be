/**
 * Each experiment with its calls held, on each runtime: what the suite shows of
 * each on one.
 */
import { expect } from "bun:test";
import { difference } from "../../scripts/tools/support/header.ts";
import { RUNTIMES } from "../support/runtimes.ts";
import { promised, step, STEPS } from "../support/stepping.ts";
import { testOn } from "../support/test_on.ts";

for (const script of STEPS) {
  for (const runtime of RUNTIMES) {
    testOn(runtime, `${script} prints its output on ${runtime}`, async () => {
      const { output, permissions } = promised(script, runtime);
      const running = step(script, runtime, [], permissions);
      running.tell("\n".repeat(40_000));
      expect((await running.ended).code).toBe(0);
      const lines = running.printed().flatMap(({ end, line }) =>
        line === undefined ? [] : [`${end}: ${line}`]
      );
      expect(difference(output, lines)).toBeNull();
    });
  }
}
