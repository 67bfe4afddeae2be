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
 * so late. Their clocks follow from `--seed`. The time is told by SNTP.
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
import { bestSample } from "../lib/ask_time.ts";
import {
  type Address,
  AF_INET,
  type End,
  experiment,
  formatAddress,
  Reader,
  SHUT_WR,
  SOCK_DGRAM,
  SOCK_STREAM,
  socket,
  SocketError,
  type StreamSocket,
} from "../lib/mod.ts";
import { openBoth } from "../lib/open_both.ts";
import {
  formatJob,
  formatReport,
  type Job,
  parseJob,
  parseReport,
  type Report,
  summaryOf,
  verdictOf,
} from "../lib/protocols/jobs.ts";
import {
  answerTo,
  pack,
  requestIn,
  shift,
  steady,
} from "../lib/protocols/sntp.ts";

/** What is to be done, how many ms after the first worker has come. */
const JOBS = [
  { name: "backup", after: 500, grace: 10_000 },
  { name: "rotate", after: 600, grace: 400 },
  { name: "report", after: 1700, grace: 1000 },
];
/** How many ms a job takes, and the last worker comes after the others. */
const [TAKES, LATE] = [20, 1250];

/** Workers who got the same jobs, and what they said of them. */
interface Round {
  readonly jobs: readonly Job[];
  readonly reports: Report[];
  workers: number;
  present: number;
}

export async function server({ address, print, ready, serve }: End) {
  // 1. Open one port for both services: TCP for jobs, UDP for the time.
  const [listener, receiver] = await openBoth(address);
  ready(listener, receiver);

  // 2. Tell the time to all who ask, by the machine's clock as it is now:
  //    whoever sets that later moves no job.
  const ahead = shift();
  const now = () => ahead + steady();
  const tellTime = async () => {
    for await (const [data, sender] of receiver) {
      const [received, request] = [now(), requestIn(data)];
      if (!request) continue;
      const answer = pack(answerTo(request, received, now()));
      await receiver.sendto(answer, sender).catch(() => {}); // it asks again
    }
  };

  // 3. The first worker sets off a round of jobs; who comes before its last
  //    one shares it. When all have left, tell how it went.
  const totals = { workers: 0, reports: 0 };
  let round: Round | undefined;
  const join = () => {
    if (!round || now() > round.jobs.at(-1)!.at) {
      const start = Math.round(now());
      const jobs = JOBS.map(({ after, ...job }) => (
        { ...job, at: start + after }
      ));
      round = { jobs, reports: [], workers: 0, present: 0 };
    }
    round.workers++;
    round.present++;
    return round;
  };
  const leave = (left: Round) => {
    if (--left.present > 0) return;
    if (round === left) round = undefined;
    totals.workers += left.workers;
    totals.reports += left.reports.length;
    const lines = summaryOf(left.jobs, left.reports, left.workers);
    for (const line of lines) print(line);
  };

  // 4. Send the jobs to each worker that asks, an empty line behind them, and
  //    take its reports, one of each job. What is none ends the exchange.
  const attend = async (worker: StreamSocket, peer: Address) => {
    const reader = new Reader(worker);
    const next = () => reader.line({ limit: 100 });
    const refuse = (line: string | null) => {
      const start = JSON.stringify(line?.slice(0, 20) ?? "");
      print(`Refused ${formatAddress(peer)}: ${start}`);
      return worker.sendall("refused\n");
    };
    const request = await next();
    if (request !== "jobs") return refuse(request);
    const round = join();
    try {
      const list = round.jobs.map((job) => `${formatJob(job)}\n`);
      await worker.sendall(`${list.join("")}\n`);
      const told = new Set<string>();
      for (let line; (line = await next()) !== null;) {
        const report = parseReport(line, round.jobs);
        if (!report || told.has(report.name)) return await refuse(line);
        told.add(report.name);
        round.reports.push(report);
      }
      await worker.sendall(`kept ${told.size}\n`);
    } finally {
      leave(round);
    }
  };
  const tellJobs = async () => {
    for await (const [worker, peer] of listener) {
      await serve(worker, () => attend(worker, peer));
    }
  };
  await Promise.all([tellTime(), tellJobs()]);
  return totals;
}

