/**
 * Floods event_log with the 100,000 messages of which the suite sends a tenth.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { floodServer, noProc } from "../support/flood.ts";
import { find, RUNTIMES } from "../support/runtimes.ts";
import { needing } from "../support/test_on.ts";

for (const runtime of RUNTIMES) {
  const title = `a flood loses none and takes no memory on ${runtime}`;
  needing(noProc ?? find(runtime).reason, title, async () => {
    const folder = mkdtempSync(`${tmpdir()}/flood-`);
    await floodServer(runtime, 2500, [`${folder}/log`, `${folder}/output`]);
    rmSync(folder, { recursive: true });
  });
}
