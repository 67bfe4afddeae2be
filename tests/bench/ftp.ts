/**
 * What FTP costs on the lab's sockets: how long 20 files of 5 MB take from the
 * server of ftp_files, and to it, and with pyftpdlib, in turns.
 *
 *     bun tests/bench/ftp.ts [ROUNDS]
 *
 * ftplib is the client, on one control connection. A ratio is the median of those of
 * each turn; on a busy machine, that of the processor time of the servers says more.
 */
import { writeFileSync } from "node:fs";
import process from "node:process";
import { folder, pyftpdlib } from "../peers/ftp.ts";
import { ticksOf } from "../support/proc.ts";
import {
  commandFor,
  pythonCommand,
  run,
  RUNTIMES,
  start,
} from "../support/runtimes.ts";
import { ROOT } from "../support/scripts.ts";

const [FILES, SIZE] = [20, 5_000_000];
/** Turns that do not count: a runtime compiles what is used often. */
const WARM_UP = 2;

/** What the client does, and its further words. */
const WAYS = { get: [FILES], put: [FILES, SIZE] };

async function serveLab(runtime: typeof RUNTIMES[number], root: string) {
  const flags = ["server", "--port", "0", "--inbox", root];
  const script = [...commandFor(runtime, ["-A"]), "scripts/ftp_files.ts"];
  const server = start([...script, ...flags], { cwd: ROOT, limit: 600_000 });
  const [, port] = await server.said(/Listening on [\d.]+:(\d+)/);
  return { server, port };
}

/** How long the files take, in ms, as the client says. */
async function timeOf(way: string, words: (string | number)[]) {
  const client = [...pythonCommand("tests/peers/ftp.py"), way];
  const command = [...client, ...words.map(String)];
  const { code, stdout, stderr } = await run(command, { cwd: ROOT });
  if (code !== 0) throw new Error(stderr);
  return Number(stdout);
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

const rounds = Number(process.argv[2] ?? 9);
using own = folder();
const bytes = crypto.getRandomValues(new Uint8Array(50_000));
const content = new Uint8Array(SIZE);
for (let at = 0; at < SIZE; at += bytes.length) content.set(bytes, at);
for (let i = 1; i <= FILES; i++) writeFileSync(`${own.path}/file${i}`, content);
const servers = [
  ...await Promise.all(RUNTIMES.map((each) => serveLab(each, own.path))),
  await pyftpdlib(own.path),
];
const last = RUNTIMES.length;
for (const [way, words] of Object.entries(WAYS)) {
  const turns: number[][] = [];
  let before: number[] = [];
  const ticks = () => servers.map(({ server }) => ticksOf(server.pid));
  for (let round = -WARM_UP; round < rounds; round++) {
    if (round === 0) before = ticks();
    const turn: number[] = [];
    for (const { port } of servers) {
      turn.push(await timeOf(way, [port, ...words]));
    }
    if (round >= 0) turns.push(turn);
  }
  const busy = ticks().map((after, i) => after - before[i]);
  const medians = servers.map((_, i) => median(turns.map((turn) => turn[i])));
  const cpu = busy.map((ticks) => Math.round(10 * ticks / rounds));
  console.log(
    `${way}: pyftpdlib ${Math.round(medians[last])} ms (${
      cpu[last]
    } of its own)`,
  );
  for (const [i, runtime] of RUNTIMES.entries()) {
    const ratio = median(turns.map((turn) => turn[last] / turn[i])).toFixed(2);
    console.log(
      `  ${runtime}: ${
        Math.round(medians[i])
      } ms, ${ratio} times as fast; of ` +
        `processor time, ${(busy[last] / busy[i]).toFixed(2)} times less`,
    );
  }
}
for (const { server } of servers) server.kill();
