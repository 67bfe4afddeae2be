/**
 * Requests and responses of HTTP/1.1 as bytes and back, RFC 9110 and RFC 9112. The
 * parsers take a stream as it comes, whole or byte by byte, and refuse what two
 * programs could understand differently.
 *
 * @module
 */
import { type Framing, framingOf, HttpBody } from "./http_body.ts";
import {
  HTTP_LIMITS,
  HttpFault,
  type HttpFields,
  HttpHead,
  HttpInput,
  type HttpLimits,
  membersOf,
  TOKEN,
} from "./http_lines.ts";
import { pathOf } from "./http_path.ts";

/** What a request and a response have in common. */
interface Message {
  /** The minor version: HTTP/1.0 or HTTP/1.1. */
  readonly minor: 0 | 1;
  readonly fields: HttpFields;
  readonly body: Uint8Array;
  /** Whether the sender keeps the connection open for the next message. */
  readonly persists: boolean;
}

export interface HttpRequest extends Message {
  readonly method: string;
  /** As it was sent, RFC 9112 section 3.2. */
  readonly target: string;
  /** The path in it, decoded, without its query: see `pathOf`. */
  readonly path: string;
}

export interface HttpResponse extends Message {
  readonly status: number;
  readonly reason: string;
  readonly framing: Framing;
  /** Nobody can tell when its end is the end of the stream. */
  readonly extent: "whole" | "cut off" | "whole or cut off";
}

/**
 * Finds the requests in a stream.
 *
 * ```ts
 * import { RequestParser } from "./http.ts";
 *
 * const parser = new RequestParser();
 * parser.push(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET"));
 * parser.next()?.target; // "/"
 * parser.next(); // undefined: the second one is not whole
 * ```
 */
export class RequestParser {
  readonly #limits: HttpLimits;
  readonly #input = new HttpInput();
  #head: HttpHead;
  #line: RequestLine | undefined;
  #request: Omit<HttpRequest, "body"> | undefined;
  #body: HttpBody | undefined;
  #expects = false;

  constructor(limits = HTTP_LIMITS) {
    this.#limits = limits;
    this.#head = this.#newHead();
  }

  /** Adds bytes of the stream, which must not change any more. */
  push(bytes: Uint8Array): void {
    this.#input.push(bytes);
  }

  /**
   * The next request, once it is whole. Throws an HttpFault for one that must be
   * refused; what follows it has no meaning.
   */
  next(): HttpRequest | undefined {
    if (!this.#body) {
      const fields = this.#head.take(this.#input);
      if (!fields) return;
      this.#begin(this.#line!, fields);
    }
    if (!this.#body!.take(this.#input)) return;
    const request = { ...this.#request!, body: this.#body!.bytes };
    this.#head = this.#newHead();
    this.#body = undefined;
    this.#expects = false;
    return request;
  }

  /** What is incomplete now. */
  get stage(): "nothing" | "head" | "body" {
    if (this.#body) return "body";
    return this.#head.begun || this.#input.length > 0 ? "head" : "nothing";
  }

  /** True once for a client that sends the body when it is told to (Expect). */
  mustContinue(): boolean {
    const expects = this.#expects && this.#body?.bytes.length === 0;
    this.#expects = false;
    return expects;
  }

  /** The bytes behind the last request, which are of another protocol (Upgrade). */
  rest(): Uint8Array {
    return this.#input.take(Infinity);
  }

  #newHead(): HttpHead {
    return new HttpHead(this.#limits, (line) => {
      this.#line = parseRequestLine(line);
    });
  }

  #begin(line: RequestLine, fields: HttpFields): void {
    const { minor } = line;
    const host = fields.get("host");
    if (host === undefined ? minor === 1 : !HOST.test(host)) {
      throw new HttpFault(400, "not one Host, which is valid");
    }
    if (minor === 0 && fields.has("transfer-encoding")) {
      throw new HttpFault(400, "HTTP/1.0 has no transfer coding");
    }
    this.#body = new HttpBody(framingOf(fields, 0), this.#limits);
    const expected = fields.get("expect")?.toLowerCase();
    if (minor === 1 && expected !== undefined) {
      if (expected !== "100-continue") {
        throw new HttpFault(417, "an expectation other than 100-continue");
      }
      this.#expects = true;
    }
    const persists = persistsAfter(minor, fields);
    this.#request = { ...line, fields, persists };
  }
}

/**
 * Finds the responses in a stream. Interim ones (1xx) are left out, but for 101,
 * which ends HTTP on the connection.
 */
