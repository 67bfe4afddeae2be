/**
 * The chat through a WebSocket: each text is a message, and the reason for closing
 * is in the Close frame.
 *
 * @module
 */
import { LINE_LIMIT, PROMPT } from "../protocols/chat.ts";
import { SocketError } from "../sockets/socket_error.ts";
import { innerOf } from "../sockets/stream_socket.ts";
import { type Channel, Closed } from "./chat_member.ts";
import type { Reach } from "./chat_room.ts";
import type { Receive, WebSocketConnection } from "./websocket_connection.ts";

/** The server asks a member for its name; it is empty at the end. */
export async function askName(
  websocket: WebSocketConnection,
): Promise<string> {
  await websocket.send(PROMPT);
  return await nextText(websocket) ?? "";
}

/** The other texts of a member, up to its end; throws the reason of `lost`. */
export async function* textsOf(
  websocket: WebSocketConnection,
  lost: AbortSignal,
): AsyncGenerator<string> {
  const wait = { signal: lost, patient: true };
  for (let text; (text = await nextText(websocket, wait)) !== undefined;) {
    yield text;
  }
}

/** The next text. Who sends bytes is closed with 1003. */
async function nextText(
  websocket: WebSocketConnection,
  wait?: Receive,
): Promise<string | undefined> {
  const message = await websocket.receive(wait);
  if (!(message instanceof Uint8Array)) return message;
  await websocket.close(1003, "a message is a text");
}

/** Sends texts to a member. */
export function reachOf(websocket: WebSocketConnection): Reach {
  return {
    peer: websocket.socket.getpeername(),
    send: (texts) => websocket.send(...texts),
  };
}

/** A member's channel in which each text is a message. */
export function inMessages(websocket: WebSocketConnection): Channel {
  const connection = websocket.socket;
  const server = innerOf(connection).peer!;
  const decoder = new TextDecoder();
  let line = "";
  return {
    connection,
    async next() {
      const message = await websocket.receive();
      if (typeof message === "string") return message;
      if (message) throw new SocketError("EPROTO", "recv", server);
      await websocket.close();
      throw new Closed(server, websocket.closed?.reason);
    },
    say: (...texts) => websocket.send(...texts),
    async type(bytes) {
      line += decoder.decode(bytes, { stream: true });
      const lines = line.split(/\r?\n/);
      line = lines.pop()!;
      // The server refuses a line that is too long; it need not be whole for that.
      if (line.length > LINE_LIMIT) lines.push(line);
      if (lines.length > 0) await websocket.send(...lines);
    },
    async end() {
      if (line) await websocket.send(line);
      await websocket.sendClose();
    },
  };
}
