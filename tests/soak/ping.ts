/**
 * The client of the datagrams: it sends them in batches, now and then in more
 * than there is room for, and knows of each whether it has come back.
 *
 * @module
 */
import { setTimeout as pause } from "node:timers/promises";
import { type Address, AF_INET, SOCK_DGRAM, socket } from "../../lib/mod.ts";
import { droppedAt } from "../support/proc.ts";
import {
  complain,
  datagramOf,
  numberOf,
  receiveAll,
  type Sent,
} from "./datagrams.ts";
import { keyOf, pattern, randomOf } from "./pattern.ts";
import { PREAMBLE } from "./plan.ts";

/** At most so long between two batches, in ms. */
const PAUSE = 40;

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
    await pause(PAUSE * random());
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
