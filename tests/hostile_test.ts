/**
 * Servers stay up, whatever a peer does: each experiment's server is besieged
 * on each runtime, twice over, and afterwards it serves, prints nothing raw and
 * has the descriptors and the memory that it had.
 *
 * All bear the light attacks. tcp_time alone has 5000 connections at once; it,
 * tcp_half_close, tcp_address_lookup and unix_echo are sent up to 100 MB where
 * a line is due. The peers are in `hostile/`; `bun tests/hostile/siege.ts`
 * plays them from the command line, and prints what a server's process takes.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import process from "node:process";
import { EXCHANGES } from "./hostile/exchanges.ts";
import { GUIDED, ROOT, SCRIPTS } from "./scripts.ts";
import { find, type Finished, run, RUNTIMES } from "./runtimes.ts";
import { needing } from "./test_on.ts";

/** They have no server that runs alone, or are tried by their own tests. */
const LEFT_OUT = [
  ...["event_log.ts", "iot_devices.ts", "job_schedule.ts", "time_sync.ts"],
  ...GUIDED,
];

test("every other server is besieged", () => {
  const scripts = Object.keys(EXCHANGES).map((name) => `${name}.ts`);
  const wanted = SCRIPTS.filter((script) => !LEFT_OUT.includes(script));
  expect(scripts.toSorted()).toEqual(wanted);
});

const needsLinux = process.platform === "linux" ? undefined : "needs /proc";

for (const name of Object.keys(EXCHANGES)) {
  describe(name, () => {
    const sieges: Record<string, Promise<Finished>> = {};

    // Most of a siege is waiting, so that the three go on side by side.
    beforeAll(() => {
      for (const runtime of RUNTIMES) {
        if (needsLinux || find(runtime).reason) continue;
        const siege = `${ROOT}tests/hostile/siege.ts`;
        sieges[runtime] = run([process.execPath, siege, name, runtime], {
          limit: 28_000,
        });
      }
    });

    for (const runtime of RUNTIMES) {
      const reason = needsLinux ?? find(runtime).reason;
      needing(reason, `outlasts a siege on ${runtime}`, async () => {
        const { stdout, stderr } = await sieges[runtime];
        expect(stderr).toBe("");
        expect(JSON.parse(stdout)).toMatchObject({ faults: [] });
      });
    }
  });
}
