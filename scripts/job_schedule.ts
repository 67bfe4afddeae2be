/**
 * Job schedule across machines: jobs start at the same moment though the clocks
 * differ by seconds. Each machine asks a server how wrong its clock is.
 *
 * Aim: To start jobs at the same moment on machines whose clocks differ.
 *
 *     deno run --allow-net scripts/job_schedule.ts
 *     bun scripts/job_schedule.ts
 *     node scripts/job_schedule.ts
 *
 * A worker that learns of a job after its moment starts it at once: it is late.
 * After the job's grace it is missed. The last of the `--workers` comes late. The
 * workers' reports are summarized when the last of them has left. `--seed` sets
 * their clocks; SNTP, the time.
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
  type End,
  experiment,
  formatAddress,
  type StreamSocket,
} from "../lib/mod.ts";
import { type Job, verdictOf } from "../lib/protocols/jobs.ts";
import {
  monotonic,
  realtimeOffset,
  sleepUntil,
  withSign,
} from "../lib/services/clock.ts";
import { UP_TO_999, WHOLE_NUMBER } from "../lib/services/flag_values.ts";
import { createRounds, serveJobs } from "../lib/services/job_server.ts";
import { takePart } from "../lib/services/job_worker.ts";
import { openBoth } from "../lib/services/open_both.ts";
import { random } from "../lib/services/random.ts";
import { serveAll } from "../lib/services/serve_all.ts";
import {
  type Clock,
  serveTime,
  synchronize,
} from "../lib/services/time_service.ts";

const PLAN = [ // each is due `after` ms from the first worker's request
  { name: "backup", after: 500, grace: 10_000 },
  { name: "rotate", after: 600, grace: 400 },
  { name: "report", after: 1700, grace: 1000 },
];
const [DURATION, LATE] = [20, 1250]; // ms: of a job, and of the last worker

export async function server(end: End) {
  const { address, print, ready } = end;
  // 1. Bind two sockets to one port: TCP for the jobs, UDP for the time. Both
  //    use the time of now: setting the machine's clock later moves no job.
  const [listener, receiver] = await openBoth(address);
  ready(listener, receiver);
  const ahead = realtimeOffset();
  const now = () => monotonic() + ahead;

  // 2. Answer each request for the time. Send each worker the list of jobs, and
  //    keep its report of each; anything else ends the exchange. Summarize the
  //    reports when all who share the list have left.
  const rounds = createRounds(PLAN, print);
  const attend = (worker: StreamSocket, peer: Address) => {
    const onRefused = (line: string) =>
      print(`Refused ${formatAddress(peer)}: ${JSON.stringify(line)}`);
    return serveJobs(worker, { rounds, now, onRefused });
  };
  const all = [serveTime(receiver, now), serveAll(listener, end, attend)];
  await Promise.all(all);
  return rounds.totals;
}

export async function client({ address, flags, print }: End) {
  // 1. Simulate several workers, each with a clock that is wrong by seconds.
  const { workers = "5", seed = "7" } = flags;
  const skews = Array.from(
    { length: Number(workers) },
    (_, i) => Math.round(10_000 * random(Number(seed), i + 1) - 5000),
  );
  const [least, most] = [Math.min(...skews), Math.max(...skews)];
  const range = `${withSign(least, 0)} to ${withSign(most, 0)}`;
  print(`The clocks of ${workers} workers: ${range} ms wrong`);

  // 2. Correct each clock by the server's time, one worker after the other:
  //    requests that wait for no other give the best samples.
  const ask = async (skew: number) => {
    const own = () => monotonic() + skew;
    const clock = await synchronize(own, address, { print });
    if (!clock.sample) throw clock.failure;
    return { ...clock, bound: clock.sample.bound };
  };
  const punctual = skews.length > 1 ? skews.slice(0, -1) : skews;
  const clocks = [];
  for (const skew of punctual) clocks.push(await ask(skew));
  const bound = Math.max(...clocks.map(({ bound }) => bound)).toFixed(1);
  const [{ answers }] = clocks;
  print(`The server's time, from ${answers} answers: within ${bound} ms`);

  // 3. Get the list of jobs over TCP, with all workers at once. Wait for the
  //    moment of each job by the corrected clock, start it, and report it.
  const work = (clock: Clock) => {
    const start = async (job: Job, learned: number, broken: Promise<never>) => {
      await sleepUntil(job.at, clock.now, broken);
      const time = Math.round(clock.now());
      const uncorrected = Math.round(clock.uncorrected());
      const verdict = verdictOf(job, learned, time);
      if (verdict !== "missed") { // the job's work
        await sleepUntil(monotonic() + DURATION, monotonic);
      }
      return { name: job.name, verdict, time, uncorrected };
    };
    return takePart(address, { now: clock.now, start });
  };
  const reports = clocks.map(work);

  // 4. Let the last worker come late: it has missed some moments.
  if (skews.length > 1) {
    print(`Worker ${workers} comes ${LATE} ms late`);
    const come = async () => {
      await sleepUntil(monotonic() + LATE, monotonic);
      return work(await ask(skews.at(-1)!));
    };
    reports.push(come());
  }
  return { skews, reports: await Promise.all(reports) };
}

if (import.meta.main) {
  const workers = { ...UP_TO_999, help: "simulate so many workers (5)" };
  const seed = { ...WHOLE_NUMBER, help: "choose their clocks (7)" };
  const flags = { workers, seed };
  const { url } = import.meta;
  await experiment({ url, port: 1600, clock: true, flags, server, client });
}