export class ResponseParser {
  readonly #limits: HttpLimits;
  readonly #input = new HttpInput();
  #head: HttpHead;
  #line: StatusLine | undefined;
  #response: Omit<HttpResponse, "body" | "extent"> | undefined;
  #body: HttpBody | undefined;

  constructor(limits = HTTP_LIMITS) {
    this.#limits = limits;
    this.#head = this.#newHead();
  }

  /** Adds bytes of the stream, which must not change any more. */
  push(bytes: Uint8Array): void {
    this.#input.push(bytes);
  }

  /**
   * The next response, once it is whole, to a request with this method. Throws an
   * HttpFault for what is none, or is beyond the limits.
   */
  next(method: string): HttpResponse | undefined {
    while (!this.#body) {
      const fields = this.#head.take(this.#input);
      if (!fields) return;
      this.#begin(this.#line!, fields, method);
    }
    if (this.#body.take(this.#input)) return this.#end("whole");
  }

  /**
   * The stream has ended: the response that this ends, or cuts off, with what has
   * come of it; undefined if its body has not begun.
   */
  end(): HttpResponse | undefined {
    if (!this.#body) return;
    const free = this.#response!.framing === "until the end";
    return this.#end(free ? "whole or cut off" : "cut off");
  }

  /** The bytes behind the last response, which are of another protocol (101). */
  rest(): Uint8Array {
    return this.#input.take(Infinity);
  }

  #newHead(): HttpHead {
    return new HttpHead(this.#limits, (line) => {
      this.#line = parseStatusLine(line);
    });
  }

  #begin(line: StatusLine, fields: HttpFields, method: string): void {
    const { minor, status } = line;
    this.#head = this.#newHead();
    if (status < 200 && status !== 101) return;
    const empty = method === "HEAD" || [101, 204, 304].includes(status);
    const framing = empty ? 0 : framingOf(fields, "until the end");
    this.#body = new HttpBody(framing, this.#limits);
    const persists = framing !== "until the end" &&
      persistsAfter(minor, fields);
    this.#response = { ...line, fields, framing, persists };
  }

  #end(extent: HttpResponse["extent"]): HttpResponse {
    const response = { ...this.#response!, body: this.#body!.bytes, extent };
    this.#body = undefined;
    return response;
  }
}

type RequestLine = Pick<HttpRequest, "method" | "target" | "path" | "minor">;
type StatusLine = Pick<HttpResponse, "status" | "reason" | "minor">;

function parseRequestLine(line: string): RequestLine {
  const [all, method, target, major, minor] = REQUEST_LINE.exec(line) ?? [];
  if (all === undefined) throw new HttpFault(400, "a malformed request line");
  if (major !== "1") throw new HttpFault(505, "another version of HTTP");
  const path = pathOf(method, target);
  return { method, target, path, minor: minor === "0" ? 0 : 1 };
}

function parseStatusLine(line: string): StatusLine {
  const [all, minor, status, reason = ""] = STATUS_LINE.exec(line) ?? [];
  if (all === undefined) throw new HttpFault(400, "a malformed status line");
  return { status: Number(status), reason, minor: minor === "0" ? 0 : 1 };
}

/** RFC 9112 section 9.3. */
function persistsAfter(minor: 0 | 1, fields: HttpFields): boolean {
  const connection = fields.get("connection");
  if (connection === undefined) return minor === 1;
  const options = membersOf(connection);
  return !options.includes("close") &&
    (minor === 1 || options.includes("keep-alive"));
}

/** The first line of a message, and the size of its body. */
export function inWords(message: HttpRequest | HttpResponse): string {
  const { body: { length }, minor } = message;
  if ("status" in message) {
    const { status, reason } = message;
    return `HTTP/1.${minor} ${status} ${reason}, ${length} bytes`;
  }
  const { method, target } = message;
  return `${method} ${target} HTTP/1.${minor}` +
    (length > 0 ? `, ${length} bytes` : "");
}

const REQUEST_LINE = new RegExp(`^(${TOKEN}) ([!-~]+) HTTP/(\\d)\\.(\\d)$`);
const STATUS_LINE = /^HTTP\/1\.(\d) ([1-9]\d\d)(?: ([\t -~\x80-\xff]*))?$/;
/** A host, which may be empty, and a port, RFC 9110 section 7.2. */
const HOST =
  /^(?:\[[0-9a-f:.]+\]|(?:[\w.~!$&'()*+,;=-]|%[0-9a-f]{2})*)(?::\d{0,5})?$/i;
