/**
 * Both ends of the datagrams: each has a number and bytes that follow from it,
 * and is answered as it is. What is lost is counted.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import {
  type Address,
  AF_INET,
  type DatagramSocket,
  type End,
  SOCK_DGRAM,
  socket,
  SocketError,
} from "../../../lib/mod.ts";
import { insist } from "./impatience.ts";
import { keyOf, pattern, type Random, randomOf } from "./pattern.ts";
import { NUMBERS, PREAMBLE, preambleOf, readPreamble } from "./plan.ts";
import { pause } from "./talks.ts";

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
function datagramOf(seed: number, id: number): Uint8Array {
  const key = keyOf(seed, id, 5);
  const content = pattern(key, 0, Math.floor(LONGEST * randomOf(key)()));
  const datagram = new Uint8Array(PREAMBLE + content.length);
  datagram.set(preambleOf({ id }));
  datagram.set(content, PREAMBLE);
  return datagram;
}

/** The number of one that has arrived as it was sent. */
function numberOf(seed: number, bytes: Uint8Array): number | undefined {
  const id = bytes.length < PREAMBLE ? undefined : readPreamble(bytes);
  if (id === undefined) return;
  const expected = datagramOf(seed, id);
  const same = bytes.length === expected.length &&
    bytes.every((byte, i) => byte === expected[i]);
  return same ? id : undefined;
}

const LONGEST = 1400;

// --- the server ---

/** Answers each until the socket is closed. */
export async function echo(
  receiver: DatagramSocket,
  { serve }: End,
  seed: number,
): Promise<Echoed> {
  const random = randomOf(keyOf(seed, 6));
  const echoed = { received: 0, garbage: 0, answered: 0, complaints: [] };
  const seen = new Seen();
  await receiveAll(receiver, random, async (bytes, sender) => {
    echoed.received++;
    const id = numberOf(seed, bytes);
    if (id === undefined) return void echoed.garbage++;
    if (!seen.add(id)) complain(echoed, `datagram ${id} has come twice`);
    await serve(sender, async () => {
      await receiver.sendto(bytes, sender);
      echoed.answered++;
    });
  });
  return echoed;
}

/** Numbers that were there: a bit for each. */
class Seen {
  readonly #bits = new Map<number, Uint8Array>();

  /** False if it was there before. */
  add(id: number): boolean {
    const [peer, n] = [Math.floor(id / NUMBERS), id % NUMBERS];
    const at = n >>> 3;
    let bits = this.#bits.get(peer) ?? new Uint8Array(1024);
    if (at >= bits.length) {
      const more = new Uint8Array(2 * at);
      more.set(bits);
      bits = more;
    }
    this.#bits.set(peer, bits);
    const bit = 1 << (n & 7);
    if (bits[at] & bit) return false;
    bits[at] |= bit;
    return true;
  }
}

// --- the client ---

/** Sends until the time is over; `first` is the number of the first. */
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
    const answered = id === undefined ? undefined : outstanding.get(id);
    if (!answered) {
      complain(
        result,
        id === undefined
          ? `an answer of ${bytes.length} bytes is not what was sent`
          : `the answer to datagram ${id} has come twice`,
      );
      return;
    }
    result.answered++;
    outstanding.delete(id!);
    answered();
  });
  /** Sends the next one; the promise resolves when it is answered. */
  const send = async () => {
    const id = first + result.sent++;
    const { promise, resolve } = Promise.withResolvers<void>();
    outstanding.set(id, resolve);
    await own.sendto(datagramOf(seed, id), server);
    return { answer: promise };
  };
  while (Date.now() < until) {
    const burst = random() < 0.02; // more than the system has room for
    const batch = Array.from({ length: burst ? 200 : 16 }, send);
    const { answer } = (await Promise.all(batch)).at(-1)!;
    await Promise.race([answer, pause(100)]);
    if (random() < 0.1) {
      await own.sendto(pattern(keyOf(first), 0, PREAMBLE), server);
      result.garbage++;
    }
    await pause(10 * random());
  }
  // None overtakes another: what was sent before one that is answered, and is
  // not answered itself, is lost.
  for (let tries = 0, last = false; !last && tries < 5; tries++) {
    const { answer } = await send();
    last = await Promise.race([
      answer.then(() => true),
      pause(2000).then(() => false),
    ]);
    if (tries === 4 && !last) complain(result, "the server answers no more");
  }
  result.dropped = droppedAt((own.getsockname() as [string, number])[1]);
  await own.close();
  await receiving;
  return result;
}

// --- both ---

async function receiveAll(
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

/** How many the kernel has dropped at a port, proc_net_udp(5); Linux only. */
export function droppedAt(port: number): number | undefined {
  const name = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  let table: string;
  try {
    table = readFileSync("/proc/net/udp", "utf8");
  } catch {
    return; // another system
  }
  const rows = table.trimEnd().split("\n").map((row) =>
    row.trim().split(/\s+/)
  );
  return rows.filter(([, local]) => local.endsWith(name))
    .reduce((sum, row) => sum + Number(row.at(-1)), 0);
}

function complain({ complaints }: { complaints: string[] }, line: string) {
  if (complaints.length < 5) complaints.push(line);
}
