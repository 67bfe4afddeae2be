/**
 * What a hostile peer says: bytes that are no text, that drive a terminal, or
 * that forge a line of the server's output. The same in every run.
 */

/** Stands in what is sent where a forged line would begin. */
export const FORGED = "FORGED LINE";

/** Each is sent on a connection, or in a datagram, of its own. */
export function garbage(): Record<string, Uint8Array> {
  return {
    "random bytes": random(600, 1),
    "more random bytes": random(5000, 2),
    "invalid UTF-8": Uint8Array.from([
      ...[0xc3, 0x28, 0xff, 0xfe, 0xc0, 0xaf, 0xed, 0xa0, 0x80],
      ...[0xf4, 0x90, 0x80, 0x80, 0xf0, 0x9f, 0x98], // cut within a character
    ]),
    "NUL": bytes("\0some\0thing\0"),
    "escape sequences": bytes(
      "\x1b[2J\x1b[31m\x1b]0;title\x07\x1bP1$r\x1b\\\x9b31m\x9d\x7f\b\v\f",
    ),
    "line separators": bytes(`a\u2028${FORGED}\u2029\u202e\u2066txt\u0085`),
    "CR and LF": bytes(
      `a\r\n${FORGED}\r\n${FORGED}\n\r${FORGED}\r${FORGED}\n\n`,
    ),
    "an error's stack": bytes(`Error\n    at ${FORGED} (/a/b.ts:1:1)\n`),
    "names of fields": bytes("__proto__ constructor toString\n"),
  };
}

/** Bytes of the generator xorshift32. */
export function random(size: number, seed: number): Uint8Array {
  let state = seed * 0x9e3779b9;
  return Uint8Array.from({ length: size }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state;
  });
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
