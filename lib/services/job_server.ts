/**
 * The server's part in job scheduling: which workers share a list of jobs (a
 * round), the exchange with each of them, and a summary of each round.
 *
 * @module
 */
import {
  formatJob,
  type Job,
  LINE_LIMIT,
  parseReport,
  parseRequest,
  type Report,
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
  /** Keeps the first report of each job. */
  keep(report: Report): void;
}

/** The lists that a server has announced, and the workers who share them. */
export interface Rounds {
  /** The workers and reports of the rounds that are summarized. */
  readonly totals: { workers: number; reports: number };
  /**
   * The assignment of the worker with this name, which keeps it when it
   * reconnects; undefined if the round is full.
   */
  join(worker: string, now: number): Assignment | undefined;
  /** Summaries of the rounds that have ended since the last call. */
  summarizeEnded(now: number): string[];
}

/**
 * Starts a round with the first worker; others may join it until its last job's
 * deadline. A round ends when all its workers have reported every job, or when
 * no job can be started any more; until then it knows the workers by name.
 */
export function createRounds(plan: readonly PlannedJob[]): Rounds {
  interface Round {
    readonly jobs: readonly Job[];
    readonly joinableUntil: number;
    readonly end: number;
    readonly workers: Map<string, Map<string, Report>>;
    summarized: boolean;
  }
  let rounds: Round[] = [];
  const totals = { workers: 0, reports: 0 };

  function startRound(now: number): Round {
    const start = Math.round(now);
    const jobs = plan.map(({ name, after, grace }) => (
      { name, at: start + after, grace }
    ));
    const last = jobs.reduce((a, b) => a.at > b.at ? a : b);
    const joinableUntil = last.at + last.grace;
    const deadlines = jobs.map(({ at, grace }) => at + grace);
    const end = Math.max(...deadlines) + REPORT_GRACE;
    const workers = new Map();
    const round = { jobs, joinableUntil, end, workers, summarized: false };
    rounds.push(round);
    return round;
  }

  return {
    totals,
    join(worker, now) {
      const open = ({ summarized, joinableUntil }: Round) =>
        !summarized && now <= joinableUntil;
      const { jobs, workers } =
        rounds.find(({ workers }) => workers.has(worker)) ??
          rounds.find(open) ?? startRound(now);
      if (workers.size === WORKER_LIMIT && !workers.has(worker)) return;
      const reports = workers.get(worker) ?? new Map<string, Report>();
      workers.set(worker, reports);
      const keep = (report: Report) => {
        if (!reports.has(report.name)) reports.set(report.name, report);
      };
      return { jobs, keep };
    },
    summarizeEnded(now) {
      const lines: string[] = [];
      for (const round of rounds) {
        const { jobs, workers, end, summarized } = round;
        const all = [...workers.values()];
        const complete = all.every(({ size }) => size === jobs.length);
        if (summarized || !complete && now <= end) continue;
        round.summarized = true;
        const reports = all.flatMap((own) => [...own.values()]);
        totals.workers += workers.size;
        totals.reports += reports.length;
        lines.push(...summarizeJobs(jobs, reports, workers.size));
      }
      rounds = rounds.filter(({ end }) => now <= end);
      return lines;
    },
  };
}

/**
 * Sends a worker its list, and an empty line after it, and keeps its reports, one
 * for each job. Any other line ends the exchange: `onRefused` is told its start.
 * Resolves to whether the worker's reports were kept.
 */
export async function serveJobs(
  worker: StreamSocket,
  { rounds, now, onRefused }: {
    rounds: Rounds;
    now: () => number;
    onRefused: (start: string) => void;
  },
): Promise<boolean> {
  const reader = new Reader(worker);
  const nextLine = () => reader.line({ limit: LINE_LIMIT });
  const refuse = async (line: string | null) => {
    onRefused(line?.slice(0, 20) ?? "");
    await worker.sendall("refused\n");
    return false;
  };
  const request = await nextLine();
  const name = parseRequest(request ?? "");
  const assignment = name === undefined ? undefined : rounds.join(name, now());
  if (!assignment) return refuse(request);
  const { jobs, keep } = assignment;
  const list = jobs.map((job) => `${formatJob(job)}\n`);
  await worker.sendall(`${list.join("")}\n`);
  const reported = new Set<string>();
  for (let line; (line = await nextLine()) !== null;) {
    const report = parseReport(line, jobs);
    if (!report || reported.has(report.name)) return refuse(line);
    reported.add(report.name);
    keep(report);
  }
  await worker.sendall(`kept ${reported.size}\n`);
  return true;
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

/** A round waits so many ms for reports that are on their way. */
const REPORT_GRACE = 1000;
/** Workers in a round. */
const WORKER_LIMIT = 10_000;
