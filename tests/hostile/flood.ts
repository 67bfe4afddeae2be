/**
 * Sends 100,000 datagrams to a socket that is not read, and prints how much the
 * memory grew (after a first flood, which warms the runtime up), how many
 * datagrams were kept, and whether the socket still receives.
 */
import process from "node:process";
import { AF_INET, decode, SOCK_DGRAM, socket } from "../../lib/mod.ts";

/** Fewer than the receive buffer of the kernel holds (92 of 1000 bytes). */
const BATCH = 80;

const victim = socket(AF_INET, SOCK_DGRAM);
await victim.bind(["127.0.0.1", 0]);
const sender = socket(AF_INET, SOCK_DGRAM);
const data = new Uint8Array(1000);

/** Returns the memory afterwards, in bytes. */
async function flood(datagrams: number): Promise<number> {
  for (let sent = 0; sent < datagrams; sent += BATCH) {
    const batch = Array.from(
      { length: BATCH },
      () => sender.sendto(data, victim.getsockname()),
    );
    await Promise.all(batch);
    await new Promise((resolve) => setTimeout(resolve)); // let them arrive
  }
  return process.memoryUsage().rss;
}

/** Receives what is queued; returns how many datagrams that was. */
async function drain(): Promise<number> {
  victim.settimeout(200);
  for (let kept = 0;; kept++) {
    try {
      await victim.recvfrom(1000);
    } catch {
      return kept;
    }
  }
}

const before = await flood(20_000);
const after = await flood(100_000);
const kept = await drain();
await sender.sendto("still there?", victim.getsockname());
const [answer] = await victim.recvfrom(1000);
await victim.close();
await sender.close();
console.log(
  JSON.stringify({ grown: after - before, kept, answer: decode(answer) }),
);
