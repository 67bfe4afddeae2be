/**
 * nc at either end of tcp_file: it asks the server by hand, and it is a server
 * that has nothing but an answer.
 */
import { expect } from "bun:test";
import { createHash } from "node:crypto";
import { freePort } from "../../scripts/tools/support/free_port.ts";
import { start as startProcess } from "../../scripts/tools/support/processes.ts";
import { noNetcat } from "../peers/netcat.ts";
import { command, serverOn } from "../support/ends.ts";
import { find, run, RUNTIMES } from "../support/runtimes.ts";
import { needing } from "../support/test_on.ts";

/** Runs a line of the shell. */
const shell = (line: string) => run(["sh", "-c", line]);

for (const runtime of RUNTIMES) {
  const reason = noNetcat ?? find(runtime).reason;

  needing(reason, `nc asks tcp_file on ${runtime}`, async () => {
    const { port, stop } = await serverOn("tcp_file", runtime);
    const requests = "send notes.txt\\nsend none\\nhalf notes.txt\\n";
    const { code, stdout } = await shell(
      `printf '${requests}' | nc -N 127.0.0.1 ${port}`,
    );
    const [, content, hash] = stdout.match(
      /^file 2773\n([^]{2773})sha256 ([0-9a-f]{64})\nerror ENOENT\nfile 2773\n[^]{1386}$/,
    )!;
    expect(createHash("sha256").update(content).digest("hex")).toBe(hash);
    expect(code).toBe(0);
    await stop();
  });

  needing(reason, `nc answers tcp_file on ${runtime}`, async () => {
    const content = "what nc has";
    const hash = createHash("sha256").update(content).digest("hex");
    const answer = `file ${content.length}\\n${content}sha256 ${hash}\\n`;
    for (
      const [sent, code, verdict] of [
        [answer, 0, "11 of 11 bytes, whole"],
        [answer.slice(0, 14), 1, "5 of 11 bytes, cut short"],
      ] as const
    ) {
      const port = await freePort();
      const nc = startProcess([
        ...["sh", "-c"],
        `printf '${sent}' | nc -v -N -l 127.0.0.1 ${port}`,
      ]);
      await nc.said(/Listening on/);
      const ended = await run(command("tcp_file", runtime, [
        ...["client", "--port", String(port), "--name", "x"],
      ]));
      expect(ended.code).toBe(code);
      expect(ended.stdout).toContain(`x: ${verdict}\n`);
      expect((await nc.ended).code).toBe(0);
      expect(nc.written.stdout).toBe("send x\n");
    }
  });
}
