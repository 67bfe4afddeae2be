/**
 * A room in which each member's texts go to all others, whatever carries them:
 * names, members, and for each member an outbox that is bounded in bytes.
 *
 * @module
 */
import { formatWelcome, nameProblem } from "../protocols/chat.ts";
import type { Address } from "../sockets/address.ts";
import { escapeControls } from "../sockets/escape.ts";
import { SocketError } from "../sockets/socket_error.ts";

/** How a member is reached. */
export interface Reach {
  readonly peer: Address;
  /** Sends texts, in their order; resolves when the system has taken them. */
  send(texts: readonly string[]): Promise<void>;
}

/** Somebody in the room. */
export interface Member {
  /**
   * Says a text to all others: they get it escaped, after the name. Resolves when
   * one may say more: when little waits for the others. Who is late is not waited
   * for.
   */
  say(text: string): Promise<void>;
  /**
   * Aborted when the member gets no more: its outbox is full, because it does not
   * read, or its connection has failed. The reason is a SocketError.
   */
  readonly lost: AbortSignal;
  /**
   * Leaves the room at once, and resolves when what was said before has been sent,
   * unless the member is lost.
   */
  leave(): Promise<void>;
}

/** The members who are here. */
export interface Room {
  /** How many have joined. */
  readonly joined: number;
  /** Why nobody can join with this name; undefined if somebody can. */
  problem(name: string): string | undefined;
  /** Lets a member in, whose name has no problem, and welcomes it. */
  join(name: string, reach: Reach): Member;
}

/**
 * Opens a room, which prints who joins and who leaves others behind. A member
 * that lets `limit` bytes wait for it is lost.
 */
export function openRoom(
  { print, limit = OUTBOX_LIMIT }: {
    print(line: string): void;
    limit?: number;
  },
): Room {
  const outboxes = new Map<string, Outbox>();
  /** Resolved when those who wait to say more should look again. */
  let eased = Promise.withResolvers<void>();
  const ease = () => {
    eased.resolve();
    eased = Promise.withResolvers();
  };
  let joined = 0;
  return {
    get joined() {
      return joined;
    },
    problem(name) {
      return nameProblem(name) ??
        (outboxes.has(name) ? `the name ${name} is taken` : undefined);
    },
    join(name, reach) {
      const outbox = createOutbox(reach, limit, ease);
      const others = () =>
        [...outboxes.values()].filter((one) => one !== outbox);
      outboxes.set(name, outbox);
      joined++;
      print(`${name} joins: ${outboxes.size} here`);
      outbox.put(formatWelcome(name, outboxes.size));
      return {
        lost: outbox.lost,
        async say(text) {
          const line = `${name}: ${escapeControls(text)}`;
          const size = sizeOf(line);
          for (const other of others()) other.put(line, size);
          while (
            !outbox.lost.aborted && others().some((other) => other.isBehind())
          ) {
            await eased.promise;
          }
        },
        leave() {
          if (outboxes.get(name) === outbox) {
            outboxes.delete(name);
            ease();
            if (outboxes.size > 0) {
              print(`${name} leaves: ${outboxes.size} here`);
            }
          }
          return outbox.empty();
        },
      };
    },
  };
}

interface Outbox {
  /** Takes a text of so many bytes. */
  put(text: string, size?: number): void;
  /** Whether much waits for the member, who takes it in time. */
  isBehind(): boolean;
  /** Resolves when everything has been sent, or never will be. */
  empty(): Promise<void>;
  readonly lost: AbortSignal;
}

/** The texts that wait for one member, who holds up nobody. */
function createOutbox(
  { peer, send }: Reach,
  limit: number,
  ease: () => void,
): Outbox {
  const lost = new AbortController();
  let texts: string[] = [];
  let size = 0; // in bytes, with those that are being sent
  let late = false; // with the last ones
  let sending: Promise<void> | undefined;

  async function sendAll(): Promise<void> {
    await new Promise(setImmediate); // what comes together is sent in one call
    try {
      while (texts.length > 0 && !lost.signal.aborted) {
        const [batch, sent] = [texts, size];
        texts = [];
        late = false;
        const timer = setTimeout(() => {
          late = true;
          ease();
        }, LATE);
        await send(batch).finally(() => clearTimeout(timer));
        size -= sent;
        ease();
      }
    } catch (error) {
      lose(error);
    }
    sending = undefined;
  }

  function lose(reason: unknown): void {
    texts = [];
    lost.abort(reason); // the first reason stays
    ease();
  }

  return {
    lost: lost.signal,
    put(text, bytes = sizeOf(text)) {
      if (lost.signal.aborted) return;
      size += bytes;
      if (size > limit) return lose(new SocketError("ENOBUFS", "send", peer));
      texts.push(text);
      sending ??= sendAll();
    },
    isBehind: () => size > limit / 4 && !late && !lost.signal.aborted,
    async empty() {
      if (!sending || lost.signal.aborted) return;
      const given = new Promise<void>((resolve) => {
        lost.signal.addEventListener("abort", () => resolve());
      });
      await Promise.race([sending, given]);
    },
  };
}

function sizeOf(text: string): number {
  return encoder.encode(text).length;
}

const encoder = new TextEncoder();

/** How much may wait for a member beyond what the system keeps, in bytes. */
const OUTBOX_LIMIT = 256 * 1024;

/** Who does not take what it is sent within so many ms is late. */
const LATE = 1000;
