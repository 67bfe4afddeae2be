/**
 * The datagrams: each has a number and bytes that follow from it, and the
 * server sends it back. Lost ones are counted.
 *
 * @module
 */
import { setTimeout as pause } from "node:timers/promises";
import {
  type Address,
  AF_INET,
  type DatagramSocket,
  type End,
  SOCK_DGRAM,
  socket,
  SocketError,
} from "../../lib/mod.ts";
import { droppedAt } from "../support/proc.ts";
import { interrupting } from "./conversation.ts";
import { keyOf, pattern, type Random, randomOf } from "./pattern.ts";
import { PREAMBLE, preambleOf, readPreamble } from "./scenario.ts";

/** What the server's socket has seen. */
export interface Echoed {
  received: number;
  /** Those that the server must not answer. */
  garbage: number;
  answered: number;
  complaints: string[];
}

/** What a client's socket has seen. */
export interface Sent extends Omit<Echoed, "received"> {
  sent: number;
  /** Those that the kernel has dropped for lack of room, if it tells. */
  dropped: number | undefined;
}

/** The sums of a run. */
export interface Datagrams {
  sent: number;
  received: number;
  answered: number;
  returned: number;
  /** Those of both directions that did not arrive. */
  lost: number;
}

/**
 * Adds up, and tells what is not accounted for: what has not arrived must have
 * been dropped by the kernel, where it tells how many those are.
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
  const complaints = [echoed, ...all].flatMap((one) => one.complaints);
  const due = received - echoed.garbage;
  if (answered !== due) {
    complaints.push(`datagrams: ${answered} answered of ${due}`);
  }
  const ways = [
    ["up", sent, received, dropped],
    ["down", answered, returned, total((one) => one.dropped ?? NaN)],
  ] as const;
  for (const [way, out, arrived, lost = NaN] of ways) {
    const known = !Number.isNaN(lost);
    if (known ? out === arrived + lost : arrived <= out) continue;
    const rest = known ? `, ${lost} dropped` : "";
    complaints.push(
      `datagrams ${way}: ${out} sent, ${arrived} received${rest}`,
    );
  }
  const lost = sent - received + answered - returned;
  return { sent, received, answered, returned, lost, complaints };
}

function complain({ complaints }: { complaints: string[] }, line: string) {
  if (complaints.length < 5) complaints.push(line); // which are enough
}

/** The datagram with this number. */
function datagramOf(seed: number, id: number): Uint8Array {
  const key = keyOf(seed, id, 5);
  const datagram = pattern(
    key,
    0,
    PREAMBLE + Math.floor(1400 * randomOf(key)()),
  );
  datagram.set(preambleOf({ id }));
  return datagram;
}

/** The number of a datagram that has arrived as it was sent. */
function numberOf(seed: number, bytes: Uint8Array): number | undefined {
  const id = bytes.length < PREAMBLE ? undefined : readPreamble(bytes);
  if (id === undefined) return;
  const expected = datagramOf(seed, id);
  const same = bytes.length === expected.length &&
    bytes.every((byte, i) => byte === expected[i]);
  return same ? id : undefined;
}

/** Receives until the socket is closed. */
async function receiveAll(
  own: DatagramSocket,
  random: Random,
  take: (bytes: Uint8Array, sender: Address) => unknown,
): Promise<void> {
  const receive = () =>
    interrupting(own, random, (wait) => own.recvfrom(65_536, wait));
  try {
    while (true) await take(...await receive());
  } catch (error) {
    if (!(error instanceof SocketError && error.code === "EBADF")) throw error;
  }
}

// --- the server ---

/** The server remembers so many numbers, to notice a duplicate. */
const REMEMBERED = 50_000;

/** Sends each datagram back until the socket is closed. */
export async function echo(
  receiver: DatagramSocket,
  { serve }: End,
  seed: number,
): Promise<Echoed> {
  const echoed = { received: 0, garbage: 0, answered: 0, complaints: [] };
  const seen = new Set<number>(); // oldest first
  await receiveAll(receiver, randomOf(keyOf(seed, 6)), async (bytes, from) => {
    echoed.received++;
    const id = numberOf(seed, bytes);
    if (id === undefined) return void echoed.garbage++;
    if (seen.has(id)) complain(echoed, `datagram ${id} has come twice`);
    seen.add(id);
    if (seen.size > REMEMBERED) seen.delete(seen.values().next().value!);
    await serve(from, async () => {
      await receiver.sendto(bytes, from);
      echoed.answered++;
    });
  });
  return echoed;
}

// --- the client ---

/** The longest pause between two batches, in ms. */
const PAUSE = 40;

/**
 * Sends until the time is over, in batches, some of which have more datagrams
 * than a receive buffer has room for; `first` is the number of the first one.
 */
export async function ping(
  server: Address,
  { seed, first, until }: { seed: number; first: number; until: number },
): Promise<Sent> {
  const random = randomOf(keyOf(seed, first, 7));
  const own = socket(AF_INET, SOCK_DGRAM);
  await own.bind(["127.0.0.1", 0]);
  const result: Sent = {
    ...{ sent: 0, garbage: 0, answered: 0, complaints: [] },
    dropped: undefined,
  };
  const outstanding = new Map<number, () => void>();
  const receiving = receiveAll(own, random, (bytes) => {
    const id = numberOf(seed, bytes);
    const answered = outstanding.get(id!);
    if (answered) {
      result.answered++;
      outstanding.delete(id!);
      return answered();
    }
    const what = id === undefined
      ? `an answer of ${bytes.length} bytes is not what was sent`
      : `the answer to datagram ${id} has come twice`;
    complain(result, what);
  });
  /** Sends the next one; `answer` resolves when it is answered. */
  const send = async () => {
    const id = first + result.sent++;
    const { promise: answer, resolve } = Promise.withResolvers<void>();
    outstanding.set(id, resolve);
    await own.sendto(datagramOf(seed, id), server);
    return { answer };
  };
  while (Date.now() < until) {
    const burst = random() < 0.02;
    const batch = Array.from({ length: burst ? 200 : 16 }, send);
    const { answer } = (await Promise.all(batch)).at(-1)!;
    await Promise.race([answer, pause(100)]);
    if (random() < 0.1) {
      await own.sendto(pattern(keyOf(first), 0, PREAMBLE), server);
      result.garbage++;
    }
    await pause(PAUSE * random());
  }
  // None overtakes another: when the last one is answered, all others are
  // answered or lost.
  let last = false;
  for (let tries = 0; !last && tries < 5; tries++) {
    const { answer } = await send();
    last = await Promise.race([answer.then(() => true), pause(2000, false)]);
  }
  if (!last) complain(result, "the server answers no more");
  result.dropped = droppedAt(Number(own.getsockname()[1]));
  await own.close();
  await receiving;
  return result;
}
