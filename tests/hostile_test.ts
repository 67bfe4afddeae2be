/**
 * Servers stay up, whatever a peer does: each experiment's server is besieged
 * on each runtime, twice over, and afterwards it serves, prints nothing raw and
 * has the descriptors and the memory that it had.
 *
 * All bear the light attacks. tcp_time alone has 5000 connections at once, and
 * 40 honest clients as soon as they have left; it, tcp_half_close,
 * tcp_address_lookup, unix_echo, event_log and iot_devices are sent up to
 * 100 MB where a line is due. The peers are in `hostile/`;
 * `bun tests/hostile/siege.ts` plays them from the command line, and prints
 * what a server's process takes.
 */
import { describe, expect, test } from "bun:test";
import { besiege } from "./hostile/siege.ts";
import { EXCHANGES } from "./hostile/exchanges.ts";
import { noProc } from "./support/proc.ts";
import { GUIDED, SCRIPTS } from "./support/scripts.ts";
import { find, RUNTIMES } from "./support/runtimes.ts";
import { needing } from "./support/test_on.ts";

test("every server that runs alone is besieged", () => {
  const scripts = Object.keys(EXCHANGES).map((name) => `${name}.ts`);
  const wanted = SCRIPTS.filter((script) => !GUIDED.includes(script));
  expect(scripts.toSorted()).toEqual(wanted);
});

for (const name of Object.keys(EXCHANGES)) {
  describe(name, () => {
    for (const runtime of RUNTIMES) {
      const reason = noProc ?? find(runtime).reason;
      needing(reason, `outlasts a siege on ${runtime}`, async () => {
        expect((await besiege(name, runtime)).faults).toEqual([]);
      });
    }
  });
}
