/**
 * Text from anywhere, made fit to be shown: what a peer has sent may neither
 * drive a terminal nor turn the direction of a page.
 *
 * @module
 */

/** Prose with code in it; what a run has said is always code. */
export type Inline = (string | { code: string })[];

/** Controls, what turns the direction of writing, and what is no character. */
const UNSAFE =
  /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Noncharacter_Code_Point}]/gu;

/** The text as one line in which everything unsafe is escaped. */
export function printable(text: string): string {
  return text.replace(UNSAFE, (character) => {
    const code = character.codePointAt(0)!.toString(16);
    return code.length > 2 ? `\\u{${code}}` : `\\x${code.padStart(2, "0")}`;
  });
}

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

/** Each of them once, in the order of first sight, and how often. */
export function tally(words: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}

const ENTITIES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** The text for HTML or SVG, with nothing in it that could be markup. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (mark) => ENTITIES[mark]);
}
