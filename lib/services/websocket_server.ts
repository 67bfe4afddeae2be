/**
 * The server's handshake of a WebSocket: a request that asks for it is answered
 * with 101, or refused.
 *
 * @module
 */
import { type HttpRequest, inWords } from "../protocols/http.ts";
import type { StreamSocket } from "../sockets/stream_socket.ts";
import { type Answer, textAnswer } from "./http_answer.ts";
import { HttpConnection } from "./http_server.ts";
import { WebSocketConnection } from "./websocket_connection.ts";
import { acceptOf, hasToken } from "./websocket_key.ts";

/** How a server takes part in HTTP, before one of its clients leaves it. */
export interface Site {
  /** Where a WebSocket can be had. */
  readonly path: string;
  /** The answer to a request for anything else. */
  readonly page: (request: HttpRequest) => Answer;
  /** The longest message that is received, in bytes (64 KiB). */
  readonly limit?: number;
  /** Prints each request, and why one or a frame is refused. */
  print(line: string): void;
}

/**
 * Answers the requests of a client, and counts them, until one asks for a WebSocket
 * and gets it. Without one, the client has ended.
 */
export async function acceptWebSocket(
  client: StreamSocket,
  { path, page, limit, print }: Site,
): Promise<{ requests: number; websocket?: WebSocketConnection }> {
  const http = new HttpConnection(client, { refused: print });
  for await (const request of http) {
    print(inWords(request));
    const answer = request.path === path
      ? await answerUpgrade(request)
      : page(request);
    await http.answer(answer);
    if (answer.status !== 101) continue;
    const websocket = new WebSocketConnection(client, {
      role: "server",
      rest: http.rest(),
      limit,
      refused: print,
    });
    return { requests: http.count, websocket };
  }
  return { requests: http.count };
}

/**
 * The answer to a request for a WebSocket, RFC 6455 section 4.2: 101; 426 for
 * another kind of request or another version, 405, 400. A page of another host is
 * refused with 403: its reader's browser would speak in the reader's name. Who has
 * no Origin is no browser.
 */
async function answerUpgrade(request: HttpRequest): Promise<Answer> {
  const { method, minor, fields, persists } = request;
  if (method !== "GET") {
    return textAnswer(405, "a WebSocket begins with GET", { Allow: "GET" });
  }
  const asks = minor === 1 && persists &&
    hasToken(fields.get("upgrade"), "websocket") &&
    hasToken(fields.get("connection"), "upgrade");
  if (!asks || fields.get("sec-websocket-version") !== "13") {
    const reason = asks ? "another version than 13" : "this is a WebSocket";
    return textAnswer(426, reason, {
      ...SWITCH,
      "Sec-WebSocket-Version": "13",
    });
  }
  const key = fields.get("sec-websocket-key") ?? "";
  if (!KEY.test(key)) return textAnswer(400, "the key is not of 16 bytes");
  const origin = fields.get("origin")?.toLowerCase();
  const host = fields.get("host")?.toLowerCase();
  const own = [undefined, `http://${host}`, `https://${host}`].includes(origin);
  if (!own) return textAnswer(403, "a page of another host");
  const accept = await acceptOf(key);
  return { status: 101, fields: { ...SWITCH, "Sec-WebSocket-Accept": accept } };
}

const SWITCH = { Upgrade: "websocket", Connection: "Upgrade" };
/** 16 bytes in base64. */
const KEY = /^[A-Za-z0-9+/]{21}[AQgw]==$/;
