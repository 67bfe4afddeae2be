/**
 * Jobs start at one moment on machines whose clocks differ by seconds: each
 * asks a server how wrong its clock is, and goes by the server's time.
 *
 *     deno run --allow-net scripts/job_schedule.ts
 *     bun scripts/job_schedule.ts
 *     node scripts/job_schedule.ts
 *
 * A worker who learns of a job after its moment begins it at once, and is late;
 * once the job's grace is over, it is missed. The last of the `--workers` comes
 * so late. One whose connection breaks begins nothing more, comes again up to
 * five times, gets the list, and goes on by this rule: what it has begun it only
 * reports. Their clocks follow from `--seed`. The time is told by SNTP.
 *
 * Output:
 *
 *     client: The clocks of 5 workers: -4883 to +4769 ms wrong
 *     client: The server's time, from 8 answers: within <1.1> ms
 *     client: Worker 5 comes 1250 ms late
 *     server: backup: 4 of 5 on time within <1> ms; uncorrected <9652> ms
 *     server: backup: 1 late by up to <752> ms
 *     server: rotate: 4 of 5 on time within <1> ms; uncorrected <9652> ms
 *     server: rotate: 1 missed
 *     server: report: 5 of 5 on time within <1> ms; uncorrected <9652> ms
 */
import {
  type Address,
  AF_INET,
  type End,
  experiment,
  formatAddress,
  Reader,
  SHUT_WR,
  SOCK_STREAM,
  socket,
  SocketError,
  type StreamSocket,
} from "../lib/mod.ts";
import { openBoth } from "../lib/services/open_both.ts";
import {
  formatJob,
  formatReport,
  formatRequest,
  parseReport,
  parseRequest,
  readJobs,
  type Report,
  roundsOf,
  verdictOf,
} from "../lib/protocols/jobs.ts";
import { shift, signed, steady } from "../lib/protocols/sntp.ts";
import { random } from "../lib/services/random.ts";
import { serveAll } from "../lib/services/serve_all.ts";
import {
  ANSWERS,
  type Clock,
  putRight,
  tellTime,
  until,
} from "../lib/services/time_service.ts";

/** What is to be done, how many ms after the first worker has come. */
const PLAN = [
  { name: "backup", after: 500, grace: 10_000 },
  { name: "rotate", after: 600, grace: 400 },
  { name: "report", after: 1700, grace: 1000 },
];
/** How many ms a job takes, and the last worker comes after the others. */
const [TAKES, LATE] = [20, 1250];

export async function server(end: End) {
  const { address, print, ready } = end;
  // 1. Open one port for both services: TCP for jobs, UDP for the time, which
  //    is the machine's as it is now: whoever sets that later moves no job.
  const [listener, receiver] = await openBoth(address);
  ready(listener, receiver);
  const ahead = shift();
  const now = () => ahead + steady();

  // 2. Send the jobs to each worker that asks, an empty line behind them, and
  //    take its reports, one of each job. What is none ends the exchange.
  const rounds = roundsOf(PLAN);
  const attend = async (worker: StreamSocket, peer: Address) => {
    const reader = new Reader(worker);
    const next = () => reader.line({ limit: 100 });
    const refuse = (line: string | null) => {
      const start = JSON.stringify(line?.slice(0, 20) ?? "");
      print(`Refused ${formatAddress(peer)}: ${start}`);
      return worker.sendall("refused\n");
    };
    const request = await next();
    const name = parseRequest(request ?? "");
    const place = name === undefined ? undefined : rounds.join(name, now());
    if (!place) return refuse(request);
    const list = place.jobs.map((job) => `${formatJob(job)}\n`);
    await worker.sendall(`${list.join("")}\n`);
    const told = new Set<string>();
    for (let line; (line = await next()) !== null;) {
      const report = parseReport(line, place.jobs);
      if (!report || told.has(report.name)) return refuse(line);
      told.add(report.name);
      place.keep(report);
    }
    await worker.sendall(`kept ${told.size}\n`);
    sumUp(now());
  };

  // 3. When a round is over, tell how it went: all are, when the server ends.
  const sumUp = (now: number) => {
    for (const line of rounds.sumUp(now)) print(line);
  };
  const timer = setInterval(() => sumUp(now()), 1000);
  const all = [tellTime(receiver, now), serveAll(listener, end, attend)];
  await Promise.all(all).finally(() => clearInterval(timer));
  sumUp(Infinity);
  return rounds.totals;
}

