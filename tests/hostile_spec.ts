/**
 * A server survives whatever its peers do: it is besieged on each runtime, and
 * afterwards it serves, has printed nothing raw, and has no more descriptors
 * and memory than before.
 *
 * Here it is one round against a server of each kind, in which tcp_time has a
 * crowd of 5000 connections and 40 honest clients after it, and tcp_half_close,
 * unix_echo and event_log are sent up to 100 MB where a line is due. The gate
 * besieges every server in two rounds. `bun tests/hostile/siege.ts` does so
 * from the command line, and prints what a server's process uses.
 */
import { describe, expect, test } from "bun:test";
import { EXCHANGES } from "./hostile/exchanges.ts";
import { besiege } from "./hostile/siege.ts";
import { noProc } from "./support/proc.ts";
import { find, RUNTIMES } from "./support/runtimes.ts";
import { GUIDED, SCRIPTS } from "./support/scripts.ts";
import { needing } from "./support/test_on.ts";

test("every server that runs alone is besieged", () => {
  const scripts = Object.keys(EXCHANGES).map((name) => `${name}.ts`);
  const wanted = SCRIPTS.filter((script) => !GUIDED.includes(script));
  expect(scripts.toSorted()).toEqual(wanted);
});

const KINDS = [
  ...["tcp_time", "tcp_half_close", "unix_echo", "udp_echo", "event_log"],
];

for (const name of KINDS) {
  describe(name, () => {
    for (const runtime of RUNTIMES) {
      const reason = noProc ?? find(runtime).reason;
      needing(reason, `survives a siege on ${runtime}`, async () => {
        expect((await besiege(name, runtime, { rounds: 1 })).faults).toEqual(
          [],
        );
      });
    }
  });
}

needing(noProc, "a siege finds what is wrong with a server", async () => {
  const script = "tests/hostile/bad_server.ts";
  const how = { rounds: 1, script, patience: 500 };
  const { faults } = await besiege("tcp_hello", "bun", how);
  for (
    const wrong of [
      /^ended with SIGTERM$/,
      /^invalid UTF-8 on stdout: /,
      /^a raw control on stdout: /,
      /^a forged line on stdout: /,
      /^a stack trace on stderr: /,
      /^something else on stderr: /,
      /^a long line on stdout: /,
      /^round 1, ".*": \d+ KiB became \d+$/,
      /^round 1: \d+ descriptors became \d+$/,
    ]
  ) expect(faults).toContainEqual(expect.stringMatching(wrong));
});
