/**
 * Output that cannot be written: a full disk, a pipe that does not block, and a
 * reader that has left, or does not read. A run says it in one line, and ends with
 * 1; a server goes on.
 */
import { afterAll, expect } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { canListen, freePort } from "../scripts/tools/support/free_port.ts";
import { commandFor, find, python, RUNTIMES } from "./support/runtimes.ts";
import { ROOT } from "./support/scripts.ts";
import { start } from "./support/started.ts";
import { needing, testOn } from "./support/test_on.ts";

const FULL = "/dev/full";
const REASON = "Cannot write the output: no space left on device\n";

const folder = mkdtempSync(`${tmpdir()}/output-`);
afterAll(() => rmSync(folder, { recursive: true }));
let pipes = 0;

/** A pipe that is full, and that nobody reads until the test does. */
function fullPipe() {
  const path = `${folder}/${++pipes}`;
  expect(spawnSync("mkfifo", [path]).status).toBe(0);
  const pipe = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  const buffer = new Uint8Array(65_536);
  const untilBlocked = (work: () => void) => {
    try {
      while (true) work();
    } catch (error) {
      expect((error as { code: string }).code).toBe("EAGAIN");
    }
  };
  for (const size of [4096, 1]) {
    untilBlocked(() => void writeSync(pipe, buffer, 0, size));
  }
  return {
    path,
    /** What has been written to it since. */
    read(): string {
      let text = "";
      untilBlocked(() => {
        const read = readSync(pipe, buffer, 0, buffer.length, null);
        text += new TextDecoder().decode(buffer.subarray(0, read));
      });
      return text.replaceAll("\0", "");
    },
    [Symbol.dispose]: () => closeSync(pipe),
  };
}

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

  const noPipe = find(runtime).reason ??
    (spawnSync("mkfifo", ["--help"]).status === 0 ? undefined : "no mkfifo");
  for (const where of ["stdout", "stdout and stderr"]) {
    /** A server whose output is blocked, and which has served three clients. */
    const blocked = async (path: string) => {
      const port = await freePort();
      const server = redirected(
        lab("tcp_time", "server", "--port", String(port)),
        where === "stdout" ? `> ${path}` : `> ${path} 2>&1`,
      );
      while (await canListen(port)) await Bun.sleep(20);
      for (let i = 0; i < 3; i++) {
        const client = net.connect(port, "127.0.0.1");
        await new Promise((resolve) => client.once("data", resolve));
        client.end(`thanks ${i}`);
        await new Promise((resolve) => client.once("close", resolve));
      }
      server.signal("SIGINT");
      while (!await canListen(port)) await Bun.sleep(20);
      return server;
    };

    needing(
      noPipe,
      `${runtime} > ${where} that nobody reads stops no server`,
      async () => {
        using pipe = fullPipe();
        const { ended } = await blocked(pipe.path);
        let [text, code] = ["", null as number | null];
        ended.then((end) => code = end.code);
        while (code === null) {
          text += pipe.read();
          await Bun.sleep(20);
        }
        text += pipe.read();
        expect(text.match(/(?<=client: )thanks \d/g)?.sort())
          .toEqual(["thanks 0", "thanks 1", "thanks 2"]);
        expect(code).toBe(0);
      },
    );

    needing(
      noPipe,
      `${runtime} > ${where} that nobody reads, a second Ctrl-C`,
      async () => {
        using pipe = fullPipe();
        const server = await blocked(pipe.path);
        server.signal("SIGINT");
        expect((await server.ended).code).toBe(130);
      },
    );
  }

  needing(
    noPipe,
    `${runtime} > a signal ends a tool whose output nobody reads`,
    async () => {
      using pipe = fullPipe();
      const where = `> ${pipe.path} 2>&1`;
      const tool = redirected(lab("tools/snippet", "tcp_hello"), where);
      await Bun.sleep(1000);
      for (let i = 0; i < 2; i++) tool.signal("SIGINT");
      const { code, signal } = await tool.ended;
      expect([130, "SIGINT"]).toContain(code ?? signal!);
    },
  );

  testOn(
    runtime,
    `${runtime} > what a queue cannot hold is counted`,
    async () => {
      const command = [...commandFor(runtime, []), "tests/faults/queued.ts"];
      const { ended, written } = start(command, { cwd: ROOT });
      expect((await ended).code).toBe(0);
      const { stdout, stderr } = written;
      const kept = `${stdout}${stderr}`.match(/line \d+/g)!.length;
      expect(kept).toBeWithin(10, 50);
      const lines = (odd: number) =>
        Array.from({ length: kept }, (_, i) => i)
          .filter((i) => i % 2 === odd).map((i) => `line ${i}\n`).join("");
      expect(stderr).toBe(lines(1));
      expect(stdout).toBe(`${lines(0)}${100 - kept} missing\nthe end\n`);
    },
  );

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
