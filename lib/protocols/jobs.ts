/**
 * Jobs that start at the same moment on many machines: what workers ask, the
 * list that a server announces and their reports, as lines and back; what
 * becomes of a job whose moment is over; and which workers share a list. Times
 * are Unix times in whole ms.
 *
 * ```ts
 * import * as jobs from "./jobs.ts";
 *
 * const job = { at: Date.UTC(2026, 10, 20, 18), grace: 200, name: "rotate" };
 * jobs.formatJob(job); // "2026-11-20T18:00:00.000Z 200 rotate"
 * jobs.verdictOf(job, job.at - 900, job.at + 1); // "on-time"
 * jobs.verdictOf(job, job.at + 100, job.at + 101); // "late"
 * jobs.verdictOf(job, job.at + 201, job.at + 201); // "missed"
 * ```
 *
 * @module
 */

/** What is to be done, when, and for how many ms afterwards it may begin. */
export interface Job {
  readonly at: number;
  readonly grace: number;
  readonly name: string;
}

const VERDICTS = ["on-time", "late", "missed"] as const;
export type Verdict = typeof VERDICTS[number];

/** What a worker says of a job: when it began it, or saw that it was over. */
export interface Report {
  readonly name: string;
  readonly verdict: Verdict;
  /** The time by the worker's corrected clock, and by the one that it has. */
  readonly time: number;
  readonly own: number;
}

/**
 * What becomes of a job that a worker learned of at one time, and would begin
 * at another that is not before its moment.
 */
export function verdictOf(job: Job, learned: number, now: number): Verdict {
  if (now > job.at + job.grace) return "missed";
  return learned > job.at ? "late" : "on-time";
}

/** A worker's request for the list, without its LF. */
export function formatRequest(worker: string): string {
  return `jobs ${worker}`;
}

/** The name of the worker whose request a line is, if it is one. */
export function parseRequest(line: string): string | undefined {
  return line.match(/^jobs ([\w.-]{1,32})$/)?.[1];
}

/** A line of the list, without its LF. */
export function formatJob({ at, grace, name }: Job): string {
  return `${formatTime(at)} ${grace} ${name}`;
}

/** The job in a line of the list, if it is one. */
export function parseJob(line: string): Job | undefined {
  const [, time, grace, name] =
    line.match(/^(\S+) (\d{1,9}) ([\w.-]{1,32})$/) ?? [];
  const at = parseTime(time);
  if (at !== undefined) return { at, grace: Number(grace), name };
}

/**
 * The jobs of a list, whose lines end with an empty one, in the order of their
 * moments; undefined if a line is no job, or they are too many.
 */
export async function readJobs(
  next: () => Promise<string>,
): Promise<Job[] | undefined> {
  const jobs: Job[] = [];
  for (let line; (line = await next()) !== "";) {
    const job = parseJob(line);
    if (!job || jobs.length === MOST_JOBS) return;
    jobs.push(job);
  }
  return jobs.sort((a, b) => a.at - b.at);
}

/** A report as a line, without its LF. */
export function formatReport({ name, verdict, time, own }: Report): string {
  return `${formatTime(time)} ${formatTime(own)} ${verdict} ${name}`;
}

/** The report in a line, if it is one of a job in this list. */
export function parseReport(
  line: string,
  jobs: readonly Job[],
): Report | undefined {
  const [first, second, word, name, ...more] = line.split(" ");
  const [time, own] = [parseTime(first), parseTime(second)];
  const verdict = VERDICTS.find((one) => one === word);
  const known = more.length === 0 && jobs.some((job) => job.name === name);
  if (time === undefined || own === undefined || !verdict || !known) return;
  return { name, verdict, time, own };
}

/** A job of a plan: at so many ms after the first worker has come. */
export interface Planned {
  readonly name: string;
  readonly after: number;
  readonly grace: number;
}

/** What a worker is given. */
export interface Place {
  readonly jobs: readonly Job[];
  /** Keeps a report; of each job the first one counts. */
  keep(report: Report): void;
}

/** The lists that a server has announced, and the workers who share them. */
export interface Rounds {
  /** How many workers and reports those had that were summed up. */
  readonly totals: { workers: number; reports: number };
  /**
   * The place of the worker with this name, the same when it comes again;
   * undefined if there is none left.
   */
  join(worker: string, now: number): Place | undefined;
  /** In words, what became of each list that is over by now. */
  sumUp(now: number): string[];
}

