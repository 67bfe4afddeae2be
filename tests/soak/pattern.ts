/**
 * Bytes that can be checked wherever they were cut: each follows from the key
 * of its stream and its place alone.
 *
 * @module
 */
import { random } from "../../lib/services/random.ts";

/** The bytes of the stream with this key, `length` of them from `at` on. */
export function pattern(key: number, at: number, length: number): Uint8Array {
  const first = at >>> 2;
  const skipped = at & 3;
  const words = new Uint32Array((skipped + length + 3) >>> 2);
  for (let i = 0; i < words.length; i++) words[i] = mixed(key + first + i);
  return new Uint8Array(words.buffer, skipped, length);
}

/** The place of the first byte that is not the stream's; -1 if all are. */
export function firstWrong(key: number, at: number, bytes: Uint8Array): number {
  const expected = pattern(key, at, bytes.length);
  const wrong = bytes.findIndex((byte, i) => byte !== expected[i]);
  return wrong < 0 ? -1 : at + wrong;
}

/** Numbers from 0 to 1, always the same ones for a key. */
export type Random = () => number;

export function randomOf(key: number): Random {
  let n = 0;
  return () => random(key, n++);
}

export function pick<T>(random: Random, all: readonly T[]): T {
  return all[Math.floor(all.length * random())];
}

/** A hash of several numbers: an unsigned integer of 32 bits. */
export function keyOf(...numbers: number[]): number {
  return numbers.reduce(
    (key, number) => mixed(mixed(key ^ number) + Math.floor(number / 2 ** 32)),
    0x50AC,
  );
}

/** The finalizer of MurmurHash3, on multiples of the golden ratio. */
function mixed(number: number): number {
  let bits = Math.imul(number, 0x9E3779B1);
  bits = Math.imul(bits ^ bits >>> 16, 0x85EBCA6B);
  bits = Math.imul(bits ^ bits >>> 13, 0xC2B2AE35);
  return (bits ^ bits >>> 16) >>> 0;
}
