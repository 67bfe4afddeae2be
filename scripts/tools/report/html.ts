/**
 * A report as one HTML file that needs nothing else: no network, no script. It
 * follows the reader's choice of light or dark, and prints on A4.
 *
 * @module
 */
import { count, receives, type Row, written } from "./calls.ts";
import { type Language, piecesOf } from "./colour.ts";
import type { Part, Report, Section } from "./content.ts";
import type { Detail } from "./details.ts";
import { ownPath, readTextFile } from "./files.ts";
import { escaped } from "./markup.ts";
import type { Block, Inline } from "./prose.ts";

/** The whole file. */
export function html(report: Report): string {
  const { title, details, sections, colophon } = report;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>${escaped(title)} – lab report</title>
<style>
${STYLES.map((name) => readTextFile(ownPath(name))).join("")}</style>
</head>
<body>
<header>
<h1>${escaped(title)}</h1>
<dl>
${details.map(detail).join("\n")}
</dl>
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

function detail({ name, value }: Detail): string {
  return `<div><dt>${escaped(name)}</dt><dd>${escaped(value)}</dd></div>`;
}

const STYLES = ["style.css", "program.css", "terminal_window.css"];

/** Forbids a browser to fetch or run anything. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'";

function section(
  { name, heading, blocks, parts }: Section,
  index: number,
): string {
  const id = `section-${index + 1}`;
  const body = blocks.map(block);
  if (parts.length > 0) {
    // On paper, the two ends stand below each other if their lines are long.
    const long = parts.some(({ blocks: [block] }) =>
      block?.kind === "terminal" && /.{45}/u.test(block.text)
    );
    const kind = long ? "parts long" : "parts";
    body.push(`<div class="${kind}">`, ...parts.map(part), "</div>");
  }
  return `<section class="${classOf(name)}" aria-labelledby="${id}">
<h2 id="${id}">${escaped(heading)}</h2>
${body.join("\n")}
</section>`;
}

function part({ name, heading, blocks }: Part): string {
  return `<section class="part ${classOf(name)}">
<h3>${escaped(heading)}</h3>
${blocks.map(block).join("\n")}
</section>`;
}

function classOf(name: string): string {
  return name.toLowerCase().replaceAll(" ", "-");
}

/** A piece of a section. */
export function block(block: Block): string {
  switch (block.kind) {
    case "heading":
      return `<h4>${spans(block.text)}</h4>`;
    case "text":
      return `<p>${spans(block.text)}</p>`;
    case "list":
    case "steps":
    case "choices": {
      const tag = block.kind === "list" ? "ul" : "ol";
      const items = block.items.map((item) => `<li>${spans(item)}</li>`);
      return `<${tag} class="${block.kind}">\n${items.join("\n")}\n</${tag}>`;
    }
    case "table":
      return table(block.head, block.rows);
    case "calls":
      return sequence(block.rows);
    case "picture":
      return "";
    case "program":
      return pre("program", `<code>${statements(block)}</code>`);
    case "terminal": {
      const { typed } = block;
      const first = typed ? `<kbd>$ ${escaped(typed)}</kbd>\n` : "";
      return pre("terminal", `<samp>${first}${escaped(block.text)}</samp>`);
    }
    case "command":
      return pre("command", `<code>${escaped(block.text)}</code>`);
  }
}

function pre(kind: string, text: string): string {
  return `<pre class="${kind}">${text}</pre>`;
}

/**
 * The statements of the top level, since paper may end between two of them; of a
 * long one, the steps.
 */
function statements({ text, language }: Block & { kind: "program" }): string {
  const parts = text.split(/(?<=\n)\n(?=\S)/).flatMap((one) =>
    one.split("\n").length > LONG ? one.split(/(?<=\n)\n/) : [one]
  );
  return parts.map((one) => `<span>${coloured(`${one}\n`, language)}</span>`)
    .join("");
}

const LONG = 40; // lines

function coloured(program: string, language?: Language): string {
  return piecesOf(program, language).map(({ kind, text }) =>
    kind === "plain"
      ? escaped(text)
      : `<span class="${kind}">${escaped(text)}</span>`
  ).join("");
}

/**
 * The calls downwards in time, each at the side of its end, and above it what
 * has arrived from the other end. A table wraps its text, and a page of paper
 * may end between two rows.
 */
function sequence(rows: Row[]): string {
  const head = ["ms", "server", "client"].map((name) =>
    `<th scope="col" id="of-${name}" class="${name}">${name}</th>`
  );
  return tableOf(' class="sequence"', head, rows.map(rowsOf));
}

/** The rows of the table: what has arrived with a call, if anything, and the call. */
export function rowsOf(row: Row): string {
  const { end, call, connection, error, time } = row.call;
  const line = (kind: string, time: string, text: string) =>
    `<tr class="${kind}"><td class="time">${time}</td><td colspan="2"` +
    ` headers="of-${end}" class="${end}">${text}</td></tr>`;
  const [what, kind] = arrivalOf(row);
  const arrow = end === "server" ? "←" : "→";
  const arrival = what &&
    line(kind, "", `<p>${arrow}<span>${what}</span></p>`);
  const who = connection > 1 ? `[${connection}]\u00a0` : "";
  const text = escaped(written(row).slice(call.length))
    .replaceAll("\\x", "<wbr>\\x"); // an escape stays in one line
  const failed = error === undefined ? "" : ' class="failed"';
  const code = `${who}<b>${escaped(call)}</b>${text}`;
  return arrival +
    line("call", time.toFixed(1), `<code${failed}>${code}</code>`);
}

/** What has arrived from the other end with a call, by its result. */
function arrivalOf({ call, bytes }: Row): [what: string, kind: string] {
  if (call.result !== undefined && call.call === "accept") {
    return ["connection", "signal"];
  }
  if (call.result === undefined || !receives(call)) return ["", ""];
  const ended = bytes === 0 && /^recv(_into)?$/.test(call.call);
  return ended ? ["end of stream", "signal"] : [count(bytes, "byte"), "data"];
}

function table(head: Inline[], rows: Inline[][]): string {
  const names = head.map((name) => `<th scope="col">${spans(name)}</th>`);
  const lines = rows.map(([first, ...cells]) => {
    const name = `<th scope="row">${spans(first)}</th>`;
    const others = cells.map((cell) => `<td>${spans(cell)}</td>`);
    return `<tr>${name}${others.join("")}</tr>`;
  });
  return tableOf("", names, lines);
}

function tableOf(attributes: string, head: string[], rows: string[]): string {
  return `<table${attributes}>
<thead><tr>${head.join("")}</tr></thead>
<tbody>
${rows.join("\n")}
</tbody>
</table>`;
}

function spans(parts: Inline): string {
  return parts.map((part) =>
    typeof part === "string"
      ? escaped(part).replaceAll("\n", "<br>")
      : `<code>${escaped(part.code)}</code>`
  ).join("");
}
