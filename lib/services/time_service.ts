/**
 * Both ends of an SNTP exchange: a server answers every request; a client
 * repeats a lost request with a growing timeout (RFC 4330, section 10), and asks
 * a server on this machine several times to get one quick reply.
 *
 * @module
 */
import {
  answerIn,
  answerTo,
  clockFilter,
  measure,
  pack,
  type Packet,
  requestAt,
  requestIn,
  type Sample,
  unusableReason,
} from "../protocols/sntp.ts";
import type { Address } from "../sockets/address.ts";
import type { DatagramSocket } from "../sockets/datagram_socket.ts";
import { AF_INET, SOCK_DGRAM, socket } from "../sockets/socket.ts";
import { SocketError } from "../sockets/socket_error.ts";
import {
  monotonic,
  PRECISION,
  realtime,
  realtimeOffset,
  withSign,
} from "./clock.ts";
import { endTurn, pauseAfter, takeTurn } from "./request_spacing.ts";

/**
 * Answers each request that a bound socket receives with the time by `now`,
 * until the socket is closed. Anything else gets no reply.
 */
export async function serveTime(
  receiver: DatagramSocket,
  now = realtime,
): Promise<void> {
  for await (const [data, sender] of receiver) {
    const [received, request] = [now(), requestIn(data)];
    if (!request) continue;
    const reply = pack(answerTo(request, received, now(), PRECISION));
    await receiver.sendto(reply, sender).catch(() => {}); // the client repeats
  }
}

/** How to query a server. */
interface Query {
  /**
   * How long to wait for the reply to each request, in ms; from another machine
   * four times as long.
   */
  readonly waits: readonly number[];
  /** Prints what makes the client wait: a lost reply, or `takeTurn`. */
  readonly print?: (line: string) => void;
  /** Is told instead after each wait that has brought no reply. */
  readonly onTimeout?: (ms: number) => void;
  /** The client's clock: the monotonic one, unless it is another. */
  readonly now?: () => number;
  /** The server's address, by default that of the socket's peer. */
  readonly server?: Address;
}

/**
 * Sends a request over a connected socket, once for each of the waits (cut to
 * the socket's timeout), until a reply comes: the reply, and its arrival by the
 * client's clock. Its time may be unusable: see `unusableReason`. Each request
 * waits for its turn. An ICMP message that the server cannot be reached changes
 * nothing, because the server may come up, and anybody can send one.
 *
 * @throws {SocketError} If no wait has brought a reply: the last ICMP message,
 *   else ETIMEDOUT. Any other error of the socket at once.
 */
export async function queryTime(
  connection: DatagramSocket,
  { waits, now = monotonic, ...query }: Query,
): Promise<[reply: Packet, arrival: number]> {
  const timeout = connection.gettimeout();
  const { server = connection.getpeername(), print = () => {} } = query;
  const lost = (ms: number) => print(`No answer in ${ms} ms`);
  const { onTimeout = lost } = query;
  let failure: unknown;
  const attempt = async <T>(call: () => Promise<T>) => {
    try {
      return await call();
    } catch (error) {
      if (!UNREACHABLE.includes((error as SocketError).code)) throw error;
      failure = error;
    }
  };
  for (const wait of waits) {
    await takeTurn(server, print);
    // The next request to another machine has to wait for longer anyway.
    const longest = pauseAfter(server) > 0 ? 4 * wait : wait;
    const ms = Math.min(longest, timeout ?? longest);
    const request = requestAt(now());
    const send = () => connection.send(pack(request));
    // A message about an earlier request fails send(), which then sends nothing.
    await attempt(send) ?? await attempt(send);
    endTurn(server);
    connection.settimeout(ms);
    try {
      for (const end = monotonic() + ms; monotonic() < end;) {
        const data = await attempt(() => connection.recv(1024));
        const arrival = now();
        const reply = data && answerIn(data, request);
        if (reply) return [reply, arrival];
      }
    } catch (error) {
      if ((error as SocketError).code !== "ETIMEDOUT") throw error;
    } finally {
      connection.settimeout(timeout);
    }
    onTimeout(ms);
  }
  throw failure ?? new SocketError("ETIMEDOUT", "recv", server);
}

/** A machine's clock, before and after a time server has corrected it. */
export interface Clock {
  /** The time by the clock as it is. */
  uncorrected(): number;
  /** The corrected time; the same if no server has told a usable one. */
  now(): number;
  /** How many samples count, and the best; undefined if no reply was usable. */
  readonly answers: number;
  readonly sample: Sample | undefined;
  /** Why there is no sample: no reply, or EPROTO if none was usable. */
  readonly failure: SocketError | undefined;
}

/**
 * Corrects a clock by the best of eight replies of a time server, or by one if
 * the server is on another machine. A server that sends an unusable time, or that
 * no query reaches, is not asked again.
 *
 * @throws {SocketError} for any other failure.
 */
export async function synchronize(
  uncorrected: () => number,
  server: Address,
  { onTimeout, print }: Pick<Query, "onTimeout" | "print"> = {},
): Promise<Clock> {
  await using connection = socket(AF_INET, SOCK_DGRAM);
  await connection.connect(server);
  const query = { waits: WAITS, onTimeout, print, now: uncorrected, server };
  const samples: Sample[] = [];
  let failure: SocketError | undefined;
  let answered = false;
  try {
    for (let left = pauseAfter(server) > 0 ? 1 : 8; left > 0; left--) {
      const [reply, arrival] = await queryTime(connection, query);
      answered = true;
      if (unusableReason(reply)) break;
      const sample = measure(reply, { arrival, precision: PRECISION });
      if (sample) samples.push(sample);
    }
  } catch (error) {
    failure = error as SocketError;
    if (!["ETIMEDOUT", ...UNREACHABLE].includes(failure.code)) throw error;
  }
  const sorted = clockFilter(samples);
  const [sample, answers] = [sorted.at(0), sorted.length];
  if (sample) failure = undefined;
  else if (answered) failure = new SocketError("EPROTO", "recv", server);
  const now = () => uncorrected() + (sample?.offset ?? 0);
  return { uncorrected, now, answers, sample, failure };
}

/** A client's waits for each reply, in ms. */
const WAITS = [300, 600, 1200];
/** What an ICMP message becomes: on Windows, ECONNRESET. */
const UNREACHABLE = "ECONNREFUSED ECONNRESET EHOSTUNREACH ENETUNREACH EHOSTDOWN"
  .split(" ");

/**
 * A sample that was measured by the monotonic clock, in words: the offset is that
 * to this machine's realtime clock, which may have been set since.
 */
export function formatSample({ delay, offset }: Sample): string {
  const ahead = withSign(offset - realtimeOffset());
  return `delay ${delay.toFixed(3)}, offset ${ahead} ms`;
}
