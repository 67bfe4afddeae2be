/**
 * What an HTTP server answers to a request.
 *
 * @module
 */
import { REASONS } from "../protocols/http_format.ts";

/** An answer to a request, RFC 9110. */
export interface Answer {
  readonly status: number;
  /** Beside Date, Connection and what tells the end of the body. */
  readonly fields?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | SizedBody | StreamBody;
}

/** A body that is sent in pieces. */
export interface SizedBody {
  /** In bytes. */
  readonly size: number;
  readonly pieces: AsyncIterable<Uint8Array>;
}

/** A body whose size nobody knows before its last piece: see http_stream.ts. */
export interface StreamBody {
  readonly size?: undefined;
  readonly pieces: AsyncIterable<Uint8Array>;
}

/** An answer of one line of text. */
export function textAnswer(
  status: number,
  text: string,
  fields?: Record<string, string>,
): Answer {
  const body = encoder.encode(`${status} ${REASONS[status]}: ${text}\n`);
  const type = "text/plain; charset=utf-8";
  return { status, fields: { "Content-Type": type, ...fields }, body };
}

/** The date of now, RFC 9110 section 5.6.7, made once a second. */
export function httpDate(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== date.second) {
    date = { second, text: new Date(second * 1000).toUTCString() };
  }
  return date.text;
}

let date = { second: 0, text: "" };
const encoder = new TextEncoder();
