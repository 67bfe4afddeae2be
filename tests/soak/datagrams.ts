/**
 * The datagrams: each has a number and bytes that follow from it, and comes
 * back as it was sent. What is lost is counted.
 *
 * @module
 */
import {
  type Address,
  type DatagramSocket,
  SocketError,
} from "../../lib/mod.ts";
import { insist } from "./impatience.ts";
import { keyOf, pattern, type Random, randomOf } from "./pattern.ts";
import { PREAMBLE, preambleOf, readPreamble } from "./plan.ts";

/** What a client's socket has seen. */
export interface Sent {
  sent: number;
  /** Those that no server may answer. */
  garbage: number;
  answered: number;
  /** Those that the kernel has dropped for want of room, if it tells. */
  dropped: number | undefined;
  complaints: string[];
}

/** What the server's socket has seen. */
export interface Echoed {
  received: number;
  garbage: number;
  answered: number;
  complaints: string[];
}

/** All datagrams of a trial. */
export interface Datagrams {
  sent: number;
  received: number;
  answered: number;
  returned: number;
  /** Those of both ways that did not arrive. */
  lost: number;
}

/**
 * Adds up, and says what is not accounted for: what has not arrived was
 * dropped by the kernel, where it tells how many those are.
 */
export function sumOf(
  all: Sent[],
  echoed: Echoed = { received: 0, garbage: 0, answered: 0, complaints: [] },
  dropped?: number,
): Datagrams & { complaints: string[] } {
  const total = (of: (one: Sent) => number) =>
    all.reduce((sum, one) => sum + of(one), 0);
  const sent = total((one) => one.sent + one.garbage);
  const returned = total((one) => one.answered);
  const { received, answered } = echoed;
  const complaints = [...echoed.complaints];
  for (const one of all) complaints.push(...one.complaints);
  const due = received - echoed.garbage;
  if (answered !== due) {
    complaints.push(`datagrams: ${answered} answered of ${due}`);
  }
  const ways = [
    ["up", sent, received, dropped],
    ["down", answered, returned, total((one) => one.dropped ?? NaN)],
  ] as const;
  for (const [way, gone, come, lost = NaN] of ways) {
    const fits = Number.isNaN(lost) ? come <= gone : gone === come + lost;
    if (fits) continue;
    const rest = Number.isNaN(lost) ? "" : `, ${lost} dropped`;
    complaints.push(`datagrams ${way}: ${gone} sent, ${come} received${rest}`);
  }
  const lost = sent - received + answered - returned;
  return { sent, received, answered, returned, lost, complaints };
}

/** The datagram with this number. */
export function datagramOf(seed: number, id: number): Uint8Array {
  const key = keyOf(seed, id, 5);
  const content = pattern(key, 0, Math.floor(LONGEST * randomOf(key)()));
  const datagram = new Uint8Array(PREAMBLE + content.length);
  datagram.set(preambleOf({ id }));
  datagram.set(content, PREAMBLE);
  return datagram;
}

/** The number of one that has arrived as it was sent. */
export function numberOf(seed: number, bytes: Uint8Array): number | undefined {
  const id = bytes.length < PREAMBLE ? undefined : readPreamble(bytes);
  if (id === undefined) return;
  const expected = datagramOf(seed, id);
  const same = bytes.length === expected.length &&
    bytes.every((byte, i) => byte === expected[i]);
  return same ? id : undefined;
}

const LONGEST = 1400;

// --- receiving ---

/** Receives until the socket is closed. */
export async function receiveAll(
  own: DatagramSocket,
  random: Random,
  take: (bytes: Uint8Array, sender: Address) => unknown,
): Promise<void> {
  while (true) {
    try {
      const [bytes, sender] = await insist(
        own,
        random,
        (wait) => own.recvfrom(65_536, wait),
      );
      await take(bytes, sender);
    } catch (error) {
      if (error instanceof SocketError && error.code === "EBADF") return;
      throw error;
    }
  }
}

/** A few say enough. */
export function complain(
  { complaints }: { complaints: string[] },
  line: string,
) {
  if (complaints.length < 5) complaints.push(line);
}
