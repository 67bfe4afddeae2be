/**
 * The server's end of an FTP control connection: the lines of a client, and the
 * replies to them. A line has a limit in length and in time, and Telnet's commands
 * (RFC 854) are no part of it.
 *
 * @module
 */
import { formatReply, FTP_LIMITS, parseCommand } from "../../protocols/ftp.ts";
import { TelnetLines } from "../../protocols/telnet_lines.ts";
import { SocketError } from "../../sockets/socket_error.ts";
import type { StreamSocket } from "../../sockets/stream_socket.ts";
import { lingeringClose } from "../lingering_close.ts";
import { paceOf } from "../pace.ts";

export class Control {
  readonly client: StreamSocket;
  /** Its own address and the client's. */
  readonly hosts: { own: string; client: string };
  readonly #lines = new TelnetLines(FTP_LIMITS.command);
  /** Lines that have come and are not obeyed yet. */
  readonly #waiting: string[] = [];
  #ended = false;
  #received = 0;
  #expectPace: (bytes: number) => void;

  constructor(client: StreamSocket) {
    // Of two replies, the second must not wait for the first one's ACK.
    client.setsockopt("TCP_NODELAY", true);
    this.client = client;
    const [own, peer] = [client.getsockname(), client.getpeername()];
    this.hosts = { own: own[0], client: peer[0] };
    this.#expectPace = paceOf(client);
  }

  /** Whether the client has ended the connection. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Whether a line was too long; what follows it is not read. */
  get tooLong(): boolean {
    return this.#lines.tooLong && this.#waiting.length === 0;
  }

  say(code: number, ...texts: string[]): Promise<void> {
    return this.client.sendall(formatReply(code, ...texts));
  }

  /** The next line; undefined at the end of the stream, or if it is too long. */
  async next(): Promise<string | undefined> {
    if (this.#waiting.length === 0) this.#begin();
    while (this.#waiting.length === 0) {
      if (this.#ended || this.#lines.tooLong) return;
      await this.#receive();
    }
    return this.#waiting.shift();
  }

  /**
   * Reads while a transfer is going on, until the signal: `stop` is called for ABOR
   * and at the end of the stream, `asked` for STAT, and other lines wait.
   */
  async watch(
    signal: AbortSignal,
    { stop, asked }: { stop(): void; asked(): Promise<void> },
  ): Promise<void> {
    for (let seen = 0; !signal.aborted;) {
      for (; seen < this.#waiting.length; seen++) {
        const { verb, argument } = parseCommand(this.#waiting[seen]) ?? {};
        if (verb === "ABOR") return stop();
        if (verb !== "STAT" || argument !== "") continue;
        this.#waiting.splice(seen--, 1);
        await asked().catch(this.#lose);
      }
      if (this.#ended) return stop();
      if (seen > MOST_WAITING || this.#lines.tooLong) return;
      this.#begin();
      await this.#receive(signal).catch((error) => {
        // The transfer has a time limit of its own.
        if (!signal.aborted && error.code !== "ETIMEDOUT") this.#lose(error);
      });
    }
  }

  /** A client that is gone, or does not read its replies, has ended. */
  readonly #lose = (error: unknown): void => {
    if (!(error instanceof SocketError)) throw error;
    this.#ended = true;
  };

  /** Ends the connection so that the last reply arrives. */
  async finish(): Promise<void> {
    if (!this.#ended) await lingeringClose(this.client);
  }

  /** From now on the next line has the time limit. */
  #begin(): void {
    this.#received = 0;
    this.#expectPace = paceOf(this.client);
  }

  async #receive(signal?: AbortSignal): Promise<void> {
    const bytes = await this.client.recv(4096, { signal });
    if (bytes.length === 0) this.#ended = true; // what is left is no whole line
    this.#waiting.push(...this.#lines.push(bytes));
    const replies = this.#lines.takeReplies();
    if (replies.length > 0) await this.client.sendall(replies);
    if (this.#waiting.length === 0) {
      this.#expectPace(this.#received += bytes.length);
    }
  }
}

/** How many lines wait while a file is sent, until no more are read. */
const MOST_WAITING = 50;
