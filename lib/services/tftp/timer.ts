/**
 * When an end of a TFTP transfer sends again, and when it gives up.
 *
 * @module
 */
import type { Address } from "../../sockets/address.ts";
import { SocketError } from "../../sockets/socket_error.ts";
import { monotonic } from "../clock.ts";

/** What is known of the peer. */
export interface Waiting {
  readonly peer: Address;
  /** It has answered: so its address is not forged. */
  confirmed: boolean;
  /** How long to wait for an answer, in ms: four times the last round trip. */
  wait: number;
  /** How long to wait for anything new, in ms. */
  readonly patience: number;
}

export class Timer {
  readonly #of: Waiting;
  readonly #most: number;
  readonly #start = monotonic();
  #sent = this.#start;
  #heard = this.#start;
  /** How often in a row no answer has come. */
  tries = 0;

  /** Waits for at most so many ms. */
  constructor(of: Waiting, most = LONGEST_WAIT) {
    this.#of = of;
    this.#most = Math.min(most, LONGEST_WAIT);
  }

  /** Something is sent now: when to send it again, twice as late each time. */
  next(): number {
    this.#sent = monotonic();
    const wait = Math.min(this.#of.wait * 2 ** this.tries, this.#most);
    return Math.min(this.#sent + wait, this.end);
  }

  /** When to give up. */
  get end(): number {
    return this.#heard + this.#of.patience;
  }

  /**
   * An answer has come, after `bytes` in all. That to something that was sent
   * twice tells no round trip (Karn's algorithm).
   *
   * @throws {SocketError} ETIMEDOUT if a minute has brought less than 60 KB.
   */
  answered(bytes: number): void {
    const now = this.#heard = monotonic();
    this.#of.confirmed = true;
    if (this.tries === 0) {
      this.#of.wait = Math.max(LEAST_WAIT, 4 * (now - this.#sent));
    }
    this.tries = 0;
    const elapsed = now - this.#start;
    if (elapsed > 60_000 && bytes < elapsed) this.giveUp();
  }

  /**
   * No answer has come in time. Until the first one, whoever is said to have asked
   * gets a packet five times at most.
   *
   * @throws {SocketError} ETIMEDOUT if that has happened too often.
   */
  expired(): void {
    const most = this.#of.confirmed ? MOST_TRIES : FIRST_TRIES;
    if (++this.tries >= most || monotonic() >= this.end) this.giveUp();
  }

  giveUp(): never {
    throw new SocketError("ETIMEDOUT", "recv", this.#of.peer);
  }
}

/** How often something is sent, before the first answer and later. */
export const FIRST_TRIES = 5;
const MOST_TRIES = 12;

/** In ms: before a round trip is known, and always. */
export const FIRST_WAIT = 400;
const LEAST_WAIT = 100;
const LONGEST_WAIT = 2000;
export const PATIENCE = 30_000;
