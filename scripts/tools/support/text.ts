/**
 * Words about numbers, and prose with code in it, as reports have them.
 *
 * @module
 */

/** Prose with code in it; what a run has printed is always code. */
export type Inline = (string | { code: string })[];

/** Prose as the headers write it: code stands between backticks. */
export function inline(prose: string): Inline {
  const parts = prose.split(/`([^`]+)`/);
  return parts.map((part, i) => i % 2 === 0 ? part : { code: part })
    .filter((part) => part !== "");
}

/** `1 call`, `2 calls`, `16,777,216 bytes`. */
export function count(number: number, noun: string): string {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}
