/**
 * The data that a program sends: text, or bytes of any realm.
 *
 * @module
 */

const encoder = new TextEncoder();

/**
 * Text as UTF-8, or the bytes; TypeError for anything else, and for bytes whose
 * buffer has been transferred.
 */
export function bytesOf(data: string | Uint8Array, call: string): Uint8Array {
  if (typeof data === "string") return encoder.encode(data);
  if (data instanceof Uint8Array && data.length > 0) return data;
  const { buffer, byteOffset, byteLength } = data ?? {};
  // Another realm's Uint8Array (node:vm, a frame) is no instance of this one's.
  const is = ArrayBuffer.isView(data) &&
    (data as Uint8Array)[Symbol.toStringTag] === "Uint8Array";
  if (!is) throw new TypeError(`Cannot ${call}: neither text nor bytes`);
  if (byteLength === 0 && (buffer as ArrayBuffer).detached) {
    throw new TypeError(`Cannot ${call}: the buffer is detached`);
  }
  if (data instanceof Uint8Array) return data;
  return new Uint8Array(buffer, byteOffset, byteLength);
}
