/**
 * The server's part in job scheduling: which workers share a list of jobs (a
 * round), the exchange with each of them, and a summary of each round.
 *
 * @module
 */
import {
  formatJob,
  isPlausible,
  type Job,
  LINE_LIMIT,
  parseReport,
  type Report,
  REQUEST,
  type Verdict,
} from "../protocols/jobs.ts";
import { Reader } from "../sockets/reader.ts";
import type { StreamSocket } from "../sockets/stream_socket.ts";

/** A job of a plan: its time is so many ms after the first worker's request. */
export interface PlannedJob {
  readonly name: string;
  readonly after: number;
  readonly grace: number;
}

/** A worker's part in a round. */
export interface Assignment {
  readonly jobs: readonly Job[];
  /** Keeps a report; false if it is the job's second, or cannot be true. */
  keep(report: Report, now: number): boolean;
  /** Ends the worker's part. The last to leave ends the round. */
  leave(): void;
}

/** The lists that a server announces, and the workers who share them. */
export interface Rounds {
  /** The workers and reports of the rounds that have ended. */
  readonly totals: { workers: number; reports: number };
  /** A new worker's assignment; undefined if the round is full. */
  join(now: number): Assignment | undefined;
}

/**
 * Starts a round with the first worker; others may join it until its last job's
 * deadline. It ends when its last worker has left, and is summarized then: so no
 * report can come too late for the summary.
 */
export function createRounds(
  plan: readonly PlannedJob[],
  print: (line: string) => void,
): Rounds {
  interface Round {
    readonly jobs: readonly Job[];
    readonly joinableUntil: number;
    readonly reports: Report[];
    workers: number;
    present: number;
  }
  let open: Round | undefined;
  const totals = { workers: 0, reports: 0 };

  function startRound(now: number): Round {
    const start = Math.round(now);
    const jobs = plan.map(({ name, after, grace }) => (
      { name, at: start + after, grace }
    ));
    const last = jobs.reduce((a, b) => a.at > b.at ? a : b);
    const joinableUntil = last.at + last.grace;
    return { jobs, joinableUntil, reports: [], workers: 0, present: 0 };
  }

  function end({ jobs, reports, workers }: Round): void {
    totals.workers += workers;
    totals.reports += reports.length;
    for (const line of summarizeJobs(jobs, reports, workers)) print(line);
  }

  return {
    totals,
    join(sent) {
      if (!open || sent > open.joinableUntil) open = startRound(sent);
      const round = open;
      if (round.workers === WORKER_LIMIT) return;
      round.workers++;
      round.present++;
      const waiting = new Map(round.jobs.map((job) => [job.name, job]));
      return {
        jobs: round.jobs,
        keep(report, now) {
          const job = waiting.get(report.name);
          if (!job || !isPlausible(report, job, { sent, now })) return false;
          round.reports.push(report);
          return waiting.delete(report.name);
        },
        leave() {
          if (--round.present > 0) return;
          if (open === round) open = undefined;
          end(round);
        },
      };
    },
  };
}

/**
 * Sends a worker its list, and an empty line after it, and keeps its reports, one
 * for each job. Any other line ends the exchange: `onRefused` is told its start.
 */
export async function serveJobs(
  worker: StreamSocket,
  { rounds, now, onRefused }: {
    rounds: Rounds;
    now: () => number;
    onRefused: (start: string) => void;
  },
): Promise<void> {
  const reader = new Reader(worker);
  const nextLine = () => reader.line({ limit: LINE_LIMIT });
  const refuse = async (line: string | null) => {
    onRefused(line?.slice(0, 20) ?? "");
    await worker.sendall("refused\n");
  };
  const request = await nextLine();
  const assignment = request === REQUEST ? rounds.join(now()) : undefined;
  if (!assignment) return refuse(request);
  try {
    const { jobs, keep } = assignment;
    const list = jobs.map((job) => `${formatJob(job)}\n`);
    await worker.sendall(`${list.join("")}\n`);
    let kept = 0;
    for (let line; (line = await nextLine()) !== null; kept++) {
      const report = parseReport(line, jobs);
      if (!report || !keep(report, now())) return await refuse(line);
    }
    await worker.sendall(`kept ${kept}\n`);
  } finally {
    assignment.leave();
  }
}

/**
 * How many of a round's workers started each job on time, late or not at all. For
 * those on time, the spread of their starts by the corrected and by the
 * uncorrected clocks.
 */
export function summarizeJobs(
  jobs: readonly Job[],
  reports: readonly Report[],
  workers: number,
): string[] {
  return jobs.flatMap(({ name, at }) => {
    const having = (verdict: Verdict) =>
      reports.filter((one) => one.name === name && one.verdict === verdict);
    const [started, late] = [having("on-time"), having("late")];
    const missed = having("missed").length;
    const silent = workers - started.length - late.length - missed;
    const spread = spreadOf(started.map(({ time }) => time));
    const before = spreadOf(started.map(({ uncorrected }) => uncorrected));
    const delay = Math.max(...late.map(({ time }) => time - at));
    const lines = [
      `${started.length} of ${workers} on time within ${spread} ms; ` +
      `uncorrected ${before} ms`,
    ];
    if (late.length) lines.push(`${late.length} late by up to ${delay} ms`);
    if (missed) lines.push(`${missed} missed`);
    if (silent) lines.push(`${silent} did not report`);
    return lines.map((line) => `${name}: ${line}`);
  });
}

/** The time from the first to the last; 0 if there are none. */
function spreadOf(times: readonly number[]): number {
  return times.length && Math.max(...times) - Math.min(...times);
}

/** Workers in a round. */
const WORKER_LIMIT = 10_000;
