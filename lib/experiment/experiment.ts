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
import { args, exit, guardOutput, later, onStop } from "./process.ts";
import { startServer } from "./serve.ts";
import {
  DEFAULTS,
  type End,
  type Experiment,
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
  const transcript = settings.trace || settings.diagram
    ? (await import("./transcript.ts")).transcribe(settings)
    : undefined;
  const sockets: Watched["sockets"] = [];
  observeCreation((_family, _type, made) => {
    if (sockets.push(made) > 16) sockets.shift(); // a client that hangs has the last
  });
  const { url } = experiment;
  const watched: Watched = { url, role: settings.role, sockets };
  const hang = later(1000).then(async () =>
    (await import("../slips/slips.ts")).hangOf(watched, later)
  );
  try {
    const given = { ...settings, watched };
    const ended = run(experiment, given, transcript?.write).then(() => "");
    const slip = await Promise.race([ended, hang]).finally(transcript?.end);
    if (slip === "") return;
    console.error(slip);
    exit(1);
  } catch (error) {
    await printFailure(error, experiment, settings);
    exit(1);
  }
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
  setdefaulttimeout(settings.timeout ?? null);
  if (role === "client") return { clients: await runClients([host, port]) };

  const { listening, ended, stop } = startServer(experiment, settings, write);
  if (role === "server") {
    let signals = 0;
    onStop(() => signals++ === 0 ? stop() : exit(130));
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
    const nothing = async () => {};
    const unused = { ready() {}, serve: nothing, done: nothing };
    const results = [];
    for (let i = 0; i < clients; i++) {
      const end: End = { address, flags, print, ...unused };
      results.push(await experiment.client(end));
      if (watched?.sockets.some(isConnected)) {
        await (await import("../slips/slips.ts")).closeLeft(watched);
      }
    }
    return results;
  }
}

/** Whether it is a connection that is still open. */
function isConnected(socket: unknown): boolean {
  return socket instanceof StreamSocket && innerOf(socket).peer !== undefined;
}
