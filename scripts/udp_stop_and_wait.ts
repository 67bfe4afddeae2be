/**
 * Stop and wait: an acknowledgement can be lost as well as a block. Then the
 * block is sent again, and without a number the receiver takes it twice. Here
 * some are lost on purpose, the same ones in every run: `--loss`, `--seed`.
 *
 * Aim: To repeat what is lost, and to show why blocks need numbers.
 *
 *     deno run --allow-net scripts/udp_stop_and_wait.ts
 *     bun scripts/udp_stop_and_wait.ts
 *     node scripts/udp_stop_and_wait.ts
 *
 * Output:
 *
 *     client: Without numbers: 10 blocks, 17 sends
 *     server: Without numbers: 13 taken, 3 of them twice
 *     client: With 0 and 1: 10 blocks, 17 sends
 *     server: With 0 and 1: 10 taken, 3 known by their number
 */
import {
  AF_INET,
  type End,
  experiment,
  SOCK_DGRAM,
  socket,
} from "../lib/mod.ts";
import { answerTo, formatBlock, parseFrame } from "../lib/protocols/frames.ts";
import { acknowledged, end, Transfers } from "../lib/services/blocks.ts";
import { flags, makeLossy } from "../lib/services/lossy.ts";

const BLOCKS = Array.from({ length: 10 }, (_, index) => `block ${index + 1}`);
const WAYS = new Map([
  ["plain", ["Without numbers", "of them twice"]],
  ["bit", ["With 0 and 1", "known by their number"]],
]);

export async function server({ address, flags, print, ready, serve }: End) {
  // 1. Create a socket whose network loses some blocks, and bind it.
  const receiver = socket(AF_INET, SOCK_DGRAM);
  makeLossy(receiver, flags);
  await receiver.bind(address);
  ready(receiver);

  // 2. Receive the datagrams; each client has a transfer of its own.
  const open = new Transfers(() => ({ taken: [] as string[], repeated: 0 }));
  for await (const [data, sender] of receiver) {
    const frame = parseFrame(data);
    const [name, repetitions] = WAYS.get(frame?.way ?? "") ?? [];
    if (frame?.kind === "DATA" && name) {
      // 3. Take the block, unless its number, 0 and 1 in turn, is not the next.
      const transfer = open.of(sender, frame.way);
      const { taken } = transfer;
      const next = taken.length % 2;
      const isKnown = (frame.number ?? next) !== next;
      if (isKnown || frame.text === taken.at(-1)) transfer.repeated++;
      if (!isKnown && taken.length < 100) taken.push(frame.text);
    } else if (frame?.kind === "FIN" && name) {
      // 4. At the end, compare what was taken with what was sent.
      const { taken, repeated } = open.end(sender, frame.way) ?? {};
      const isWhole = [...new Set(taken)].join() === BLOCKS.join();
      const result = `${taken?.length} taken, ${repeated} ${repetitions}`;
      if (taken) print(`${name}: ${isWhole ? result : "not what was sent"}`);
    } else continue;
    // 5. Acknowledge it, a known block as well: an acknowledgement was lost.
    await serve(sender, () => receiver.sendto(answerTo(frame), sender));
  }
}

export async function client({ address, flags, print }: End) {
  // 1. Create a socket whose network loses some acknowledgements.
  await using connection = socket(AF_INET, SOCK_DGRAM);
  makeLossy(connection, flags);
  await connection.connect(address);

  const wait = Number(flags.wait ?? 40);
  const counts: number[] = [];
  for (const [way, [name]] of WAYS) {
    let sends = 0;
    for (const [index, text] of BLOCKS.entries()) {
      const number = way === "bit" ? index % 2 : undefined;
      for (let attempt = 1, done = false; !done; attempt++) {
        // 2. Send a block.
        const block = { way, block: index + 1, attempt, number, text };
        await connection.send(formatBlock(block));
        sends++;
        // 3. Wait for its acknowledgement. If none comes, send it again.
        done = await acknowledged(connection, block, wait);
      }
    }
    // 4. When all are acknowledged, tell the server that this is the end.
    print(`${name}: ${BLOCKS.length} blocks, ${sends} sends`);
    await end(connection, way, wait);
    counts.push(sends);
  }
  return counts;
}

if (import.meta.main) {
  const { url } = import.meta;
  await experiment({ url, port: 9000, clock: true, flags, server, client });
}
