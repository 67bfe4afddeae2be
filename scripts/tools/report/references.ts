/**
 * Keeps in a list of references those that the report cites.
 *
 * @module
 */
import type { Block, Inline } from "./prose.ts";

/** What the blocks cite: `RFC 9293` of `[RFC 9293, 3.3.2]`. */
export function citedIn(blocks: Block[]): string[] {
  const others = blocks.filter((block) => !isReferences(block));
  const marks = JSON.stringify(others).matchAll(/\[([^[\]{}",]+)[^[\]{}"]*\]/g);
  return [...marks].map(([, key]) => key);
}

/** The blocks without references that are not cited, and empty headings. */
export function onlyCited(blocks: Block[], cited: Set<string>): Block[] {
  const groups: Block[][] = [[]];
  for (const block of blocks) {
    if (block.kind === "heading") groups.push([]);
    groups.at(-1)!.push(block);
  }
  return groups.flatMap((group) => {
    if (!group.some(isReferences)) return group;
    const kept = group.map((block) =>
      isReferences(block)
        ? { ...block, items: block.items.filter((i) => cited.has(keyOf(i)!)) }
        : block
    );
    const empty = kept.every((one) => one.kind !== "list" || !one.items.length);
    return empty ? [] : kept;
  });
}

function isReferences(
  block: Block,
): block is Block & { kind: "list"; items: Inline[] } {
  return block.kind === "list" &&
    block.items.every((item) => keyOf(item) !== undefined);
}

/** The key that a reference begins with. */
function keyOf([first]: Inline): string | undefined {
  return typeof first === "string" ? first.match(/^\[(.+?)\]/)?.[1] : undefined;
}
