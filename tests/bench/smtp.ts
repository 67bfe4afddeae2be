/**
 * What SMTP costs on the lab's sockets: how long 1,000 mails in 10 sessions take to
 * the server of smtp_mail without its page, and to aiosmtpd, in turns.
 *
 *     bun tests/bench/smtp.ts [ROUNDS]
 *
 * smtp-source sends them (Debian: postfix); with a session for each mail, and with
 * 10 that go on. A ratio is the median of those of each turn.
 */
import process from "node:process";
import { aiosmtpd, SOURCE } from "../peers/smtp_programs.ts";
import { commandFor, run, RUNTIMES, start } from "../support/runtimes.ts";
import { ROOT } from "../support/scripts.ts";

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
  for (let round = 0; round <= rounds; round++) {
    const turn: number[] = [];
    for (const server of servers) {
      const [, port] = await server.said(/port (\d+)/);
      turn.push(await timeOf(port, way));
    }
    if (round > 0) turns.push(turn); // the first one is the warm-up
  }
  const last = servers.length - 1;
  console.log(
    `${name}: aiosmtpd ${Math.round(median(turns.map((t) => t[last])))} ms`,
  );
  for (const [i, runtime] of RUNTIMES.entries()) {
    const ms = Math.round(median(turns.map((turn) => turn[i])));
    const ratio = median(turns.map((turn) => turn[last] / turn[i])).toFixed(2);
    console.log(`  ${runtime}: ${ms} ms, ${ratio} times as fast`);
  }
}
for (const server of servers) server.kill();
