/**
 * An experiment whose socket calls are held, and a reader who lets them go.
 */
import type { TracedCall } from "../../lib/observe/traced.ts";
import { command } from "./ends.ts";
import type { RuntimeName } from "./runtimes.ts";
import { readHeader } from "../../scripts/tools/support/header.ts";
import { readFileSync } from "node:fs";
import { ROOT, SCRIPTS } from "./scripts.ts";
import { GUIDED } from "./scripts.ts";
import { start } from "./started.ts";

/** The experiments that go by the clock, as their text declares. */
export const CLOCKS = SCRIPTS.filter((name) =>
  /\bclock: true\b/.test(read(name))
);

/** Those whose calls can be held. */
export const STEPS = SCRIPTS.filter((name) =>
  !CLOCKS.includes(name) && !GUIDED.includes(name)
);

function read(name: string): string {
  return readFileSync(`${ROOT}scripts/${name}`, "utf8");
}

/** The output that a header promises, and the permissions that it asks for. */
export function promised(script: string, runtime: RuntimeName) {
  const { output, commands } = readHeader(read(script));
  const words = commands.find((line) => line.startsWith(`${runtime} `))!
    .split(" ");
  return { output, permissions: words.filter((word) => /^--?\w/.test(word)) };
}

/** What a run prints: lines of the program, and calls. */
export type Printed = Partial<TracedCall> & { line?: string };

/** Starts an experiment with `--step --json`; `args` follow. */
export function step(
  script: string,
  runtime: RuntimeName,
  args: string[] = [],
  permissions?: string[],
) {
  const name = script.replace(".ts", "");
  const words = command(
    name,
    runtime,
    [...args, "--step", "--json"],
    permissions,
  );
  const running = start(words, { cwd: ROOT, orders: true, most: Infinity });
  const printed = (): Printed[] =>
    running.written.stdout.split("\n").slice(0, -1)
      .map((line) => JSON.parse(line));
  return {
    ...running,
    printed,
    /** Resolves when the process stands before a call, of this name. */
    held: (call: string) =>
      running.said(new RegExp(`"call":"${call}",.*"held":true}\n`)),
    /** Resolves when a call has been made. */
    made: (call: string) =>
      running.said(new RegExp(`"call":"${call}",.*"(result|error)":`)),
    /** Resolves when a call waits. */
    waits: (call: string) =>
      running.said(new RegExp(`"call":"${call}",.*"begins":true}`)),
  };
}
