/**
 * Losses on purpose, the same in every run: decided by the number of a block and
 * by how often it has been sent, so that no timer changes how many there are.
 *
 * @module
 */
import { random } from "../random.ts";

/** How many of the first sends of a block are lost, by its number. */
export type Losses = (block: number) => number;

/** Loses this share (0 to 1) of the sends, which the seed chooses. */
export function losses(share: number, seed: number): Losses {
  return (block) => {
    if (share >= 1) return Infinity;
    let lost = 0;
    while (random(seed, 64 * block + lost) < share) lost++;
    return lost;
  };
}

export const NO_LOSSES: Losses = () => 0;
