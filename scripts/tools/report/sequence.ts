/**
 * Draws socket calls as a sequence diagram in SVG: the server's on the left,
 * the client's on the right, time downwards, and what goes from one to the
 * other as arrows between them.
 *
 * SVG cannot wrap its text, so it is drawn for a width. It comes in slices that
 * stand below each other without a seam, so that a page of paper may end
 * between two of them.
 *
 * @module
 */
import type { CallInWords as Call } from "../../../lib/observe/strace.ts";
import { condensed, receives, type Row, written } from "./calls.ts";
import { count, escaped } from "../support/text.ts";

/** How wide to draw, in CSS pixels, and what of it each thing takes. */
export interface Measure {
  /** Tells two drawings on one page apart. */
  readonly id: string;
  readonly width: number;
  /** Where the times end, and where the lifelines are. */
  readonly times: number;
  readonly server: number;
  readonly client: number;
  /** Half of how wide their names' boxes are. */
  readonly box: number;
  /** The width of a character. */
  readonly character: number;
}

/** For a desk or a sheet of paper, and for a phone. */
export const WIDE: Measure = {
  id: "wide",
  width: 720,
  times: 48,
  server: 92,
  client: 684,
  box: 32,
  character: 7.6,
};
export const NARROW: Measure = {
  id: "narrow",
  width: 340,
  times: 34,
  server: 66,
  client: 310,
  box: 27,
  character: 7.3,
};

/** How high the names, a line of text and an arrow are, and at most a slice. */
const HEAD = 44;
const LINE = 17;
const GAP = 19;
const SLICE = 150;
/** The width of a character beside an arrow. */
const SMALL = 6.7;

/** The drawing, as SVG elements one below the other. */
export function sequence(calls: Call[], measure: Measure): string[] {
  const slices: Place[][] = [];
  let top = -Infinity;
  for (const place of placed(condensed(calls), measure)) {
    if (place.bottom - top > SLICE) {
      slices.push([]);
      top = place.top;
    }
    slices.at(-1)!.push(place);
  }
  return slices.map((slice, i) => {
    const { id, width } = measure;
    const from = i === 0 ? 0 : slice[0].top;
    const height = slice.at(-1)!.bottom - from;
    const title = slices.length > 1
      ? `Sequence of calls, part ${i + 1} of ${slices.length}`
      : "Sequence of calls";
    const name = `${id}-${i + 1}`;
    return `<svg class="${id}" role="img"` +
      ` aria-labelledby="${name}-title ${name}-desc"` +
      ` viewBox="0 ${from} ${width} ${height}"` +
      ` width="${width}" height="${height}">` +
      `<title id="${name}-title">${title}</title>` +
      `<desc id="${name}-desc">${escaped(inWords(slice))}</desc>` +
      lifelines(from, from + height, measure) +
      (i === 0 ? heads(measure) : "") +
      slice.map((place) => arrow(place, measure) + label(place, measure))
        .join("") +
      `</svg>`;
  });
}

function inWords(slice: Place[]): string {
  return slice.map(({ row, text }) => `${row.call.end} ${text}`).join("; ");
}

/** What came from the other end with a call, by what it gave. */
function arrivalOf({ call, bytes }: Row): string | undefined {
  if (call.result === undefined) return;
  if (call.call === "accept") return "connection";
  if (!receives(call)) return;
  const ended = bytes === 0 && call.call === "recv";
  return ended ? "end of stream" : count(bytes, "byte");
}

interface Place {
  readonly row: Row;
  readonly text: string;
  readonly lines: string[];
  readonly arrival: string | undefined;
  /** Its upper edge, that of its text, and its lower edge. */
  readonly top: number;
  readonly start: number;
  readonly bottom: number;
}

