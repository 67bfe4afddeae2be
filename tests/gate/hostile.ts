/**
 * Besieges every server in two rounds, where the suite besieges one of each kind
 * once; and runs every client against hostile servers on the other runtimes.
 */
import { describe, expect } from "bun:test";
import { testClients } from "../hostile/client_tests.ts";
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

describe("against a hostile server", () => testClients({ gate: true }));