export async function client(end: End) {
  const { address, flags, print } = end;
  // 1. Be several workers, each with a clock that is wrong by seconds.
  const { workers = "5", seed = "7" } = flags;
  const skews = Array.from(
    { length: Number(workers) },
    (_, n) => skewOf(Number(seed), n + 1),
  );
  const [least, most] = [Math.min(...skews), Math.max(...skews)].map(signed);
  print(`The clocks of ${workers} workers: ${least} to ${most} ms wrong`);

  // 2. Ask the server for the time, one worker after the other, since answers
  //    that nothing holds up are the best.
  const punctual = skews.length > 1 ? skews.slice(0, -1) : skews;
  const clocks: Clock[] = [];
  for (const skew of punctual) clocks.push(await correct(skew, end));
  const bound = Math.max(...clocks.map(({ bound }) => bound)).toFixed(1);
  print(`The server's time, from ${SAMPLES} answers: within ${bound} ms`);

  // 3. Work side by side; the last one has been away for a while.
  const working = clocks.map((clock) => work(clock, address));
  if (skews.length > 1) {
    print(`Worker ${workers} comes ${LATE} ms late`);
    const come = async () => {
      await until(steady() + LATE, steady);
      return work(await correct(skews.at(-1)!, end), address);
    };
    working.push(come());
  }
  return { skews, reports: await Promise.all(working) };
}

/** A worker's clock as it is, and put right to within so many ms. */
interface Clock {
  own(): number;
  now(): number;
  readonly bound: number;
}

/** Puts a clock that is wrong by `skew` ms right, by the server's. */
async function correct(
  skew: number,
  { address, print }: End,
): Promise<Clock> {
  await using connection = socket(AF_INET, SOCK_DGRAM);
  await connection.connect(address);
  const longest = connection.gettimeout() ?? Infinity; // --timeout
  const waits = [500, 1000, 2000].map((ms) => Math.min(ms, longest));
  const note = (ms: number) => print(`No answer in ${ms} ms`);
  const own = () => steady() + skew;
  const best = await bestSample(connection, SAMPLES, waits, note, own);
  if (!best) throw new SocketError("EPROTO", "recv", address);
  return { own, now: () => own() + best.offset, bound: best.bound };
}

/** Gets the jobs, begins each at its moment, and reports it. */
async function work({ own, now }: Clock, address: Address): Promise<Report[]> {
  await using connection = socket(AF_INET, SOCK_STREAM);
  await connection.connect(address);
  const reader = new Reader(connection);
  const next = () => reader.line({ limit: 100 });
  const wrong = () => new SocketError("EPROTO", "recv", address);
  await connection.sendall("jobs\n");
  const jobs: Job[] = [];
  for (let line; (line = await next()) !== "";) {
    const job = parseJob(line ?? "");
    if (!job || jobs.length === MOST) throw wrong();
    jobs.push(job);
  }
  const learned = now();
  const reports: Report[] = [];
  for (const job of jobs.sort((a, b) => a.at - b.at)) {
    await until(job.at, now);
    const times = { time: now(), own: own() };
    const verdict = verdictOf(job, learned, times.time);
    const report = { name: job.name, verdict, ...times };
    reports.push(report);
    await sleep(TAKES); // what it sends later holds up no other's start
    await connection.sendall(`${formatReport(report)}\n`);
  }
  await connection.shutdown(SHUT_WR);
  if (await next() !== `kept ${reports.length}`) throw wrong();
  return reports;
}

/** Sleeps to a little before the moment, since long timers are less exact. */
async function until(moment: number, now: () => number): Promise<void> {
  for (let left; (left = moment - now()) > 0;) {
    await sleep(left > 40 ? Math.min(left - 20, 1e9) : left);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * What the nth clock is wrong by, in whole ms up to 5 s: the nth number of the
 * generator mulberry32 with this seed.
 */
function skewOf(seed: number, n: number): number {
  let bits = (seed + Math.imul(n, 0x6D2B79F5)) | 0;
  bits = Math.imul(bits ^ bits >>> 15, bits | 1);
  bits ^= bits + Math.imul(bits ^ bits >>> 7, bits | 61);
  return Math.round(((bits ^ bits >>> 14) >>> 0) / 2 ** 32 * 10_000 - 5000);
}

function signed(ms: number): string {
  return ms < 0 ? String(ms) : `+${ms}`;
}

/** How often each worker asks for the time. */
const SAMPLES = 8;
/** So many jobs a worker takes, lest a list have no end. */
const MOST = 100;

if (import.meta.main) {
  const [many, whole] = ["1 to 999", "a whole number"];
  const about = "be so many workers (5)";
  const workers = { takes: many, pattern: /^[1-9]\d{0,2}$/, about };
  const which = "which clocks they have (7)";
  const seed = { takes: whole, pattern: /^\d{1,9}$/, about: which };
  const flags = { workers, seed };
  await experiment({ url: import.meta.url, port: 1600, flags, server, client });
}
