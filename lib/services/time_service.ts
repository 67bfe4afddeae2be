/**
 * Both sides of a conversation in SNTP: a server tells the time to all who ask;
 * a client asks again when no answer comes, waiting longer each time as
 * RFC 4330, section 10, wants, and several times for one that came quickly.
 *
 * @module
 */
import type { Address } from "../sockets/address.ts";
import type { DatagramSocket } from "../sockets/datagram_socket.ts";
import {
  answerIn,
  answerTo,
  bestFirst,
  clock,
  measure,
  pack,
  type Packet,
  refusal,
  requestAt,
  requestIn,
  type Sample,
  steady,
} from "../protocols/sntp.ts";
import { AF_INET, SOCK_DGRAM, socket } from "../sockets/socket.ts";
import { SocketError } from "../sockets/socket_error.ts";

/**
 * Answers each request that a bound socket receives with the time by `now`,
 * until the socket is closed. What is no request gets no answer.
 */
export async function tellTime(
  receiver: DatagramSocket,
  now = clock,
): Promise<void> {
  for await (const [data, sender] of receiver) {
    const [received, request] = [now(), requestIn(data)];
    if (!request) continue;
    const answer = pack(answerTo(request, received, now()));
    await receiver.sendto(answer, sender).catch(() => {}); // it asks again
  }
}

/**
 * Asks over a connected socket, once for each of the `waits` (ms, cut to the
 * socket's timeout), until an answer comes: that, and when it came by `now`,
 * the client's clock. It may say that its time must not be used: see `refusal`.
 * `lost` is told of each wait in vain.
 *
 * @throws {SocketError} ETIMEDOUT if none came in all of them; others of the
 *   socket at once.
 */
export async function askTime(
  connection: DatagramSocket,
  waits: readonly number[],
  lost: (ms: number) => void = () => {},
  now = steady,
): Promise<[answer: Packet, arrival: number]> {
  const timeout = connection.gettimeout();
  for (const wait of waits) {
    const ms = Math.min(wait, timeout ?? wait);
    const request = requestAt(now());
    await connection.send(pack(request));
    connection.settimeout(ms);
    try {
      for (const end = steady() + ms; steady() < end;) {
        const data = await connection.recv(1024);
        const arrival = now();
        const answer = answerIn(data, request);
        if (answer) return [answer, arrival];
      }
    } catch (error) {
      if ((error as SocketError).code !== "ETIMEDOUT") throw error;
    } finally {
      connection.settimeout(timeout);
    }
    lost(ms);
  }
  throw new SocketError("ETIMEDOUT", "recv", connection.getpeername());
}

/** A machine's clock, and what a time service made of it. */
export interface Clock {
  /** The time by it as it is. */
  own(): number;
  /** The time by it put right, where the service told the time. */
  now(): number;
  /** Whether any answer came. */
  readonly answered: boolean;
  /** What the best of the answers says; undefined: none that may be used. */
  readonly sample: Sample | undefined;
}

/**
 * Asks a time service so often that one answer is quick (ANSWERS times), and
 * puts the clock `own` right by that: see `askTime`. A server that refuses is
 * not asked again, nor one that is silent.
 *
 * @throws {SocketError} for a failure other than silence.
 */
export async function putRight(
  own: () => number,
  service: Address,
  lost?: (ms: number) => void,
): Promise<Clock> {
  await using connection = socket(AF_INET, SOCK_DGRAM);
  await connection.connect(service);
  const samples: Sample[] = [];
  let answered = false;
  try {
    for (let left = ANSWERS; left > 0; left--) {
      const [answer, arrival] = await askTime(connection, WAITS, lost, own);
      answered = true;
      if (refusal(answer)) break;
      const sample = measure(answer, arrival);
      if (sample) samples.push(sample);
    }
  } catch (error) {
    if ((error as SocketError).code !== "ETIMEDOUT") throw error;
  }
  const sample = bestFirst(samples).at(0);
  const offset = sample?.offset ?? 0;
  return { own, now: () => own() + offset, answered, sample };
}

/** How often a clock's owner asks, and how long (ms) it waits each time. */
export const ANSWERS = 8;
const WAITS = [300, 600, 1200];

/**
 * Waits until it is the moment by `now`, which may be set meanwhile; rejects as
 * soon as `unless` does. Long timers are less exact, so that it sleeps to a
 * little before.
 */
export function until(
  moment: number,
  now: () => number,
  unless?: Promise<never>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    function wake(): void {
      const left = moment - now();
      if (left <= 0) return resolve();
      timer = setTimeout(wake, left > 40 ? Math.min(left - 20, 1e9) : left);
    }
    unless?.catch((error) => {
      clearTimeout(timer);
      reject(error);
    });
    wake();
  });
}
