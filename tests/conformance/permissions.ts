/**
 * Deno's permissions: CONFORMANCE.md statement 89. No other runtime has any.
 *
 * @module
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Call } from "./calls.ts";
import {
  afterwards,
  type Case,
  casesOf,
  freeAddress,
  listening,
  nameOf,
} from "./fixtures.ts";

const FILE = fileURLToPath(import.meta.resolve("./calls.ts"));

/**
 * Runs a command on a terminal, denies what it asks for, and prints what the
 * terminal shows. Deno discards what is typed too soon, so it is typed again.
 */
const DENY = `
import os, pty, select, sys
process, terminal = pty.fork()
if process == 0: os.execvp(sys.argv[1], sys.argv[1:])
shown = b""
while True:
    if not select.select([terminal], [], [], 0.2)[0]:
        if b"Allow?" in shown.rpartition(b"Denied")[2]: os.write(terminal, b"n\\n")
        continue
    try: part = os.read(terminal, 65536)
    except OSError: break # the end
    if not part: break
    shown += part
sys.stdout.buffer.write(shown)
`;

export const cases: Case[] = casesOf({
  statement: "89",
  needs: "permissions of Deno",
}, {
  async "calls by name need --allow-net for that name and no other"() {
    const server = await listening();
    const [[, port], [, free], [, other]] = [
      nameOf(server),
      await freeAddress(),
      await freeAddress(),
    ];
    const names = [port, free, other].map((one) => `localhost:${one}`);
    const outcomes = await outcomesOf(`--allow-net=${names}`, [
      { call: "connect", address: ["localhost", port] },
      { call: "bind", address: ["localhost", free] },
      { call: "listen", address: ["localhost", other] },
    ]);
    assert.deepEqual(outcomes, ["done", "done", "done"]);
  },
  async "calls by number need --allow-net for that number, bracketed in IPv6"() {
    for (const host of ["127.0.0.1", "::1"]) {
      const server = await listening(host);
      const [, port] = nameOf(server);
      const allowed = host === "::1" ? "[::1]" : host;
      const outcomes = await outcomesOf(`--allow-net=${allowed}`, [
        { call: "connect", address: [host, port] },
        { call: "connect", address: [host, port], from: [host, 0] },
        { call: "listen", address: [host, 0] },
        { call: "datagrams: bind", address: [host, 0] },
        { call: "datagrams: sendto", address: [host, port] },
        { call: "datagrams: sendto", address: [host, port], from: [host, 0] },
      ]);
      assert.deepEqual(outcomes, outcomes.map(() => "done"), host);
    }
  },
  async "calls that are not permitted are EACCES, and name the flag"() {
    const calls = callsOf("127.0.0.1", 2009);
    const outcomes = await outcomesOf("--allow-net=192.0.2.1", calls);
    assert.equal(outcomes.length, calls.length);
    for (const outcome of outcomes) {
      assert.match(
        outcome,
        /^EACCES Cannot .*: permission denied \(.* --allow-net/,
      );
    }
  },
  async "calls by a name that may not be looked up are EACCES"() {
    const [, port] = await freeAddress();
    const outcomes = await outcomesOf("--allow-net=192.0.2.1", [
      { call: "connect", address: ["host.example", port] },
      { call: "datagrams: sendto", address: ["host.example", port] },
      { call: "bind", address: ["host.example", port] },
    ]);
    for (const outcome of outcomes) {
      assert.match(outcome, /^EACCES .*: permission denied/);
    }
  },
  async "calls on a terminal ask for what they need"() {
    const calls = callsOf("127.0.0.1", 2009);
    // Not as arguments: Deno would add --allow-all to a command of its own.
    const command = `exec python3 -S -c "$DENY" "$DENO" run "$FILE" "$CALLS"`;
    const shown = await outputOf("sh", ["-c", command], {
      DENY,
      DENO: process.execPath,
      FILE,
      CALLS: JSON.stringify(calls),
    });
    const questions = shown.match(/Deno requests net access to/g);
    assert.equal(questions?.length, calls.length, shown);
    const refusals = shown.match(/^EACCES Cannot/gm);
    assert.equal(refusals?.length, calls.length, shown);
  },
});

/** Each kind of call, with a port of its own: Deno asks once for each. */
function callsOf(host: string, port: number): Call[] {
  return [
    { call: "connect", address: [host, port] },
    { call: "bind", address: [host, port + 1000] },
    { call: "datagrams: bind", address: [host, port + 2000] },
    { call: "datagrams: sendto", address: [host, port + 3000] },
  ];
}

/** What a program of calls printed, one line each. */
async function outcomesOf(flag: string, calls: Call[]): Promise<string[]> {
  const output = await outputOf(process.execPath, [
    ...["run", "--no-prompt", flag, FILE, JSON.stringify(calls)],
  ]);
  return output.trim().split("\n");
}

async function outputOf(
  program: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<string> {
  const child = spawn(program, args, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, NO_COLOR: "1", ...env },
  });
  afterwards(() => child.kill("SIGKILL"));
  let output = "";
  child.stdout.on("data", (data) => output += data);
  const [code] = await once(child, "close");
  assert.equal(code, 0, output);
  return output.replaceAll("\r\n", "\n");
}
