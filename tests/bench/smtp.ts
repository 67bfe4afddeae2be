/**
 * What SMTP costs on the lab's sockets: how long 1,000 mails in 10 sessions take to
 * the server of smtp_mail without its page, and to aiosmtpd, in turns.
 *
 *     bun tests/bench/smtp.ts [ROUNDS]
 *
 * smtp-source sends them (Debian: postfix); with a session for each mail, and with
 * 10 that go on. A ratio is the median of those of each turn; on a busy
 * machine, that of the processor time of the servers says more.
 */
import process from "node:process";
import { aiosmtpd, SOURCE } from "../peers/smtp_programs.ts";
import { ticksOf } from "../support/proc.ts";
import { commandFor, run, RUNTIMES, start } from "../support/runtimes.ts";
import { ROOT } from "../support/scripts.ts";

/** Turns that do not count: a runtime compiles what is used often. */
const WARM_UP = 5;
const WAYS = { "1,000 sessions": [], "10 sessions": ["-d"] };

/** How long the mails take, in ms. */
async function timeOf(port: string, way: string[]): Promise<number> {
  const source = [SOURCE, "-s", "10", "-m", "1000", "-l", "2000", ...way];
  const begin = performance.now();
  const { code, stderr } = await run([
    ...source,
    ...["-f", "a@b.test", "-t", "bob@lab.test", `127.0.0.1:${port}`],
  ]);
  if (code !== 0) throw new Error(stderr);
  return performance.now() - begin;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

const rounds = Number(process.argv[2] ?? 9);
const lab = RUNTIMES.map((runtime) => [
  ...commandFor(runtime, ["-A"]),
  ...["tests/peers/smtp_serve.ts", "quiet"],
]);
const servers = [...lab, aiosmtpd("quiet")].map((command) =>
  start(command, { cwd: ROOT, limit: 600_000 })
);
for (const [name, way] of Object.entries(WAYS)) {
  const turns: number[][] = [];
  let before: number[] = [];
  for (let round = -WARM_UP; round < rounds; round++) {
    if (round === 0) before = servers.map(({ pid }) => ticksOf(pid));
    const turn: number[] = [];
    for (const server of servers) {
      const [, port] = await server.said(/port (\d+)/);
      turn.push(await timeOf(port, way));
    }
    if (round >= 0) turns.push(turn);
  }
  const ticks = servers.map(({ pid }, i) => ticksOf(pid) - before[i]);
  const last = servers.length - 1;
  const medians = servers.map((_, i) => median(turns.map((turn) => turn[i])));
  console.log(`${name}: aiosmtpd ${Math.round(medians[last])} ms`);
  for (const [i, runtime] of RUNTIMES.entries()) {
    const ratio = median(turns.map((turn) => turn[last] / turn[i])).toFixed(2);
    const busy = (ticks[last] / ticks[i]).toFixed(2);
    console.log(
      `  ${runtime}: ${Math.round(medians[i])} ms, ${ratio} times as fast; ` +
        `of processor time, ${busy} times less`,
    );
  }
}
for (const server of servers) server.kill();
