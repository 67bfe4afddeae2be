/**
 * Which calls of a run a report shows, which of them as one, and in what words.
 *
 * @module
 */
import {
  type CallInWords as Call,
  textOf,
} from "../../../lib/observe/strace.ts";

export function sends({ call }: Call): boolean {
  return /^send/.test(call);
}

export function receives({ call }: Call): boolean {
  return /^recv/.test(call);
}

/** A call, or several of the same kind in a row that are shown as one. */
export interface Row {
  readonly call: Call;
  readonly times: number;
  readonly bytes: number;
}

/**
 * What is drawn of a run: all calls, or those of as many clients as the drawing
 * has room for, or the first; and in the last two cases what is left out.
 */
export function excerpt(calls: Call[]): { rows: Row[]; leftOut: string } {
  const all = condensed(calls);
  if (all.length <= MOST_DRAWN) return { rows: all, leftOut: "" };
  const folded = condensed(calls, LONGEST_EXCHANGE);
  if (folded.length <= MOST_DRAWN) return { rows: folded, leftOut: "" };
  const clients = Math.max(...calls.map(({ connection }) => connection));
  for (let most = clients - 1; most > 0; most--) {
    const some = calls.filter(({ connection }) => connection <= most);
    const rows = condensed(some, LONGEST_EXCHANGE);
    if (rows.length > MOST_DRAWN) continue;
    const leftOut =
      `${some.length} of ${calls.length} calls are drawn, those ` +
      `of the first ${most} of ${clients} client sockets`;
    return { rows, leftOut };
  }
  const rows = folded.slice(0, MOST_DRAWN);
  const drawn = rows.reduce((sum, { times }) => sum + times, 0);
  return {
    rows,
    leftOut: `The first ${drawn} of ${calls.length} calls are drawn`,
  };
}

/** A longer drawing is not legible, and Mermaid refuses it at some length. */
export const MOST_DRAWN = 38;

/** A question and its answer: sent, received, sent, received. */
const LONGEST_EXCHANGE = 4;

/**
 * Shows four or more calls in a row that differ only in their results as three;
 * and an exchange of up to `longest` calls that comes four times or more as the
 * first, and each of its calls with how often it came again.
 */
export function condensed(calls: Call[], longest = 1): Row[] {
  const rows: Row[] = [];
  for (let i = 0; i < calls.length;) {
    const length = periods(longest).find((length) =>
      timesAt(calls, i, length) >= 4
    );
    const times = length ? timesAt(calls, i, length) : 1;
    const all = calls.slice(i, i + (length ?? 1) * times);
    i += all.length;
    if (length === undefined) rows.push(row(all));
    else if (length === 1) {
      rows.push(row(all.splice(0, 1)), row(all.splice(0, times - 2)), row(all));
    } else {
      const first = all.splice(0, length);
      rows.push(
        ...first.map((call) => row([call])),
        ...first.map((_, j) => row(all.filter((_, k) => k % length === j))),
      );
    }
  }
  return rows;
}

function periods(longest: number): number[] {
  return Array.from({ length: longest }, (_, i) => i + 1);
}

function row(some: Call[]): Row {
  const bytes = some.reduce((sum, { bytes = 0 }) => sum + bytes, 0);
  return { call: some[0], times: some.length, bytes };
}

/** How often the `length` calls from `start` on come one after the other. */
function timesAt(calls: Call[], start: number, length: number): number {
  let end = start + length;
  while (end < calls.length && alike(calls[end - length], calls[end])) end++;
  return Math.floor((end - start) / length);
}

function alike(a: Call, b: Call): boolean {
  const kind = ({ end, connection, socket, call, args, error }: Call) =>
    JSON.stringify([end, connection, socket, call, sends(a) || args, error]);
  return (sends(a) || receives(a)) && kind(a) === kind(b);
}

/** The call as a program writes it, with its result if that says anything. */
export function written({ call, times, bytes }: Row): string {
  if (times > 1) return `${call.call}() ${again(times, bytes)}`;
  const text = textOf(legible(call));
  // A line may end before the equals sign, not after it.
  return text.replace(/\) = 0$/, ")").replace(") = ", ") =\u00a0");
}

/** The call without most of the bytes that are no text. */
function legible(call: Call): Call {
  const short = (word: string) =>
    word.replace(
      /^"((?:[^"\\]|\\x..|\\.)*)"(?:\.{3} \((\d+) bytes\))?/,
      (all, data: string, size?: string) => {
        const bytes = data.match(/\\x..|\\.|[^]/g) ?? [];
        const binary = bytes.filter((byte) => byte.startsWith("\\x")).length;
        if (binary < 4 || bytes.length <= 8) return all;
        const total = size ?? bytes.length;
        return `"${bytes.slice(0, 8).join("")}"... (${total} bytes)`;
      },
    );
  const { args, result } = call;
  return {
    ...call,
    args: args.map(short),
    ...(result === undefined ? {} : { result: short(result) }),
  };
}

function again(times: number, bytes: number): string {
  return `${times} times more, ${count(bytes, "byte")}`;
}

/** The rows as calls, for a diagram that has only calls. */
export function asCalls(rows: Row[]): Call[] {
  return rows.map(({ call, times, bytes }) =>
    times > 1
      ? { ...call, args: [], result: again(times, bytes) }
      : legible(call)
  );
}

/** `1 call`, `2 calls`, `16,777,216 bytes`. */
export function count(number: number, noun: string): string {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}
