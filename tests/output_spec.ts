/**
 * Output that cannot be written: a full disk, a pipe that does not block, and a
 * reader that has left. A run says it in one line, and ends with 1.
 */
import { expect } from "bun:test";
import { existsSync } from "node:fs";
import { freePort } from "../scripts/tools/support/free_port.ts";
import { commandFor, find, python, RUNTIMES } from "./support/runtimes.ts";
import { ROOT } from "./support/scripts.ts";
import { start } from "./support/started.ts";
import { needing, testOn } from "./support/test_on.ts";

const FULL = "/dev/full";
const REASON = "Cannot write the output: no space left on device\n";

/** A command whose standard output goes elsewhere. */
function redirected(command: string[], where: string) {
  const shell = ["sh", "-c", `exec "$@" ${where}`, "sh", ...command];
  return start(shell, { cwd: ROOT, most: Infinity });
}

for (const runtime of RUNTIMES) {
  const missing = find(runtime).reason ??
    (existsSync(FULL) ? undefined : `no ${FULL} here`);
  const lab = (script: string, ...args: string[]) => [
    ...commandFor(runtime, ["-A"]),
    ...[`scripts/${script}.ts`, ...args],
  ];

  for (
    const command of [
      lab("tcp_time"),
      lab("tcp_time", "--trace", "--json"),
      lab("quiz", "--prove"),
      lab("tools/snippet", "tcp_hello"),
      lab("tools/matrix", "--help"),
    ]
  ) {
    const name = command.slice(command.findIndex((word) => /ts$/.test(word)));
    needing(
      missing,
      `${runtime} > ${name.join(" ")}: a full disk`,
      async () => {
        const { ended, written } = redirected(command, `> ${FULL}`);
        expect([(await ended).code, written.stderr]).toEqual([1, REASON]);
      },
    );
  }

  needing(missing, `${runtime} > a server serves on`, async () => {
    const port = String(await freePort());
    const server = redirected(
      lab("tcp_time", "server", "--port", port),
      `> ${FULL}`,
    );
    await server.said(/Listening/);
    for (let i = 0; i < 2; i++) {
      const client = start(lab("tcp_time", "client", "--port", port), {
        cwd: ROOT,
      });
      expect((await client.ended).code).toBe(0);
      expect(client.written.stdout).toStartWith("Received from server: ");
    }
    server.signal("SIGTERM");
    expect((await server.ended).code).toBe(1);
    expect(server.written.stderr.split(REASON)).toHaveLength(2);
  });

  testOn(
    runtime,
    `${runtime} > console.log() prints all it is given`,
    async () => {
      const printed = async (...args: string[]) => {
        const command = [
          ...commandFor(runtime, []),
          "tests/faults/printing.ts",
        ];
        const { ended, written } = start([...command, ...args], { cwd: ROOT });
        expect((await ended).code).toBe(0);
        return written.stdout;
      };
      const plain = await printed();
      expect(plain).toContain("values");
      expect(await printed("guarded")).toBe(plain);
    },
  );

  needing(
    missing ?? python().reason,
    `${runtime} > a pipe that does not block gets every line`,
    async () => {
      const { ended, written } = start([
        ...[python().path!, "-S", "-c", SLOWLY],
        ...lab("tcp_time", "--clients", "600", "--trace"),
      ], { cwd: ROOT, most: Infinity });
      expect((await ended).code).toBe(0);
      const lines = written.stdout.match(/^client: Received from server: /gm);
      expect([lines?.length, written.stderr]).toEqual([600, ""]);
    },
  );
}

/** Runs a command whose output is a pipe with O_NONBLOCK, and reads it slowly. */
const SLOWLY = `
import os, subprocess, sys, time
r, w = os.pipe()
os.set_blocking(w, False)
process = subprocess.Popen(sys.argv[1:], stdout=w)
os.close(w)
time.sleep(0.5)
while data := os.read(r, 4096):
    sys.stdout.buffer.write(data)
    time.sleep(0.001)
sys.exit(process.wait())
`;
