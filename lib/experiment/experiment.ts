/**
 * Runs an experiment from the command line: one of its ends, or both in one
 * process, so that its file contains the socket calls and nothing else.
 *
 * @module
 */
import type { Address } from "../sockets/address.ts";
import { observeCreation } from "../sockets/socket.ts";
import { innerOf, StreamSocket } from "../sockets/stream_socket.ts";
import type { Watched } from "../slips/slips.ts";
import { setdefaulttimeout } from "../sockets/waiter.ts";
import { joinWords, printFailure, type Write, writer } from "./print.ts";
import { args, exit, guardOutput, later, onStop } from "../process/process.ts";
import { startServer } from "./serve.ts";
import {
  DEFAULTS,
  type End,
  type Experiment,
  limits,
  type Settings,
} from "./settings.ts";

/**
 * Runs an experiment as the command line says (`--help` lists the flags), and
 * ends the process with 1 after a SocketError and with 2 after a wrong flag.
 */
export async function experiment(experiment: Experiment): Promise<void> {
  guardOutput();
  const words = args();
  const settings = words.length > 0
    ? await (await import("./command_line.ts")).parse(experiment, words)
    : DEFAULTS;
  const written = settings.role === "server"
    ? await queueOutput(settings)
    : undefined;
  const transcript = settings.trace || settings.diagram
    ? (await import("./transcript.ts")).transcribe(settings)
    : undefined;
  const watched = watch(experiment, settings);
  try {
    const given = { ...settings, watched };
    const script = settings.stepper?.experiment ?? experiment;
    const ended = run(script, given, transcript?.write).then(() => "");
    const slip = await Promise.race([ended, hangOf(watched)])
      .finally(transcript?.end);
    if (slip === "") return;
    console.error(slip);
  } catch (error) {
    await printFailure(error, experiment, settings);
  } finally {
    await written?.();
  }
  exit(1);
}

/** Runs the ends that the settings name, and gives what they return. */
export async function run(
  experiment: Experiment,
  given: Partial<Settings> = {},
  write: Write = writer(given),
): Promise<{ server?: unknown; clients: unknown[] }> {
  const settings = { ...DEFAULTS, ...given };
  const { role, host, port = experiment.port, clients = 1 } = settings;
  const { flags, watched } = settings;
  // A server may never answer a client; both ends here answer each other.
  const longest = role === "client" ? limits.idle : null;
  setdefaulttimeout(settings.timeout ?? longest);
  if (role === "client") return { clients: await runClients([host, port]) };

  const started = startServer(experiment, settings, write);
  const { listening, ended, stop, isReady } = started;
  if (role === "server") {
    // Before it is ready, it may wait for a name server.
    onStop((again) => again || !isReady() ? exit(130) : stop());
    return { server: await ended, clients: [] };
  }
  try {
    const failed = new Promise<never>((_, reject) => ended.catch(reject));
    const address = await Promise.race([listening, failed]);
    const results = await Promise.race([runClients(address), failed]);
    stop();
    return { server: await ended, clients: results };
  } finally {
    stop();
  }

  async function runClients(address: Address): Promise<unknown[]> {
    const print: End["print"] = (...words) => write("client", joinWords(words));
    const terminal = () =>
      role === "client" && import("../process/terminal.ts");
    const unused = { ready() {}, async serve() {}, async done() {}, terminal };
    const end: End = { address, flags, print, ...unused };
    const results = [];
    for (let i = 0; i < clients; i++) {
      results.push(await experiment.client(end));
      if (watched?.sockets.some(isConnected)) {
        await (await loadSlips())?.closeLeft(watched);
      }
    }
    return results;
  }
}

/** Queues the output of a server, which serves on whoever reads it. */
async function queueOutput(settings: Settings): Promise<() => Promise<void>> {
  const { queueOutput } = await import("../process/output.ts");
  return queueOutput(OUTPUT_LIMIT[settings.trace ? 1 : 0], (lines) => {
    writer(settings)("server", `${lines} lines are missing: nobody read them`);
  });
}

/** In characters; and of a trace, whose calls do not wait for it. */
const OUTPUT_LIMIT = [2 ** 22, 2 ** 26];

/** Keeps in mind the last sockets: those of a client that hangs are among them. */
function watch({ url }: Experiment, { role }: Settings): Watched {
  const sockets: unknown[] = [];
  observeCreation((_family, _type, made) => {
    if (sockets.push(made) > 16) sockets.shift();
  });
  return { url, role, sockets };
}

/** Resolves to the slip with which a run hangs; others do not load what finds it. */
async function hangOf(watched: Watched): Promise<string> {
  await later(limits.hang);
  // A client alone may wait for a person, and a server that is ready, for clients.
  const waits = { both: false, server: watched.listeners, client: true };
  const slips = waits[watched.role] ? undefined : await loadSlips();
  return slips ? slips.hangOf(watched, later) : new Promise(() => {});
}

/** Resolves to undefined if no descriptor is left. */
function loadSlips() {
  return import("../slips/slips.ts").catch(() => undefined);
}

/** Whether it is a connection that is still open. */
function isConnected(socket: unknown): boolean {
  return socket instanceof StreamSocket && innerOf(socket).peer !== undefined;
}
