/**
 * The server of an experiment, for which the clock is set back by an hour after
 * so many of its socket calls of one kind:
 *
 *     bun tests/faults/stepped.ts time_sync recvfrom 10
 *
 * A real `date -s` would need root, and disturb all other programs.
 */
import process from "node:process";
import { run } from "../../lib/experiment/experiment.ts";
import { observe } from "../../lib/mod.ts";

const [name, call, count] = process.argv.slice(2);
const { server, client } = await import(`../../scripts/${name}.ts`);

const { now } = Date;
let calls = 0;
await observe((seen) => {
  if (seen.call !== call || ++calls < Number(count)) return;
  Date.now = () => now() - 3_600_000;
});
const experiment = { url: import.meta.url, port: 0, server, client };
await run(experiment, { role: "server", port: 0 });
