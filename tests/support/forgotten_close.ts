/**
 * The five programs of the original lab without the client's `close()`, as the
 * lab's own client is written: a program ends all the same.
 */
import { afterAll, expect } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { difference, readHeader } from "../../scripts/tools/support/header.ts";
import { commandFor, run, RUNTIMES } from "./runtimes.ts";
import { ROOT } from "./scripts.ts";
import { testOn } from "./test_on.ts";

const PROGRAMS = [
  "tcp_hello",
  "tcp_time",
  "tcp_client_details",
  "tcp_address_lookup",
  "tcp_thank_you",
];

const NOTE = expect.stringMatching(
  /^scripts\/\w+\.ts:\d+: The client has not closed its socket: .*\n$/,
);

const CLOSE = /^ *await connection\.close\(\);\n/gm;

/** Each program ends by itself, on each runtime, so many times. */
export function testForgottenClose(runs: number): void {
  const folder = mkdtempSync(`${tmpdir()}/forgotten-close-`);
  afterAll(() => rmSync(folder, { recursive: true }));
  symlinkSync(`${ROOT}lib`, `${folder}/lib`);
  mkdirSync(`${folder}/scripts`);
  for (const name of PROGRAMS) {
    const source = readFileSync(`${ROOT}scripts/${name}.ts`, "utf8");
    const edited = source.replace(CLOSE, "");
    const file = `${folder}/scripts/${name}.ts`;
    writeFileSync(file, edited);
    for (const runtime of RUNTIMES) {
      const title = `${name} ends without close(), on ${runtime}`;
      testOn(runtime, title, async () => {
        expect(source.match(CLOSE)).toHaveLength(1);
        expect(edited).not.toContain(".close(");
        const command = [...commandFor(runtime, ["--allow-net"]), file];
        for (let i = 0; i < runs; i++) {
          // What does not end in time is killed, and has no code.
          const ended = await run(command, { limit: 20_000, cwd: folder });
          expect(ended).toMatchObject({ code: 0, stderr: NOTE });
          const lines = ended.stdout.trimEnd().split("\n");
          expect(difference(readHeader(source).output, lines)).toBeNull();
        }
      });
    }
  }
}