export async function client(end: End) {
  const { address, flags, print } = end;
  // 1. Be several workers, each with a clock that is wrong by seconds.
  const { workers = "5", seed = "7" } = flags;
  const skews = Array.from(
    { length: Number(workers) },
    (_, i) => Math.round(10_000 * random(Number(seed), i + 1) - 5000),
  );
  const [least, most] = [Math.min(...skews), Math.max(...skews)];
  const range = `${signed(least, 0)} to ${signed(most, 0)}`;
  print(`The clocks of ${workers} workers: ${range} ms wrong`);

  // 2. Ask the server for the time, one worker after the other, since answers
  //    that nothing holds up are the best.
  const ask = async (skew: number) => {
    const note = (ms: number) => print(`No answer in ${ms} ms`);
    const clock = await putRight(() => steady() + skew, address, note);
    if (clock.sample) return { ...clock, bound: clock.sample.bound };
    const code = clock.answered ? "EPROTO" : "ETIMEDOUT";
    throw new SocketError(code, "recv", address);
  };
  const punctual = skews.length > 1 ? skews.slice(0, -1) : skews;
  const clocks = [];
  for (const skew of punctual) clocks.push(await ask(skew));
  const bound = Math.max(...clocks.map(({ bound }) => bound)).toFixed(1);
  print(`The server's time, from ${ANSWERS} answers: within ${bound} ms`);

  // 3. Work side by side; the last one has been away for a while.
  const names = `lab-${crypto.randomUUID().slice(0, 8)}`;
  const working = clocks.map((clock, i) =>
    work(`${names}-${i + 1}`, clock, end)
  );
  if (skews.length > 1) {
    print(`Worker ${workers} comes ${LATE} ms late`);
    const come = async () => {
      await until(steady() + LATE, steady);
      return work(`${names}-${workers}`, await ask(skews.at(-1)!), end);
    };
    working.push(come());
  }
  return { skews, reports: await Promise.all(working) };
}

/** Takes part in a round, and again when the connection breaks. */
async function work(name: string, clock: Clock, { address, print }: End) {
  const begun = new Map<string, Report>();
  for (let pause = 100;; pause *= 2) {
    try {
      return await takePart(name, clock, begun, address);
    } catch (error) {
      const broken = BROKEN.includes((error as SocketError).code);
      if (!broken || pause > 1600) throw error;
      print(`${name} lost its connection; again in ${pause} ms`);
      await until(steady() + pause, steady);
    }
  }
}

/** Gets the jobs, begins each at its moment, and reports it. */
async function takePart(
  name: string,
  { own, now }: Clock,
  begun: Map<string, Report>,
  address: Address,
): Promise<Report[]> {
  await using connection = socket(AF_INET, SOCK_STREAM);
  await connection.connect(address);
  const reader = new Reader(connection);
  const fail = (code: string): never => {
    throw new SocketError(code, "recv", address);
  };
  const next = async () =>
    await reader.line({ limit: 100 }) ?? fail("ECONNRESET");
  await connection.sendall(`${formatRequest(name)}\n`);
  const jobs = await readJobs(next) ?? fail("EPROTO");
  const learned = now();

  // The server is silent until it has the reports, unless it is gone.
  const timeout = connection.gettimeout();
  const left = Math.max(0, (jobs.at(-1)?.at ?? 0) - learned);
  if (timeout) connection.settimeout(Math.min(timeout + left, 2 ** 31 - 1));
  const answer = next();
  const early = answer.then(() => fail("EPROTO"));
  early.catch(() => {});
  const reports: Report[] = [];
  for (const job of jobs) {
    let report = begun.get(formatJob(job));
    if (!report) {
      await until(job.at, now, early);
      const times = { time: now(), own: own() };
      // It takes a while; what comes after holds up no other's start.
      await until(steady() + TAKES, steady);
      const verdict = verdictOf(job, learned, times.time);
      report = { name: job.name, verdict, ...times };
      begun.set(formatJob(job), report);
    }
    await connection.sendall(`${formatReport(report)}\n`);
    reports.push(report);
  }
  await connection.shutdown(SHUT_WR);
  if (await answer !== `kept ${reports.length}`) fail("EPROTO");
  return reports;
}

/** What is thrown when a connection breaks, or cannot be made again yet. */
const BROKEN = ["ECONNRESET", "EPIPE", "EBADMSG", "ECONNREFUSED"];

if (import.meta.main) {
  const [many, whole] = ["1 to 999", "a whole number"];
  const help = "be so many workers (5)";
  const workers = { takes: many, pattern: /^[1-9]\d{0,2}$/, help };
  const which = "which clocks they have (7)";
  const seed = { takes: whole, pattern: /^\d{1,9}$/, help: which };
  const flags = { workers, seed };
  await experiment({ url: import.meta.url, port: 1600, flags, server, client });
}
