/**
 * The sending end of a TFTP transfer: a window of blocks is on the way until it
 * is acknowledged (RFC 7440; of one block: RFC 1350).
 *
 * @module
 */
import { ahead, type Terms, toNetascii } from "../../protocols/tftp.ts";
import { type Losses, NO_LOSSES } from "./losses.ts";
import { Timer } from "./timer.ts";
import type { Transfer } from "./transfer.ts";

/** What a file became on its way out. */
export interface Sent {
  readonly bytes: number;
  readonly blocks: number;
  /** Data packets, of which so many were lost on purpose. */
  readonly sends: number;
  readonly lost: number;
}

/**
 * Sends a file that comes in blocks, see `blocksOf`. An acknowledgement of a part
 * of the window says that the rest is missing: it is sent again, and so is all of
 * it when nothing comes in time. What acknowledges nothing new is ignored, or each
 * packet that the network doubles would double all that follow (RFC 1123, section
 * 4.2.3.1).
 *
 * @throws {SocketError} ETIMEDOUT if the peer no longer answers; a `Refusal`.
 */
export async function sendBlocks(
  transfer: Transfer,
  blocks: AsyncIterator<Uint8Array, void>,
  { terms, losses = NO_LOSSES }: { terms: Terms; losses?: Losses },
): Promise<Sent> {
  const timer = new Timer(transfer, terms.timeout);
  /** From the first block that is not acknowledged on. */
  const window: { data: Uint8Array; sends: number }[] = [];
  let first = 1;
  let ended = false;
  let [bytes, sends, lost] = [0, 0, 0];

  /** Sends the whole window. */
  async function sendAll(): Promise<void> {
    const sending = [];
    for (const [i, block] of window.entries()) {
      const number = first + i;
      sends++;
      if (++block.sends <= losses(number)) lost++;
      else {
        const { data } = block;
        sending.push(
          transfer.send({ kind: "data", block: number & 0xffff, data }),
        );
      }
    }
    await Promise.all(sending);
  }

  /** How many blocks the peer has acknowledged; 0 if it does not answer. */
  async function acknowledged(end: number): Promise<number> {
    for (let packet; (packet = await transfer.receive(end));) {
      const count = packet.kind === "ack" ? ahead(packet.block, first) + 1 : 0;
      if (count > 0 && count <= window.length) return count;
    }
    return 0;
  }

  while (true) {
    while (!ended && window.length < terms.windowsize) {
      const { value: data } = await blocks.next();
      if (!data) break;
      window.push({ data, sends: 0 });
      ended = data.length < terms.blksize;
    }
    if (window.length === 0) return { bytes, blocks: first - 1, sends, lost };
    await sendAll();
    const count = await acknowledged(timer.next());
    if (count === 0) timer.expired();
    else {
      for (const { data } of window.splice(0, count)) bytes += data.length;
      first += count;
      timer.answered(bytes);
    }
  }
}

/** A file that can be read from any position. */
interface Readable {
  read(position: number, buffer: Uint8Array): Promise<number>;
}

/**
 * The blocks of a file. All but the last have `blksize` bytes; it has fewer, and
 * perhaps none.
 */
export async function* blocksOf(
  file: Readable,
  { blksize, mode }: { blksize: number; mode: string },
): AsyncGenerator<Uint8Array, void> {
  let rest = new Uint8Array(0);
  for (let position = 0;;) {
    const buffer = new Uint8Array(Math.max(CHUNK, blksize));
    const count = await file.read(position, buffer);
    position += count;
    const chunk = buffer.subarray(0, count);
    const more = mode === "netascii" ? toNetascii(chunk) : chunk;
    const all = rest.length === 0 ? more : joined(rest, more);
    let at = 0;
    for (; all.length - at >= blksize; at += blksize) {
      yield all.subarray(at, at + blksize);
    }
    rest = all.slice(at);
    if (count === 0) return void (yield rest);
  }
}

/** Bytes that are read at once. */
const CHUNK = 64 * 1024;

function joined(one: Uint8Array, other: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}