/**
 * The first worker that comes sets off a round, and who comes while its last
 * job may begin shares it. It is over when all have reported every job, or none can be
 * begun any more; until then the workers are known by their names.
 */
export function roundsOf(plan: readonly Planned[]): Rounds {
  interface Round {
    readonly jobs: readonly Job[];
    /** Until then it is shared, and until then known. */
    readonly joinable: number;
    readonly end: number;
    readonly workers: Map<string, Map<string, Report>>;
    told: boolean;
  }
  let rounds: Round[] = [];
  const totals = { workers: 0, reports: 0 };

  function begin(now: number): Round {
    const start = Math.round(now);
    const jobs = plan.map(({ name, after, grace }) => (
      { name, at: start + after, grace }
    ));
    const last = jobs.reduce((a, b) => a.at > b.at ? a : b);
    const joinable = last.at + last.grace;
    const end = Math.max(...jobs.map(({ at, grace }) => at + grace)) + UNDERWAY;
    const round = { jobs, joinable, end, workers: new Map(), told: false };
    rounds.push(round);
    return round;
  }

  return {
    totals,
    join(worker, now) {
      const round = rounds.find(({ workers }) => workers.has(worker)) ??
        rounds.find((one) => !one.told && now <= one.joinable) ?? begin(now);
      const { jobs, workers } = round;
      if (workers.size === MOST_WORKERS && !workers.has(worker)) return;
      const mine = workers.get(worker) ?? new Map<string, Report>();
      workers.set(worker, mine);
      const keep = (report: Report) => {
        if (!mine.has(report.name)) mine.set(report.name, report);
      };
      return { jobs, keep };
    },
    sumUp(now) {
      const lines: string[] = [];
      for (const round of rounds) {
        const { jobs, workers, end, told } = round;
        const all = [...workers.values()];
        const done = all.every(({ size }) => size === jobs.length);
        if (told || !done && now <= end) continue;
        round.told = true;
        const reports = all.flatMap((mine) => [...mine.values()]);
        totals.workers += workers.size;
        totals.reports += reports.length;
        lines.push(...summaryOf(jobs, reports, workers.size));
      }
      rounds = rounds.filter(({ end }) => now <= end);
      return lines;
    },
  };
}

/**
 * What so many workers made of each job, in words: of those that were on time,
 * from the first start to the last by the corrected clocks and by their own.
 */
export function summaryOf(
  jobs: readonly Job[],
  reports: readonly Report[],
  workers: number,
): string[] {
  return jobs.flatMap(({ name, at }) => {
    const those = (verdict: Verdict) =>
      reports.filter((one) => one.name === name && one.verdict === verdict);
    const [started, late] = [those("on-time"), those("late")];
    const missed = those("missed").length;
    const silent = workers - started.length - late.length - missed;
    const spread = spreadOf(started.map(({ time }) => time));
    const uncorrected = spreadOf(started.map(({ own }) => own));
    const delay = Math.max(...late.map(({ time }) => time - at));
    const lines = [
      `${started.length} of ${workers} on time within ${spread} ms; ` +
      `uncorrected ${uncorrected} ms`,
    ];
    if (late.length) lines.push(`${late.length} late by up to ${delay} ms`);
    if (missed) lines.push(`${missed} missed`);
    if (silent) lines.push(`${silent} did not report`);
    return lines.map((line) => `${name}: ${line}`);
  });
}

/** From the first of some times to the last; 0 if there is none. */
function spreadOf(times: readonly number[]): number {
  return times.length && Math.max(...times) - Math.min(...times);
}

/** RFC 3339, in UTC and with three digits after the point. */
function formatTime(time: number): string {
  return new Date(Math.round(time)).toISOString();
}

/** Only what formatTime gives: runtimes differ in what else they can read. */
function parseTime(text = ""): number | undefined {
  const time = Date.parse(text);
  if (!Number.isNaN(time) && formatTime(time) === text) return time;
}

/** A round waits so many ms for reports that are under way. */
const UNDERWAY = 1000;
/** So many jobs has a list, lest it have no end; so many workers share it. */
const MOST_JOBS = 100;
const MOST_WORKERS = 10_000;
