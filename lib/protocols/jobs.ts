/**
 * Jobs that start at the same moment on many machines: a worker's request, the
 * list that a server announces, and the workers' reports, as lines; and the rule
 * for a job whose moment has passed. Times are Unix times in whole ms.
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

/** The characters of a line, and the jobs of a list: at most so many. */
export const LINE_LIMIT = 100;
export const JOB_LIMIT = 100;

/** What to do, at which time, and for how many ms afterwards it may start. */
export interface Job {
  readonly at: number;
  readonly grace: number;
  readonly name: string;
}

const VERDICTS = ["on-time", "late", "missed"] as const;
export type Verdict = typeof VERDICTS[number];

/**
 * A worker's report: when it started a job, or saw that it had missed it, in
 * whole ms.
 */
export interface Report {
  readonly name: string;
  readonly verdict: Verdict;
  /** The time by the worker's corrected clock, and by its uncorrected one. */
  readonly time: number;
  readonly uncorrected: number;
}

/**
 * The verdict on a job that a worker learned of at one time, and could start at
 * another time, which is not before the job's.
 */
export function verdictOf(job: Job, learned: number, now: number): Verdict {
  if (now > job.at + job.grace) return "missed";
  return learned > job.at ? "late" : "on-time";
}

/**
 * Whether a report can be true, by the server's clock: the job has not begun
 * before its moment or after the report came, nor on time for a worker that got
 * the list too late; and it is missed only after its grace. The worker's corrected
 * clock may be wrong by `CLOCK_ERROR`.
 */
export function isPlausible(
  { verdict, time }: Report,
  { at, grace }: Job,
  { sent, now }: { sent: number; now: number },
): boolean {
  if (time < at || time > now + CLOCK_ERROR) return false;
  if (verdict === "on-time" && sent > at + CLOCK_ERROR) return false;
  return (verdict === "missed") === (time > at + grace);
}

/** In ms; SNTP's bound is half the round trip, and a reply takes up to 1200. */
const CLOCK_ERROR = 1000;

/** A worker's request for the list, without its LF. */
export const REQUEST = "jobs";

/** A line of the list, without its LF. */
export function formatJob({ at, grace, name }: Job): string {
  return `${formatTime(at)} ${grace} ${name}`;
}

/** The job in a line of the list; undefined if it has none. */
export function parseJob(line: string): Job | undefined {
  const [, time, grace, name] =
    line.match(/^(\S+) (\d{1,9}) ([\w.-]{1,32})$/) ?? [];
  const at = parseTime(time);
  if (at !== undefined) return { at, grace: Number(grace), name };
}

/** A report as a line, without its LF. */
export function formatReport(report: Report): string {
  const { name, verdict, time, uncorrected } = report;
  return `${formatTime(time)} ${formatTime(uncorrected)} ${verdict} ${name}`;
}

/** The report in a line; undefined unless it is about one of these jobs. */
export function parseReport(
  line: string,
  jobs: readonly Job[],
): Report | undefined {
  const [first, second, word, name, ...more] = line.split(" ");
  const [time, uncorrected] = [parseTime(first), parseTime(second)];
  const verdict = VERDICTS.find((one) => one === word);
  const known = more.length === 0 && jobs.some((job) => job.name === name);
  if (time === undefined || uncorrected === undefined) return;
  if (verdict && known) return { name, verdict, time, uncorrected };
}

/** RFC 3339, in UTC and with three decimals. */
function formatTime(time: number): string {
  return new Date(Math.round(time)).toISOString();
}

/** Only what formatTime writes: runtimes differ in what else they parse. */
function parseTime(text = ""): number | undefined {
  const time = Date.parse(text);
  const whole = !Number.isNaN(time) && /^\d{4}-/.test(text);
  if (whole && formatTime(time) === text) return time;
}