function placed(rows: Row[], { server, client, character }: Measure): Place[] {
  const columns = Math.floor((client - server - 26) / character);
  let y = HEAD;
  return rows.map((row) => {
    const { connection } = row.call;
    const who = connection > 1 ? `[${connection}]\u00a0` : "";
    const text = who + written(row);
    const lines = wrapped(text, columns);
    const arrival = arrivalOf(row);
    const top = y;
    const start = top + (arrival ? GAP : 0);
    y = start + lines.length * LINE + 8;
    return { row, text, lines, arrival, top, start, bottom: y };
  });
}

/** Cut into lines of so many columns, of which the first five are kept. */
function wrapped(text: string, columns: number): string[] {
  const lines = [""];
  const fits = (more: string) => columnsOf(lines.at(-1)! + more) <= columns;
  for (const word of text.match(/[^ ]* ?/g)!) {
    // A word goes to the next line; one that is longer fills this one first.
    const whole = word.trimEnd();
    if (columnsOf(whole) <= columns && !fits(whole)) lines.push("");
    for (const piece of word.match(/\\x..|\\.|./gu) ?? []) {
      if (!fits(piece.trim())) lines.push("");
      lines[lines.length - 1] += piece;
      if (lines.length > 5) return [...lines.slice(0, 4), `${lines[4]}…`];
    }
  }
  return lines.map((line) => line.trimEnd());
}

const WIDE_CHARACTER =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60]|\p{Extended_Pictographic}/u;

function columnsOf(text: string): number {
  let columns = 0;
  for (const character of text) {
    columns += WIDE_CHARACTER.test(character) ? 2 : 1;
  }
  return columns;
}

function lifelines(from: number, to: number, { server, client }: Measure) {
  const top = Math.max(from, HEAD - 10);
  return [server, client].map((x) =>
    `<path class="life" d="M${x} ${top}V${to}"/>`
  ).join("");
}

function heads({ times, server, client, box }: Measure): string {
  const head = (x: number, name: string) =>
    `<rect class="${name}" x="${x - box}" y="6"` +
    ` width="${2 * box}" height="26" rx="5"/>` +
    `<text class="head ${name}" x="${x}" y="23">${name}</text>`;
  return `<text class="time" x="${times}" y="23">ms</text>` +
    head(server, "server") + head(client, "client");
}

function label({ row: { call }, lines, start }: Place, measure: Measure) {
  const server = call.end === "server";
  const x = measure[call.end];
  const y = start + 14;
  const side = server ? x + 13 : x - 13;
  const failed = call.error === undefined ? "" : " failed";
  const written = lines.map((line, i) => {
    const name = i === 0 ? line.slice(0, line.indexOf("(")) : "";
    const content = (name && `<tspan class="name">${escaped(name)}</tspan>`) +
      escaped(line.slice(name.length));
    const place = `x="${side}" y="${y + i * LINE}"`;
    return `<text class="${call.end}${failed}" ${place}>${content}</text>`;
  });
  return `<text class="time" x="${measure.times}" y="${y}">` +
    `${call.time.toFixed(1)}</text>` +
    `<circle class="${call.end}${failed}" cx="${x}" cy="${y - 4}" r="4"/>` +
    written.join("");
}

/** From the other end's lifeline to the call that gave what arrived. */
function arrow({ row: { call }, arrival, top }: Place, measure: Measure) {
  if (!arrival) return "";
  const to = measure[call.end];
  const from = measure[call.end === "server" ? "client" : "server"];
  const side = Math.sign(to - from);
  const tip = to - side * 5;
  const [y1, y2] = [top + 3, top + GAP - 5];
  const kind = /byte/.test(arrival) ? "data" : "signal";
  const [x, y] = [(from + to) / 2, (y1 + y2) / 2];
  const room = arrival.length * SMALL + 8;
  return `<path class="${kind}" d="M${from + side * 5} ${y1}L${tip} ${y2}"/>` +
    `<path class="tip" d="M${tip} ${y2}l${-side * 8} -4v8z"/>` +
    `<rect class="room" x="${x - room / 2}" y="${y - 6}" width="${room}"` +
    ` height="12"/><text class="what" x="${x}" y="${y + 4}">${arrival}</text>`;
}
