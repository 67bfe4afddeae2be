/**
 * Checks UTF-8 as it comes: a text that is wrong is known to be wrong at the first
 * byte that no text can have there.
 *
 * @module
 */

/** Bytes that must be one text in UTF-8, RFC 3629. */
export class Utf8Check {
  /** How many bytes the character still needs, and the bounds of the next one. */
  #left = 0;
  #low = LOW;
  #high = HIGH;

  /** Takes the next bytes; false if no text begins with all that came. */
  push(bytes: Uint8Array): boolean {
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i];
      if (this.#left > 0) {
        if (byte < this.#low || byte > this.#high) return false;
        this.#left--;
        this.#low = LOW;
        this.#high = HIGH;
      } else if (byte >= 0x80) {
        if (byte < 0xc2 || byte > 0xf4) return false;
        this.#left = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
        // Neither a longer form than needed, nor a surrogate, nor above U+10FFFF.
        this.#low = byte === 0xe0 ? 0xa0 : byte === 0xf0 ? 0x90 : LOW;
        this.#high = byte === 0xed ? 0x9f : byte === 0xf4 ? 0x8f : HIGH;
      }
    }
    return true;
  }

  /** Whether the last character is whole. */
  get whole(): boolean {
    return this.#left === 0;
  }
}

/** The bounds of a byte that continues a character. */
const [LOW, HIGH] = [0x80, 0xbf];
