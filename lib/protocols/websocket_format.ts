/**
 * The frames of a WebSocket as they are sent, RFC 6455 section 5.
 *
 * @module
 */

/** The kinds of frames, RFC 6455 section 5.2. */
export const OPCODES = {
  continuation: 0,
  text: 1,
  binary: 2,
  close: 8,
  ping: 9,
  pong: 10,
} as const;

/** Why a WebSocket is closed, RFC 6455 section 7.4. */
export interface Closure {
  /** 1005 if the Close frame has none, 1006 if there was no Close frame. */
  readonly code: number;
  readonly reason: string;
}

/** Whether a Close frame may have the code: the registry of RFC 6455 section 11.7. */
export function isCloseCode(code: number): boolean {
  return (code >= 1000 && code <= 1014 && !(code >= 1004 && code <= 1006)) ||
    (code >= 3000 && code <= 4999);
}

/** One frame; a client's has a mask of 4 random bytes. */
export function formatFrame(
  opcode: number,
  payload: Uint8Array,
  { final = true, mask }: { final?: boolean; mask?: Uint8Array } = {},
): Uint8Array<ArrayBuffer> {
  const { length } = payload;
  const size = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const start = 2 + size + (mask ? 4 : 0);
  const frame = new Uint8Array(start + length);
  const view = new DataView(frame.buffer);
  const short = size === 0 ? length : size === 2 ? 126 : 127;
  frame[0] = (final ? 128 : 0) | opcode;
  frame[1] = (mask ? 128 : 0) | short;
  if (size === 2) view.setUint16(2, length);
  if (size === 8) view.setBigUint64(2, BigInt(length));
  frame.set(payload, start);
  if (mask) {
    frame.set(mask, start - 4);
    applyMask(frame.subarray(start), mask);
  }
  return frame;
}

/**
 * The payload of a Close frame; a reason that is too long is cut. RangeError for a
 * code that must not be sent.
 */
export function formatClosure({ code, reason }: Closure): Uint8Array {
  if (code === 1005) return NOTHING;
  if (!isCloseCode(code)) throw new RangeError(`Cannot close with ${code}`);
  const payload = new Uint8Array(CONTROL_LIMIT);
  payload.set([code >> 8, code & 255]);
  const { written } = encoder.encodeInto(reason, payload.subarray(2));
  return payload.subarray(0, 2 + written);
}

/** Masks the bytes of a payload from `at` on, or unmasks them: RFC 6455 section 5.3. */
export function applyMask(
  bytes: Uint8Array,
  mask: Uint8Array,
  at = 0,
): void {
  for (let i = 0; i < bytes.length; i++) bytes[i] ^= mask[(at + i) & 3];
}

/** The longest payload of a control frame, RFC 6455 section 5.5. */
export const CONTROL_LIMIT = 125;
const NOTHING = new Uint8Array(0);
const encoder = new TextEncoder();
