/**
 * What can be chosen on the board: experiments, runtimes and flags. An order that
 * names anything else starts nothing.
 *
 * @module
 */
import { HttpFault } from "../../../lib/protocols/http_lines.ts";
import { type Experiment, experiments } from "../matrix/pair.ts";
import { readSource, type Source } from "../report/source.ts";
import { type Flag, flagsOf } from "../support/experiment_flags.ts";
import { sourceOf } from "../support/experiments.ts";
import { find, type Runtime } from "../support/runtimes.ts";
import { ToolError } from "../support/tool.ts";

/** All that can be chosen. */
export interface Choices {
  readonly experiments: Choice[];
  readonly runtimes: Runtime[];
}

/** An experiment, and what it can be run with. */
export interface Choice {
  readonly experiment: Experiment;
  readonly source: Source;
  /** Whether its calls can be held. */
  readonly steps: boolean;
  readonly flags: Flag[];
}

/** What a page orders: all of it is from the lists. */
export interface Order {
  readonly choice: Choice;
  readonly server: Runtime;
  readonly client: Runtime;
  readonly step: boolean;
  readonly flags: [name: string, value: string][];
}

/** Finds the runtimes, and asks each experiment for its flags. */
export async function readChoices(): Promise<Choices> {
  const found = await Promise.all((["deno", "bun", "node"] as const).map(find));
  const runtimes = found.filter((one) => "path" in one);
  // Whichever starts fast.
  const runtime = runtimes.find(({ name }) => name === "bun") ?? runtimes[0];
  if (!runtime) throw new ToolError("No runtime was found");
  const waiting = experiments();
  const choices: Choice[] = [];
  const ask = async () => {
    for (let one; (one = waiting.shift());) {
      choices.push(await choiceOf(one, runtime));
    }
  };
  await Promise.all([ask(), ask(), ask()]);
  const name = ({ experiment }: Choice) => experiment.name;
  choices.sort((a, b) => name(a) < name(b) ? -1 : 1);
  return { experiments: choices, runtimes };
}

/** With the flags that name no file: their patterns match no path. */
async function choiceOf(
  experiment: Experiment,
  runtime: Runtime,
): Promise<Choice> {
  const { name } = experiment;
  const { flags, steps } = await flagsOf(experiment, runtime);
  const harmless = flags.filter(({ pattern }) =>
    !PATHS.some((path) => pattern.test(path))
  );
  const source = readSource(name, sourceOf(name));
  return { experiment, source, steps, flags: [CLIENTS, ...harmless] };
}

const PATHS = ["/", "..", "/etc/passwd", "../notes.txt", "notes.txt", "C:\\a"];

/** More of them would only fill the page. */
const CLIENTS: Flag = {
  name: "clients",
  value: "N",
  help: "run N clients; stop the server after N",
  takes: "1 to 9",
  pattern: /^[1-9]$/,
};

/** The choices as the page gets them. */
export function choicesInWords({ experiments, runtimes }: Choices) {
  return {
    experiments: experiments.map(({ experiment, source, steps, flags }) => ({
      name: experiment.name,
      title: source.title,
      fact: source.fact,
      output: source.output,
      steps,
      flags: flags.map(({ name, value, help }) => ({ name, value, help })),
    })),
    runtimes: runtimes.map(({ name, version }) => ({ name, version })),
  };
}

/** Reads an order; throws an HttpFault for one that is not from the lists. */
export function readOrder(body: unknown, choices: Choices): Order {
  const { experiment, server, client, step = false, flags = {}, ...more } =
    objectIn(body, "an order");
  const [strange] = Object.keys(more);
  if (strange !== undefined) throw wrong("an order has no such field");
  const choice = choices.experiments.find((one) =>
    one.experiment.name === experiment
  );
  if (!choice) throw wrong("no such experiment");
  const [one, other] = [server, client].map((name) => {
    const runtime = choices.runtimes.find((one) => one.name === name);
    if (!runtime) throw wrong("no such runtime");
    return runtime;
  });
  if (typeof step !== "boolean") throw wrong("step is true or false");
  if (step && !choice.steps) {
    throw wrong("this experiment lives by the clock: its calls cannot wait");
  }
  const given = Object.entries(objectIn(flags, "flags"));
  const read = given.map(([name, value]): [string, string] => {
    const flag = choice.flags.find((flag) => flag.name === name);
    if (!flag) throw wrong("no such flag");
    const fits = typeof value === "string" && value.length <= LONGEST &&
      !/[^ -~]/.test(value) && (value === "" || flag.pattern.test(value));
    if (!fits) throw wrong(`--${name} takes ${flag.takes}`);
    return [name, value];
  });
  return {
    ...{ choice, server: one, client: other, step },
    flags: read.filter(([, value]) => value !== ""),
  };
}

/** An object that came as JSON. */
export function objectIn(
  value: unknown,
  what: string,
): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw wrong(`${what}: a JSON object is wanted`);
  }
  return value as Record<string, unknown>;
}

function wrong(why: string): HttpFault {
  return new HttpFault(400, why);
}

/** The longest value of a flag, in characters. */
const LONGEST = 100;
