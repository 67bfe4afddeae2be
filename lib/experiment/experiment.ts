/**
 * Runs an experiment from the command line: one of its ends, or both in one
 * process, so that the file itself shows the socket calls and nothing else.
 *
 * @module
 */
import type { Address } from "../sockets/address.ts";
import { setdefaulttimeout } from "../sockets/waiter.ts";
import { joinWords, type Write, writer } from "./print.ts";
import { args, exit, ignoreBrokenPipe, onStop } from "./process.ts";
import { startServer } from "./serve.ts";
import {
  DEFAULTS,
  type End,
  type Experiment,
  type Settings,
} from "./settings.ts";
import type { Transcript } from "./transcript.ts";

/** What the ends returned. */
export interface Outcome {
  server?: unknown;
  clients: unknown[];
}

/**
 * Runs an experiment as the command line says (`--help` lists the flags), and
 * ends the process with 1 after a SocketError and with 2 after a wrong flag.
 */
export async function experiment(experiment: Experiment): Promise<void> {
  ignoreBrokenPipe();
  const given = args();
  let settings = DEFAULTS;
  if (given.length > 0) {
    const { parse } = await import("./command_line.ts");
    settings = await parse(experiment, given);
  }
  let transcript: Transcript | undefined;
  if (settings.trace || settings.diagram) {
    const { transcribe } = await import("./transcript.ts");
    transcript = transcribe(settings);
  }
  try {
    const ended = run(experiment, settings, transcript?.write);
    await ended.finally(transcript?.end);
  } catch (error) {
    const { printFailure } = await import("./failure.ts");
    printFailure(error, experiment, settings);
    exit(1);
  }
}

/** Runs the ends that the settings name, and gives what they return. */
export async function run(
  experiment: Experiment,
  given: Partial<Settings> = {},
  write: Write = writer(given),
): Promise<Outcome> {
  const settings = { ...DEFAULTS, ...given };
  const { role, host, port = experiment.port } = settings;
  setdefaulttimeout(settings.timeout ?? null);
  if (role === "client") {
    const clients = await runClients(experiment, settings, [host, port], write);
    return { clients };
  }
  const { listening, ended, stop } = startServer(experiment, settings, write);
  if (role === "server") {
    let again = false;
    onStop(() => {
      if (again) exit(130);
      again = true;
      stop();
    });
    return { server: await ended, clients: [] };
  }
  try {
    const failed = new Promise<never>((_, reject) => ended.catch(reject));
    const address = await Promise.race([listening, failed]);
    const work = runClients(experiment, settings, address, write);
    const clients = await Promise.race([work, failed]);
    stop();
    return { server: await ended, clients };
  } finally {
    stop();
  }
}

async function runClients(
  { client }: Experiment,
  { clients = 1, flags }: Settings,
  address: Address,
  write: Write,
): Promise<unknown[]> {
  const print: End["print"] = (...words) => write("client", joinWords(words));
  const results = [];
  for (let i = 0; i < clients; i++) {
    const unused = { ready() {}, serve: nothing, done: nothing };
    results.push(await client({ address, flags, print, ...unused }));
  }
  return results;
}

const nothing = async () => {};
