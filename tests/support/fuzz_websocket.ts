/**
 * Seeded random input for the parser of WebSocket frames: the cases of the wire, cut
 * up, joined, and changed. It must find the same however the bytes come, and end
 * with a fault at the worst.
 */
import { expect } from "bun:test";
import {
  WEBSOCKET_LIMIT,
  WebSocketFault,
  WebSocketParser,
} from "../../lib/protocols/websocket.ts";
import { type Numbers, numbers } from "./fuzz.ts";
import {
  encodeAll,
  type Found,
  FRAME_CASES,
  joined,
  MASKED,
  type Sender,
} from "./websocket_cases.ts";

/** What the parser finds in bytes that come in pieces of so many, or `next()`. */
export function foundIn(
  bytes: Uint8Array,
  from: Sender,
  piece: number | (() => number),
): { found: Found[]; begun: boolean } {
  const parser = new WebSocketParser({ from });
  const found: Found[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = typeof piece === "number" ? piece : piece();
    parser.push(bytes.slice(at, at + size));
    at += size;
    try {
      for (let event; (event = parser.next());) {
        if (event.kind === "close") {
          found.push(["close", event.code, event.reason]);
        } else found.push([event.kind, event.data] as Found);
      }
    } catch (error) {
      if (!(error instanceof WebSocketFault)) throw error;
      found.push(["fault", error.code]);
      expect(parser.next()).toBeUndefined(); // nothing after it
      break;
    }
  }
  return { found, begun: parser.begun };
}

/** The bytes of each case that is short, from each sender. */
const SHORT = Object.fromEntries((["client", "server"] as const).map((from) => [
  from,
  [...FRAME_CASES, ...MASKED[from]].map(({ frames }) => encodeAll(frames, from))
    .filter(({ length }) => length < 400),
]));

function randomStream(next: Numbers, from: Sender): Uint8Array {
  if (next(10) === 0) {
    return Uint8Array.from({ length: next(100) }, () => next(256));
  }
  const parts: Uint8Array[] = [];
  for (let count = 1 + next(4); count > 0; count--) {
    const bytes = SHORT[from][next(SHORT[from].length)];
    parts.push(next(4) > 0 ? bytes : bytes.slice(0, next(bytes.length)));
  }
  const all = joined(parts);
  for (let changes = next(3); changes > 0 && all.length > 0; changes--) {
    all[next(all.length)] ^= 1 << next(8);
  }
  return all;
}

/** The parser, with so many streams. */
export function fuzzWebSocket(count: number): void {
  const next = numbers(6455);
  const seen: Record<string, number> = {};
  for (let i = 0; i < count; i++) {
    const from = i % 2 ? "client" : "server";
    const bytes = randomStream(next, from);
    const whole = foundIn(bytes, from, Infinity);
    const some = () => 1 + next(next(2) ? 3 : 50);
    const pieces = foundIn(bytes, from, some);
    expect(pieces.found).toEqual(whole.found);
    for (const [kind, what] of whole.found) {
      const key = kind === "fault" ? `fault ${what}` : kind;
      seen[key] = (seen[key] ?? 0) + 1;
      if (kind === "message") {
        expect(what.length).toBeLessThanOrEqual(WEBSOCKET_LIMIT);
      }
    }
  }
  // The streams are not all refused, and not all for the same.
  for (const kind of ["message", "ping", "pong", "close"]) {
    expect(seen[kind]).toBeGreaterThan(count / 50);
  }
  for (const code of [1002, 1007, 1009]) {
    expect(seen[`fault ${code}`]).toBeGreaterThan(count / 500);
  }
}
