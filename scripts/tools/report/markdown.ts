/**
 * A report as GitHub-flavoured Markdown, the sequence of calls as a Mermaid
 * diagram.
 *
 * @module
 */
import { mermaid } from "../../../lib/observe/diagram.ts";
import { asCalls } from "./calls.ts";
import type { Report } from "./content.ts";
import type { Block, Inline } from "./prose.ts";

/** The whole file. */
export function markdown(report: Report): string {
  const { title, details, sections, colophon } = report;
  const blocks = [
    `# ${escaped(title)}`,
    details.map(({ name, value }) =>
      `- **${escaped(name)}:** ${escaped(value)}`
    )
      .join("\n"),
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
    case "heading":
      return `#### ${spans(block.text)}`;
    case "text":
      return spans(block.text);
    case "list":
      return block.items.map((item) => `- ${spans(item)}`).join("\n");
    case "choices":
      return block.items.map((item, i) => `- ${"abcdefgh"[i]}) ${spans(item)}`)
        .join("\n");
    case "steps":
      return block.items.map((item, i) => `${i + 1}. ${spans(item)}`)
        .join("\n");
    case "table":
      return table(block.head, block.rows);
    case "calls":
      return fence("mermaid", mermaid(asCalls(block.rows)));
    case "picture":
      return `![${spans(block.text)}](${block.file})`;
    case "program":
      return fence(block.language ?? "ts", block.text);
    case "command":
      return fence("sh", block.text);
    case "terminal":
      return block.typed
        ? fence("console", `$ ${block.typed}\n${block.text}`.trimEnd())
        : fence("text", block.text);
  }
}

function table(head: Inline[], rows: Inline[][]): string {
  const line = (cells: string[]) => `| ${cells.join(" | ")} |`;
  return [
    line(head.map(spans)),
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
    typeof part === "string"
      ? escaped(part).replaceAll("\n", "<br>")
      : span(part.code)
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
