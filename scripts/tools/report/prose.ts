/**
 * The pieces that a section is made of, and the reader for those that come from
 * a Markdown file: the project's theory, and a student's own text.
 *
 * @module
 */
import { escapeControls } from "../../../lib/sockets/escape.ts";
import type { Row } from "./calls.ts";
import type { Language } from "./colour.ts";

/**
 * Prose with code in it, `\n` for a line end; what a run has printed is always
 * code.
 */
export type Inline = (string | { code: string })[];

/** A piece of a section. */
export type Block =
  | { kind: "heading" | "text"; text: Inline }
  | { kind: "list" | "steps" | "choices"; items: Inline[] }
  | { kind: "table"; head: Inline[]; rows: Inline[][] }
  | { kind: "command"; text: string }
  | { kind: "program"; text: string; language?: Language }
  /** `typed` is the command whose output the text is. */
  | { kind: "terminal"; text: string; typed?: string }
  /** What a page draws itself. */
  | { kind: "picture"; file: string; text: Inline }
  | { kind: "calls"; rows: Row[] };

/** A section that is a text of its own. */
export interface Prose {
  /** Its first line, if that is `# Heading`. */
  readonly heading: string | undefined;
  readonly blocks: Block[];
}

/** A paragraph in which code stands between backticks. */
export function paragraph(text: string): Block {
  return { kind: "text", text: inline(text) };
}

/** Text in which code stands between backticks. */
export function inline(text: string): Inline {
  const parts = text.split(/`([^`]+)`/);
  return parts.map((part, i) => i % 2 === 0 ? part : { code: part })
    .filter((part) => part !== "");
}

/**
 * Reads the Markdown that reports know: headings, paragraphs, lists with `-` or
 * numbers, tables, code blocks, and code in backticks. Anything else is text.
 */
export function readProse(text: string): Prose {
  const lines = text.split("\n").map((line) =>
    escapeControls(line.replaceAll("\t", "    ")).trimEnd()
  );
  const first = lines.findIndex((line) => line !== "");
  const [, heading] = lines[first]?.match(/^# +(.*)/) ?? [];
  const blocks: Block[] = [];
  for (let i = heading === undefined ? 0 : first + 1; i < lines.length;) {
    if (lines[i] === "") {
      i++;
      continue;
    }
    const { pattern, block } = FORMS.find(({ pattern }) =>
      pattern.test(lines[i])
    )!;
    const own = [lines[i++]];
    const more = (line: string) =>
      pattern === FENCE
        ? line !== own[0].match(FENCE)![1]
        : line !== "" && !FORMS.some(({ pattern: other }) =>
          other !== TEXT && other !== pattern && other.test(line)
        );
    while (i < lines.length && more(lines[i])) own.push(lines[i++]);
    if (pattern === FENCE) i++;
    blocks.push(...block(own));
  }
  return { heading, blocks };
}

const FENCE = /^(`{3,})(\w*)$/;
const ITEM = /^ {0,3}[-*] +/;
const STEP = /^ {0,3}\d+[.)] +/;
const TEXT = /^/;

/** How a block begins, and what is made of its lines. */
const FORMS: { pattern: RegExp; block(lines: string[]): Block[] }[] = [
  { pattern: FENCE, block: code },
  {
    pattern: /^#+ +/,
    block: ([line, ...rest]) => [
      { kind: "heading", text: inline(line.replace(/^#+ +/, "")) },
      ...(rest.length > 0 ? readProse(rest.join("\n")).blocks : []),
    ],
  },
  { pattern: /^\|/, block: table },
  {
    pattern: ITEM,
    block: (lines) => [{ kind: "list", items: items(lines, ITEM) }],
  },
  {
    pattern: STEP,
    block: (lines) => [{ kind: "steps", items: items(lines, STEP) }],
  },
  { pattern: TEXT, block: (lines) => [paragraph(joined(lines))] },
];

function code([fence, ...lines]: string[]): Block[] {
  const language = fence.match(FENCE)![2];
  const kind = /^(text)?$/.test(language)
    ? "terminal"
    : language === "sh"
    ? "command"
    : "program";
  const text = lines.join("\n");
  return /^py(thon)?$/.test(language)
    ? [{ kind: "program", text, language: "python" }]
    : [{ kind, text }];
}

function table(lines: string[]): Block[] {
  const [head, ...rows] = lines.map((line) =>
    line.replace(/^\| *| *\|$/g, "").split(/ *(?<!\\)\| */)
      .map((cell) => inline(cell.replaceAll("\\|", "|")))
  );
  const rule = /^[|: -]+$/.test(lines[1] ?? "");
  return [{ kind: "table", head, rows: rows.slice(rule ? 1 : 0) }];
}

function items(lines: string[], mark: RegExp): Inline[] {
  const found: string[][] = [];
  for (const line of lines) {
    if (mark.test(line)) found.push([line.replace(mark, "")]);
    else found.at(-1)!.push(line);
  }
  return found.map((lines) => inline(joined(lines)));
}

function joined(lines: string[]): string {
  return lines.map((line) => line.trim()).join(" ");
}
