/**
 * The server of the datagrams: each is sent back, if it is as it was sent.
 *
 * @module
 */
import type { DatagramSocket, End } from "../../lib/mod.ts";
import { complain, type Echoed, numberOf, receiveAll } from "./datagrams.ts";
import { keyOf, randomOf } from "./pattern.ts";
import { clientOf, NUMBERS } from "./plan.ts";

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
    const [client, n] = [clientOf(id), id % NUMBERS];
    const at = n >>> 3;
    let bits = this.#bits.get(client) ?? new Uint8Array(1024);
    if (at >= bits.length) {
      const more = new Uint8Array(2 * at);
      more.set(bits);
      bits = more;
    }
    this.#bits.set(client, bits);
    const bit = 1 << (n & 7);
    if (bits[at] & bit) return false;
    bits[at] |= bit;
    return true;
  }
}
