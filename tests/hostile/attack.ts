/**
 * What all hostile peers share: how long they wait, and the bytes that no
 * server expects. They are the same in every run.
 */
import { within } from "../../scripts/tools/support/processes.ts";

/** A name, and what is done; it resolves when that is over. */
export type Attack = [name: string, act: () => Promise<unknown>];

/**
 * How long something that comes at once may take on a busy machine, in ms:
 * less than the 30 s after which a server closes a silent client.
 */
export const PATIENCE = 20_000;

/** What a promise resolves to, or undefined if that takes too long. */
export function inTime<T>(promise: Promise<T>): Promise<T | undefined> {
  return within(PATIENCE, promise);
}

/** Sent where it would begin a forged line of the server's output. */
export const FORGED = "FORGED LINE";

/**
 * Bytes that are no text, drive a terminal, or forge a line of output; each is
 * sent on a connection, or in a datagram, of its own.
 */
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
