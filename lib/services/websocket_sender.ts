/**
 * The sending half of a WebSocket: messages and control frames, each frame whole,
 * and nothing behind a Close frame.
 *
 * @module
 */
import {
  type Closure,
  formatClosure,
  formatFrame,
  OPCODES,
} from "../protocols/websocket_format.ts";
import { SocketError } from "../sockets/socket_error.ts";
import { innerOf, type StreamSocket } from "../sockets/stream_socket.ts";

/** Sends frames, RFC 6455 section 6.1; those of a client have a mask each. */
export class WebSocketSender {
  readonly #socket: StreamSocket;
  readonly #masks: boolean;
  #ended = false;
  #count = 0;

  constructor(socket: StreamSocket, masks: boolean) {
    this.#socket = socket;
    this.#masks = masks;
  }

  /** How many messages it has sent. */
  get count(): number {
    return this.#count;
  }

  /** Sends messages, text or binary; EPIPE behind a Close frame. */
  async send(messages: readonly (string | Uint8Array)[]): Promise<void> {
    if (this.#ended) {
      const { peer } = innerOf(this.#socket);
      throw new SocketError("EPIPE", "sendall", peer);
    }
    this.#count += messages.length;
    await this.#socket.sendall(
      joined(
        messages.map((message) =>
          typeof message === "string"
            ? this.#format(OPCODES.text, encoder.encode(message))
            : this.#format(OPCODES.binary, message)
        ),
      ),
    );
  }

  /** Asks whether the peer is there, with a ping, or answers with a pong. */
  async control(
    kind: "ping" | "pong",
    data: Uint8Array,
    signal?: AbortSignal,
  ): Promise<void> {
    if (this.#ended) return;
    await this.#socket.sendall(this.#format(OPCODES[kind], data), { signal });
  }

  /** Sends a Close frame, once. */
  async close(closure: Closure, signal?: AbortSignal): Promise<void> {
    if (this.#ended) return;
    const frame = this.#format(OPCODES.close, formatClosure(closure));
    this.#ended = true;
    await this.#socket.sendall(frame, { signal });
  }

  /** Sends nothing more: there is no peer. */
  end(): void {
    this.#ended = true;
  }

  #format(opcode: number, payload: Uint8Array): Uint8Array {
    const mask = this.#masks
      ? crypto.getRandomValues(new Uint8Array(4))
      : undefined;
    return formatFrame(opcode, payload, { mask });
  }
}

function joined(frames: readonly Uint8Array[]): Uint8Array {
  if (frames.length === 1) return frames[0];
  const all = new Uint8Array(frames.reduce((sum, one) => sum + one.length, 0));
  let at = 0;
  for (const frame of frames) {
    all.set(frame, at);
    at += frame.length;
  }
  return all;
}

const encoder = new TextEncoder();
