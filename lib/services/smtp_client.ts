/**
 * The client's end of an SMTP connection: it reads the replies to the commands that
 * a program has sent, within a bound in time and memory.
 *
 * @module
 */
import { MAILBOX, parseReplyLine } from "../protocols/smtp.ts";
import { Reader } from "../sockets/reader.ts";
import { SocketError } from "../sockets/socket_error.ts";
import { innerOf, type StreamSocket } from "../sockets/stream_socket.ts";

/** The flag for another recipient. */
export const MAIL_FLAGS = {
  to: {
    value: "MAILBOX",
    takes: "a mailbox, such as bob@lab.test",
    pattern: MAILBOX,
    help: "send to this mailbox (bob@lab.test)",
  },
};

/** A reply to a command, RFC 5321, section 4.2. */
export interface Reply {
  readonly code: number;
  /** That of its first line. */
  readonly text: string;
}

/** Reads replies from a connected socket, in the order of the commands. */
export class ReplyReader {
  readonly #connection: StreamSocket;
  readonly #reader: Reader;

  constructor(connection: StreamSocket) {
    this.#connection = connection;
    this.#reader = new Reader(connection);
  }

  /**
   * The next reply. The socket's time limit is for all of its lines: ETIMEDOUT.
   * EPROTO for what is none, EMSGSIZE for a line that is too long, EBADMSG if the
   * stream ends.
   */
  async next(): Promise<Reply> {
    const { peer, timeout } = innerOf(this.#connection);
    const fail = (code: string) => new SocketError(code, "line", peer);
    let [signal, first]: [AbortSignal?, string?] = [];
    try {
      for (let lines = 0; lines < MOST_LINES; lines++) {
        const text = await this.#reader.line({ limit: LONGEST_LINE, signal });
        if (text === null) throw fail("EBADMSG");
        const line = parseReplyLine(text);
        if (!line) throw fail("EPROTO");
        first ??= line.text;
        if (line.last) return { code: line.code, text: first };
        if (timeout !== null) signal ??= AbortSignal.timeout(timeout);
      }
    } catch (error) {
      throw signal?.aborted ? fail("ETIMEDOUT") : error;
    }
    throw fail("EPROTO");
  }
}

/** A reply has at most so many lines, and a line so many bytes (RFC: 512). */
const [MOST_LINES, LONGEST_LINE] = [100, 1000];
