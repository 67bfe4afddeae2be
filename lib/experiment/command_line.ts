/**
 * The command line, the same for every experiment. Loaded only when there are
 * arguments to read.
 *
 * @module
 */
import { ACCEPT_QUEUE_LIMIT, RECEIVE_QUEUE_LIMIT } from "../sockets/inbox.ts";
import { MESSAGE_LIMIT } from "../sockets/reader.ts";
import { joinWords } from "./print.ts";
import { command, exit } from "./process.ts";
import {
  type Experiment,
  type Flag,
  type Given,
  type Guide,
  limits,
  type Settings,
} from "./settings.ts";

// Not static: a bundle with all of the library would load it at once.
const { parseArgs } = await import("node:util");

/** The settings that the arguments ask for; ends the process for `--help`. */
export function parse(experiment: Experiment, args: string[]): Settings {
  return settle(
    experiment.url,
    () => read(args, experiment.flags ?? {}),
    (file) => help(file, experiment),
    usage(experiment),
  );
}

/** The flags of a guided script; ends the process for `--help`. */
export function parseGuide(guide: Guide, args: string[]): Given {
  const { url, flags = {}, switches = {} } = guide;
  const names = [...Object.keys(flags).map(withValue), ...switchesOf(guide)];
  return settle(
    url,
    () => readGuide(args, flags, switches),
    (file) => helpOf(file, guide),
    [...names, "--help"].map((name) => `[${name}]`).join(" "),
  );
}

/** What `read` makes of the arguments, unless they ask for help or are wrong. */
function settle<T>(
  url: string,
  read: () => T | undefined,
  help: (file: string) => string,
  usage: string,
): T {
  const [path, folder = ""] = url.match(/(scripts\/)?[^/]+$/)!;
  try {
    const settings = read();
    if (settings) return settings;
    console.log(help(path));
    exit(0);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    const file = path.slice(folder.length);
    console.error(joinWords([`${error.message} (usage: ${file} ${usage})`]));
    exit(2);
  }
}

function usage({ flags = {} }: Experiment): string {
  const own = Object.keys(flags).map((name) => `[${withValue(name)}] `).join(
    "",
  );
  return "[both | server | client] [--host H] [--port P] [--clients N] " +
    `[--timeout MS] ${own}[--trace] [--diagram] [--json] [--help]`;
}

/** A flag as the usage writes it: `--loss L`. */
function withValue(name: string): string {
  return `--${name} ${name[0].toUpperCase()}`;
}

function help(file: string, { port, flags = {} }: Experiment): string {
  return `${command} ${file} [both | server | client] [flags]

  both          both ends in one process (the default)
  server        the server alone, until Ctrl-C
  client        the client alone

  --host H      listen on, or connect to, this host (127.0.0.1)
  --port P      and this port (${port}; with both ends a free one)
  --clients N   run the client N times; stop a server after N
  --timeout MS  give up a wait after so long (a server gives up a
                silent client after ${limits.idle}, a client waits for ever)
${
    ownHelp(flags)
  }  --trace       print each socket call and its result, as strace does
  --diagram     print the calls as a Mermaid sequence diagram at the end
  --json        print one JSON object a line
  --help        print this

A server serves ${limits.clients} clients at once; ${ACCEPT_QUEUE_LIMIT} more wait for their turn, and
${RECEIVE_QUEUE_LIMIT} datagrams. A line or message of theirs has at most ${MESSAGE_LIMIT} bytes
unless the experiment says less. After Ctrl-C they have ${limits.grace} ms to end.`;
}

function helpOf(file: string, guide: Guide): string {
  const switches = Object.values(guide.switches ?? {});
  const lines = switchesOf(guide).map((name, i) =>
    `  ${name.padEnd(14)}${switches[i]}\n`
  );
  return `${command} ${file} [flags]

${guide.about}

${ownHelp(guide.flags ?? {})}${lines.join("")}  --help        print this`;
}

/** The lines of a script's own flags. */
function ownHelp(flags: Record<string, Flag>): string {
  return Object.entries(flags).map(([name, { about }]) =>
    `  ${withValue(name).padEnd(14)}${about}\n`
  ).join("");
}

function switchesOf({ switches = {} }: Guide): string[] {
  return Object.keys(switches).map((name) => `--${name}`);
}

/** The settings; undefined if help is asked for. */
function read(
  args: string[],
  own: Record<string, Flag>,
): Settings | undefined {
  const { values, positionals } = checked(args, { ...OPTIONS }, own);
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
  return {
    role,
    host: String(values.host ?? "127.0.0.1"),
    port: whole("port", role === "client" ? 1 : 0, 65535),
    clients: whole("clients", 1, 1_000_000),
    timeout: whole("timeout", 1, 2 ** 31 - 1),
    trace: Boolean(values.trace),
    diagram: Boolean(values.diagram),
    json: Boolean(values.json),
    flags: ownValues(values, own),
  };
}

/** What a guided script is given; undefined if help is asked for. */
function readGuide(
  args: string[],
  own: Record<string, Flag>,
  switches: Record<string, string>,
): Given | undefined {
  const options: Record<string, Option> = { help: OPTIONS.help };
  for (const name in switches) options[name] = { type: "boolean" };
  const { values, positionals: [extra] } = checked(args, options, own);
  if (values.help) return;
  if (extra !== undefined) throw new UsageError(`Only flags, not "${extra}"`);
  const switched = (name: string) => Boolean(values[name]);
  const on = Object.keys(switches).filter(switched);
  return { flags: ownValues(values, own), on };
}

/** The arguments by name, of which none is unknown or lacks its value. */
function checked(
  args: string[],
  options: Record<string, Option>,
  own: Record<string, Flag>,
) {
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
  return { values, positionals };
}

/** The values of a script's own flags. */
function ownValues(
  values: Record<string, unknown>,
  own: Record<string, Flag>,
): Settings["flags"] {
  const flags: Settings["flags"] = {};
  for (const [name, { takes, pattern }] of Object.entries(own)) {
    const value = values[name] as string | undefined;
    if (value !== undefined && !pattern.test(value)) {
      throw new UsageError(`--${name} takes ${takes}, not "${value}"`);
    }
    flags[name] = value;
  }
  return flags;
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
  trace: { type: "boolean" },
  diagram: { type: "boolean" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
};

class UsageError extends Error {}
