/**
 * Pseudorandom numbers, the same in every run, so that an experiment can be
 * repeated and its header can quote the output.
 *
 * @module
 */

/** The nth number, from 0 to below 1, of mulberry32 with this seed. */
export function random(seed: number, n: number): number {
  let bits = (seed + Math.imul(n, 0x6D2B79F5)) | 0;
  bits = Math.imul(bits ^ bits >>> 15, bits | 1);
  bits ^= bits + Math.imul(bits ^ bits >>> 7, bits | 61);
  return ((bits ^ bits >>> 14) >>> 0) / 2 ** 32;
}
