/**
 * The receiving end of a TFTP transfer: it acknowledges each window of blocks,
 * and says at once where one is missing (RFC 7440; of one block: RFC 1350).
 *
 * @module
 */
import {
  ahead,
  NetasciiDecoder,
  type Packet,
  type Terms,
} from "../../protocols/tftp.ts";
import { SocketError } from "../../sockets/socket_error.ts";
import { monotonic } from "../clock.ts";
import { type Losses, NO_LOSSES } from "./losses.ts";
import { FIRST_TRIES, Timer } from "./timer.ts";
import type { Transfer } from "./transfer.ts";

/** What has come of a file. */
export interface Received {
  readonly bytes: number;
  readonly blocks: number;
  /** Blocks that came again: then an acknowledgement was lost, or is late. */
  readonly again: number;
  /** Blocks that were lost on purpose, each time that they came. */
  readonly lost: number;
}

/** How to receive a file. */
interface Receiving {
  readonly terms: Terms;
  readonly mode: string;
  /** Makes the peer send its first block: ACK 0, or an OACK. */
  readonly opening: Packet;
  /** The first block, if it has come already. */
  readonly early?: Packet | undefined;
  readonly losses?: Losses;
  /** The largest file, in bytes. */
  readonly most?: number | undefined;
  /** Takes the next bytes of the file; it has the last before the sender knows. */
  write(bytes: Uint8Array, last: boolean): void;
}

/**
 * Receives a file. It acknowledges each window, and the last block before one that
 * is missing; a part of a window, when the rest does not come. What it has already
 * acknowledged it never repeats by itself: the sender has the timer, and some
 * senders start theirs anew with each packet.
 *
 * @throws {SocketError} ETIMEDOUT if the peer sends no more; EFBIG if it sends
 *   too much; a `Refusal`; what `write` throws.
 */
export async function receiveBlocks(
  transfer: Transfer,
  { terms, mode, opening, early, losses = NO_LOSSES, write, ...also }:
    Receiving,
): Promise<Received> {
  const { most = FILE_LIMIT } = also;
  const timer = new Timer(transfer, terms.timeout);
  const text = mode === "netascii" ? new NetasciiDecoder() : undefined;
  const arrivals = new Map<number, number>(); // of blocks that may be lost
  let [next, unacknowledged, bytes, again, lost] = [1, 0, 0, 0, 0];
  let gap = false; // is known to the sender
  let due = Infinity; // when to send, if nothing comes

  /** Asks for the first block. */
  async function begin(): Promise<void> {
    await transfer.send(opening);
    const end = timer.next();
    due = ++timer.tries < FIRST_TRIES ? end : Infinity;
  }

  async function acknowledge(): Promise<void> {
    unacknowledged = 0;
    due = Infinity;
    await transfer.send({ kind: "ack", block: (next - 1) & 0xffff });
    timer.next();
  }

  /** Whether this arrival of a block does not count. */
  function isLost(block: number): boolean {
    const times = (arrivals.get(block) ?? 0) + 1;
    arrivals.set(block, times);
    if (times > losses(block)) return false;
    lost++;
    return true;
  }

  if (!early) await begin();
  for (let packet = early;; packet = undefined) {
    packet ??= await transfer.receive(Math.min(due, timer.end));
    if (!packet) {
      if (monotonic() >= timer.end) timer.giveUp();
      await (next === 1 ? begin() : acknowledge());
    }
    // A sender that sends its OACK again has not seen the opening.
    if (packet?.kind === "oack" && next === 1) await transfer.send(opening);
    if (packet?.kind !== "data") continue;
    const { block, data } = packet;
    const distance = ahead(block, next);
    if (data.length > terms.blksize || distance >= terms.windowsize) continue;
    if (distance >= 0 && isLost(next + distance)) continue;
    if (distance > 0) {
      if (!gap && next > 1) await acknowledge();
      gap = true;
    } else if (distance < 0) {
      again++;
      // The sender has missed an acknowledgement. Some send one block again,
      // others all of the window: then it is enough to say it once.
      if (distance === -1) await acknowledge();
      else due = Math.min(due, monotonic() + transfer.wait / 2);
    } else {
      arrivals.delete(next++);
      gap = false;
      bytes += data.length;
      timer.answered(bytes);
      if (bytes > most) throw new SocketError("EFBIG", "recv", transfer.peer);
      const last = data.length < terms.blksize;
      write(text ? text.push(data, last) : data, last);
      // A part is acknowledged before the sender sends all of the window again.
      due = monotonic() + transfer.wait / 2;
      if (last || ++unacknowledged === terms.windowsize) await acknowledge();
      if (last) return { bytes, blocks: next - 1, again, lost };
    }
  }
}

/**
 * Acknowledges the last block again while it comes again, because the last
 * acknowledgement may be lost: RFC 1350, section 6.
 */
export async function dally(
  transfer: Transfer,
  { blocks }: Received,
  ms = 1000,
): Promise<void> {
  const block = blocks & 0xffff;
  const end = monotonic() + ms;
  for (let packet; (packet = await transfer.receive(end));) {
    const again = packet.kind === "data" && packet.block === block;
    if (again) await transfer.send({ kind: "ack", block });
  }
}

/** The largest file, 1 GiB: a sender may never end. */
const FILE_LIMIT = 2 ** 30;
