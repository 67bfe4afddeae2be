/**
 * A large file through both ends of tcp_file, each in a process of its own: what
 * arrives, how much memory they take, and how long it takes beside socat.
 *
 *     bun tests/support/big_file.ts [MIB [ROUNDS]]
 *
 * prints what each runtime needs for 1024 MiB: the memory that both ends grow by,
 * and in interleaved rounds the speed as a share of socat's, with and without the
 * start of the client's process.
 */
import { spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "../../scripts/tools/support/free_port.ts";
import { command } from "./ends.ts";
import { figuresOf } from "./proc.ts";
import { type RuntimeName, RUNTIMES, start } from "./runtimes.ts";

const MIB = 2 ** 20;

/** A folder with a file "big" of so many MiB, none of which is like another. */
export function bigFile(mib: number) {
  const folder = mkdtempSync(`${tmpdir()}/big-file-`);
  const path = `${folder}/big`;
  const file = openSync(path, "wx");
  const block = crypto.getRandomValues(new Uint8Array(65536));
  const part = Buffer.concat(Array.from({ length: MIB / 65536 }, () => block));
  for (let i = 0; i < mib; i++) {
    part.writeUInt32LE(i, 4 * (i % 1024));
    writeSync(file, part);
  }
  closeSync(file);
  const remove = () => rmSync(folder, { recursive: true });
  return { folder, path, mib, [Symbol.dispose]: remove };
}

type BigFile = ReturnType<typeof bigFile>;

/** V8 keeps garbage while there is room: with little room, growth is a leak. */
const HEAP = ["--max-old-space-size=32", "--max-semi-space-size=1"];
const FRUGAL = { NODE_OPTIONS: HEAP.join(" "), DENO_V8_FLAGS: HEAP.join(",") };

async function serverFor(
  runtime: RuntimeName,
  { folder }: BigFile,
  env?: Record<string, string>,
) {
  const flags = ["server", "--port", "0", "--root", folder];
  const permissions = ["--allow-net", `--allow-read=${folder}`];
  const server = start(command("tcp_file", runtime, flags, permissions), {
    limit: 600_000,
    measured: true,
    env,
  });
  const [, port] = await server.said(/Listening on [\d.]+:(\d+)/);
  return { ...server, port };
}

function startClient(
  runtime: RuntimeName,
  port: string,
  flags: string[],
  env?: Record<string, string>,
) {
  const args = ["client", "--port", port, ...flags];
  const permissions = ["--allow-net", "--allow-read", "--allow-write"];
  return start(command("tcp_file", runtime, args, permissions), {
    limit: 600_000,
    measured: true,
    env,
  });
}

/**
 * How much both ends grow, in KiB: the medians of what they have in the second and
 * in the last quarter, between which garbage is collected. And what is saved.
 */
export async function transfer(runtime: RuntimeName, file: BigFile) {
  const saved = `${file.folder}/saved`;
  const server = await serverFor(runtime, file, FRUGAL);
  const flags = ["--name", "big", "--save", saved];
  const client = startClient(runtime, server.port, flags, FRUGAL);
  const quarters = { server: [], client: [] } as Record<string, number[][]>;
  let ended = false;
  client.finished.then(() => ended = true);
  for (; !ended; await pause(10)) {
    const quarter = Math.floor(4 * sizeOf(file.folder) / file.mib / MIB);
    for (const [end, { pid }] of Object.entries({ server, client })) {
      const now = figuresOf(pid)?.resident;
      if (now) (quarters[end][quarter] ??= []).push(now);
    }
  }
  const { code, stderr } = await client.finished;
  server.kill("SIGINT");
  await server.finished;
  const { stdout } = spawnSync("sha256sum", [file.path, saved]);
  const [sent, kept] = String(stdout).split("\n").map((line) =>
    line.slice(0, 64)
  );
  rmSync(saved, { force: true });
  const grown = Object.fromEntries(
    Object.entries(quarters).map(([end, [, second = [], , last = []]]) => [
      end,
      median(last) - median(second),
    ]),
  );
  return { code, stderr, grown, same: sent === kept };
}

/** How much of the file has been saved so far. */
function sizeOf(folder: string): number {
  const [part] = readdirSync(folder).filter((name) => name.startsWith("saved"));
  return part
    ? statSync(`${folder}/${part}`, { throwIfNoEntry: false })?.size ?? 0
    : 0;
}

/** The ms that a client needs for a file, with its process. */
async function timeOf(runtime: RuntimeName, port: string, name: string) {
  const start = performance.now();
  const { code, stderr } = await startClient(runtime, port, ["--name", name])
    .finished;
  if (code !== 0) throw new Error(stderr);
  return performance.now() - start;
}

/** The ms that two socats need with their usual buffer of 8 KiB. */
async function timeOfSocat({ path }: BigFile): Promise<number> {
  const port = await freePort();
  const listen = `TCP-LISTEN:${port},bind=127.0.0.1,reuseaddr`;
  const receiver = spawn("socat", ["-u", listen, "/dev/null"]);
  const received = new Promise((resolve) => receiver.on("close", resolve));
  await pause(300);
  const start = performance.now();
  spawn("socat", ["-u", path, `TCP:127.0.0.1:${port}`]);
  await received;
  return performance.now() - start;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

if (import.meta.main) {
  const [mib = 1024, rounds = 5] = process.argv.slice(2).map(Number);
  using file = bigFile(mib);
  closeSync(openSync(`${file.folder}/empty`, "wx"));
  for (const runtime of RUNTIMES) {
    const { grown, same } = await transfer(runtime, file);
    console.log(JSON.stringify({ runtime, mib, same, grown }));
  }
  for (const runtime of RUNTIMES) {
    const server = await serverFor(runtime, file);
    const [whole, alone]: number[][] = [[], []];
    const times: number[][] = [];
    for (let round = 0; round < rounds; round++) {
      const socat = await timeOfSocat(file);
      const empty = await timeOf(runtime, server.port, "empty");
      const ms = await timeOf(runtime, server.port, "big");
      whole.push(socat / ms);
      alone.push(socat / (ms - empty));
      times.push([socat, ms, empty].map(Math.round));
    }
    server.kill("SIGINT");
    await server.finished;
    const [speed, withoutStart] = [whole, alone].map((all) =>
      Number(median(all).toFixed(2))
    );
    console.log(JSON.stringify({ runtime, speed, withoutStart, times }));
  }
}
