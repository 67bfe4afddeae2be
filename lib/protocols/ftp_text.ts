/**
 * TYPE A of FTP, RFC 959, section 3.1.1.1: a text on its way has CR LF at the end
 * of each line. Each LF is sent as CR LF, and each CR LF is received as LF: so
 * every file, whatever its lines end with, comes back as it was.
 *
 * ```ts
 * import { encodeText, TextReceiver } from "./ftp_text.ts";
 *
 * const sent = encodeText(new TextEncoder().encode("one\n")); // of "one\r\n"
 * new TextReceiver().push(sent, true); // of "one\n"
 * ```
 *
 * @module
 */

/** A piece of a file as it is sent. */
export function encodeText(bytes: Uint8Array): Uint8Array {
  let lines = 0;
  for (const byte of bytes) if (byte === LF) lines++;
  if (lines === 0) return bytes;
  const text = new Uint8Array(bytes.length + lines);
  let size = 0;
  for (const byte of bytes) {
    if (byte === LF) text[size++] = CR;
    text[size++] = byte;
  }
  return text;
}

/** Makes the file of a text that comes in pieces. */
export class TextReceiver {
  /** A CR was the last byte: what follows says whether it belongs to the file. */
  #held = false;

  /** The next bytes of the file; with the last piece, all that are left. */
  push(piece: Uint8Array, last = false): Uint8Array {
    const bytes = new Uint8Array(piece.length + 1);
    let size = 0;
    for (const byte of piece) {
      if (this.#held && byte !== LF) bytes[size++] = CR;
      this.#held = byte === CR;
      if (!this.#held) bytes[size++] = byte;
    }
    if (last && this.#held) bytes[size++] = CR;
    return bytes.subarray(0, size);
  }
}

const [LF, CR] = [10, 13];
