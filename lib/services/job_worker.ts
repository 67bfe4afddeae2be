/**
 * The worker's part in job scheduling: it gets the list of jobs, starts each at
 * its moment, and reports it.
 *
 * @module
 */
import {
  formatReport,
  type Job,
  JOB_LIMIT,
  LINE_LIMIT,
  parseJob,
  type Report,
  REQUEST,
} from "../protocols/jobs.ts";
import type { Address } from "../sockets/address.ts";
import { Reader } from "../sockets/reader.ts";
import { AF_INET, SHUT_WR, SOCK_STREAM, socket } from "../sockets/socket.ts";
import { SocketError } from "../sockets/socket_error.ts";
import { monotonic } from "./clock.ts";

/** What a worker does. */
export interface Worker {
  /** The time by its corrected clock. */
  now(): number;
  /**
   * Waits for the time of a job that the worker learned of at `learned`, and
   * starts it. Rejects as soon as `broken` does.
   */
  start(job: Job, learned: number, broken: Promise<never>): Promise<Report>;
}

/**
 * Takes part in a round until all its jobs are reported. When the connection
 * breaks, the worker starts nothing more and fails: another list would have other
 * times.
 *
 * @throws {SocketError} EPROTO if the server does not follow the protocol.
 */
export async function takePart(
  server: Address,
  { now, start }: Worker,
): Promise<Report[]> {
  await using connection = socket(AF_INET, SOCK_STREAM);
  await connection.connect(server);
  const reader = new Reader(connection);
  const fail = (code: string): never => {
    throw new SocketError(code, "recv", server);
  };
  const nextLine = async () =>
    await reader.line({ limit: LINE_LIMIT }) ?? fail("ECONNRESET");
  await connection.sendall(`${REQUEST}\n`);
  // The timeout is for the whole list: a server may send it line by line.
  const timeout = connection.gettimeout();
  const deadline = monotonic() + (timeout ?? 0);
  const jobs: Job[] = [];
  for (let line; (line = await nextLine()) !== "";) {
    const job = parseJob(line);
    if (!job || jobs.length === JOB_LIMIT) return fail("EPROTO");
    jobs.push(job);
    if (timeout) connection.settimeout(Math.max(1, deadline - monotonic()));
  }
  jobs.sort((a, b) => a.at - b.at);
  const learned = now();
  const left = Math.max(0, (jobs.at(-1)?.at ?? 0) - learned);
  if (left > HORIZON) fail("EPROTO");

  // Until it has the reports the server sends nothing, unless it fails.
  if (timeout) connection.settimeout(timeout + left);
  const answer = nextLine();
  const broken = answer.then(() => fail("EPROTO"));
  broken.catch(() => {});
  const reports: Report[] = [];
  for (const job of jobs) {
    const report = await start(job, learned, broken);
    await connection.sendall(`${formatReport(report)}\n`);
    reports.push(report);
  }
  await connection.shutdown(SHUT_WR);
  if (await answer !== `kept ${reports.length}`) fail("EPROTO");
  return reports;
}

/** How far ahead a job's time may be, in ms: no server keeps a worker for days. */
const HORIZON = 60_000;
