/**
 * Runs the two ends of an experiment as a user does: in two terminals, each
 * with a command of its own, and the server stopped with Ctrl-C.
 *
 * @module
 */
import { escapeControls } from "../../../lib/sockets/escape.ts";
import { after, endedAs, SEEDS, stopAtEnd } from "../matrix/pair.ts";
import { ROOT } from "../support/experiments.ts";
import { commandFor } from "../support/header.ts";
import {
  checkStopped,
  type Running,
  start,
  WINDOWS,
  within,
} from "../support/processes.ts";
import type { Runtime } from "../support/runtimes.ts";
import { ToolError } from "../support/tool.ts";
import type { Source } from "./source.ts";
import { shortened, type Terminal } from "./terminal_window.ts";

type End = "server" | "client";

interface Line {
  readonly end: End;
  readonly line: string;
}

/** What two processes have shown. */
export interface TwoProcesses {
  readonly server: Terminal;
  readonly client: Terminal;
  /** The experiment's own lines, as a run of both ends in one process has. */
  readonly lines: Line[];
  /** The calls of the run are those of these processes, in one order. */
  readonly traced?: boolean;
  /** How an end failed, such as `The client ended with 1`. */
  readonly failed?: string;
}

/** Python has the ends of the seeds' programs, and no others. */
export function canRun({ name }: Runtime, experiment: string): boolean {
  return name !== "python3" || SEEDS.includes(experiment);
}

/** Runs the ends with these runtimes; throws a ToolError if that fails. */
export async function runTwoProcesses(
  source: Source,
  runtimes: Record<End, Runtime>,
): Promise<TwoProcesses> {
  const ends: EndProcess[] = [];
  const open = (end: End, port?: number) => {
    ends.push(startEnd(source, { end, runtime: runtimes[end], port }));
    return ends.at(-1)!;
  };
  try {
    const [server, port] = await listening((port) => open("server", port));
    const client = open("client", port);
    await ended(client, limits.client);
    let interrupted: number | undefined;
    if (!await quiet(server)) {
      interrupted = server.written.both.length;
      server.signal(WINDOWS ? "SIGTERM" : "SIGINT");
    }
    await ended(server, limits.stop);
    return {
      server: terminalOf(server, shownBy(server, interrupted)),
      client: terminalOf(client, shownBy(client)),
      lines: [server, client].flatMap(ownLines),
    };
  } finally {
    for (const { signal } of ends) signal("SIGKILL");
    await within(1000, Promise.all(ends.map(({ ended }) => ended)));
  }
}

/** In ms. */
export const limits = {
  /** What a server may take to listen, a client to run, a server to stop. */
  start: 10_000,
  client: 60_000,
  stop: 10_000,
  /** How long a server is silent before somebody stops it. */
  silence: 1200,
};

/** An end that has a terminal of its own. */
interface Alone {
  readonly end: End;
  readonly runtime: Runtime;
  /** The command as a user types it. */
  readonly typed: string;
}

type EndProcess = Alone & Running;

function startEnd(
  source: Source,
  { end, runtime, port }: { end: End; runtime: Runtime; port?: number },
): EndProcess {
  const { name, path } = runtime;
  const [program, own, flags] = name === "python3"
    ? [
      `python3 tests/peers/peers.py ${source.name}`,
      portOf(source),
      " --lines",
    ]
    : [commandFor(source, name)];
  const where = port ?? own ? ` --port ${port ?? own}` : "";
  const typed = `${program} ${end}${where}${flags ?? ""}`;
  const words = [path, ...typed.split(" ").slice(1)];
  // Windows has no SIGINT for it: the end of its standard input is one.
  const orders = WINDOWS && end === "server";
  if (orders && !own) {
    words.splice(name === "deno" ? 2 : 1, 0, stopAtEnd(runtime));
  }
  // Elsewhere both outputs are one: the lines have a terminal's order.
  const command = WINDOWS
    ? words
    : ["/bin/sh", "-c", 'exec "$@" 2>&1', "sh", ...words];
  const running = start(command, { cwd: ROOT, most: 1e7, orders });
  return { ...running, end, runtime, typed };
}

/** The port that an experiment has by default. */
function portOf({ shared }: Source): number {
  return Number(shared.match(/\bport: (\d+)/)![1]);
}

/**
 * A server that listens: on its own port, or if that is taken on another. It
 * finds out itself, since Deno lets the tool try no port.
 */
async function listening(
  open: (port?: number) => EndProcess,
): Promise<[server: EndProcess, port?: number]> {
  for (let attempt = 0;; attempt++) {
    const port = attempt === 0
      ? undefined
      : 10_000 + Math.floor(20_000 * Math.random());
    const server = open(port);
    const said = server.said(/^Listening on /m).then(() => "ready" as const);
    const seen = await within(
      limits.start,
      Promise.race([said, server.ended]),
    );
    if (seen === "ready") return [server, port];
    const taken = seen && /already in use/i.test(server.written.both);
    if (!taken || attempt === 5) {
      throw failure(
        server,
        seen
          ? `${endedAs(seen)} before it listened`
          : `does not listen ${after(limits.start)}`,
      );
    }
  }
}

/** Waits until a process has ended, and well. */
async function ended(one: EndProcess, limit: number): Promise<void> {
  const end = await within(limit, one.ended);
  if (!end) throw failure(one, `had not ended ${after(limit)}`);
  // A server without a handler of its own is ended by Ctrl-C.
  const stopped = one.end === "server" &&
    (end.signal === "SIGINT" || end.code === 130);
  if (end.code !== 0 && !stopped) throw failure(one, endedAs(end));
}

function failure(
  { end, runtime, written }: EndProcess,
  how: string,
): ToolError {
  checkStopped(); // it was ended with the tool
  const lines = linesOf(written.both).filter((line) => line !== "");
  const why = lines.find((line) => /error|^Cannot /i.test(line)) ??
    lines.at(-1);
  return new ToolError(
    `The ${end} (${runtime.name}) ${how}${why ? `: ${why}` : ""}`,
  );
}

/** Waits until a server is silent; true if it has ended. */
async function quiet({ ended, written }: EndProcess): Promise<boolean> {
  const late = performance.now() + limits.stop;
  for (let seen = -1; seen < written.both.length;) {
    seen = performance.now() < late ? written.both.length : Infinity;
    if (await within(limits.silence, ended)) return true;
  }
  return false;
}

/** What an end has printed, with the Ctrl-C where the cursor was. */
function shownBy(
  { written: { both } }: EndProcess,
  interrupted?: number,
): string[] {
  if (interrupted === undefined) return linesOf(both);
  return linesOf(`${both.slice(0, interrupted)}^C${both.slice(interrupted)}`);
}

/** The terminal of an end that has shown these lines. */
export function terminalOf(
  { end, runtime: { name, version }, typed }: Alone,
  lines: string[],
): Terminal {
  return {
    title: end === "server" ? "Server" : "Client",
    runtime: `${NAMES[name]} ${version}`,
    command: typed,
    lines: shortened(lines),
  };
}

const NAMES = { deno: "Deno", bun: "Bun", node: "Node", python3: "Python" };

/** What the experiment has printed, without what tells the user its port. */
function ownLines({ end, written }: EndProcess): Line[] {
  return linesOf(written.both)
    .filter((line) =>
      !/^Listening on .* \((Ctrl-C stops it|one client)\)$/.test(line)
    )
    .map((line) => ({ end, line }));
}

function linesOf(text: string): string[] {
  if (text === "") return [];
  return text.replace(/\r?\n$/, "").split(/\r?\n/)
    .map((line) => escapeControls(line.replaceAll("\t", "    ")));
}
