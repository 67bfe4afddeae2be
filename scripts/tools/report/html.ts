/**
 * A report as one HTML file that needs nothing else: no network, no script. It
 * follows the reader's choice of light or dark, and prints on A4.
 *
 * @module
 */
import {
  type Block,
  dateOf,
  type Part,
  type Report,
  type Section,
} from "./content.ts";
import { NARROW, sequence, WIDE } from "./sequence.ts";
import { STYLE } from "./style.ts";
import { escaped, type Inline } from "../support/text.ts";

/** The whole file. */
export function html(report: Report): string {
  const { name, title, date, sections, colophon } = report;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>${escaped(title)} – lab report</title>
<style>
${STYLE}</style>
</head>
<body>
<header>
<p class="experiment">${escaped(name)}</p>
<h1>${escaped(title)}</h1>
<p class="date">${dateOf(date)}</p>
</header>
<main>
${sections.map(section).join("\n")}
</main>
<footer>
<p>${spans(colophon)}</p>
</footer>
</body>
</html>
`;
}

/** A browser fetches and runs nothing, whatever the page says. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'";

function section({ name, heading, blocks, parts }: Section): string {
  const id = idOf(name);
  const body = blocks.map(block);
  if (parts.length > 0) {
    // On paper, ends with long lines stand below each other.
    const lines = parts.flatMap(({ blocks }) => blocks).flatMap((block) =>
      block.kind === "terminal" ? block.lines : []
    );
    const long = lines.some((line) => line.length > 44) ? " long" : "";
    body.push(`<div class="parts${long}">`, ...parts.map(part), "</div>");
  }
  return `<section class="${id}" aria-labelledby="${id}">
<h2 id="${id}">${escaped(heading)}</h2>
${body.join("\n")}
</section>`;
}

function part({ name, heading, blocks }: Part): string {
  return `<section class="part ${idOf(name)}">
<h3>${escaped(heading)}</h3>
${blocks.map(block).join("\n")}
</section>`;
}

function idOf(name: string): string {
  return name.toLowerCase().replaceAll(" ", "-");
}

function block(block: Block): string {
  switch (block.kind) {
    case "text":
      return `<p>${spans(block.text)}</p>`;
    case "list":
    case "steps": {
      const tag = block.kind === "list" ? "ul" : "ol";
      const items = block.items.map((item) => `<li>${spans(item)}</li>`);
      return `<${tag}>\n${items.join("\n")}\n</${tag}>`;
    }
    case "table":
      return table(block.head, block.rows);
    case "command":
      return `<pre class="command"><code>${escaped(block.text)}</code></pre>`;
    case "program":
      return `<pre class="program"><code>${escaped(block.text)}</code></pre>`;
    case "terminal": {
      const lines = escaped(block.lines.join("\n"));
      return `<pre class="terminal"><samp>${lines}</samp></pre>`;
    }
    case "calls":
      return [WIDE, NARROW].map((measure) =>
        [
          `<div class="diagram ${measure.id}">`,
          ...sequence(block.calls, measure),
          "</div>",
        ].join("\n")
      ).join("\n");
  }
}

function table(head: string[], rows: Inline[][]): string {
  const names = head.map((name) => `<th scope="col">${escaped(name)}</th>`);
  const lines = rows.map(([first, ...cells]) => {
    const name = `<th scope="row">${spans(first)}</th>`;
    return `<tr>${name}${cells.map(cellOf).join("")}</tr>`;
  });
  return `<table>
<thead><tr>${names.join("")}</tr></thead>
<tbody>
${lines.join("\n")}
</tbody>
</table>`;
}

function cellOf(cell: Inline): string {
  const number = cell.length === 1 && /^[\d,–]+$/.test(String(cell[0]));
  return `<td${number ? ' class="number"' : ""}>${spans(cell)}</td>`;
}

function spans(parts: Inline): string {
  return parts.map((part) =>
    typeof part === "string"
      ? escaped(part)
      : `<code>${escaped(part.code)}</code>`
  ).join("");
}
