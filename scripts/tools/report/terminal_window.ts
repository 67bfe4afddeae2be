/**
 * Draws terminals as windows, in a picture for whoever must hand in a screenshot.
 *
 * @module
 */
import { count } from "./calls.ts";
import { escaped } from "./markup.ts";

/** A terminal: all text in it is escaped, and its lines may be long. */
export interface Terminal {
  /** What runs in it, such as `Server`, and with what, such as `Bun 1.4.5`. */
  readonly title: string;
  readonly runtime: string;
  /** The command as it was typed. */
  readonly command: string;
  /** What the terminal has shown below it. */
  readonly lines: readonly string[];
}

/** The lines of a terminal, without the end of very many. */
export function shortened(lines: string[]): string[] {
  const more = lines.length - LONGEST;
  return more > 0
    ? [...lines.slice(0, LONGEST), `[${count(more, "more line")}]`]
    : lines;
}

const LONGEST = 100;

/** A drawing of terminals, and its size in pixels. */
export interface Picture {
  readonly svg: string;
  readonly width: number;
  readonly height: number;
}

/** Sizes in pixels: no usual font has a wider `COLUMN`, or a higher `LINE`. */
const [COLUMN, LINE, FONT, BAR, PAD, GAP] = [8.7, 20, 14, 30, 14, 16];
const LEAST = 44; // columns of a window
const MOST = 80; // after which a terminal goes on in the next line
const BESIDE = 108; // columns of windows that stand beside each other

/** The windows beside each other, or below each other if lines are long. */
export function pictureOf(terminals: Terminal[], title: string): Picture {
  const texts = terminals.map(({ command, lines }) =>
    [`$ ${command}`, ...lines].map(cut)
  );
  const needed = texts.map((text) =>
    Math.max(LEAST, ...text.flat().map(columnsOf))
  );
  const beside = needed.reduce((a, b) => a + b) <= BESIDE;
  const widths = needed.map((columns) =>
    Math.ceil((beside ? columns : Math.max(...needed)) * COLUMN) + 2 * PAD
  );
  const counts = texts.map((text) => text.flat().length);
  const heights = counts.map((count) =>
    BAR + (beside ? Math.max(...counts) : count) * LINE + 2 * PAD
  );
  let [x, y] = [GAP, GAP];
  const windows = terminals.map(({ title, runtime }, i) => {
    const size = { width: widths[i], height: heights[i] };
    const drawn = drawWindow(`${title} – ${runtime}`, texts[i], size);
    const placed = `<g transform="translate(${x} ${y})">\n${drawn}\n</g>`;
    if (beside) x += widths[i] + GAP;
    else y += heights[i] + GAP;
    return placed;
  });
  const width = beside ? x : widths[0] + 2 * GAP;
  const height = beside ? heights[0] + 2 * GAP : y;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" \
height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>${escaped(title)}</title>
<style>${DARK}</style>
<rect class="page" width="100%" height="100%" fill="#fff"/>
<g font-family="${FONTS}" font-size="${FONT}" fill="#1d2329" class="text">
${windows.join("\n")}
</g>
</svg>
`;
  return { svg, width, height };
}

/** Attributes draw the light picture, since not every program knows styles. */
const DARK = "@media (prefers-color-scheme: dark) { .page { fill: #16191c } " +
  ".screen { fill: #0d0f11; stroke: #4a525a } .bar { fill: #2a3036 } " +
  ".text { fill: #e9e6de } .dot { fill: #7d868f } }";
const FONTS = "ui-monospace, SF Mono, Cascadia Mono, Menlo, Consolas, " +
  "DejaVu Sans Mono, Liberation Mono, monospace";

/** A window with its lines, each of them in pieces of at most `MOST` columns. */
function drawWindow(
  title: string,
  [typed, ...printed]: string[][],
  { width, height }: { width: number; height: number },
): string {
  const dots = [0, 1, 2].map((i) =>
    `<circle class="dot" cx="${
      PAD + 5 + 17 * i
    }" cy="15" r="5" fill="#a9b0b7"/>`
  );
  const line = (text: string, i: number) => {
    const shown = text.trimEnd();
    if (shown === "") return "";
    const weight = i < typed.length ? ' font-weight="bold"' : "";
    // The same width in every font.
    const length = (columnsOf(shown) * FONT * 0.6).toFixed(1);
    return `<text x="${PAD}" y="${BAR + PAD + LINE * i + FONT}"${weight} \
xml:space="preserve" textLength="${length}" lengthAdjust="spacingAndGlyphs">${
      escaped(shown)
    }</text>\n`;
  };
  return `<rect class="screen" width="${width}" height="${height}" rx="8" \
fill="#fff" stroke="#8a929a"/>
<path class="bar" d="M.5 ${BAR}V8a7.5 7.5 0 0 1 7.5-7.5h${
    width - 16
  }a7.5 7.5 0 0 1 \
7.5 7.5V${BAR}z" fill="#e6e8ea"/>
${dots.join("")}
<text x="${width / 2}" y="20" text-anchor="middle" font-size="13">${
    escaped(title)
  }</text>
${[...typed, ...printed.flat()].map(line).join("")}`;
}

/** A line in pieces, as a terminal cuts it. */
function cut(line: string): string[] {
  const pieces = [""];
  let used = 0;
  for (const { segment } of GRAPHEMES.segment(line)) {
    used += columnsOf(segment);
    if (used > MOST) {
      pieces.push("");
      used = columnsOf(segment);
    }
    pieces[pieces.length - 1] += segment;
  }
  return pieces;
}

/** How many columns of a terminal a text takes. */
export function columnsOf(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length;
  return [...GRAPHEMES.segment(text)].reduce(
    (sum, { segment }) => sum + (WIDE.test(segment) ? 2 : 1),
    0,
  );
}

const GRAPHEMES = new Intl.Segmenter();
/** East Asian wide and fullwidth characters (Unicode UAX #11), and emoji. */
const WIDE =
  /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe0f\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]/u;
