/**
 * Jobs that start at the same moment on many machines: the list that a server
 * announces and the reports of its workers, as lines and back, and what becomes
 * of a job whose moment is over. Times are Unix times in whole ms.
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
