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
  send(texts: readonly string[]): Promise<unknown>;
}

/** Somebody in the room. */
export interface Member {
  /** Says a text to all others: they get it escaped, after the name. */
  say(text: string): void;
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
  readonly size: number;
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
  const here = () => `${outboxes.size} here`;
  return {
    get size() {
      return outboxes.size;
    },
    problem(name) {
      return nameProblem(name) ??
        (outboxes.has(name) ? `the name ${name} is taken` : undefined);
    },
    join(name, reach) {
      const outbox = createOutbox(reach, limit);
      outboxes.set(name, outbox);
      print(`${name} joins: ${here()}`);
      outbox.put(formatWelcome(name, outboxes.size));
      return {
        lost: outbox.lost,
        say(text) {
          const line = `${name}: ${escapeControls(text)}`;
          const size = sizeOf(line);
          for (const other of outboxes.values()) {
            if (other !== outbox) other.put(line, size);
          }
        },
        leave() {
          if (outboxes.get(name) === outbox) {
            outboxes.delete(name);
            if (outboxes.size > 0) print(`${name} leaves: ${here()}`);
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
  /** Resolves when everything has been sent, or never will be. */
  empty(): Promise<void>;
  readonly lost: AbortSignal;
}

/** The texts that wait for one member, who holds up nobody. */
function createOutbox({ peer, send }: Reach, limit: number): Outbox {
  const lost = new AbortController();
  let texts: string[] = [];
  let size = 0; // in bytes, with those that are being sent
  let sending: Promise<void> | undefined;

  async function sendAll(): Promise<void> {
    await undefined; // what is said in one go is sent in one call
    try {
      while (texts.length > 0 && !lost.signal.aborted) {
        const [batch, sent] = [texts, size];
        texts = [];
        await send(batch);
        size -= sent;
      }
    } catch (error) {
      lose(error);
    }
    sending = undefined;
  }

  function lose(reason: unknown): void {
    texts = [];
    lost.abort(reason); // the first reason stays
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
