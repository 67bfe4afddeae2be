/**
 * Messages out of a stream: recv() gives what has arrived, a program wants a
 * line or so many bytes.
 *
 * @module
 */
import { SocketError } from "./socket_error.ts";
import type { StreamSocket } from "./stream_socket.ts";
import { handled, type Wait } from "./waiter.ts";

/** How much one message may hold, in bytes (64 KiB unless said). */
export interface Limit extends Wait {
  limit?: number;
}

/**
 * Reads whole messages from a stream socket. What has arrived beyond them, or
 * before a failure, is kept for the next call.
 *
 * ```ts
 * import { AF_INET, Reader, socket, SOCK_STREAM } from "../mod.ts";
 *
 * const server = socket(AF_INET, SOCK_STREAM);
 * await server.bind(["127.0.0.1", 0]);
 * await server.listen();
 * const client = socket(AF_INET, SOCK_STREAM);
 * await client.connect(server.getsockname());
 * await client.sendall("GET / HTTP/1.0\r\n\r\n");
 *
 * const [connection] = await server.accept();
 * const reader = new Reader(connection);
 * await reader.line(); // "GET / HTTP/1.0"
 * await reader.line(); // ""
 * for (const end of [client, connection, server]) await end.close();
 * ```
 */
export class Reader {
  readonly #socket: StreamSocket;
  /** Received and not yet given: `#held` from `#start` to `#end`. */
  #held = new Uint8Array(0);
  #start = 0;
  #end = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(socket: StreamSocket) {
    this.#socket = socket;
  }

  /**
   * The next line as text, without its LF or CRLF; null at the end of the
   * stream. EMSGSIZE if it is longer than `limit` bytes, EBADMSG if the stream
   * ends within it.
   */
  line({ limit = MESSAGE_LIMIT, signal }: Limit = {}): Promise<string | null> {
    return this.#inTurn(async () => {
      let searched = 0;
      while (true) {
        const held = this.#held.subarray(this.#start, this.#end);
        const feed = held.indexOf(LF, searched);
        const end = feed < 0 ? held.length : feed;
        const length = held[end - 1] === CR ? end - 1 : end;
        if (length > limit) throw this.#error("EMSGSIZE", "line");
        if (feed >= 0) {
          this.#start += feed + 1;
          return decode(held.subarray(0, length));
        }
        searched = held.length;
        if (await this.#more(signal)) continue;
        if (searched === 0) return null;
        throw this.#error("EBADMSG", "line");
      }
    });
  }

  /** The next `size` bytes. EBADMSG if the stream ends before. */
  exactly(size: number, { signal }: Wait = {}): Promise<Uint8Array> {
    return this.#inTurn(async () => {
      if (!Number.isInteger(size) || size < 0) {
        throw new RangeError(`Cannot read ${size} bytes`);
      }
      while (this.#end - this.#start < size) {
        if (!await this.#more(signal)) throw this.#error("EBADMSG", "exactly");
      }
      return this.#held.slice(this.#start, this.#start += size);
    });
  }

  /** All that is left of the stream. EMSGSIZE if it is over `limit` bytes. */
  all({ limit = MESSAGE_LIMIT, signal }: Limit = {}): Promise<Uint8Array> {
    return this.#inTurn(async () => {
      do {
        if (this.#end - this.#start > limit) {
          throw this.#error("EMSGSIZE", "all");
        }
      } while (await this.#more(signal));
      return this.#held.slice(this.#start, this.#start = this.#end);
    });
  }

  /** One call at a time, in the order in which they were made. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = handled(this.#last.then(work, work));
    this.#last = turn;
    return turn;
  }

  /** Receives once; false at the end of the stream. */
  async #more(signal: AbortSignal | undefined): Promise<boolean> {
    const bytes = await this.#socket.recv(65536, { signal });
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

  #error(code: string, call: string): SocketError {
    return new SocketError(code, call, this.#socket.getpeername());
  }
}

/** Bytes as text: UTF-8, with U+FFFD for what is none. */
export function decode(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** The longest message, in bytes, unless the caller says otherwise. */
export const MESSAGE_LIMIT = 65_536;
const LF = 10;
const CR = 13;
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
