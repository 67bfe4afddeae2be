/**
 * Runs two commands of the user's own as one pair, and shows their output side
 * by side.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { escapeControls } from "../../../lib/sockets/escape.ts";
import { freePort } from "../support/free_port.ts";
import { after, endedAs, type Result } from "./pair.ts";
import {
  MOST,
  type Running,
  start,
  WINDOWS,
  within,
} from "../support/processes.ts";

/** The commands, in which `{port}` stands for a free port. */
export type Commands = Record<"server" | "client", string>;

/** How the pair went, and what the commands printed. */
export interface OwnResult extends Result {
  readonly lines: Record<"server" | "client", string[]>;
}

/** Runs the pair; each wait takes at most `timeout` ms. */
export async function runOwn(
  commands: Commands,
  timeout: number,
): Promise<OwnResult> {
  const port = await freePort();
  const [server, client] = [commands.server, commands.client].map((command) =>
    command.replaceAll("{port}", String(port))
  );
  const begin = performance.now();
  const now = () => Math.round(performance.now() - begin);
  const started = [start(server)];
  let ms: number | undefined;
  let reason: string | null;
  try {
    const visible = commands.server.includes("{port}");
    reason = await notReady(started[0], visible ? port : undefined, timeout);
    if (!reason) {
      started.push(start(client));
      reason = await clientFailure(started[1], timeout);
      ms = now();
      reason ??= await serverFailure(started[0], timeout);
    }
  } finally {
    for (const { signal } of started) signal("SIGKILL");
    await within(1000, Promise.all(started.map(({ ended }) => ended)));
  }
  return {
    experiment: null,
    server: escapeControls(server),
    client: escapeControls(client),
    ok: reason === null,
    ms: ms ?? now(),
    reason: reason && escapeControls(reason),
    lines: { server: linesOf(started[0]), client: linesOf(started[1]) },
  };
}

/** The result as text, at most 68 columns wide. */
export function sideBySide(result: OwnResult): string {
  const { server, client, lines, ok, ms, reason } = result;
  const row = (left = "", right = "") =>
    `${left.padEnd(WIDTH)} | ${right}`.trimEnd();
  const [left, right] = [lines.server, lines.client].map((lines) =>
    lines.flatMap((line) => pieces(line, WIDTH))
  );
  const height = Math.max(left.length, right.length);
  return [
    ...pieces(`server: ${server}`, 68),
    ...pieces(`client: ${client}`, 68),
    "",
    row("server", "client"),
    row("-".repeat(WIDTH), "-".repeat(WIDTH)),
    ...Array.from({ length: height }, (_, i) => row(left[i], right[i])),
    "",
    ...pieces(`${ok ? "✓" : "✗"} ${ms} ms: ${reason ?? "both ended well"}`, 68),
  ].join("\n");
}

const WIDTH = 32; // of each end's column

function pieces(line: string, width: number): string[] {
  const characters = [...line];
  const cut: string[] = [];
  do cut.push(characters.splice(0, width).join("")); while (characters.length);
  return cut;
}

/** Waits until the client can start; returns why it cannot, or null. */
async function notReady(
  server: Running,
  port: number | undefined,
  timeout: number,
): Promise<string | null> {
  const late = performance.now() + timeout;
  for (let asked; (asked = performance.now()) < late;) {
    const seen = port === undefined ? undefined : await has(port);
    if (seen) return null;
    // The table of a large machine takes the kernel a tenth of a second.
    const pause = Math.min(25 + 4 * (performance.now() - asked), 500);
    const end = await within(seen === false ? pause : GRACE, server.ended);
    if (end && seen === false) {
      return `the server ${endedAs(end)} before it listened`;
    }
    if (end) return `the server ${endedAs(end)} before the client started`;
    if (seen === undefined) return null; // it cannot be seen, and had some time
  }
  return `the server does not listen on port ${port} ${after(timeout)}`;
}

async function clientFailure(client: Running, timeout: number) {
  const end = await within(timeout, client.ended);
  if (!end) return `the client had not ended ${after(timeout)}`;
  return end.code === 0 ? null : `the client ${endedAs(end)}`;
}

/**
 * A server that ends by itself after its client must end well; one that runs on
 * is stopped, and may end well or by that signal.
 */
async function serverFailure(server: Running, timeout: number) {
  let end = await within(GRACE, server.ended);
  if (end) return end.code === 0 ? null : `the server ${endedAs(end)}`;
  server.signal("SIGTERM");
  end = await within(timeout, server.ended);
  if (!end) return `the server had not ended ${after(timeout)} of SIGTERM`;
  // Windows has no signal by which it could end.
  const stopped = WINDOWS || end.signal === "SIGTERM" || end.code === 128 + 15;
  return stopped || end.code === 0
    ? null
    : `the server ${endedAs(end)} when it was stopped`;
}

/** What a server may take to start, if that cannot be seen, or to end, in ms. */
const GRACE = 500;

/**
 * Whether a TCP server listens on the port, or a UDP socket is bound to it:
 * proc_net_tcp(5); undefined on other systems. A connect() would work on all of
 * them, but a server of one client would take it for that client.
 */
async function has(port: number): Promise<boolean | undefined> {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const tcp = new RegExp(`^ *\\d+: \\w+:${hex} \\w+:0000 0A `, "m");
  const udp = new RegExp(`^ *\\d+: \\w+:${hex} `, "m");
  // That of TCP takes the kernel longest, so it is the last.
  const tables = { udp, udp6: udp, tcp6: tcp, tcp };
  let asked = false;
  for (const [name, row] of Object.entries(tables)) {
    try {
      if (row.test(await readFile(`/proc/net/${name}`, "utf8"))) return true;
      asked = true;
    } catch {
      // another system, or without IPv6
    }
  }
  return asked ? false : undefined;
}

/** The lines that a command has printed, on either output, escaped. */
function linesOf(running: Running | undefined): string[] {
  const { both = "" } = running?.written ?? {};
  if (both === "") return [];
  const lines = both.replace(/\r?\n$/, "").split(/\r?\n/)
    .map((line) => escapeControls(line.replaceAll("\t", "    ")));
  const shown = lines.slice(0, LONGEST);
  if (lines.length > LONGEST || both.length >= MOST) shown.push("...");
  return shown;
}

const LONGEST = 100; // lines
