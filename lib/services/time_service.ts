/**
 * Both ends of an SNTP exchange: a server answers every request; a client
 * repeats a lost request with a growing timeout (RFC 4330, section 10), and asks
 * several times to get one quick reply.
 *
 * @module
 */
import {
  clockFilter,
  measure,
  pack,
  type Packet,
  parseTimeReply,
  parseTimeRequest,
  type Sample,
  timeReply,
  timeRequest,
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

/**
 * Answers each request that a bound socket receives with the time by `now`,
 * until the socket is closed. Anything else gets no reply.
 */
export async function serveTime(
  receiver: DatagramSocket,
  now = realtime,
): Promise<void> {
  for await (const [data, sender] of receiver) {
    const [received, request] = [now(), parseTimeRequest(data)];
    if (!request) continue;
    const times = { received, sent: now(), precision: PRECISION };
    const reply = pack(timeReply(request, times));
    await receiver.sendto(reply, sender).catch(() => {}); // the client repeats
  }
}

/** How to query a server. */
interface Query {
  /** How long to wait for the reply to each request, in ms. */
  readonly waits: readonly number[];
  /** Is told after each wait that has brought no reply. */
  readonly onTimeout?: (ms: number) => void;
  /** The client's clock: the monotonic one, unless it is another. */
  readonly now?: () => number;
}

/**
 * Sends a request over a connected socket, once for each of the waits (cut to
 * the socket's timeout), until a reply comes: the reply, and its arrival by the
 * client's clock. Its time may be unusable: see `unusableReason`.
 *
 * @throws {SocketError} ETIMEDOUT if no wait has brought a reply; any other
 *   error of the socket at once.
 */
export async function queryTime(
  connection: DatagramSocket,
  { waits, onTimeout = () => {}, now = monotonic }: Query,
): Promise<[reply: Packet, arrival: number]> {
  const timeout = connection.gettimeout();
  for (const wait of waits) {
    const ms = Math.min(wait, timeout ?? wait);
    const request = timeRequest(now());
    await connection.send(pack(request));
    connection.settimeout(ms);
    try {
      for (const end = monotonic() + ms; monotonic() < end;) {
        const data = await connection.recv(1024);
        const arrival = now();
        const reply = parseTimeReply(data, request);
        if (reply) return [reply, arrival];
      }
    } catch (error) {
      if ((error as SocketError).code !== "ETIMEDOUT") throw error;
    } finally {
      connection.settimeout(timeout);
    }
    onTimeout(ms);
  }
  throw new SocketError("ETIMEDOUT", "recv", connection.getpeername());
}

/** A machine's clock, before and after a time server has corrected it. */
export interface Clock {
  /** The time by the clock as it is. */
  uncorrected(): number;
  /** The corrected time; the same if no server has told a usable one. */
  now(): number;
  /** Whether any reply came. */
  readonly answered: boolean;
  /** The best sample; undefined if no reply was usable. */
  readonly sample: Sample | undefined;
}

/**
 * Corrects a clock by the best of SAMPLES replies of a time server. A server
 * that sends an unusable time, or is silent, is not asked again.
 *
 * @throws {SocketError} for any failure but silence.
 */
export async function synchronize(
  uncorrected: () => number,
  server: Address,
  onTimeout?: (ms: number) => void,
): Promise<Clock> {
  await using connection = socket(AF_INET, SOCK_DGRAM);
  await connection.connect(server);
  const query = { waits: WAITS, onTimeout, now: uncorrected };
  const samples: Sample[] = [];
  let answered = false;
  try {
    for (let left = SAMPLES; left > 0; left--) {
      const [reply, arrival] = await queryTime(connection, query);
      answered = true;
      if (unusableReason(reply)) break;
      const sample = measure(reply, { arrival, precision: PRECISION });
      if (sample) samples.push(sample);
    }
  } catch (error) {
    if ((error as SocketError).code !== "ETIMEDOUT") throw error;
  }
  const sample = clockFilter(samples).at(0);
  const offset = sample?.offset ?? 0;
  return { uncorrected, now: () => uncorrected() + offset, answered, sample };
}

/** How many samples a client takes, and its waits for each reply, in ms. */
export const SAMPLES = 8;
const WAITS = [300, 600, 1200];

/**
 * A sample that was measured by the monotonic clock, in words: the offset is that
 * to this machine's realtime clock, which may have been set since.
 */
export function formatSample({ delay, offset }: Sample): string {
  const ahead = withSign(offset - realtimeOffset());
  return `delay ${delay.toFixed(3)}, offset ${ahead} ms`;
}

/**
 * Waits until the time by `now`, a clock that may be set meanwhile; rejects as
 * soon as `interrupt` does. Long timers are less exact, so it sleeps until a
 * little earlier first.
 */
export function sleepUntil(
  time: number,
  now: () => number,
  interrupt?: Promise<never>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    function wake(): void {
      const left = time - now();
      if (left <= 0) return resolve();
      timer = setTimeout(wake, left > 40 ? Math.min(left - 20, 1e9) : left);
    }
    interrupt?.catch((error) => {
      clearTimeout(timer);
      reject(error);
    });
    wake();
  });
}
