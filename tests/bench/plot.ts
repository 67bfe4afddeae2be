/**
 * Throughput and cost of an exchange against the number of clients, as an SVG
 * that needs nothing else, for light and dark pages.
 *
 * @module
 */
import type { Row } from "./row.ts";

interface Line {
  runtime: string;
  name: string;
  kind: "library" | "raw";
  /** The number of clients, and what an exchange costs, in us. */
  points: [clients: number, cost: number][];
}

const [WIDTH, HEIGHT] = [960, 420];
/** A panel's box, without its labels. */
const BOX = { top: 84, width: 316, height: 264, left: [58, 528] };

/** The picture of the rows of `clients`. */
export function plot(rows: Row[]): string {
  const lines = linesOf(rows);
  const panels = [
    panel(lines, BOX.left[0], "Exchanges a second", (cost) => 1e6 / cost),
    panel(lines, BOX.left[1], "Cost of an exchange, us", (cost) => cost),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-labelledby="title">
<title id="title">What an exchange costs by the number of clients</title>
<style>
  svg { --back: #fff; --ink: #1f2328; --soft: #59636e; --grid: #d8dee4;
    --deno: #0a7d4f; --bun: #b3501c; --node: #2f5fd0;
    background: var(--back); font: 12px system-ui, sans-serif }
  @media (prefers-color-scheme: dark) {
    svg { --back: #0d1117; --ink: #e6edf3; --soft: #9198a1; --grid: #30363d;
      --deno: #3fca8c; --bun: #f0975a; --node: #7ea6ff }
  }
  text { fill: var(--soft) } .head { fill: var(--ink); font-weight: 600 }
  .grid { stroke: var(--grid) } polyline { fill: none; stroke-width: 2 }
  .raw { stroke-dasharray: 5 4; stroke-width: 1.5; opacity: 0.75 }
  .deno { stroke: var(--deno) } .bun { stroke: var(--bun) }
  .node { stroke: var(--node) } text.name { stroke: none; fill: var(--ink) }
</style>
<rect width="${WIDTH}" height="${HEIGHT}" fill="var(--back)"/>
${panels.join("\n")}
${key()}
</svg>
`;
}

function linesOf(rows: Row[]): Line[] {
  const lines: Line[] = [];
  const points = rows.filter(({ work, against }) =>
    work === "clients" && against === "raw"
  );
  for (const { runtime, version, clients, cost, otherCost } of points) {
    for (const kind of ["library", "raw"] as const) {
      let line = lines.find((one) =>
        one.runtime === runtime && one.kind === kind
      );
      if (!line) {
        lines.push(line = { runtime, name: version, kind, points: [] });
      }
      line.points.push([clients!, kind === "raw" ? otherCost : cost]);
    }
  }
  return lines;
}

function panel(
  lines: Line[],
  left: number,
  title: string,
  valueOf: (cost: number) => number,
): string {
  const all = lines.flatMap(({ points }) => points);
  const top = ceiling(Math.max(...all.map(([, cost]) => valueOf(cost))));
  const most = Math.max(10, ...all.map(([clients]) => clients));
  const x = (clients: number) =>
    left + Math.log(clients) / Math.log(most) * BOX.width;
  const y = (value: number) => BOX.top + BOX.height * (1 - value / top);
  const bottom = BOX.top + BOX.height;
  const parts = [
    `<text class="head" x="${left}" y="${BOX.top - 22}">${title}</text>`,
  ];
  for (let i = 0; i <= 4; i++) {
    const value = top * i / 4;
    const at = place(y(value));
    parts.push(
      `<path class="grid" d="M${left} ${at}h${BOX.width}"/>`,
      `<text x="${left - 8}" y="${place(y(value) + 4)}" text-anchor="end">${
        inWords(value)
      }</text>`,
    );
  }
  for (const clients of new Set(all.map(([clients]) => clients))) {
    parts.push(
      `<text x="${place(x(clients))}" y="${bottom + 18}" ` +
        `text-anchor="middle">${clients}</text>`,
    );
  }
  parts.push(
    `<text x="${left + BOX.width / 2}" y="${bottom + 38}" ` +
      `text-anchor="middle">clients connected at once</text>`,
  );
  for (const { runtime, kind, points } of lines) {
    const path = points.map(([clients, cost]) =>
      `${place(x(clients))},${place(y(valueOf(cost)))}`
    ).join(" ");
    parts.push(`<polyline class="${runtime} ${kind}" points="${path}"/>`);
  }
  return [
    ...parts,
    ...names(lines, left + BOX.width + 8, (cost) => y(valueOf(cost))),
  ].join("\n");
}

/** Names the library's lines at their ends, and keeps the names apart. */
function names(
  lines: Line[],
  left: number,
  y: (cost: number) => number,
): string[] {
  const ends = lines.filter(({ kind }) => kind === "library")
    .map(({ runtime, name, points }) => ({
      runtime,
      name,
      at: y(points.at(-1)![1]),
    }))
    .sort((a, b) => a.at - b.at);
  const apart = 16;
  for (const [i, end] of ends.entries()) {
    if (i > 0) end.at = Math.max(end.at, ends[i - 1].at + apart);
  }
  // The last one may have been pushed below the panel.
  for (let i = ends.length - 1, most = BOX.top + BOX.height; i >= 0; i--) {
    ends[i].at = Math.min(ends[i].at, most);
    most = ends[i].at - apart;
  }
  return ends.map(({ runtime, name, at }) =>
    `<path class="${runtime}" stroke-width="2" d="M${left} ${place(at)}h10"/>` +
    `<text class="name" x="${left + 14}" y="${place(at + 4)}">${name}</text>`
  );
}

function key(): string {
  const y = 22;
  return `<path d="M58 ${y}h24" stroke="var(--soft)" stroke-width="2"/>
<text x="88" y="${y + 4}">with the library</text>
<path class="raw" d="M198 ${y}h24" stroke="var(--soft)"/>
<text x="228" y="${y + 4}">raw, on the runtime's own sockets</text>`;
}

/** The least round number that is not below. */
function ceiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const factor = [1, 2, 4, 6, 8, 10].find((one) => one * power >= value)!;
  return factor * power;
}

function inWords(value: number): string {
  return value >= 1000 ? `${value / 1000}k` : String(value);
}

function place(value: number): string {
  return value.toFixed(1);
}
