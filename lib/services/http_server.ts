/**
 * The server's end of an HTTP/1.1 connection: it reads one request after the other,
 * refuses what must be refused, and closes so that the last answer arrives.
 *
 * @module
 */
import { type HttpRequest, RequestParser } from "../protocols/http.ts";
import { formatHead, REASONS, statusLine } from "../protocols/http_format.ts";
import { HttpFault, type HttpLimits } from "../protocols/http_lines.ts";
import { SocketError } from "../sockets/socket_error.ts";
import type { StreamSocket } from "../sockets/stream_socket.ts";
import { type Answer, httpDate, textAnswer } from "./http_answer.ts";
import { sendStream, streamOf } from "./http_stream.ts";
import { lingeringClose } from "./lingering_close.ts";
import { paceOf } from "./pace.ts";

/**
 * Gives the requests of a client, one after the other: so answers keep their order
 * (RFC 9112 section 9.3.2). It ends when the client has sent its last one, and
 * when one is refused, which `refused` is told in a line.
 */
export class HttpConnection {
  readonly #client: StreamSocket;
  readonly #refused: ((line: string) => void) | undefined;
  readonly #parser: RequestParser;
  #request: HttpRequest | undefined;
  #count = 0;

  constructor(
    client: StreamSocket,
    options: { refused?: (line: string) => void; limits?: HttpLimits } = {},
  ) {
    this.#client = client;
    this.#parser = new RequestParser(options.limits);
    this.#refused = options.refused;
    // Of two answers, the second must not wait for the first one's ACK.
    client.setsockopt("TCP_NODELAY", true);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Waits for the next request; the client is answered before. */
  async next(): Promise<IteratorResult<HttpRequest, undefined>> {
    if (this.#request?.persists === false) {
      await this.finish();
      return DONE;
    }
    const parser = this.#parser;
    const limit = this.#client.gettimeout() ?? PATIENCE;
    let late: AbortSignal | undefined;
    let expectPace: ReturnType<typeof paceOf> | undefined;
    let received = 0;
    try {
      while (true) {
        const request = parser.next();
        if (request) {
          this.#request = request;
          this.#count++;
          return { value: request, done: false };
        }
        if (parser.mustContinue()) {
          await this.#client.sendall(`${statusLine(100)}\r\n\r\n`);
        }
        // A head has one time limit, however its bytes drip; a body keeps a pace.
        const limited = parser.stage === "head";
        late = limited ? late ?? AbortSignal.timeout(limit) : undefined;
        if (parser.stage === "body") expectPace ??= paceOf(this.#client);
        const bytes = await this.#client.recv(SIZE, late && { signal: late });
        expectPace?.(received += bytes.length);
        if (bytes.length > 0) parser.push(bytes);
        else if (parser.stage === "nothing") return DONE;
        else throw new HttpFault(400, "the stream ended within a request");
      }
    } catch (error) {
      await this.#failed(error, late);
      return DONE;
    }
  }

  /** How many requests it has given. */
  get count(): number {
    return this.#count;
  }

  /**
   * Answers the last request; to HEAD, without the body. A body of unknown size is
   * sent until its last piece, or until the client ends the stream.
   */
  async answer(answer: Answer): Promise<void> {
    const { method, minor, persists } = this.#request!;
    const stream = streamOf(answer);
    const last = !persists || (stream && minor === 0);
    const connection = last ? "close" : minor === 0 ? "keep-alive" : "";
    if (last) this.#end();
    await this.#send(answer, connection, method === "HEAD");
  }

  /** No request follows. */
  #end(): void {
    this.#request = { ...this.#request!, persists: false };
  }

  /** The bytes behind the last request, which asks for another protocol (Upgrade). */
  rest(): Uint8Array {
    return this.#parser.rest();
  }

  /**
   * Refuses a request that is malformed, or not whole in time. A client that is
   * silent after its answers has just no more to ask.
   */
  async #failed(error: unknown, late: AbortSignal | undefined): Promise<void> {
    if (error instanceof HttpFault) return await this.#refuse(error);
    const silent = (error as SocketError).code === "ETIMEDOUT";
    if (!silent && !late?.aborted) throw error;
    if (this.#parser.stage !== "nothing") {
      const reason = "the request is not whole in time";
      return await this.#refuse(new HttpFault(408, reason));
    }
    if (!this.#request) throw error;
  }

  /** Says what is wrong with a request; behind it, none can be found. */
  async #refuse({ status, message }: HttpFault): Promise<void> {
    const line = `${status} ${REASONS[status]}: ${message}`;
    this.#refused?.(line);
    await this.#send(textAnswer(status, message), "close", false);
    await this.finish();
  }

  async #send(
    answer: Answer,
    connection: string,
    headOnly: boolean,
  ): Promise<void> {
    const { status, fields = {}, body = NOTHING } = answer;
    const size = body instanceof Uint8Array ? body.length : body.size;
    const chunked = size === undefined && this.#request!.minor === 1;
    const all: [string, string][] = [["Date", httpDate()]];
    for (const name in fields) all.push([name, fields[name]]);
    if (chunked) all.push(["Transfer-Encoding", "chunked"]);
    else if (size !== undefined && status >= 200 && status !== 204) {
      all.push(["Content-Length", String(size)]);
    }
    if (connection) all.push(["Connection", connection]);
    const head = formatHead(statusLine(status), all);
    const stream = headOnly ? undefined : streamOf(answer);
    if (stream) {
      const received = (bytes: Uint8Array) => this.#parser.push(bytes);
      const options = { head, chunked, received };
      if (!await sendStream(this.#client, stream, options)) this.#end();
      return;
    }
    if (headOnly || !size) return await this.#client.sendall(head);
    if (body instanceof Uint8Array && size <= SIZE) {
      const message = new Uint8Array(head.length + size);
      encoder.encodeInto(head, message);
      message.set(body, head.length);
      return await this.#client.sendall(message);
    }
    await this.#client.sendall(head);
    if (body instanceof Uint8Array) return await this.#client.sendall(body);
    for await (const piece of body.pieces) await this.#client.sendall(piece);
  }

  /** Ends the connection so that the last answer arrives. */
  finish(): Promise<void> {
    return lingeringClose(this.#client);
  }
}

/** The longest wait for a whole head, if the client has no time limit, in ms. */
const PATIENCE = 30_000;
/** How much is received at once, and up to which size a body is sent with its head. */
const SIZE = 65_536;
const DONE = { value: undefined, done: true } as const;
const NOTHING = new Uint8Array(0);
const encoder = new TextEncoder();
