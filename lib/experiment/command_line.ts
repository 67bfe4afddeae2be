/**
 * The command line of experiments and guided scripts: what their flags mean,
 * usage and help. Loaded only if there are arguments.
 *
 * @module
 */
import { ACCEPT_QUEUE_LIMIT, RECEIVE_QUEUE_LIMIT } from "../sockets/inbox.ts";
import { MESSAGE_LIMIT } from "../sockets/reader.ts";
import { headerOf, sourceOf } from "../slips/source.ts";
import { type Options, readFlags, UsageError, wholeNumber } from "./flags.ts";
import { command, exit } from "../process/process.ts";
import {
  DEFAULTS,
  type Experiment,
  type Flag,
  limits,
  type Settings,
} from "./settings.ts";

/** A script, as its command line sees it. */
export interface Script {
  /** The file, `import.meta.url`. */
  readonly url: string;
  /** Its description in `--help`. */
  readonly help: string;
  /** Its flags with a value, by name. */
  readonly flags?: Record<string, Flag>;
  /** Its flags without a value, and the description of each in `--help`. */
  readonly switches?: Record<string, string>;
}

/** The flags that the command line gave. */
export interface Given {
  /** The values of the flags that take one. */
  readonly flags: Settings["flags"];
  /** The names of the others. */
  readonly switches: readonly string[];
}

/** The flags of a guided script; ends the process for usage and `--help`. */
export function parseScript(script: Script, args: string[]): Promise<Given> {
  return read(script, args, "", (given) => given);
}

/** The settings of an experiment; ends the process for usage and `--help`. */
export async function parse(
  experiment: Experiment,
  args: string[],
): Promise<Settings> {
  const { url, port, clock, flags: own = {} } = experiment;
  // A path has no host, and the port is only a part of its default name.
  const hidden = "path" in own;
  const flags = {
    host: { hidden, help: "listen on, or connect to, this host (127.0.0.1)" },
    port: {
      hidden,
      help: `use this port (${port}; with both ends a free one)`,
    },
    clients: { value: "N", help: "run N clients; stop a server after N" },
    timeout: {
      value: "MS",
      help: `end each wait after MS milliseconds (by default ${limits.idle};
with both ends a client waits for ever)`,
    },
    ...own,
  };
  const switches = {
    trace: "print each socket call and its result, as strace does",
    step: clock
      ? "none here: this experiment lives by the clock"
      : "make each socket call when Enter is pressed, or a line comes",
    diagram: "print the calls as a Mermaid sequence diagram at the end",
    json: "print one JSON object a line",
    bytes: "with --trace --json: all bytes, in base64",
  };
  const help = `  both          both ends in one process (the default)
  server        the server alone, until Ctrl-C
  client        the client alone

A server serves ${limits.clients} clients at once. ${QUEUES[command] ?? QUEUE}
At most ${RECEIVE_QUEUE_LIMIT} datagrams wait to be received. A line or message has at most
${MESSAGE_LIMIT} bytes unless the experiment sets a lower limit. After Ctrl-C, running
exchanges have ${limits.grace} ms to end.`;
  const roles = "[both | server | client] ";
  let step = false;
  const script = { url, help, flags, switches };
  const settings = await read(script, args, roles, settle);
  if (!step) return settings;
  const { stepThrough } = await import("./step.ts");
  return { ...settings, stepper: stepThrough(experiment, settings) };

  function settle({ flags, switches }: Given, roles: string[]): Settings {
    const [role = "both", extra] = roles;
    if (role !== "both" && role !== "server" && role !== "client") {
      throw new UsageError(`Unknown role "${role}"`);
    }
    if (extra !== undefined) {
      throw new UsageError(`One role only, not "${extra}"`);
    }
    const on = (name: string) => switches.includes(name);
    step = on("step");
    if (step && clock) {
      throw new UsageError("This experiment lives by the clock: no --step");
    }
    const trace = on("trace") || step;
    if (on("bytes") && !(trace && on("json"))) {
      throw new UsageError("--bytes is for --trace --json");
    }
    return {
      role,
      host: flags.host ?? DEFAULTS.host,
      port: wholeNumber("port", flags.port, role === "client" ? 1 : 0, 65535),
      clients: wholeNumber("clients", flags.clients, 1, 1_000_000),
      timeout: wholeNumber("timeout", flags.timeout, 1, 2 ** 31 - 1),
      trace,
      diagram: on("diagram"),
      json: on("json"),
      bytes: on("bytes"),
      flags: Object.fromEntries(
        Object.keys(own).map((name) => [name, flags[name]]),
      ),
    };
  }
}

/** Where the others wait. */
const QUEUE = `As many more wait in the system's
accept queue as listen() says, by default 4096.`;
const QUEUES: Record<string, string> = {
  bun: `Bun accepts ${ACCEPT_QUEUE_LIMIT} more ahead of the
program; 512 wait in the system's accept queue, whatever listen() says.`,
  node: `Node accepts ${ACCEPT_QUEUE_LIMIT} more ahead of the
program; as many wait in the system's accept queue as listen() says.`,
};

/** What `settle` makes of the flags and roles; usage or help may end it. */
async function read<T>(
  { url, help, flags = {}, switches = {} }: Script,
  args: string[],
  roles: string,
  settle: (given: Given, roles: string[]) => T,
): Promise<T> {
  const [path] = url.match(/(scripts\/)?[^/]+$/)!;
  const options: Options = { help: { type: "boolean", short: "h" } };
  const manual: [flag: string, help: string][] = [];
  for (const [name, { help, value, hidden }] of Object.entries(flags)) {
    options[name] = { type: "string" };
    if (!hidden) {
      manual.push([`--${name} ${value ?? name[0].toUpperCase()}`, help]);
    }
  }
  for (const [name, help] of Object.entries(switches)) {
    options[name] = { type: "boolean" };
    manual.push([`--${name}`, help]);
  }
  manual.push(["--help", "print this"]);
  let json: unknown;
  try {
    const positionals = roles !== "";
    const given = readFlags(args, options, { positionals });
    const values = given.values as Settings["flags"];
    json = values.json;
    if (!values.help) {
      for (const [name, { takes, pattern }] of Object.entries(flags)) {
        const value = values[name];
        if (value === undefined || !pattern || pattern.test(value)) continue;
        throw new UsageError(`--${name} takes ${takes}, not "${value}"`);
      }
      const on = Object.keys(switches).filter((name) => values[name]);
      return settle({ flags: values, switches: on }, given.positionals);
    }
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    const usage = manual.map(([flag]) => `[${flag}]`).join(" ");
    const file = path.replace("scripts/", "");
    console.error(`${error.message} (usage: ${file} ${roles}${usage})`);
    exit(2);
  }
  if (json) {
    // For a tool that offers the flags; a pattern as JavaScript writes it.
    console.log(
      JSON.stringify(
        { flags, switches },
        (_, value) => value instanceof RegExp ? String(value) : value,
      ),
    );
    exit(0);
  }
  const { fact, output } = headerOf(await sourceOf(url));
  if (fact) console.log(`${fact}\n`);
  console.log(`${command} ${path} ${roles}[flags]\n\n${help}\n`);
  for (const [flag, help] of manual) {
    const indented = help.replaceAll("\n", "\n" + " ".repeat(16));
    console.log(`  ${flag.padEnd(14)}${indented}`);
  }
  if (output) console.log(`\nOutput (<...> varies):\n\n${output}`);
  exit(0);
}
