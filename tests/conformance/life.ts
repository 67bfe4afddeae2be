/**
 * The life of a process: it ends when its last line has run and nothing waits,
 * with sockets open or not, and not before.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { ENDING } from "./ending.ts";
import {
  afterwards,
  type Case,
  casesOf,
  pending,
  tcp,
  udp,
} from "./fixtures.ts";

const FILE = fileURLToPath(import.meta.resolve("./ending.ts"));

/** Deno and Node cannot let go of what they were given to write. */
const TIMED_OUT = "a sendall() that timed out";

const NAMES = Object.keys(ENDING).filter((name) => name !== TIMED_OUT);

/** So many processes run at once. */
const AT_ONCE = 3;

/** A process that has not ended by itself after so many ms never will. */
const PATIENCE = 5000;

const terms = { statement: "rule", needs: "all permissions" } as const;

export const cases: Case[] = casesOf({ ...terms, gate: true }, {
  async "a process ends by itself after a sendall() that timed out"() {
    await endAll([TIMED_OUT]);
  },
  async "a process ends by itself with each kind of socket open, alone"() {
    await endAll(NAMES);
  },
}).concat(casesOf(terms, {
  async "a process ends by itself with any kind of socket open"() {
    // In one process, since its start costs more than all of them.
    await endAll([NAMES.join("; ")]).catch(() => endAll(NAMES));
  },
  async "a process lives while one of its calls waits"() {
    const child = start("waiting", 0);
    const said = linesOf(child);
    const names: [string, number][][] = JSON.parse(await said());
    const [server, receiver] = names;
    const [client, sender] = [tcp(), udp()];
    const inTurn = async (act: () => Promise<unknown>, line: string) => {
      const next = said();
      await pending(next);
      await act();
      assert.equal(await next, line);
    };
    await inTurn(() => client.connect(server as never), "accept");
    for (const text of ["recv", "recv_into"]) {
      await inTurn(() => client.sendall(text), text);
    }
    await inTurn(() => client.sendall("line\n"), "line");
    for (const text of ["recvfrom", "iterated"]) {
      await inTurn(() => sender.sendto(text, receiver as never), text);
    }
    await inTurn(async () => {
      for (let count = 0; count < 16 * 1024 * 1024;) {
        count += (await client.recv(1024 * 1024)).length;
      }
    }, "sendall");
    await inTurn(async () => {
      const next = tcp();
      await next.connect(server as never);
      await next.sendall("accepted");
    }, "accepted");
    assert.equal(await said(), "done");
    assert.deepEqual(await once(child, "exit"), [0, null]);
  },
}));

/** Asserts that each of these programs runs to its end, and then ends. */
async function endAll(names: string[]): Promise<void> {
  const server = net.createServer({ pauseOnConnect: true });
  server.on("connection", (peer) => {
    peer.on("error", () => {});
    afterwards(() => peer.destroy());
  });
  afterwards(() => server.close());
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as net.AddressInfo;
  const left = [...names];
  const wrong: string[] = [];
  const worker = async () => {
    for (let name = left.pop(); name; name = left.pop()) {
      const outcome = await outcomeOf(start(name, port));
      if (outcome !== "done\n0") wrong.push(`${name}: ${outcome}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  assert.deepEqual(wrong, []);
}

function start(name: string, port: number): ChildProcess {
  const deno = "Deno" in globalThis ? ["run", "--allow-net"] : [];
  const command = [...deno, FILE, name, `${port}`];
  const child = spawn(process.execPath, command, {
    stdio: ["ignore", "pipe", "inherit"],
  });
  afterwards(async () => {
    if (child.exitCode === null && child.kill("SIGKILL")) {
      await once(child, "exit");
    }
    child.stdout!.destroy();
  });
  return child;
}

/** What a process wrote, and its exit code, or that it does not end. */
async function outcomeOf(child: ChildProcess): Promise<string> {
  let output = "";
  child.stdout!.on("data", (data) => output += data);
  let hangs = false;
  const late = setTimeout(() => {
    hangs = true;
    child.kill("SIGKILL");
  }, PATIENCE);
  const [code] = await once(child, "close");
  clearTimeout(late);
  return hangs ? "does not end" : `${output}${code}`;
}

/** Gives the lines of a process, one a call. */
function linesOf(child: ChildProcess): () => Promise<string> {
  const lines: string[] = [];
  let rest = "";
  let wake = () => {};
  child.stdout!.on("data", (data) => {
    const parts = (rest + data).split("\n");
    rest = parts.pop()!;
    lines.push(...parts);
    wake();
  });
  return async () => {
    while (lines.length === 0) await new Promise<void>((go) => wake = go);
    return lines.shift()!;
  };
}
