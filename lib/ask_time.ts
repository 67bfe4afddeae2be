/**
 * The SNTP client's side of a conversation: it asks again when no answer comes,
 * waiting longer each time as RFC 4330, section 10, wants, and several times
 * for one that came quickly.
 *
 * @module
 */
import type { DatagramSocket } from "./datagram_socket.ts";
import {
  answerIn,
  bestFirst,
  measure,
  pack,
  type Packet,
  refusal,
  requestAt,
  type Sample,
  steady,
} from "./protocols/sntp.ts";
import { SocketError } from "./socket_error.ts";

/**
 * Asks over a connected socket, once for each of the `waits` (ms), until an
 * answer comes: that, and when it came by `now`, the client's clock. It may say
 * that its time must not be used: see `refusal`. `lost` is told of each wait in
 * vain.
 *
 * @throws {SocketError} ETIMEDOUT if none came in all of them; others of the
 *   socket at once. The socket's timeout is left changed.
 */
export async function askTime(
  connection: DatagramSocket,
  waits: number[],
  lost: (ms: number) => void = () => {},
  now = steady,
): Promise<[answer: Packet, arrival: number]> {
  for (const ms of waits) {
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
    }
    lost(ms);
  }
  throw new SocketError("ETIMEDOUT", "recv", connection.getpeername());
}

/**
 * What the best of so many answers says of the client's clock `now`: see
 * `askTime`. A server that refuses is not asked again. Undefined if no answer
 * came, or none that may be used.
 *
 * @throws {SocketError} for a failure other than silence.
 */
export async function bestSample(
  connection: DatagramSocket,
  times: number,
  waits: number[],
  lost?: (ms: number) => void,
  now = steady,
): Promise<Sample | undefined> {
  const samples: Sample[] = [];
  try {
    while (times-- > 0) {
      const [answer, arrival] = await askTime(connection, waits, lost, now);
      if (refusal(answer)) break;
      const sample = measure(answer, arrival);
      if (sample) samples.push(sample);
    }
  } catch (error) {
    if ((error as SocketError).code !== "ETIMEDOUT") throw error;
  }
  return bestFirst(samples).at(0);
}
