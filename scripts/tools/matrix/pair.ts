/**
 * Runs one pair of an experiment: its server under one runtime, its client
 * under another, and compares what both print with the file's header.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { escapeControls } from "../../../lib/sockets/escape.ts";
import {
  allNames,
  hasTwoEnds,
  ROOT,
  sourceOf,
} from "../support/experiments.ts";
import { difference, readHeader } from "../support/header.ts";
import {
  type Ended,
  type Running,
  start,
  WINDOWS,
  within,
} from "../support/processes.ts";
import type { Runtime } from "../support/runtimes.ts";

/** What the matrix needs to know of an experiment, from its file. */
export interface Experiment {
  readonly name: string;
  /** The permissions that its header gives Deno. */
  readonly permissions: string[];
  readonly output: string[];
  /** Its server has a path for an address, not a port. */
  readonly unix: boolean;
}

/** How a pair went. */
export interface Result {
  /** null for two commands of the user's own. */
  readonly experiment: string | null;
  readonly server: string;
  readonly client: string;
  readonly ok: boolean;
  /** From the start of the server to the end of both (own: of the client). */
  readonly ms: number;
  readonly reason: string | null;
}

/** The experiments that have two ends. */
export function experiments(): Experiment[] {
  return allNames().flatMap((name) => {
    const source = sourceOf(name);
    if (!hasTwoEnds(source)) return [];
    const { commands, output } = readHeader(source);
    const deno = commands.find((command) => command.startsWith("deno ")) ?? "";
    const permissions = deno.match(/--allow-\S+/g) ?? [];
    return [{ name, permissions, output, unix: /\bAF_UNIX\b/.test(source) }];
  });
}

/** The seed programs, of which `tests/peers/peers.py` has both ends in Python. */
export const SEEDS =
  "tcp_address_lookup tcp_client_details tcp_hello tcp_thank_you tcp_time"
    .split(" ");

/** An experiment, and the runtimes of its server and its client. */
export type Pair = [Experiment, [Runtime, Runtime]];

/** All pairs of these runtimes; Python has the ends of the seed programs. */
export function pairsOf(experiments: Experiment[], runtimes: Runtime[]) {
  return experiments.flatMap((experiment): Pair[] => {
    const able = runtimes.filter(({ name }) =>
      name !== "python3" || SEEDS.includes(experiment.name)
    );
    return able.flatMap((server) =>
      able.map((client): Pair => [experiment, [server, client]])
    );
  });
}

/** Runs a pair; each wait takes at most `timeout` ms. */
export async function runPair(
  experiment: Experiment,
  [server, client]: [Runtime, Runtime],
  timeout: number,
): Promise<Result> {
  const start = performance.now();
  const reason = await failureOf(experiment, [server, client], timeout);
  return {
    experiment: experiment.name,
    server: server.name,
    client: client.name,
    ok: reason === null,
    ms: Math.round(performance.now() - start),
    reason: reason && escapeControls(reason.slice(0, LONGEST)),
  };
}

const LONGEST = 300; // characters of a reason

async function failureOf(
  experiment: Experiment,
  [one, other]: [Runtime, Runtime],
  timeout: number,
): Promise<string | null> {
  const folder = experiment.unix
    ? mkdtempSync(join(tmpdir(), "socket-lab-"))
    : undefined;
  const path = folder && join(folder, "server");
  const started: Running[] = [];
  const run = (runtime: Runtime, role: string, port: string) => {
    const where = path ? ["--path", path] : ["--port", port];
    const orders = WINDOWS && role === "server";
    const command = commandOf(experiment, runtime, { path, orders })
      .concat(role, where, "--json");
    started.push(start(command, { cwd: ROOT, orders }));
    return started.at(-1)!;
  };
  try {
    const server = run(one, "server", "0");
    const said = server.said(/^Listening on (?:.*:(\d+)|.+) \(.*\)$/m);
    const ready = await within(timeout, Promise.race([said, server.ended]));
    if (!ready) return `the server does not listen ${after(timeout)}`;
    if (!Array.isArray(ready)) {
      return `the server ${endedAs(ready)} before it listened${why(server)}`;
    }
    const client = run(other, "client", ready[1] ?? "");
    const early = await wrong("client", client, timeout);
    if (early) return early;

    server.signal("SIGTERM"); // it finishes running exchanges
    return await wrong("server", server, timeout) ??
      difference(experiment.output, [...linesOf(server), ...linesOf(client)]);
  } finally {
    for (const { signal } of started) signal("SIGKILL");
    await within(timeout, Promise.all(started.map(({ ended }) => ended)));
    if (folder) rmSync(folder, { recursive: true, force: true });
  }
}

/** The flag by which a server stops at the end of its standard input. */
export function stopAtEnd({ name }: Runtime): string {
  return `${name === "node" ? "--import" : "--preload"}=${STOP_AT_END}`;
}

/**
 * The command that starts an end, without the arguments of the experiment. With
 * `orders` it is a server that stops at the end of its standard input.
 */
export function commandOf(
  { name, permissions }: Experiment,
  runtime: Runtime,
  { path, orders }: { path?: string; orders?: boolean },
): string[] {
  const script = `scripts/${name}.ts`;
  const file = path ? [`--allow-read=${path}`, `--allow-write=${path}`] : [];
  const first = orders ? [stopAtEnd(runtime)] : [];
  const words = runtime.name === "python3"
    ? ["-S", "tests/peers/peers.py", name]
    : runtime.name === "deno"
    ? ["run", "--no-prompt", ...first, ...permissions, ...file, script]
    : [...first, script];
  return [runtime.path, ...words];
}

const STOP_AT_END = "./scripts/tools/support/stop_at_end.ts"; // from ROOT

/** What is wrong with the end of an end, or with its standard error, or null. */
async function wrong(who: string, running: Running, timeout: number) {
  const end = await within(timeout, running.ended);
  if (!end) return `the ${who} had not ended ${after(timeout)}`;
  if (end.code !== 0) return `the ${who} ${endedAs(end)}${why(running)}`;
  const [note] = notesOf(running);
  return note === undefined ? null : `the ${who} says: ${note}`;
}

/** How a command has ended, in words. */
export function endedAs({ code, signal, error }: Ended): string {
  if (error) return `could not be started (${error})`;
  return code === null ? `was ended by ${signal}` : `ended with ${code}`;
}

/** A time, in words. */
export function after(ms: number): string {
  return `after ${ms / 1000} s`;
}

/** The line of standard error that is most likely to say why. */
function why(running: Running): string {
  const notes = notesOf(running);
  const line = notes.find((note) => /error|^Cannot /i.test(note)) ?? notes[0];
  return line === undefined ? "" : `: ${line}`;
}

/** Standard error, without what every server prints there. */
function notesOf({ written }: Running): string[] {
  return written.stderr.split(/\r?\n/).filter((line) =>
    line !== "" && !/^(Listening on |Other machines can connect )/.test(line)
  );
}

/** The lines that an end has printed, each with the speaker's tag. */
function linesOf({ written }: Running): string[] {
  return written.stdout.split("\n").filter((line) => line !== "").map(
    (text) => {
      try {
        const { end, line } = JSON.parse(text);
        return `${end}: ${line}`;
      } catch {
        return text; // matches no line of a header
      }
    },
  );
}
