/**
 * What an idle connection costs its server, whose process this file also is:
 * by how much its memory grows with connections that have their other ends
 * in the measuring process.
 *
 * @module
 */
import { once } from "node:events";
import net from "node:net";
import process from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Running, start } from "../../scripts/tools/support/processes.ts";
import { CONNECTING, HOST, load, runtime } from "./workloads.ts";

const FLAGS = {
  deno: ["run", "--quiet", "-A", "--v8-flags=--expose-gc"],
  bun: [],
  node: ["--expose-gc"],
};

/** So many connections come first, to load and fill what is there once. */
const FIRST = 100;

/** Bytes a connection, of the `library` or `raw`. */
export async function idleMemory(
  kind: string,
  connections: number,
): Promise<number> {
  const script = fileURLToPath(import.meta.url);
  const args = [script, kind, String(connections)];
  const command = [process.execPath, ...FLAGS[runtime], ...args];
  const server = start(command, { group: false }); // ends with this
  const told = async (what: string) =>
    Number(await said(server, new RegExp(`^${what} (\\d+)\n`, "m")));
  const clients: net.Socket[] = [];
  try {
    const port = await told("port");
    await connect(clients, FIRST, port);
    const before = await told("first");
    await connect(clients, connections, port);
    return (await told("all") - before) / connections;
  } finally {
    for (const client of clients) client.destroy();
    server.signal("SIGTERM");
  }
}

/** What a process prints. Rejects if it ends first. */
export async function said(running: Running, pattern: RegExp) {
  const match = await Promise.race([running.said(pattern), running.ended]);
  if (Array.isArray(match)) return match[1];
  throw new Error(`A process has ended: ${running.written.stderr}`);
}

/** Connects so many more clients, a few at a time. */
async function connect(clients: net.Socket[], count: number, port: number) {
  let left = count;
  const lane = async () => {
    while (left-- > 0) {
      const client = net.connect(port, HOST);
      clients.push(client);
      await once(client, "connect");
      client.on("error", () => {}); // the server ends first
    }
  };
  await Promise.all(Array.from({ length: Math.min(count, CONNECTING) }, lane));
}

// --- the server ---

/** How long everything must be quiet before memory is measured, in ms. */
const QUIET = 100;

/** The server ends after so many ms, whatever its clients do. */
const LIMIT = 60_000;

/** Prints the port, then its memory with the first connections, and with all. */
async function serve(kind: "library" | "raw", connections: number) {
  const { idle } = await load(kind);
  let accepted = 0;
  const port = await idle(() => {
    accepted++;
    if (accepted === FIRST) printMemory("first");
    if (accepted === FIRST + connections) printMemory("all");
  });
  console.log("port", port);
  setTimeout(() => process.exit(1), LIMIT);
}

async function printMemory(what: string) {
  await pause(QUIET);
  for (let i = 0; i < 3; i++) {
    if ("Bun" in globalThis) Bun.gc(true);
    else (globalThis as { gc?: () => void }).gc!();
  }
  await pause(QUIET); // free pages go back to the system
  console.log(what, process.memoryUsage().rss);
}

if (import.meta.main) {
  await serve(process.argv[2] as "library" | "raw", Number(process.argv[3]));
}
