/**
 * One transfer of TFTP between two ports that nobody else has (RFC 1350, section
 * 4: transfer identifiers, TIDs): the packets of the peer, and the time to wait
 * for them.
 *
 * @module
 */
import { ERRORS, pack, type Packet, unpack } from "../../protocols/tftp.ts";
import { type Address, displayAddress } from "../../sockets/address.ts";
import type { DatagramSocket } from "../../sockets/datagram_socket.ts";
import { escapeControls } from "../../sockets/escape.ts";
import { SocketError } from "../../sockets/socket_error.ts";
import { monotonic } from "../clock.ts";
import { FIRST_WAIT, PATIENCE, Timer, type Waiting } from "./timer.ts";

/** A peer has ended the transfer with an ERROR packet. */
export class Refusal extends SocketError {
  constructor(peer: Address, code: number, text: string) {
    super("EPROTO", "recv", peer);
    const words = escapeControls(text.slice(0, 200)) || ERRORS[code] || "";
    const from = `Cannot receive from ${displayAddress(peer)}`;
    this.message = `${from}: ${words} (error ${code})`;
  }
}

/** An end of a transfer. */
export class Transfer implements Waiting {
  readonly socket: DatagramSocket;
  confirmed = false;
  wait = FIRST_WAIT;
  readonly patience: number;
  /** It has ended, but for packets that may come again. */
  dallies = false;
  #peer: Address;
  #anyPort: boolean;
  /** The sender of the last packet. */
  #sender: Address | undefined;
  #strangers = 0;

  /** With `anyPort` the peer's port is that of its first answer. */
  constructor(
    socket: DatagramSocket,
    peer: Address,
    { anyPort = false } = {},
  ) {
    this.socket = socket;
    this.#peer = peer;
    this.#anyPort = anyPort;
    this.patience = socket.gettimeout() ?? PATIENCE; // --timeout
  }

  /** The peer's address; a client's, at first, that of the server. */
  get peer(): Address {
    return this.#peer;
  }

  /** Sends one packet to the peer. */
  send(packet: Packet): Promise<number> {
    return this.socket.sendto(pack(packet), this.#peer);
  }

  /**
   * Sends a packet up to five times, until an answer to it has come: what `accept`
   * makes of that, if it is not undefined.
   *
   * @throws {SocketError} ETIMEDOUT if none comes; a `Refusal`.
   */
  async ask<T>(
    packet: Packet,
    accept: (answer: Packet) => T | undefined,
  ): Promise<T> {
    for (const timer = new Timer(this);; timer.expired()) {
      await this.send(packet);
      const end = timer.next();
      for (let answer; (answer = await this.receive(end));) {
        const accepted = accept(answer);
        if (accepted === undefined) continue;
        this.#peer = this.#sender!;
        this.#anyPort = false;
        timer.answered(0);
        return accepted;
      }
    }
  }

  /**
   * The next packet of the peer, or undefined if none comes before `end`, a time
   * of the monotonic clock. What is no packet is dropped; a stranger is told so.
   *
   * @throws {Refusal} if it is an ERROR.
   */
  async receive(end: number): Promise<Packet | undefined> {
    for (let left; (left = end - monotonic()) > 0;) {
      this.socket.settimeout(Math.ceil(left));
      const coming = this.socket.recvfrom(65536);
      this.socket.settimeout(null); // a timer for each send() would be slow
      const datagram = await coming.catch(unheard);
      if (!datagram) continue;
      const [bytes, sender] = datagram;
      const packet = unpack(bytes);
      if (!this.#isPeer(sender)) await this.#turnAway(sender, packet);
      else if (packet) {
        this.#sender = sender;
        if (packet.kind === "error") {
          throw new Refusal(sender, packet.code, packet.message);
        }
        return packet;
      }
    }
  }

  /** Ends the transfer with an ERROR packet. */
  async refuse(code: number): Promise<void> {
    const message = ERRORS[code];
    await this.send({ kind: "error", code, message }).catch(() => {});
  }

  #isPeer(sender: Address): boolean {
    const [host, port] = this.#peer;
    return sender[0] === host && (sender[1] === port || this.#anyPort);
  }

  /**
   * Tells a stranger that the transfer is not its own: RFC 1350, section 4. Only a
   * few, since an address may be forged; and an ERROR is never answered.
   */
  async #turnAway(sender: Address, packet: Packet | undefined): Promise<void> {
    const asks = packet && packet.kind !== "error";
    if (!asks || this.#strangers++ >= STRANGERS) return;
    const error = { kind: "error", code: 5, message: ERRORS[5] } as const;
    await this.socket.sendto(pack(error), sender).catch(() => {});
  }
}

/** So many strangers are told. */
const STRANGERS = 8;

/** Nothing has come; or, on Bun, the ICMP error of another peer has. */
function unheard(error: SocketError): undefined {
  if (!["ETIMEDOUT", "ECONNREFUSED"].includes(error.code)) throw error;
}
