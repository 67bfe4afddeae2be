/**
 * Lets those into a game who have shown that they receive what is sent to their
 * address: anybody can forge a sender, and a server that answers with more than it
 * got would be a weapon against others.
 *
 * @module
 */
import { formatCommand } from "../protocols/quake.ts";
import type { Address } from "../sockets/address.ts";

// Not static: a bundle with all of the library would load it at once.
const { createHmac, randomBytes } = await import("node:crypto");

/** Who may get an answer. */
export interface Gate {
  /**
   * A challenge for this address, which nobody else can know, unless the request
   * is shorter than the answer.
   */
  challenge(request: Uint8Array, sender: Address, now: number):
    | Uint8Array
    | undefined;
  /** Whether the sender has got its challenge in the last 30 to 60 s. */
  admits(challenge: string, sender: Address, now: number): boolean;
  /**
   * Whether to tell a stranger how the server is. That is longer than the question,
   * as every program for Quake III expects. So it is bounded: an address gets 10
   * answers at once and then one a second, and all together get 40, then 10 a second.
   */
  mayTell(sender: Address, now: number): boolean;
}

/** A gate with a secret of its own; it remembers no challenge. Times are in ms. */
export function openGate(): Gate {
  const secret = randomBytes(32);
  const all = new Bucket(40, 10);
  const buckets = new Map<string, Bucket>();

  const challengeOf = (sender: Address, period: number) =>
    createHmac("sha256", secret).update(`${sender} ${period}`).digest("hex")
      .slice(0, 16);

  return {
    challenge(request, sender, now) {
      const words = challengeOf(sender, Math.floor(now / PERIOD));
      const answer = formatCommand({ command: "challengeResponse", words });
      if (answer.length <= request.length) return answer;
    },
    admits(challenge, sender, now) {
      const period = Math.floor(now / PERIOD);
      return [period, period - 1].some((one) =>
        challenge === challengeOf(sender, one)
      );
    },
    mayTell([host], now) {
      const own = buckets.get(String(host)) ?? new Bucket(10, 1);
      buckets.delete(String(host));
      const [oldest] = buckets.keys();
      if (buckets.size >= MOST_HOSTS) buckets.delete(oldest);
      buckets.set(String(host), own);
      return own.has(now) && all.has(now) && own.take() && all.take();
    },
  };
}

/** Fills with time, and each answer takes something out of it. */
class Bucket {
  readonly #size: number;
  readonly #rate: number;
  #filled: number;
  #then: number | undefined;

  /** `rate` is a second's. */
  constructor(size: number, rate: number) {
    this.#size = this.#filled = size;
    this.#rate = rate;
  }

  /** Whether there is something in it. */
  has(now: number): boolean {
    const more = (now - (this.#then ?? now)) / 1000 * this.#rate;
    this.#filled = Math.min(this.#size, this.#filled + more);
    this.#then = now;
    return this.#filled >= 1;
  }

  take(): true {
    this.#filled--;
    return true;
  }
}

/** In ms. */
const PERIOD = 30_000;

/** So many addresses are remembered. */
const MOST_HOSTS = 1024;
