/**
 * What can be chosen on the board: experiments, runtimes and flags. An order that
 * names anything else starts nothing.
 *
 * @module
 */
import { HttpFault } from "../../../lib/protocols/http_lines.ts";
import { isObject, type JsonObject } from "../../../lib/services/http_json.ts";
import { type Experiment, experiments } from "../matrix/pair.ts";
import { type Flag, flagsOf } from "../support/experiment_flags.ts";
import { sourceOf } from "../support/experiments.ts";
import { type Header, readHeader } from "../support/header.ts";
import { find, type Runtime } from "../support/runtimes.ts";

/** All that can be chosen. */
export interface Choices {
  readonly experiments: Choice[];
  readonly runtimes: Runtime[];
}

/** An experiment, and what it can be run with. */
export interface Choice extends Experiment {
  readonly header: Header;
  /** Whether its calls can be held. */
  readonly steps: boolean;
  readonly flags: Flag[];
}

/** What a page orders: all of it is from the lists. */
export interface Order {
  readonly experiment: Choice;
  readonly server: Runtime;
  readonly client: Runtime;
  readonly step: boolean;
  readonly flags: [name: string, value: string][];
}

/** Finds the runtimes, and asks each experiment for its flags. */
export async function readChoices(): Promise<Choices> {
  const found = await Promise.all((["bun", "deno", "node"] as const).map(find));
  const runtimes = found.filter((one) => "path" in one);
  const all = experiments();
  const choices: Choice[] = [];
  const ask = async () => {
    for (let next; (next = all.shift());) {
      // The first starts fastest; whichever runs this is among them.
      const { flags, steps } = await flagsOf(next, runtimes[0]);
      const harmless = [CLIENTS, ...flags.filter(namesNoFile)];
      const header = readHeader(sourceOf(next.name));
      choices.push({ ...next, header, steps, flags: harmless });
    }
  };
  await Promise.all([ask(), ask(), ask()]);
  choices.sort((a, b) => a.name < b.name ? -1 : 1);
  return { experiments: choices, runtimes };
}

/** A flag that might name one has a pattern that matches a path. */
function namesNoFile({ pattern }: Flag): boolean {
  const paths = ["/", "..", "/etc/passwd", "../notes.txt", "a.txt", "C:\\a"];
  return !paths.some((path) => pattern.test(path));
}

/** More of them would only fill the page. */
const CLIENTS: Flag = {
  ...{ name: "clients", value: "N", takes: "1 to 9", pattern: /^[1-9]$/ },
  help: "run N clients; stop the server after N",
};

/** The choices as the page gets them. */
export function choicesInWords({ experiments, runtimes }: Choices) {
  return {
    experiments: experiments.map(({ name, header, steps, flags }) => ({
      ...{ name, title: header.title, fact: header.fact },
      ...{ output: header.output, steps },
      flags: flags.map(({ name, value, help }) => ({ name, value, help })),
    })),
    runtimes: runtimes.map(({ name, version }) => ({ name, version })),
  };
}

/** Reads an order; throws an HttpFault for one that is not from the lists. */
export function readOrder(order: JsonObject, choices: Choices): Order {
  const { experiment, step = false, flags = {}, ...names } = order;
  const { server, client, ...more } = names;
  if (Object.keys(more).length > 0) throw new HttpFault(400, "no such field");
  const chosen = named(choices.experiments, experiment);
  const runtimes = {
    server: named(choices.runtimes, server),
    client: named(choices.runtimes, client),
  };
  if (typeof step !== "boolean") throw new HttpFault(400, "step: a boolean");
  if (step && !chosen.steps) {
    throw new HttpFault(400, "it lives by the clock: its calls cannot wait");
  }
  if (!isObject(flags)) throw new HttpFault(400, "flags are an object");
  const given = Object.entries(flags).map(([name, value]) =>
    flagIn(chosen, name, value)
  ).filter(([, value]) => value !== "");
  return { experiment: chosen, ...runtimes, step, flags: given };
}

function named<T extends { name: string }>(all: T[], name: unknown): T {
  const found = all.find((one) => one.name === name);
  if (found) return found;
  throw new HttpFault(400, "no such experiment or runtime");
}

function flagIn(
  { flags }: Choice,
  name: string,
  value: unknown,
): [name: string, value: string] {
  const flag = flags.find((flag) => flag.name === name);
  if (!flag) throw new HttpFault(400, "no such flag");
  const { takes, pattern } = flag;
  const plain = typeof value === "string" && /^[ -~]{0,100}$/.test(value);
  if (plain && (value === "" || pattern.test(value))) return [name, value];
  throw new HttpFault(400, `--${name} takes ${takes}`);
}
