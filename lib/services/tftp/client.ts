/**
 * A TFTP client: reads a file of a server, or writes one. The first answer comes
 * from another port than the request went to: it is that of the transfer.
 *
 * @module
 */
import {
  type Packet,
  PLAIN,
  type Request,
  type Terms,
  termsOf,
} from "../../protocols/tftp.ts";
import type { Address } from "../../sockets/address.ts";
import type { DatagramSocket } from "../../sockets/datagram_socket.ts";
import { parseAddress } from "../../sockets/resolve.ts";
import { SocketError } from "../../sockets/socket_error.ts";
import { saveFile } from "../save_file.ts";
import { sha256 } from "../sha256.ts";
import { openShelf } from "../shelf.ts";
import { Transfer } from "./transfer.ts";
import { dally, receiveBlocks } from "./receive.ts";
import { blocksOf, sendBlocks } from "./send.ts";

/** What to ask a server for. */
interface Wish {
  /** The file's name there. */
  readonly name: string;
  readonly windowsize: number;
  /** The path of a file that is to be written there; without it, one is read. */
  readonly put?: string | undefined;
  /** Where to keep a file that is read. */
  readonly save?: string | undefined;
}

/** A file that is whole at the other end. */
export interface Exchanged {
  readonly bytes: number;
  readonly blocks: number;
  /** The window that the server has granted, in blocks. */
  readonly window: number;
  /** SHA-256, in hexadecimal. */
  readonly hash: string;
}

/**
 * Reads a file of a server, or writes one.
 *
 * @throws {SocketError} ETIMEDOUT if no answer comes; EBADMSG for another length
 *   than the server has told; a `Refusal`; those of `saveFile` and of a shelf.
 */
export function exchangeFile(
  own: DatagramSocket,
  server: Address,
  wish: Wish,
): Promise<Exchanged> {
  return wish.put === undefined
    ? getFile(own, server, wish)
    : putFile(own, server, wish, wish.put);
}

async function getFile(own: DatagramSocket, server: Address, wish: Wish) {
  using saving = saveFile(wish.save);
  const request = requestFor("read", wish, 0);
  const [transfer, terms, answer] = await ask(own, server, request);
  const { mode } = request;
  const hash = sha256();
  const received = await receiveBlocks(transfer, {
    ...{ terms, mode, most: terms.size },
    opening: { kind: "ack", block: 0 },
    early: answer.kind === "data" ? answer : undefined,
    write(bytes) {
      hash.update(bytes);
      saving.write(bytes);
    },
  });
  const { bytes, blocks, again } = received;
  if (bytes !== (terms.size ?? bytes)) {
    throw new SocketError("EBADMSG", "recv", transfer.peer);
  }
  saving.keep();
  // On a network that loses packets the last acknowledgement may be lost, too.
  if (again > 0) await dally(transfer, received);
  const { windowsize: window } = terms;
  return { bytes, blocks, window, hash: hash.digest("hex") };
}

async function putFile(
  own: DatagramSocket,
  server: Address,
  wish: Wish,
  path: string,
) {
  const [, folder = ".", name] = path.match(/^(.*[/\\])?([^/\\]*)$/s)!;
  const file = await (await openShelf(folder)).open(name);
  try {
    const request = requestFor("write", wish, file.size);
    const [transfer, terms] = await ask(own, server, request);
    const hash = sha256();
    const read = async (position: number, buffer: Uint8Array) => {
      const count = await file.read(position, buffer);
      hash.update(buffer.subarray(0, count));
      return count;
    };
    const { blksize, windowsize: window } = terms;
    const parts = blocksOf({ read }, { blksize, mode: request.mode });
    const { bytes, blocks } = await sendBlocks(transfer, parts, { terms });
    return { bytes, blocks, window, hash: hash.digest("hex") };
  } finally {
    await file.close();
  }
}

function requestFor(
  kind: Request["kind"],
  { name, windowsize }: Wish,
  size: number,
): Request {
  const options = new Map([["tsize", String(size)]]);
  if (windowsize > 1) options.set("windowsize", String(windowsize));
  return { kind, name, mode: "octet", options };
}

/** Sends a request until it is answered: the transfer, its terms, the answer. */
async function ask(
  own: DatagramSocket,
  [name, service]: Address,
  request: Request,
): Promise<[Transfer, Terms, Packet]> {
  const [host, port] = await parseAddress(name, service);
  // "Any host" as a destination is this host: ip(7).
  const there = host === "0.0.0.0" ? "127.0.0.1" : String(host);
  const server: Address = [there, Number(port)];
  const transfer = new Transfer(own, server, { anyPort: true });
  // A server that knows no options sends the first block, or acknowledges none.
  const [kind, block] = request.kind === "read" ? ["data", 1] : ["ack", 0];
  const answer = await transfer.ask(request, (packet) => {
    const plain = packet.kind === kind && "block" in packet &&
      packet.block === block;
    return plain || packet.kind === "oack" ? packet : undefined;
  });
  if (answer.kind !== "oack") return [transfer, PLAIN, answer];
  const terms = termsOf(request.options, answer.options);
  if (terms) return [transfer, terms, answer];
  await transfer.refuse(8);
  throw new SocketError("EPROTO", "recv", transfer.peer);
}
