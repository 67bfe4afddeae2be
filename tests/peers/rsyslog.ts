/**
 * rsyslog as the collector, where it is installed.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { AF_INET, SOCK_STREAM, socket } from "../../lib/mod.ts";
import { freePort } from "../../scripts/tools/support/free_port.ts";
import { start } from "../support/runtimes.ts";

const program = ["/usr/sbin/rsyslogd", "rsyslogd"].find((path) =>
  !spawnSync(path, ["-v"]).error
);

/** Why it cannot be used, if so. */
export const noRsyslog = program
  ? undefined
  : "rsyslogd is not installed (Debian: rsyslog)";

/**
 * The messages that an rsyslogd receives on one port over TCP and UDP while
 * `work` runs, each formatted by the template. Sorted, because its threads
 * write them in any order.
 */
export async function collected(
  template: string,
  work: (port: string) => Promise<void>,
): Promise<string[]> {
  const folder = mkdtempSync(`${tmpdir()}/rsyslog-`);
  const port = await freePort();
  const output = `${folder}/messages`;
  writeFileSync(
    `${folder}/conf`,
    `module(load="imtcp")
module(load="imudp")
input(type="imtcp" port="${port}" address="127.0.0.1")
input(type="imudp" port="${port}" address="127.0.0.1")
template(name="line" type="string" string="${template}\\n")
*.* action(type="omfile" file="${output}" template="line")
`,
  );
  const daemon = start([
    ...[program!, "-n", "-f", `${folder}/conf`, "-i", `${folder}/pid`],
  ]);
  try {
    const connected = async () => {
      await using connection = socket(AF_INET, SOCK_STREAM);
      await connection.connect(["127.0.0.1", port]);
    };
    while (await connected().then(() => false, () => true)) await Bun.sleep(20);
    await work(String(port));
  } finally {
    daemon.kill();
    await daemon.finished;
  }
  const lines = readFileSync(output, "utf8").trimEnd().split("\n");
  rmSync(folder, { recursive: true });
  return lines.sort();
}
