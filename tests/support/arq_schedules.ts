/**
 * Random schedules for the machines of arq.ts: a network that loses, doubles and
 * reorders, with hostile acknowledgements among the honest ones. A schedule is
 * given by its seed, and the losses by block and attempt, as in the experiments.
 *
 * @module
 */
import { Receiver, Sender, type Way } from "../../lib/protocols/arq.ts";
import type { Block, Frame } from "../../lib/protocols/frames.ts";
import { random } from "../../lib/services/random.ts";

/** Numbers from 0 to below 1, the next one with each call. */
type Dice = () => number;

/**
 * Runs so many schedules: each way delivers the blocks in order, also if its timer
 * is too fast. If it is not, selective repeat sends each block as often as stop
 * and wait does, and never more often than go-back-N.
 */
export function runSchedules(count: number): void {
  for (let seed = 1; seed <= count; seed++) {
    let drawn = 0;
    const dice = () => random(seed, drawn++);
    const blocks = Array.from(
      { length: 1 + Math.floor(dice() * 12) },
      (_, index) => `${index}`,
    );
    const first = Math.floor(65_530 + dice() * 12) & 0xffff; // most wrap
    const window = 1 + Math.floor(dice() * 8);
    const loss = dice() * 0.7;
    const network = { loss, double: dice() * 0.3, reorder: dice() * 0.5, seed };
    const sends = (["stop-and-wait", "go-back-N", "selective"] as const)
      .map((name) => {
        const way = {
          name,
          window: name === "stop-and-wait" ? 1 : window,
          keeps: name === "selective",
        };
        const run = { way, first, network, dice };
        transfer(blocks, { ...run, hurry: 0.2 });
        return transfer(blocks, { ...run, hurry: 0 });
      });
    const [alone, back, selective] = sends;
    for (const block of blocks.keys()) {
      const fewest = selective[block] <= back[block] &&
        selective[block] === alone[block];
      if (!fewest) throw new Error(`seed ${seed}, block ${block}: ${sends}`);
    }
  }
}

interface Network {
  seed: number;
  /** The shares of what is lost, doubled, and put anywhere in the queue. */
  loss: number;
  double: number;
  reorder: number;
}

interface Run {
  way: Way;
  first: number;
  network: Network;
  dice: Dice;
  /** How often the timer expires although something is on the way. */
  hurry: number;
}

/** Transfers the blocks, and gives how often each was sent. */
function transfer(
  blocks: string[],
  { way, first, network, dice, hurry }: Run,
): number[] {
  const sender = new Sender(blocks, way, first);
  const receiver = new Receiver(way, first);
  const attempts = blocks.map(() => 0);
  const queue: Frame[] = [];
  const put = (frame: Frame) => {
    if (isLost(frame, network)) return;
    for (let copies = dice() < network.double ? 2 : 1; copies > 0; copies--) {
      const overtakes = dice() < network.reorder;
      const at = overtakes ? Math.floor(dice() * (queue.length + 1)) : Infinity;
      queue.splice(at, 0, frame);
    }
  };
  const send = (sent: Block[]) => {
    for (const block of sent) {
      attempts[block.block - 1] = block.attempt;
      put({ kind: "DATA", ...block });
    }
  };
  send(sender.start());
  for (let expired = 0; !sender.done; expired++) {
    if (expired > 10_000) throw new Error(`seed ${network.seed} has no end`);
    for (let frame; (frame = queue.shift());) {
      if (frame.kind === "ACK") send(sender.acknowledge(frame));
      else if (receiver.take(frame)) put({ ...frame, kind: "ACK", text: "" });
      expectDeaf(sender, frame, way);
      if (dice() < hurry) send(sender.expire());
    }
    if (!sender.done) send(sender.expire());
  }
  if (receiver.blocks.join() === blocks.join()) return attempts;
  throw new Error(`seed ${network.seed}, ${way.name}: ${receiver.blocks}`);
}

/** Hostile acknowledgements change nothing, whenever they come. */
function expectDeaf(sender: Sender, frame: Frame, way: Way): void {
  const { number = 0 } = frame;
  const forged = [number + 100, number - 100, number + 32_768];
  for (const number of forged) {
    const ack: Frame = { ...frame, kind: "ACK", number: number & 0xffff };
    if (sender.acknowledge(ack).length === 0) continue;
    throw new Error(`${way.name} believes in ${number}`);
  }
  if (sender.expects({ ...frame, kind: "DATA" })) throw new Error("no ACK");
}

function isLost({ kind, block, attempt }: Frame, { seed, loss }: Network) {
  const index = 100_000 * block + attempt;
  return random(~seed, kind === "ACK" ? -index : index) < loss;
}
