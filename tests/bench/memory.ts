/**
 * What an idle connection costs its server: the growth of a process of its own
 * with the connections, whose other ends are here.
 *
 * @module
 */
import { spawn } from "node:child_process";
import net from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { FIRST } from "./idle.ts";
import { CONNECTING, HOST } from "./works.ts";

const SCRIPT = fileURLToPath(new URL("idle.ts", import.meta.url).href);
const FLAGS = "Deno" in globalThis
  ? ["run", "--quiet", "-A", "--v8-flags=--expose-gc"]
  : "Bun" in globalThis
  ? []
  : ["--expose-gc"];

/** Bytes a connection, of the `library` or `raw`. */
export async function idleMemory(
  kind: string,
  connections: number,
): Promise<number> {
  const child = spawn(
    process.execPath,
    [...FLAGS, SCRIPT, kind, String(connections)],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const lines = createInterface({ input: child.stdout })
    [Symbol.asyncIterator]();
  const number = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error("The idle server has ended");
    return Number(value);
  };
  const clients: net.Socket[] = [];
  try {
    const port = await number();
    await connect(clients, FIRST, port);
    const before = await number();
    await connect(clients, connections, port);
    return (await number() - before) / connections;
  } finally {
    for (const client of clients) client.destroy();
    child.kill();
  }
}

/** Connects so many more, of which few at a time. */
async function connect(clients: net.Socket[], count: number, port: number) {
  let left = count;
  const one = async () => {
    while (left-- > 0) {
      const client = net.connect(port, HOST);
      clients.push(client);
      await new Promise<void>((resolve, reject) => {
        client.once("connect", resolve).once("error", reject);
      });
      client.on("error", () => {}); // the server ends first
    }
  };
  const length = Math.min(count, CONNECTING);
  await Promise.all(Array.from({ length }, one));
}
