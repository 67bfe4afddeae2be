/**
 * The command line, the same for every experiment. Loaded only when there are
 * arguments to read.
 *
 * @module
 */
import { parseArgs } from "node:util";
import type { Experiment, Flag, Settings } from "./experiment.ts";
import { runtime } from "./runtimes/mod.ts";

/** The settings that the arguments ask for; ends the process for `--help`. */
export function parse(experiment: Experiment, args: string[]): Settings {
  const file = experiment.url.replace(/^.*\//, "");
  try {
    const settings = read(args, experiment.flags ?? {});
    if (settings) return settings;
    console.log(help(file, experiment));
    runtime.exit(0);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message} (usage: ${file} ${usage(experiment)})`);
    runtime.exit(2);
  }
}

function usage({ flags = {} }: Experiment): string {
  const own = Object.keys(flags).map((name) => `[${withValue(name)}] `).join(
    "",
  );
  return "[both | server | client] [--host H] [--port P] [--clients N] " +
    `[--timeout MS] ${own}[--json] [--help]`;
}

/** A flag as the usage writes it: `--loss L`. */
function withValue(name: string): string {
  return `--${name} ${name[0].toUpperCase()}`;
}

function help(file: string, { port, flags = {} }: Experiment): string {
  const own = Object.entries(flags).map(([name, { about }]) =>
    `  ${withValue(name).padEnd(14)}${about}\n`
  );
  return `${runtime.command} scripts/${file} [both | server | client] [flags]

  both          both ends in one process (the default)
  server        the server alone, until Ctrl-C
  client        the client alone

  --host H      listen on, or connect to, this host (127.0.0.1)
  --port P      and this port (${port}; with both ends a free one)
  --clients N   run the client N times; stop a server after N
  --timeout MS  give up a wait after so long (a server gives up a
                silent client after 30000, a client waits for ever)
${own.join("")}  --json        print one JSON object a line
  --help        print this`;
}

/** The settings; undefined if help is asked for. */
function read(
  args: string[],
  own: Record<string, Flag>,
): Settings | undefined {
  const options: Record<string, Option> = { ...OPTIONS };
  for (const name in own) options[name] = { type: "string" };
  const { values, positionals } = parseArgs({
    args,
    options,
    // What is wrong is said here, in the same words on every runtime.
    strict: false,
    allowPositionals: true,
  });
  for (const [name, value] of Object.entries(values)) {
    const { type } = options[name] ?? {};
    const flag = name.length === 1 ? `-${name}` : `--${name}`;
    if (!type) throw new UsageError(`Unknown flag ${flag}`);
    if (type === "string" && (value === true || /^--./.test(String(value)))) {
      throw new UsageError(`${flag} needs a value`);
    }
    if (type === "boolean" && value !== true) {
      throw new UsageError(`${flag} takes no value, not "${value}"`);
    }
  }
  if (values.help) return;

  const [role = "both", extra] = positionals;
  if (role !== "both" && role !== "server" && role !== "client") {
    throw new UsageError(`Unknown role "${role}"`);
  }
  if (extra !== undefined) {
    throw new UsageError(`One role only, not "${extra}"`);
  }
  const whole = (name: string, least: number, most: number) => {
    const value = values[name];
    if (value === undefined) return;
    const number = /^\d+$/.test(String(value)) ? Number(value) : NaN;
    if (number >= least && number <= most) return number;
    throw new UsageError(`--${name} takes ${least} to ${most}, not "${value}"`);
  };
  const flags: Settings["flags"] = {};
  for (const [name, { takes, pattern }] of Object.entries(own)) {
    const value = values[name] as string | undefined;
    if (value !== undefined && !pattern.test(value)) {
      throw new UsageError(`--${name} takes ${takes}, not "${value}"`);
    }
    flags[name] = value;
  }
  return {
    role,
    host: String(values.host ?? "127.0.0.1"),
    port: whole("port", role === "client" ? 1 : 0, 65535),
    clients: whole("clients", 1, 1_000_000),
    timeout: whole("timeout", 1, 2 ** 31 - 1),
    json: Boolean(values.json),
    flags,
  };
}

interface Option {
  type: "string" | "boolean";
  short?: string;
}

const OPTIONS: Record<string, Option> = {
  host: { type: "string" },
  port: { type: "string" },
  clients: { type: "string" },
  timeout: { type: "string" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
};

class UsageError extends Error {}
