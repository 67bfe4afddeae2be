/**
 * The transfers of a TFTP server: each answers one request from a socket of its
 * own, and there are at most so many at once.
 *
 * @module
 */
import { answerTo, type Request, type Terms } from "../../protocols/tftp.ts";
import type { Address } from "../../sockets/address.ts";
import type { DatagramSocket } from "../../sockets/datagram_socket.ts";
import { SocketError } from "../../sockets/socket_error.ts";
import type { Losses } from "./losses.ts";
import type { Store } from "./store.ts";
import { Transfer } from "./transfer.ts";
import { dally, receiveBlocks, type Received } from "./receive.ts";
import { blocksOf, sendBlocks, type Sent } from "./send.ts";

/** What has become of a file. */
export type Done = (Sent | Received) & { readonly terms: Terms };

/** What a server has, and how much of it at once. */
interface Means {
  readonly store: Store;
  readonly losses: Losses;
  /** So many transfers at once. */
  readonly most?: number;
}

export class Transfers {
  readonly #means: Means;
  readonly #most: number;
  /** By the client's address, from the oldest on; each with its end. */
  readonly #running = new Map<string, [Transfer, Promise<unknown>]>();
  readonly #dropped = new WeakSet<Transfer>();

  constructor({ most = 128, ...means }: Means) {
    this.#means = { ...means };
    this.#most = most;
  }

  /** Whether the client has one: then it has only repeated its request. */
  has(client: Address): boolean {
    return this.#running.has(String(client));
  }

  /**
   * Sends the file that a client wants to read, or receives the one that it wants
   * to write, and closes the socket. Undefined if there is no room: the client has
   * to ask again. But the oldest of those that nobody has answered yet, whose
   * addresses may be forged, gives way to it.
   *
   * @throws {SocketError} for what went wrong; the client is told.
   */
  async run(
    own: DatagramSocket,
    client: Address,
    request: Request,
  ): Promise<Done | undefined> {
    const transfer = new Transfer(own, client);
    if (!this.#makeRoom(client)) return void await own.close();
    const over = Promise.withResolvers<void>();
    this.#running.set(String(client), [transfer, over.promise]);
    let last: Promise<void> | undefined;
    try {
      if (request.kind === "read") return await this.#send(transfer, request);
      const received = await this.#receive(transfer, request);
      last = dally(transfer, received);
      return received;
    } catch (error) {
      if (this.#dropped.has(transfer)) return;
      await refuse(transfer, error);
      throw error;
    } finally {
      const leave = async () => {
        await last?.catch(() => {});
        await own.close();
        this.#running.delete(String(client));
        over.resolve();
      };
      if (last) leave(); // meanwhile the caller can tell of it
      else await leave();
    }
  }

  /** Ends those at once that no client waits for, and the others after 5 s. */
  async end(): Promise<void> {
    for (const transfer of this.#idle()) this.#drop(transfer);
    const all = [...this.#running.values()];
    const late = setTimeout(() => {
      for (const [transfer] of all) this.#drop(transfer);
    }, GRACE);
    await Promise.all(all.map(([, over]) => over));
    clearTimeout(late);
  }

  async #send(transfer: Transfer, request: Request): Promise<Done> {
    const { store, losses } = this.#means;
    const { name, mode } = request;
    expectMode(mode, transfer);
    const file = await store.open(name);
    try {
      // In netascii it has more bytes than on the disk; and curl takes no 0.
      const size = mode === "octet" ? file.size : 0;
      const { accepted, terms } = answerTo(request, size || undefined);
      if (accepted.size > 0) {
        await transfer.ask(
          { kind: "oack", options: accepted },
          (answer) => answer.kind === "ack" && answer.block === 0 || undefined,
        );
      }
      const blocks = blocksOf(file, { blksize: terms.blksize, mode });
      const sent = await sendBlocks(transfer, blocks, { terms, losses });
      return { terms, ...sent };
    } finally {
      await file.close();
    }
  }

  async #receive(
    transfer: Transfer,
    request: Request,
  ): Promise<Done & Received> {
    const { store, losses } = this.#means;
    const { name, mode } = request;
    expectMode(mode, transfer);
    const { accepted, terms } = answerTo(request);
    using saving = store.create(name, terms.size);
    const received = await receiveBlocks(transfer, {
      ...{ terms, mode, losses },
      opening: accepted.size > 0
        ? { kind: "oack", options: accepted }
        : { kind: "ack", block: 0 },
      write(bytes, last) {
        saving.write(bytes);
        if (last) saving.keep();
      },
    });
    return { terms, ...received };
  }

  /** Whether there is room for one more, of a client that has none. */
  #makeRoom(client: Address): boolean {
    if (this.has(client)) return false;
    if (this.#running.size < this.#most) return true;
    const [oldest] = this.#idle();
    if (!oldest) return false;
    this.#drop(oldest);
    this.#running.delete(String(oldest.peer));
    return true;
  }

  /** The transfers whose end would be noticed by no honest client. */
  #idle(): Transfer[] {
    return [...this.#running.values()].map(([transfer]) => transfer)
      .filter(({ confirmed, dallies }) => !confirmed || dallies);
  }

  #drop(transfer: Transfer): void {
    this.#dropped.add(transfer);
    transfer.socket.close();
  }
}

/** RFC 1350 has a third mode, mail, which nobody should use. */
function expectMode(mode: string, { peer }: Transfer): void {
  if (mode === "octet" || mode === "netascii") return;
  throw new SocketError("EOPNOTSUPP", "recv", peer);
}

/** Tells the client why the transfer ends, unless it knows. */
async function refuse(transfer: Transfer, error: unknown): Promise<void> {
  const { code } = error as SocketError;
  if (!["EPROTO", "ETIMEDOUT"].includes(code)) {
    await transfer.refuse(ERROR_CODES[code] ?? 0);
  }
}

const ERROR_CODES: Record<string, number> = {
  ENOENT: 1,
  EACCES: 2,
  EISDIR: 2,
  EPERM: 2,
  EDQUOT: 3,
  EFBIG: 3,
  ENOSPC: 3,
  EOPNOTSUPP: 4,
  EEXIST: 6,
};

/** How long running transfers may take after a stop, in ms. */
const GRACE = 5000;
