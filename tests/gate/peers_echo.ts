/**
 * Netcat and socat as either end of tcp_echo, and as clients of other servers
 * that answer what a person types.
 */
import { afterAll, describe, expect } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../scripts/tools/support/free_port.ts";
import { noNetcat, noSocat } from "../peers/netcat.ts";
import { command, serverOn } from "../support/ends.ts";
import { find, run, RUNTIMES, start } from "../support/runtimes.ts";
import { needing } from "../support/test_on.ts";

const folder = mkdtempSync(join(tmpdir(), "peers-echo-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** The peers, each as commands of a shell. */
const PEERS = {
  nc: {
    missing: noNetcat,
    client: (port: string) => `nc -N 127.0.0.1 ${port}`,
    // What it receives goes through a FIFO back to its input.
    server: (port: number) => {
      const fifo = join(folder, String(port));
      return `mkfifo ${fifo}; cat ${fifo} | nc -l 127.0.0.1 ${port} > ${fifo}`;
    },
  },
  socat: {
    missing: noSocat,
    client: (port: string) => `socat -t 10 - TCP:127.0.0.1:${port}`,
    server: (port: number) => `socat TCP-LISTEN:${port},bind=127.0.0.1 PIPE`,
  },
};

const LINES = Array.from({ length: 20_000 }, (_, i) => `line ${i}\n`).join("");

/** What a server of ours answers, and how it says so. */
const ANSWERS: [script: string, say: string, answer: string, line: string][] = [
  ["tcp_echo", LINES, LINES, `Sent back ${LINES.length} bytes to `],
  ["tcp_nodelay", "a=1\nb=2\n", "OK\nOK\n", "Answered 2 requests"],
  ["tcp_address_lookup", "6A:08:AA:C2", "165.165.80.80", "-> 165.165.80.80"],
  ["tcp_address_lookup", "165.165.79.1\n", "8A:BC:E3:FA", "-> 8A:BC:E3:FA"],
];

for (const [name, { missing, client, server }] of Object.entries(PEERS)) {
  describe(name, () => {
    for (const runtime of RUNTIMES) {
      const reason = missing ?? find(runtime).reason;

      needing(reason, `is answered by servers on ${runtime}`, async () => {
        for (const [i, [script, say, answer, line]] of ANSWERS.entries()) {
          const ours = await serverOn(script, runtime);
          const input = join(folder, `${name}-${runtime}-${i}`);
          writeFileSync(input, say);
          const asking = `${client(ours.port)} < ${input}`;
          const { code, stdout, stderr } = await run(["sh", "-c", asking]);
          expect([stderr, code]).toEqual(["", 0]);
          expect(stdout === answer).toBe(true);
          expect(await ours.stop()).toContain(line);
        }
      });

      needing(reason, `echoes a client on ${runtime}`, async () => {
        const port = await freePort();
        const peer = start(["sh", "-c", server(port)]);
        const asking = ["client", "--port", String(port)];
        let ended;
        do ended = await run(command("tcp_echo", runtime, asking)); while (
          /connection refused/.test(ended.stderr)
        ); // not yet
        const { code, stdout, stderr } = ended;
        expect([stderr, code]).toEqual(["", 0]);
        expect(stdout).toMatch(/^Received 37 bytes: \d+ recv\(s\)$/m);
        expect(stdout).toEndWith("\nBack: Goodbye...\n");
        expect((await peer.finished).code).toBe(0);
      });
    }
  });
}
