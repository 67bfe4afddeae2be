/**
 * Seeded random input for the parsers of HTTP/1.1: the cases of the wire, cut up,
 * joined, and changed. They must find the same however the bytes come, and end
 * with a fault at the worst.
 */
import { expect } from "bun:test";
import { RequestParser, ResponseParser } from "../../lib/protocols/http.ts";
import { HTTP_LIMITS, HttpFault } from "../../lib/protocols/http_lines.ts";
import { type Numbers, numbers } from "./fuzz.ts";
import { WIRE_CASES } from "./http_cases.ts";

/** Each character as the byte with its number. */
export function toBytes(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** What a parser finds in bytes that come in pieces of so many, or `next()`. */
export function outcomeOf(
  parser: RequestParser | ResponseParser,
  bytes: Uint8Array,
  piece: number | (() => number),
): unknown[] {
  const found: unknown[] = [];
  try {
    for (let at = 0; at < bytes.length;) {
      const size = typeof piece === "number" ? piece : piece();
      parser.push(bytes.slice(at, at + size));
      at += size;
      for (let message; (message = parser.next("GET"));) {
        const { body, fields } = message;
        expect(body.length).toBeLessThanOrEqual(HTTP_LIMITS.body);
        found.push({ ...message, fields: [...fields], body: body.slice() });
      }
    }
    if (parser instanceof ResponseParser) found.push(parser.end());
    else found.push(parser.stage);
  } catch (error) {
    if (!(error instanceof HttpFault)) throw error;
    expect(error.status).toBeWithin(400, 506);
    found.push([error.status, error.message]);
  }
  return found;
}

const SHORT = WIRE_CASES.filter(({ say }) => say.length < 600)
  .map(({ say }) => say);
/** What a change puts in: each of these means something somewhere. */
const TOKENS = [
  ...["\r\n", "\n", "\r", "\0", " ", "\t", ":", ",", ";", "0", "\x0b", "\xa0"],
  ...[
    "chunked",
    "Transfer-Encoding",
    "Content-Length: 3",
    "Host: b",
    "\r\n\r\n",
  ],
  ...["0\r\n\r\n", "%2e", "..", "/", "\\", "%", "HTTP/1.1", "100", "Expect: x"],
];

function randomStream(next: Numbers): string {
  let text = "";
  for (let count = 1 + next(3); count > 0; count--) {
    text += SHORT[next(SHORT.length)];
  }
  for (let changes = next(4); changes > 0; changes--) {
    const at = next(text.length);
    const token = next(4) > 0
      ? TOKENS[next(TOKENS.length)]
      : String.fromCharCode(next(256));
    text = text.slice(0, at) + token + text.slice(at + next(3));
  }
  return next(4) > 0 ? text : text.slice(0, next(text.length));
}

/** Both parsers, with so many streams each. */
export function fuzzHttp(count: number): void {
  const next = numbers(21);
  for (const Parser of [RequestParser, ResponseParser]) {
    const statuses = new Set<unknown>();
    for (let i = 0; i < count; i++) {
      const text = randomStream(next);
      const bytes = i % 10 === 0
        ? Uint8Array.from({ length: next(200) }, () => next(256))
        : toBytes(Parser === ResponseParser ? asAnswer(text) : text);
      const whole = outcomeOf(new Parser(), bytes, Infinity);
      const some = () => 1 + next(next(2) ? 3 : 50);
      expect(outcomeOf(new Parser(), bytes, some)).toEqual(whole);
      const last = whole.at(-1);
      if (Array.isArray(last)) statuses.add(String(last));
    }
    // The streams are not all refused for the same.
    expect(statuses.size).toBeGreaterThan(8);
  }
}

/** A request turned into an answer with the same fields and body. */
function asAnswer(text: string): string {
  return text.replace(/^.* HTTP\/1\.\d(?=\r\n)/gm, "HTTP/1.1 200 OK");
}
