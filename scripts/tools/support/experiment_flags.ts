/**
 * Asks an experiment for its flags, which only its own process knows.
 *
 * @module
 */
import { commandOf, type Experiment } from "../matrix/pair.ts";
import { readEvent } from "../report/run.ts";
import { ROOT } from "./experiments.ts";
import { start, within } from "./processes.ts";
import type { Runtime } from "./runtimes.ts";
import { ToolError } from "./tool.ts";

/** A flag with a value that a pattern describes. */
export interface Flag {
  readonly name: string;
  /** What the value is called. */
  readonly value: string;
  readonly help: string;
  /** The values that it takes, for an error message. */
  readonly takes: string;
  readonly pattern: RegExp;
}

/**
 * The flags of an experiment whose values have a pattern, and whether it has
 * `--step`. Throws a ToolError if it does not tell.
 */
export async function flagsOf(
  experiment: Experiment,
  runtime: Runtime,
): Promise<{ flags: Flag[]; steps: boolean }> {
  const command = [...commandOf(experiment, runtime, {}), "--help", "--json"];
  const { ended, written, signal } = start(command, { cwd: ROOT });
  if (!await within(PATIENCE, ended)) signal("SIGKILL");
  const told = readEvent(written.stdout);
  if (!told) throw new ToolError(`${experiment.name} does not tell its flags`);
  const flags = Object.entries<Record<string, string>>(told.flags).flatMap(
    ([name, { value = name[0].toUpperCase(), help, takes, ...more }]) => {
      const [, source, options] = more.pattern?.match(/^\/(.*)\/(\w*)$/s) ?? [];
      if (source === undefined || more.hidden) return [];
      return [{ name, value, help, takes, pattern: RegExp(source, options) }];
    },
  );
  return { flags, steps: !/^none/.test(told.switches.step) };
}

/** How long it may take to tell them, in ms. */
const PATIENCE = 10_000;
