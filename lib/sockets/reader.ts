/**
 * Messages out of a stream: recv() gives what has arrived, a program wants a
 * line or so many bytes.
 *
 * @module
 */
import type { Address } from "./address.ts";
import { bytesOf, notAwaited } from "./outbox.ts";
import { SocketError } from "./socket_error.ts";
import { innerOf, type StreamSocket } from "./stream_socket.ts";
import {
  handled,
  OwnLimit,
  rejected,
  signalOf,
  type Wait,
  Waiter,
} from "./waiter.ts";

/** How much one message may hold, in bytes (64 KiB unless said). */
export interface Limit extends Wait {
  limit?: number;
}

/**
 * Reads whole messages from a stream socket. What has arrived beyond them, or
 * before a failure, is kept for the next call. A call's time limit, that of the
 * socket, is for the whole message.
 */
export class Reader {
  readonly #socket: StreamSocket;
  /** Received and not yet given: `#held` from `#start` to `#end`. */
  #held = new Uint8Array(0);
  #start = 0;
  #end = 0;
  #last: Promise<unknown> = Promise.resolve();
  /** The socket forgets it when it is closed. */
  #peer: Address | undefined;

  constructor(socket: StreamSocket) {
    this.#socket = socket;
  }

  /**
   * The next line as text, without its LF or CRLF; null at the end of the
   * stream. EMSGSIZE if it is longer than `limit` bytes, EBADMSG if the stream
   * ends within it.
   */
  line(limits?: Limit): Promise<string | null> {
    return this.#call("line", limits, async (stop, limit) => {
      const bytes = await this.#upTo(LF, "line", limit, stop);
      return bytes && decode(bytes);
    });
  }

  /**
   * The next bytes up to a delimiter and with it, and only this one: a bare LF
   * does not end what CRLF ends. Null at the end of the stream; EMSGSIZE if they
   * are more than `limit`, EBADMSG if the stream ends before.
   */
  until(
    mark: string | Uint8Array,
    limits?: Limit,
  ): Promise<Uint8Array | null> {
    const given = bytesOf(mark, "until");
    if (given instanceof TypeError) return rejected(given);
    const wanted = new Uint8Array(given); // as it is now
    if (wanted.length === 0) {
      return rejected(new RangeError("Cannot read: the mark is empty"));
    }
    return this.#call("until", limits, async (stop, limit) => {
      const bytes = await this.#upTo(wanted, "until", limit, stop);
      return bytes && bytes.slice();
    });
  }

  /** The next `size` bytes. EBADMSG if the stream ends before. */
  exactly(size: number, wait?: Wait): Promise<Uint8Array> {
    return this.#call("exactly", wait, async (stop) => {
      checkSize(size);
      while (this.#end - this.#start < size) {
        if (!await this.#more(stop)) throw this.#error("EBADMSG", "exactly");
      }
      return this.#take(size);
    });
  }

  /** What is held already, else what one recv() gives: 1 to `size` bytes. */
  some(size: number, wait?: Wait): Promise<Uint8Array> {
    return this.#call("some", wait, async (stop) => {
      checkSize(size);
      if (size > 0 && this.#end === this.#start) await this.#more(stop);
      return this.#take(Math.min(size, this.#end - this.#start));
    });
  }

  /** All that is left of the stream. EMSGSIZE if it is over `limit` bytes. */
  all(limits?: Limit): Promise<Uint8Array> {
    return this.#call("all", limits, async (stop, limit) => {
      do {
        if (this.#end - this.#start > limit) {
          throw this.#error("EMSGSIZE", "all");
        }
      } while (await this.#more(stop));
      return this.#take(this.#end - this.#start);
    });
  }

  /** One call at a time, in the order in which they were made. */
  #call<T>(
    call: string,
    limits: Limit | null | undefined,
    work: (stop: AbortSignal | undefined, limit: number) => Promise<T>,
  ): Promise<T> {
    const limit = limits?.limit ?? MESSAGE_LIMIT;
    if (typeof limit !== "number" || !(limit >= 0)) {
      return rejected(new RangeError(`Cannot ${call}: the limit is ${limit}`));
    }
    const signal = signalOf(limits);
    if (signal?.aborted) return rejected(signal.reason);
    const { timeout, peer } = innerOf(this.#socket);
    this.#peer = peer ?? this.#peer;
    const limited = timeout !== null || signal;
    const stop = limited ? new AbortController() : undefined;
    const begin = () => {
      stop?.signal.throwIfAborted();
      return work(stop?.signal, limit);
    };
    const turn = handled(this.#last.then(begin, begin));
    this.#last = turn;
    if (!stop) return turn;
    const waiter = new Waiter<T>();
    const late = () => this.#error("ETIMEDOUT", call);
    waiter.limit(timeout, signal, late, (reason) => stop.abort(reason));
    waiter.follow(turn);
    return waiter.promise;
  }

  /** Receives once; false at the end of the stream. */
  async #more(stop: AbortSignal | undefined): Promise<boolean> {
    const bytes = await this.#socket.recv(65536, new OwnLimit(stop));
    const length = this.#end - this.#start;
    if (this.#end + bytes.length > this.#held.length) {
      // Twice the room, so that a long message is not copied for each recv().
      const room = new Uint8Array(Math.max(1024, 2 * (length + bytes.length)));
      room.set(this.#held.subarray(this.#start, this.#end));
      [this.#held, this.#start, this.#end] = [room, 0, length];
    }
    this.#held.set(bytes, this.#end);
    this.#end += bytes.length;
    return bytes.length > 0;
  }

  /** A line, or what a mark ends: a view of what is held; null at the end. */
  async #upTo(
    mark: Uint8Array,
    call: "line" | "until",
    limit: number,
    stop: AbortSignal | undefined,
  ): Promise<Uint8Array | null> {
    for (let from = 0;;) {
      const held = this.#held.subarray(this.#start, this.#end);
      const at = indexOf(held, mark, from);
      let size = at < 0 ? held.length : at;
      if (call === "until") size += at < 0 ? 1 : mark.length; // counts with it
      else if (held[size - 1] === CR) size--;
      if (size > limit) throw this.#error("EMSGSIZE", call);
      if (at >= 0) {
        this.#start += at + mark.length;
        return held.subarray(0, size);
      }
      from = Math.max(0, held.length - mark.length + 1);
      if (await this.#more(stop)) continue;
      if (this.#end === this.#start) return null;
      throw this.#error("EBADMSG", call);
    }
  }

  #take(size: number): Uint8Array {
    return this.#held.slice(this.#start, this.#start += size);
  }

  #error(code: string, call: string): SocketError {
    return new SocketError(code, call, this.#peer);
  }
}

function checkSize(size: number): void {
  if (Number.isInteger(size) && size >= 0) return;
  throw new RangeError(`Cannot read ${size} bytes`);
}

/** Where the bytes begin for the first time, or -1. */
function indexOf(bytes: Uint8Array, wanted: Uint8Array, from: number): number {
  for (let at = from;; at++) {
    at = bytes.indexOf(wanted[0], at);
    if (at < 0 || wanted.every((byte, i) => bytes[at + i] === byte)) return at;
  }
}

/** Bytes as text: UTF-8, with U+FFFD for what is none. */
export function decode(bytes: Uint8Array): string {
  if (bytes instanceof Promise) throw notAwaited("decode");
  return decoder.decode(bytes);
}

/** The longest message, in bytes, unless the caller says otherwise. */
export const MESSAGE_LIMIT = 65_536;
const LF = new Uint8Array([10]);
const CR = 13;
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
