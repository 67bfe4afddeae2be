/**
 * The use cases that go by the clock, with each runtime's server and each
 * runtime's client; the suite has three of the nine pairs.
 */
import { expect } from "bun:test";
import { clientOn, serverOn } from "../support/ends.ts";
import { find, RUNTIMES } from "../support/runtimes.ts";
import { needing } from "../support/test_on.ts";

const CASES = [
  {
    script: "time_sync",
    client: [],
    says: /^Quickest of 8: delay/m,
    server: /^\d+ answered, 0 dropped$/m,
  },
  {
    script: "iot_devices",
    client: ["--devices", "3"],
    says: /^Sent 2 readings of each$/m,
    server: /^dev3: 2 not synchronized, off by \+2[0-5]\.\d+ s$/m,
  },
  {
    script: "job_schedule",
    client: ["--workers", "50"],
    says: /^The clocks of 50 workers: -4883 to \+4779 ms wrong$/m,
    server: /^backup: \d+ of 50 on time(?:(?!did not report|Refused)[^])*$/,
  },
];

for (const { script, client, says, server } of CASES) {
  for (const runtime of RUNTIMES) {
    for (const peer of RUNTIMES) {
      const reason = find(runtime).reason ?? find(peer).reason;
      const title = `${script}: a client on ${peer}, a server on ${runtime}`;
      needing(reason, title, async () => {
        const { port, stop } = await serverOn(script, runtime);
        expect(await clientOn(script, peer, port, client)).toMatch(says);
        expect(await stop()).toMatch(server);
      });
    }
  }
}

for (const runtime of ["deno", "node"] as const) {
  const title = `job_schedule on ${runtime} stops after so many workers`;
  needing(find(runtime).reason, title, async () => {
    const flags = ["--clients", "3"];
    const { server, port } = await serverOn("job_schedule", runtime, flags);
    await clientOn("job_schedule", runtime, port, ["--workers", "3"]);
    const { code, stdout } = await server.finished;
    expect(stdout).toMatch(/^rotate: \d missed$/m);
    expect(code).toBe(0);
  });
}
