/**
 * What the tests of the experiments on datagrams leave to the gate: the other
 * pairs of runtimes, and a flood.
 */
import { describe, expect } from "bun:test";
import { commandFor, find, run, RUNTIMES } from "../support/runtimes.ts";
import { testEnds } from "../support/datagram_ends.ts";
import { ROOT } from "../support/scripts.ts";
import { needing } from "../support/test_on.ts";

describe("in two terminals", () => testEnds({ gate: true }));

describe("a flood of 100,000 datagrams at a socket that does not read", () => {
  for (const runtime of RUNTIMES) {
    const { reason } = find(runtime);
    needing(reason, `takes no memory on ${runtime}`, async () => {
      const { stdout, stderr } = await run([
        ...commandFor(runtime, ["--allow-net"]),
        `${ROOT}tests/hostile/flood.ts`,
      ], { limit: 120_000, measured: true });
      expect(stderr).toBe("");
      const { grown, kept, answer } = JSON.parse(stdout);
      expect(grown).toBeLessThan(32 * 1024 * 1024);
      // The library keeps 1024; the system's own buffer may hold some more.
      expect(kept).toBeWithin(1024, 1024 + 500);
      expect(answer).toBe("still there?");
    }, 130_000);
  }
});
