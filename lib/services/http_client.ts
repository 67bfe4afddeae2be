/**
 * The client's end of an HTTP/1.1 connection: it reads the answers to the requests
 * that a program has sent, within a bound in time and memory.
 *
 * @module
 */
import { type HttpResponse, ResponseParser } from "../protocols/http.ts";
import { formatHead } from "../protocols/http_format.ts";
import { HttpFault } from "../protocols/http_lines.ts";
import { type Address, displayAddress } from "../sockets/address.ts";
import { SocketError } from "../sockets/socket_error.ts";
import { innerOf, type StreamSocket } from "../sockets/stream_socket.ts";

/** Reads answers from a connected socket, in the order of the requests. */
export class AnswerReader {
  readonly connection: StreamSocket;
  readonly #parser = new ResponseParser();
  readonly #peer: Address;
  #persists = true;

  constructor(connection: StreamSocket) {
    this.connection = connection;
    this.#peer = innerOf(connection).peer!;
  }

  /** Whether another request may be sent; if not, the connection is closed. */
  get persists(): boolean {
    return this.#persists;
  }

  /** The answer to a request, as `received` gives it; EBADMSG if it is cut off. */
  async next(request: string): Promise<HttpResponse> {
    const answer = await this.received(request);
    if (answer.extent !== "cut off") return answer;
    throw new SocketError("EBADMSG", "recv", this.#peer);
  }

  /**
   * The answer to a request, as far as it comes: see its `extent`. The socket's time
   * limit is for all of it. EBADMSG if the stream ends before the body, ETIMEDOUT,
   * EPROTO for what is not HTTP/1.1, EMSGSIZE beyond the limits of the protocol.
   */
  async received(request: string): Promise<HttpResponse> {
    const [method] = request.split(" ", 1);
    const failure = (code: string) => new SocketError(code, "recv", this.#peer);
    const limit = this.connection.gettimeout();
    const signal = limit === null ? undefined : AbortSignal.timeout(limit);
    try {
      while (true) {
        const answer = this.#parser.next(method);
        if (answer) return await this.#given(answer);
        const bytes = await this.connection.recv(65_536, { signal });
        if (bytes.length === 0) break;
        this.#parser.push(bytes);
      }
    } catch (error) {
      if (signal?.aborted) throw failure("ETIMEDOUT");
      if (!(error instanceof HttpFault)) throw error;
      throw failure([413, 431].includes(error.status) ? "EMSGSIZE" : "EPROTO");
    }
    const answer = this.#parser.end();
    if (!answer) throw failure("EBADMSG");
    return await this.#given({ ...answer, persists: false });
  }

  /** The bytes behind the last answer, which are of another protocol (101). */
  rest(): Uint8Array {
    return this.#parser.rest();
  }

  async #given(answer: HttpResponse): Promise<HttpResponse> {
    this.#persists = answer.persists;
    if (!answer.persists) await this.connection.close();
    return answer;
  }
}

/** The field Host for a server: RFC 9110 section 7.2. */
export function hostOf(address: Address): string {
  return displayAddress(address);
}

/** A request for a page, without a body. */
export function formatGet(target: string, address: Address): string {
  return formatHead(`GET ${target} HTTP/1.1`, [["Host", hostOf(address)]]);
}
