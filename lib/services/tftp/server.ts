/**
 * What a TFTP server is made of, from what its user has chosen, and what it tells
 * of a transfer.
 *
 * @module
 */
import type { Request } from "../../protocols/tftp.ts";
import { losses } from "./losses.ts";
import { openStore } from "./store.ts";
import { type Done, Transfers } from "./transfers.ts";

/** A user's choices. */
interface Choices {
  /** The folders to read from and to write to; see `openStore`. */
  readonly root?: string | undefined;
  readonly inbox?: string | undefined;
  /** Which share of the blocks is lost on purpose, and which ones. */
  readonly loss?: string | undefined;
  readonly seed?: string | undefined;
}

/** No transfers yet. Failures of the folders are SocketErrors: see `openStore`. */
export async function openTransfers(
  { root, inbox, loss = "0.1", seed = "7" }: Choices,
): Promise<Transfers> {
  const store = await openStore({ root, inbox });
  return new Transfers({ store, losses: losses(Number(loss), Number(seed)) });
}

/** A transfer that has ended, in words: `Sent notes.bin: 40 blocks, ...`. */
export function inWords({ kind, name }: Request, done: Done): string {
  const verb = kind === "read" ? "Sent" : "Received";
  const sends = "sends" in done ? ` of ${done.sends} sends` : "";
  return `${verb} ${name}: ${done.blocks} blocks, ${done.lost}${sends} lost`;
}
