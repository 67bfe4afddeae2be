/**
 * How long a run takes from its start to its exit: of an experiment with both
 * ends, and of what it is compared with.
 *
 * @module
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type Measure, timed } from "./pairs.ts";
import type { RuntimeName } from "./row.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url).href);

/**
 * The experiment, the same exchange raw in one file, an empty file, and with
 * Python its two programs.
 */
export function startTimes(
  runtime: RuntimeName,
  python: string | undefined,
): Measure[] {
  const files = [
    "scripts/tcp_time.ts",
    `tests/bench/start/${runtime}.ts`,
    "tests/bench/start/empty.ts",
  ];
  const flags = runtime === "deno" ? ["run", "--allow-net"] : [];
  const measures = files.map((file): Measure => () =>
    timed(async () => {
      const args = [...flags, file];
      const { status } = spawnSync(process.execPath, args, {
        cwd: ROOT,
        stdio: "ignore",
      });
      if (status !== 0) throw new Error(`${file} has ended with ${status}`);
    })
  );
  if (python) measures.push(() => timed(() => twoPrograms(python)));
  return measures;
}

/** Python's server, then its client, which needs the server's port. */
async function twoPrograms(python: string): Promise<void> {
  const start = (...args: string[]) =>
    spawn(python, ["tests/peers/peers.py", "tcp_time", ...args], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "inherit"],
    });
  const server = start("server");
  const [port] = await once(server.stdout, "data");
  const client = start("client", String(port).trim());
  for (const process of [server, client]) {
    process.stdout.resume();
    if (process.exitCode === null) await once(process, "exit");
    if (process.exitCode !== 0) throw new Error("peers.py has failed");
  }
}
