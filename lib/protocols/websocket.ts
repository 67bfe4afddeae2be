/**
 * The frames of a WebSocket as bytes and back, RFC 6455 section 5. The parser takes
 * a stream as it comes, whole or byte by byte, and refuses a frame at the first
 * byte that is wrong.
 *
 * @module
 */
import { Utf8Check } from "./utf8.ts";
import {
  applyMask,
  type Closure,
  CONTROL_LIMIT,
  isCloseCode,
  OPCODES,
} from "./websocket_format.ts";

/** What comes: messages, put together from their fragments, and control frames. */
export type WebSocketEvent =
  | { readonly kind: "message"; readonly data: string | Uint8Array }
  | { readonly kind: "ping" | "pong"; readonly data: Uint8Array }
  | ({ readonly kind: "close" } & Closure);

/** Why a peer's frame is refused: the code for the Close frame, and the reason. */
export class WebSocketFault extends Error {
  override name = "WebSocketFault";
  readonly code: 1002 | 1007 | 1009;

  constructor(code: WebSocketFault["code"], reason: string) {
    super(reason);
    this.code = code;
  }
}

/** The longest message, in bytes, unless the caller says otherwise. */
export const WEBSOCKET_LIMIT = 65_536;

/**
 * Finds the messages in a stream of frames.
 *
 * ```ts
 * import { WebSocketParser } from "./websocket.ts";
 * import { formatFrame, OPCODES } from "./websocket_format.ts";
 *
 * const parser = new WebSocketParser({ from: "server" });
 * const hello = new TextEncoder().encode("Hello");
 * parser.push(formatFrame(OPCODES.text, hello));
 * parser.next(); // { kind: "message", data: "Hello" }
 * parser.next(); // undefined: nothing more has come
 * ```
 */
export class WebSocketParser {
  readonly #masked: boolean;
  readonly #limit: number;
  /** Bytes that belong to no frame yet. */
  #input: Uint8Array = NOTHING;
  #frame: Frame | undefined;
  /** A message whose last fragment has not come. */
  #message: Payload | undefined;
  #closed = false;

  /** A client masks each frame, a server none. A message has `limit` bytes at most. */
  constructor(
    { from, limit = WEBSOCKET_LIMIT }: {
      from: "client" | "server";
      limit?: number;
    },
  ) {
    this.#masked = from === "client";
    this.#limit = limit;
  }

