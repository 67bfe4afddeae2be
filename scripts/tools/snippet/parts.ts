/**
 * Leaves out of a program what another text does not need: whole declarations,
 * and members of classes.
 *
 * @module
 */

/** A declaration, or a member of a class, with the comment above it. */
export interface Part {
  text: string;
  /** What it declares. */
  readonly names: string[];
  /** The class whose member it is. */
  readonly owner?: string;
}

/**
 * The parts of a program that is formatted as this project is: each begins at
 * the margin, or in a class two columns from it, and goes on with lines that
 * are indented further, or begin with a closing bracket.
 */
export function partsOf(program: string): Part[] {
  const parts: Part[] = [];
  let owner: string | undefined;
  let open = false; // so far there is only a comment
  for (const line of program.split(/(?<=\n)/)) {
    const ends = owner !== undefined && line.startsWith("}");
    const margin = owner === undefined ? /^[^\s)}\]]/ : /^ {2}[^\s)}\]]/;
    if (ends || margin.test(line) && !open || parts.length === 0) {
      parts.push({ text: "", names: [], owner });
    }
    const part = parts[parts.length - 1];
    part.text += line;
    if (ends) owner = undefined;
    else if (margin.test(line)) {
      open = COMMENT.test(line);
      part.names.push(...namesIn(line));
      if (CLASS.test(line)) [owner] = part.names;
    }
  }
  return parts;
}

const COMMENT = /^\s*(\/\/|\/?\*)/;
const CLASS = /^(export )?class .*\{$/m;

/** What a line declares. */
function namesIn(line: string): string[] {
  if (COMMENT.test(line)) return [];
  const [, imported] = line.match(/^import (.*) from /) ?? [];
  if (imported) return imported.match(/\w+/g)!;
  if (line.startsWith("  ")) return line.match(MEMBER)?.slice(1) ?? [];
  const [, kind, name] = line.match(DECLARATION) ?? [];
  if (kind !== "const") return name ? [name] : [];
  return [...line.matchAll(/(?:const|",) (\w+)/g)].map(([, name]) => name);
}

const MEMBER = /^ *(?:readonly |async |protected |\*)*(#?\w+|\[Symbol\.\w+\])/;
const DECLARATION =
  /^(?:export )?(?:async )?(class|const|function|let|type|interface) (\w+)/;

/** The parts that a text needs, directly or for another part. */
export function needed(parts: Part[], text: string): string {
  const kept = new Set<Part>();
  for (let count = -1; count < kept.size;) {
    count = kept.size;
    for (const part of parts) {
      const code = withoutComments([
        text,
        ...[...kept].map(({ text }) => text),
      ]);
      if (!kept.has(part) && isUsed(part, code)) kept.add(part);
    }
  }
  return parts.filter((part) => kept.has(part)).map(({ text }) => text)
    .join("").replace(/\n{3,}/g, "\n\n").trim();
}

function isUsed({ names, owner }: Part, code: string): boolean {
  if (owner === undefined) {
    return names.some((name) => new RegExp(`\\b${name}\\b`).test(code));
  }
  if (!new RegExp(`\\b${owner}\\b`).test(code)) return false;
  const [name] = names; // none: the class's last line
  if (name === undefined || name === "constructor") return true;
  if (name === "[Symbol.asyncIterator]") return code.includes("for await");
  if (name === "[Symbol.asyncDispose]") return code.includes("await using");
  return new RegExp(`\\.${name}\\b`).test(code);
}

function withoutComments(texts: string[]): string {
  return texts.join("\n").replace(/^\s*(\/\/|\/?\*).*$/gm, "");
}
