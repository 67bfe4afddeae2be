/**
 * Sliding window: with several blocks on the way at once the same loss costs
 * less time. How much is sent again depends on who keeps what.
 *
 * Aim: To compare stop and wait, go-back-N and selective repeat on the same
 * losses, which are made on purpose (`--loss`, `--seed`).
 *
 *     deno run --allow-net scripts/udp_window.ts
 *     bun scripts/udp_window.ts
 *     node scripts/udp_window.ts
 *
 * Output:
 *
 *     client: stop and wait:   63 sends,  23 again, <1020> ms
 *     client: go-back-N, 8:   149 sends, 109 again, <680> ms
 *     client: selective, 8:    63 sends,  23 again, <440> ms
 *     server: 3 times 40 blocks, whole and in order
 */
import {
  AF_INET,
  type End,
  experiment,
  SOCK_DGRAM,
  socket,
} from "../lib/mod.ts";
import { Receiver, Sender, WAYS } from "../lib/protocols/arq.ts";
import { answerTo, formatBlock, parseFrame } from "../lib/protocols/frames.ts";
import { end, frameWithin, Transfers } from "../lib/services/blocks.ts";
import { flags, makeLossy } from "../lib/services/lossy.ts";

const BLOCKS = Array.from({ length: 40 }, (_, index) => `block ${index + 1}`);
const NAMES = ["stop and wait:", "go-back-N, 8: ", "selective, 8: "];

export async function server({ address, flags, print, ready, serve }: End) {
  // 1. Create a socket whose network loses some blocks, and bind it.
  const receiver = socket(AF_INET, SOCK_DGRAM);
  makeLossy(receiver, flags);
  await receiver.bind(address);
  ready(receiver);

  // 2. Receive the datagrams; each client has its own transfers, one a way.
  const transfers = WAYS.map((way) => new Transfers(() => new Receiver(way)));
  for await (const [data, sender] of receiver) {
    const frame = parseFrame(data);
    const way = WAYS.findIndex(({ name }) => name === frame?.way);
    if (frame?.kind === "DATA" && way >= 0) {
      // 3. Take the block that is due, and with it those after it that came early.
      //    Selective repeat has kept them; go-back-N has thrown them away.
      const transfer = transfers[way].of(sender);
      if (transfer.blocks.length > 100 || !transfer.take(frame)) continue;
    } else if (frame?.kind === "FIN") {
      // 4. At the end, compare what was taken with what was sent.
      const ended = transfers.flatMap((each) => each.end(sender) ?? []);
      const taken = ended.map(({ blocks }) => blocks.join());
      const times = taken.filter((blocks) => blocks === BLOCKS.join()).length;
      if (ended[0]) print(`${times} times 40 blocks, whole and in order`);
    } else continue;
    // 5. Acknowledge what was not thrown away, and what was known.
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
  for (const [index, way] of WAYS.entries()) {
    // 2. Send as many blocks as the window holds.
    const start = performance.now();
    const sender = new Sender(BLOCKS, way);
    let blocks = sender.start();
    while (!sender.done) {
      for (const block of blocks) await connection.send(formatBlock(block));

      // 3. Wait for an acknowledgement: it may make room for new blocks. If none
      //    comes, send again what is not acknowledged; go-back-N, all after it.
      const ack = await frameWithin(connection, wait, sender);
      blocks = ack ? sender.acknowledge(ack) : sender.expire();
    }

    // 4. Print what the losses have cost.
    const { sends } = sender;
    const three = (count: number) => String(count).padStart(3);
    const again = three(sends - BLOCKS.length);
    const ms = Math.round(performance.now() - start);
    print(`${NAMES[index]}  ${three(sends)} sends, ${again} again, ${ms} ms`);
    counts.push(sends);
  }
  await end(connection, "all", wait);
  return counts;
}

if (import.meta.main) {
  const { url } = import.meta;
  await experiment({ url, port: 9000, clock: true, flags, server, client });
}
