/**
 * A run on the board that does not end by itself is stopped, with one line, before
 * it fills the memory; nothing of it is left.
 */
import { afterAll, expect } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import type { Order } from "../scripts/tools/board/choices.ts";
import { Run } from "../scripts/tools/board/run.ts";
import { ROOT, sourceOf } from "../scripts/tools/support/experiments.ts";
import { readHeader } from "../scripts/tools/support/header.ts";
import { find, type Runtime } from "../scripts/tools/support/runtimes.ts";
import { having } from "./support/proc.ts";
import { testOn } from "./support/test_on.ts";

const folder = mkdtempSync(join(tmpdir(), "socket-lab-limits-"));
afterAll(() => rmSync(folder, { recursive: true }));

const CALL = `{"end":"server","call":"send","args":["\\"x\\""],"result":"1",` +
  `"bytes":1,"at":1,"time":1,"connection":0,"socket":1,"descriptor":3}\n`;

/** What a server prints for ever, and why it is stopped. */
const ENDLESS: [text: string, why: string][] = [
  [`{"end":"server","line":"again"}\n`, "after 20000 lines"],
  ["no JSON\n", "after 20000 lines"],
  [CALL, "after 20000 calls"],
  ["without an end of the line ", "it prints too much"],
];

for (const [text, why] of ENDLESS) {
  testOn(
    "bun",
    `a run is stopped ${why}: ${text.trim().slice(0, 12)}`,
    async () => {
      const runtime = await find("bun") as Runtime;
      const name = join(mkdtempSync(join(folder, "run-")), "endless");
      writeFileSync(
        `${name}.ts`,
        `import { writeSync } from "node:fs";
      console.error("Listening on 127.0.0.1:1 (Ctrl-C stops it)");
      const text = ${JSON.stringify(text)}.repeat(1000);
      if (process.argv[2] === "client") setInterval(() => {}, 1000);
      else while (true) writeSync(1, text);`,
      );
      const order: Order = {
        experiment: {
          ...{ name: relative(join(ROOT, "scripts"), name), unix: false },
          ...{ permissions: [], output: [], steps: true, flags: [] },
          header: readHeader(sourceOf("tcp_time")),
        },
        ...{ server: runtime, client: runtime, step: false, flags: [] },
      };
      const run = new Run("1", order, () => {});
      await run.play();
      await run.stop();
      const { value } = await run.events.next();
      const events = new TextDecoder().decode(value).trim().split("\n")
        .map((line) => JSON.parse(line));
      const faults = events.filter(({ event }) => event === "fault");
      expect(faults[0].text).toBe(`The run was stopped: ${why}`);
      expect(faults.length).toBeLessThanOrEqual(2);
      expect(having(name)).toEqual([]);
      await run.events.return();
    },
  );
}
