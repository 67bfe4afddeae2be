/**
 * A report as GitHub-flavoured Markdown, the sequence of calls as a Mermaid
 * diagram.
 *
 * @module
 */
import { mermaid } from "../../../lib/observe/diagram.ts";
import type { CallInWords as Call } from "../../../lib/observe/strace.ts";
import { type Block, dateOf, type Inline, type Report } from "./content.ts";
import { asCalls, condensed } from "./calls.ts";

/** The whole file. */
export function markdown(report: Report): string {
  const { name, title, date, sections, colophon } = report;
  const blocks = [
    `# ${escaped(title)}`,
    spans([{ code: name }, `, ${dateOf(date)}`]),
  ];
  for (const { heading, blocks: own, parts } of sections) {
    blocks.push(`## ${escaped(heading)}`, ...own.map(block));
    for (const part of parts) {
      blocks.push(`### ${escaped(part.heading)}`, ...part.blocks.map(block));
    }
  }
  return [...blocks, "---", spans(colophon)].join("\n\n") + "\n";
}

function block(block: Block): string {
  switch (block.kind) {
    case "text":
      return spans(block.text);
    case "list":
      return block.items.map((item) => `- ${spans(item)}`).join("\n");
    case "steps":
      return block.items.map((item, i) => `${i + 1}. ${spans(item)}`)
        .join("\n");
    case "table":
      return table(block.head, block.rows);
    case "calls":
      return fence("mermaid", diagram(block.calls));
    default:
      return fence(LANGUAGES[block.kind], block.text);
  }
}

const LANGUAGES = { command: "sh", program: "ts", terminal: "text" };

/** As many calls as Mermaid can draw; the rest are counted. */
function diagram(all: Call[]): string {
  const calls = asCalls(condensed(all));
  for (let shown = calls.length;; shown = Math.floor(shown * 0.9)) {
    const text = mermaid(calls.slice(0, shown), calls.length - shown);
    if (text.length <= MOST_DRAWN) return text;
  }
}

const MOST_DRAWN = 50_000; // characters: Mermaid refuses more

function table(head: string[], rows: Inline[][]): string {
  const line = (cells: string[]) => `| ${cells.join(" | ")} |`;
  return [
    line(head.map(escaped)),
    line(head.map(() => "---")),
    ...rows.map((row) =>
      line(row.map((cell) =>
        // A cell ends at a bar even within code.
        spans(cell).replace(/(?<!\\)\|/g, "\\|")
      ))
    ),
  ].join("\n");
}

/** A code block whose fence is longer than any run of backticks in it. */
function fence(language: string, text: string): string {
  const ticks = "`".repeat(Math.max(3, longestRun(text) + 1));
  return `${ticks}${language}\n${text}\n${ticks}`;
}

function spans(parts: Inline): string {
  const text = parts.map((part) =>
    typeof part === "string" ? escaped(part) : span(part.code)
  ).join("");
  // What would make a heading or a list of a paragraph.
  return text.replace(/^[-+#]/, "\\$&").replace(/^(\d+)([.)] )/, "$1\\$2");
}

function span(code: string): string {
  if (code === "") return "";
  const ticks = "`".repeat(longestRun(code) + 1);
  const room = /^`|`$|^ .* $/.test(code) ? " " : "";
  return `${ticks}${room}${code}${room}${ticks}`;
}

function longestRun(text: string): number {
  return Math.max(0, ...text.match(/`+/g)?.map((run) => run.length) ?? []);
}

/** Plain text, in which nothing is markup; `a_b` is none on GitHub. */
function escaped(text: string): string {
  return text.replace(/[\\`*[\]<>|~$&]|\b_|_\b/g, "\\$&");
}
