/**
 * The worker's part in job scheduling: it gets the list, reports each job, and
 * reconnects when its connection breaks without starting a job twice.
 *
 * @module
 */
import {
  formatJob,
  formatReport,
  formatRequest,
  type Job,
  JOB_LIMIT,
  LINE_LIMIT,
  parseJob,
  type Report,
} from "../protocols/jobs.ts";
import type { Address } from "../sockets/address.ts";
import { Reader } from "../sockets/reader.ts";
import { AF_INET, SHUT_WR, SOCK_STREAM, socket } from "../sockets/socket.ts";
import { SocketError } from "../sockets/socket_error.ts";
import { monotonic, sleepUntil } from "./clock.ts";

/** A worker, and what it does. */
export interface Worker {
  readonly name: string;
  /** The time by its corrected clock. */
  now(): number;
  /**
   * Waits for the time of a job that the worker learned of at `learned`, and
   * starts it. Rejects as soon as `broken` does.
   */
  start(job: Job, learned: number, broken: Promise<never>): Promise<Report>;
  /** Is told that the connection broke, and is made again after so many ms. */
  onBroken(ms: number): void;
}

/**
 * Takes part in a round until all its jobs are reported. When the connection
 * breaks the worker starts nothing more, reconnects up to five times, gets the
 * list again, and only reports what it has started: at most once.
 *
 * @throws {SocketError} EPROTO if the server does not follow the protocol.
 */
export async function work(
  server: Address,
  worker: Worker,
): Promise<Report[]> {
  const started = new Map<string, Report>();
  for (let pause = 100;; pause *= 2) {
    try {
      return await takePart(server, worker, started);
    } catch (error) {
      const broken = BROKEN.includes((error as SocketError).code);
      if (!broken || pause > LONGEST_PAUSE) throw error;
      worker.onBroken(pause);
      await sleepUntil(monotonic() + pause, monotonic);
    }
  }
}

/** Gets the list, starts each job that is not started yet, and reports it. */
async function takePart(
  server: Address,
  { name, now, start }: Worker,
  started: Map<string, Report>,
): Promise<Report[]> {
  await using connection = socket(AF_INET, SOCK_STREAM);
  await connection.connect(server);
  const reader = new Reader(connection);
  const fail = (code: string): never => {
    throw new SocketError(code, "recv", server);
  };
  const nextLine = async () =>
    await reader.line({ limit: LINE_LIMIT }) ?? fail("ECONNRESET");
  await connection.sendall(`${formatRequest(name)}\n`);
  const jobs = await readJobs(nextLine) ?? fail("EPROTO");
  const learned = now();

  // Until it has the reports the server sends nothing, unless it fails.
  const timeout = connection.gettimeout();
  const left = Math.max(0, (jobs.at(-1)?.at ?? 0) - learned);
  if (timeout) connection.settimeout(Math.min(timeout + left, 2 ** 31 - 1));
  const answer = nextLine();
  const broken = answer.then(() => fail("EPROTO"));
  broken.catch(() => {});
  const reports: Report[] = [];
  for (const job of jobs) {
    const key = formatJob(job);
    const report = started.get(key) ?? await start(job, learned, broken);
    started.set(key, report);
    await connection.sendall(`${formatReport(report)}\n`);
    reports.push(report);
  }
  await connection.shutdown(SHUT_WR);
  if (await answer !== `kept ${reports.length}`) fail("EPROTO");
  return reports;
}

/**
 * The jobs of a list that ends with an empty line, in order of their times;
 * undefined if a line is no job, or there are too many.
 */
async function readJobs(
  nextLine: () => Promise<string>,
): Promise<Job[] | undefined> {
  const jobs: Job[] = [];
  for (let line; (line = await nextLine()) !== "";) {
    const job = parseJob(line);
    if (!job || jobs.length === JOB_LIMIT) return;
    jobs.push(job);
  }
  return jobs.sort((a, b) => a.at - b.at);
}

/** The codes of a broken connection, and of one that cannot be made yet. */
const BROKEN = ["ECONNRESET", "EPIPE", "EBADMSG", "ECONNREFUSED"];
/** The pauses before it reconnects are 100, 200, 400, 800 and 1600 ms. */
const LONGEST_PAUSE = 1600;
