/**
 * The client's handshake of a WebSocket: one HTTP request, after which both ends
 * speak another protocol.
 *
 * @module
 */
import { formatHead } from "../protocols/http_format.ts";
import { SocketError } from "../sockets/socket_error.ts";
import { innerOf, type StreamSocket } from "../sockets/stream_socket.ts";
import { AnswerReader, hostOf } from "./http_client.ts";
import { Unexpected } from "./unexpected.ts";
import { acceptOf, base64, hasToken } from "./websocket_key.ts";
import { WebSocketConnection } from "./websocket_connection.ts";

/**
 * Asks the server of a connected socket for a WebSocket at a target, RFC 6455
 * section 4.1. A message has at most `limit` bytes (64 KiB). EPROTO if the server
 * does not agree, and the errors of `AnswerReader`.
 */
export async function openWebSocket(
  socket: StreamSocket,
  target: string,
  { host, limit }: { host?: string; limit?: number } = {},
): Promise<WebSocketConnection> {
  const server = innerOf(socket).peer!;
  const key = base64(crypto.getRandomValues(new Uint8Array(16)));
  const request = formatHead(`GET ${target} HTTP/1.1`, [
    ["Host", host ?? hostOf(server)],
    ["Upgrade", "websocket"],
    ["Connection", "Upgrade"],
    ["Sec-WebSocket-Key", key],
    ["Sec-WebSocket-Version", "13"],
  ]);
  await socket.sendall(request);
  const http = new AnswerReader(socket);
  const { status, reason, fields } = await http.next(request);
  if (status !== 101) throw new Unexpected(server, `${status} ${reason}`);
  const agrees = hasToken(fields.get("upgrade"), "websocket") &&
    hasToken(fields.get("connection"), "upgrade") &&
    fields.get("sec-websocket-accept") === await acceptOf(key) &&
    !fields.has("sec-websocket-extensions") &&
    !fields.has("sec-websocket-protocol");
  if (!agrees) throw new SocketError("EPROTO", "recv", server);
  const rest = http.rest();
  return new WebSocketConnection(socket, { role: "client", rest, limit });
}