  /** Adds bytes of the stream, which must not change any more. */
  push(bytes: Uint8Array): void {
    if (this.#input.length === 0) this.#input = bytes;
    else {
      const joined = new Uint8Array(this.#input.length + bytes.length);
      joined.set(this.#input);
      joined.set(bytes, this.#input.length);
      this.#input = joined;
    }
  }

  /** Whether a frame or a message has begun that is not whole. */
  get begun(): boolean {
    return Boolean(this.#frame ?? this.#message) || this.#input.length > 0;
  }

  /**
   * The next message or control frame, once it is whole. Throws a WebSocketFault;
   * what follows it, and what follows a Close frame, has no meaning.
   */
  next(): WebSocketEvent | undefined {
    try {
      return this.#next();
    } catch (error) {
      this.#closed = true;
      throw error;
    }
  }

  #next(): WebSocketEvent | undefined {
    while (!this.#closed) {
      const frame = this.#frame ??= this.#begin();
      if (!frame) return;
      const part = this.#input.subarray(0, frame.left);
      this.#input = this.#input.subarray(part.length);
      frame.payload.add(part, frame);
      frame.left -= part.length;
      if (frame.left > 0) return;
      this.#frame = undefined;
      if (frame.opcode >= OPCODES.close) return this.#control(frame);
      if (frame.final) {
        this.#message = undefined;
        return { kind: "message", data: frame.payload.end() };
      }
    }
  }

  /** The frame whose head is here; each byte of it is checked as soon as it is. */
  #begin(): Frame | undefined {
    const [first, second] = this.#input;
    if (first === undefined) return;
    const opcode = first & 15;
    const final = first >= 128;
    this.#checkFirst(opcode, final, first & 0x70);
    if (second === undefined) return;
    const masked = second >= 128;
    if (masked !== this.#masked) {
      throw broken(
        masked ? "a server's frame is masked" : "a frame has no mask",
      );
    }
    const size = 2 + (SIZES[second & 127] ?? 0);
    const length = this.#length(second & 127, opcode >= OPCODES.close);
    if (length === undefined) return;
    const end = size + (masked ? 4 : 0);
    if (this.#input.length < end) return;
    const mask = masked ? this.#input.slice(size, end) : undefined;
    this.#input = this.#input.subarray(end);
    return {
      opcode,
      final,
      mask,
      length,
      left: length,
      payload: this.#payload(opcode),
    };
  }

  #checkFirst(opcode: number, final: boolean, reserved: number): void {
    if (reserved) throw broken("a reserved bit is set");
    if (opcode > 10 || (opcode > 2 && opcode < 8)) {
      throw broken("an unknown opcode");
    }
    if (opcode >= OPCODES.close) {
      if (!final) throw broken("a control frame is in fragments");
    } else if ((opcode === OPCODES.continuation) !== Boolean(this.#message)) {
      throw broken(
        this.#message
          ? "a message begins within another"
          : "a fragment belongs to no message",
      );
    }
  }

  /** The length of a frame's payload, which must be written as short as it can. */
  #length(short: number, control: boolean): number | undefined {
    if (control && short > CONTROL_LIMIT) {
      throw broken(`a control frame has over ${CONTROL_LIMIT} bytes`);
    }
    const size = SIZES[short] ?? 0;
    if (this.#input.length < 2 + size) return;
    let length = size === 0 ? short : 0;
    for (const byte of this.#input.subarray(2, 2 + size)) {
      length = 256 * length + byte;
    }
    if (length >= 2 ** 63) throw broken("a length is negative");
    if (size > 0 && length < (size === 2 ? 126 : 65_536)) {
      throw broken("a length is written longer than it needs");
    }
    if (!control && (this.#message?.size ?? 0) + length > this.#limit) {
      const reason = `a message has at most ${this.#limit} bytes`;
      throw new WebSocketFault(1009, reason);
    }
    return length;
  }

  #payload(opcode: number): Payload {
    if (opcode >= OPCODES.close) return new Payload(false);
    return this.#message ??= new Payload(opcode === OPCODES.text);
  }

  #control({ opcode, payload }: Frame): WebSocketEvent {
    const data = payload.bytes;
    if (opcode === OPCODES.ping) return { kind: "ping", data };
    if (opcode === OPCODES.pong) return { kind: "pong", data };
    this.#closed = true;
    return { kind: "close", ...parseClosure(data) };
  }
}

interface Frame {
  readonly opcode: number;
  readonly final: boolean;
  readonly mask: Uint8Array | undefined;
  readonly payload: Payload;
  readonly length: number;
  /** How many bytes of the payload are still to come. */
  left: number;
}

/** The bytes of a message or of a control frame, as they come. */
class Payload {
  readonly #check: Utf8Check | undefined;
  #kept = NOTHING;
  size = 0;

  constructor(text: boolean) {
    this.#check = text ? new Utf8Check() : undefined;
  }

  get bytes(): Uint8Array {
    return this.#kept.subarray(0, this.size);
  }

  /** Adds a part of a frame, without its mask. */
  add(part: Uint8Array, { mask, length, left }: Frame): void {
    const size = this.size + part.length;
    if (size > this.#kept.length) {
      const longer = new Uint8Array(this.size === 0 ? size : 2 * size);
      longer.set(this.bytes);
      this.#kept = longer;
    }
    this.#kept.set(part, this.size);
    const added = this.#kept.subarray(this.size, size);
    this.size = size;
    if (mask) applyMask(added, mask, length - left);
    if (this.#check?.push(added) === false) throw NO_TEXT;
  }

  /** The message, which is whole. */
  end(): string | Uint8Array {
    if (!this.#check) return this.bytes;
    if (!this.#check.whole) throw NO_TEXT;
    return decoder.decode(this.bytes);
  }
}

function parseClosure(payload: Uint8Array): Closure {
  if (payload.length === 0) return { code: 1005, reason: "" };
  const code = 256 * payload[0] + payload[1]; // NaN, if it is cut
  if (!isCloseCode(code)) {
    throw broken("a Close frame has no valid code");
  }
  const reason = payload.subarray(2);
  const check = new Utf8Check();
  if (!check.push(reason) || !check.whole) throw NO_TEXT;
  return { code, reason: decoder.decode(reason) };
}

function broken(reason: string): WebSocketFault {
  return new WebSocketFault(1002, reason);
}

const NO_TEXT = new WebSocketFault(1007, "a text is not UTF-8");
/** How many bytes of length follow a short length that means so. */
const SIZES: Record<number, number> = { 126: 2, 127: 8 };
const NOTHING = new Uint8Array(0);
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
