/**
 * Runs experiments one after the other, and prints the socket calls of each as
 * a line of JSON: `{"name": ..., "calls": [...]}`.
 *
 *     deno run --allow-net --allow-sys --allow-read tests/support/traces.ts NAME...
 *     bun tests/support/traces.ts NAME...
 *     node tests/support/traces.ts NAME...
 */
import process from "node:process";
import { run } from "../../lib/experiment/experiment.ts";
import { observe } from "../../lib/mod.ts";
import { type CallInWords, inWords } from "../../lib/observe/strace.ts";

/** What is printed of an experiment. */
export interface Traced {
  name: string;
  calls: CallInWords[];
}

if (import.meta.main) {
  for (const name of process.argv.slice(2)) {
    const calls: CallInWords[] = [];
    const stop = await observe((call) => calls.push(inWords(call)));
    const { server, client } = await import(`../../scripts/${name}.ts`);
    await run({ url: import.meta.url, port: 0, server, client }, {}, () => {});
    stop();
    console.log(JSON.stringify({ name, calls } satisfies Traced));
  }
}
