/**
 * A WebSocket above a connected socket, once HTTP has been left: it sends and
 * receives messages, answers pings, and closes so that both ends know why.
 *
 * @module
 */
import { WebSocketFault, WebSocketParser } from "../protocols/websocket.ts";
import type { Closure } from "../protocols/websocket_format.ts";
import { SocketError } from "../sockets/socket_error.ts";
import { innerOf, type StreamSocket } from "../sockets/stream_socket.ts";
import { WebSocketSender } from "./websocket_sender.ts";

/** What a WebSocket begins with. */
export interface WebSocketOptions {
  readonly role: "client" | "server";
  /** Received behind the handshake. */
  readonly rest: Uint8Array;
  /** The longest message that is received, in bytes (64 KiB). */
  readonly limit?: number;
  /** Is told in a line why the peer's frames are refused. */
  readonly refused?: (line: string) => void;
}

/** How to wait for a message. */
export interface Receive {
  readonly signal?: AbortSignal;
  /**
   * The peer may be silent: then it is asked by a ping whether it is there. The
   * time limit is for its answer, and for a message that has begun.
   */
  readonly patient?: boolean;
}

/** One end of a WebSocket, RFC 6455. */
export class WebSocketConnection {
  /** Closed at the end by a client; a server's belongs to its runner. */
  readonly socket: StreamSocket;
  readonly #options: WebSocketOptions;
  readonly #parser: WebSocketParser;
  readonly #sender: WebSocketSender;
  readonly #peer;
  #closed: Closure | undefined;

  constructor(socket: StreamSocket, options: WebSocketOptions) {
    const { role, limit } = options;
    this.socket = socket;
    this.#options = options;
    this.#peer = innerOf(socket).peer;
    this.#sender = new WebSocketSender(socket, role === "client");
    const from = role === "server" ? "client" : "server";
    this.#parser = new WebSocketParser({ from, limit });
    this.#parser.push(options.rest);
  }

  /** Why it was closed, once it is: by the peer, or for the peer's fault. */
  get closed(): Closure | undefined {
    return this.#closed;
  }

  /** How many messages it has sent. */
  get sent(): number {
    return this.#sender.count;
  }

  /**
   * Sends messages: text, or binary. Resolves when the system has taken them; EPIPE
   * once this end has said that it closes.
   */
  async send(...messages: readonly (string | Uint8Array)[]): Promise<void> {
    await this.#sender.send(messages);
  }

  /**
   * The next message; undefined once the peer has closed the WebSocket, for which
   * `close` is the answer; what waits can still be sent before. The socket's time
   * limit is for the whole message: ETIMEDOUT. Of a server that breaks the
   * protocol EPROTO, and EMSGSIZE for a message that is too long.
   */
  async receive(
    { signal, patient = false }: Receive = {},
  ): Promise<string | Uint8Array | undefined> {
    if (this.#closed) return;
    const limit = this.socket.gettimeout();
    let late = patient ? undefined : timeoutOf(limit);
    let asked = false;
    try {
      while (!this.#closed) {
        const event = this.#parser.next();
        if (event?.kind === "message") return event.data;
        if (event?.kind === "close") this.#closed = closureOf(event);
        else if (event?.kind === "ping") {
          await this.#sender.control("pong", event.data, either(signal, late));
        }
        if (event) continue;
        if (patient) {
          late = this.#parser.begun ? late ?? timeoutOf(limit) : undefined;
        }
        const wait = { signal: either(signal, late) };
        const bytes = await this.socket.recv(SIZE, wait).catch((error) => {
          if (!patient || asked || !isSilence(error)) throw error;
        });
        asked = bytes === undefined;
        if (!bytes) await this.#sender.control("ping", NOTHING, signal);
        else if (bytes.length > 0) this.#parser.push(bytes);
        else this.#closed = ABNORMAL;
      }
    } catch (error) {
      if (error instanceof WebSocketFault) return await this.#refuse(error);
      if (!late?.aborted || signal?.aborted) throw error;
      throw new SocketError("ETIMEDOUT", "recv", this.#peer);
    }
  }

  /** Says that this end closes; the peer's messages can still be received. */
  async sendClose(code = 1000, reason = ""): Promise<void> {
    await this.#sender.close({ code, reason });
  }

  /**
   * Says that this end closes, and waits until the peer has said so, too, but not
   * longer than 2 s. A peer that has closed is answered with its own code.
   */
  async close(code = 1000, reason = ""): Promise<void> {
    if (this.#closed === ABNORMAL) this.#sender.end();
    const answer = this.#closed && { code: this.#closed.code, reason: "" };
    await this.#finish(answer ?? { code, reason });
  }

  async #refuse({ code, message }: WebSocketFault): Promise<undefined> {
    this.#closed = { code, reason: message };
    this.#options.refused?.(`${code}: ${message}`);
    await this.#finish(this.#closed, true);
    if (this.#options.role === "server") return;
    const posix = code === 1009 ? "EMSGSIZE" : "EPROTO";
    throw new SocketError(posix, "recv", this.#peer);
  }

  /**
   * The server ends the connection: RFC 6455 section 7.1.1. A peer that is at fault
   * may be in the middle of a message: what it sends is received up to its end,
   * since a RST could overtake the Close frame.
   */
  async #finish(closure: Closure, fault = false): Promise<void> {
    const client = this.#options.role === "client";
    const signal = AbortSignal.timeout(LINGER);
    try {
      await this.#sender.close(closure, signal);
      if (fault) await this.socket.shutdown("SHUT_WR");
      for (let left = UNREAD; left > 0;) {
        for (let event; !this.#closed && (event = this.#parser.next());) {
          if (event.kind === "close") this.#closed = closureOf(event);
        }
        if (this.#closed && !client && !fault) break;
        const bytes = await this.socket.recv(SIZE, { signal });
        if (bytes.length === 0) break;
        if (!this.#closed) this.#parser.push(bytes);
        left -= bytes.length;
      }
    } catch (error) {
      const known = error instanceof SocketError ||
        error instanceof WebSocketFault;
      if (!known && !signal.aborted) throw error;
    }
    this.#closed ??= ABNORMAL;
    if (client) await this.socket.close();
  }
}

function closureOf({ code, reason }: Closure): Closure {
  return { code, reason };
}

function timeoutOf(ms: number | null): AbortSignal | undefined {
  return ms === null ? undefined : AbortSignal.timeout(ms);
}

function either(one?: AbortSignal, other?: AbortSignal) {
  return one && other ? AbortSignal.any([one, other]) : one ?? other;
}

function isSilence(error: unknown): boolean {
  return error instanceof SocketError && error.code === "ETIMEDOUT";
}

/** The stream has ended without a Close frame. */
const ABNORMAL: Closure = { code: 1006, reason: "" };
/** The longest wait for a peer that was told that this is the end, in ms. */
const LINGER = 2000;
/** How much of what it still sends is received, in bytes. */
const UNREAD = 1024 * 1024;
const SIZE = 65_536;
const NOTHING = new Uint8Array(0);
