/**
 * Besieges every server in two rounds; the suite besieges one of each kind once.
 */
import { describe, expect } from "bun:test";
import { EXCHANGES } from "../hostile/exchanges.ts";
import { besiege } from "../hostile/siege.ts";
import { noProc } from "../support/proc.ts";
import { find, RUNTIMES } from "../support/runtimes.ts";
import { needing } from "../support/test_on.ts";

for (const name of Object.keys(EXCHANGES)) {
  describe(name, () => {
    for (const runtime of RUNTIMES) {
      const reason = noProc ?? find(runtime).reason;
      needing(reason, `survives a siege on ${runtime}`, async () => {
        expect((await besiege(name, runtime)).faults).toEqual([]);
      });
    }
  });
}
