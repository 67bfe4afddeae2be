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

/** A member at the server. */
export interface MemberMessages {
  /**
   * Asks for its name. One that has a problem is told so, and closed: 1008; then,
   * and at the end, there is no name.
   */
  askName(
    problem: (name: string) => string | undefined,
  ): Promise<string | undefined>;
  /** Its other texts, up to its end. Throws the reason of `lost`. */
  texts(lost: AbortSignal): AsyncIterable<string>;
  readonly reach: Reach;
}

/** Receives a member's messages. Who sends bytes is closed: 1003. */
export function receiveMessages(
  websocket: WebSocketConnection,
): MemberMessages {
  async function next(wait?: Receive): Promise<string | undefined> {
    const message = await websocket.receive(wait);
    if (!(message instanceof Uint8Array)) return message;
    await websocket.close(1003, "a message is a text");
  }

  return {
    async askName(problem) {
      await websocket.send(PROMPT);
      const name = await next();
      const refusal = name === undefined ? "" : problem(name);
      if (refusal === undefined) return name;
      await websocket.close(1008, refusal);
    },
    async *texts(lost) {
      const wait = { signal: lost, patient: true };
      for (let text; (text = await next(wait)) !== undefined;) yield text;
    },
    reach: {
      peer: innerOf(websocket.socket).peer!,
      send: (texts) => websocket.send(...texts),
    },
  };
}

/** A member's channel in which each text is a message. */
export function inMessages(websocket: WebSocketConnection): Channel {
  const connection = websocket.socket;
  const server = innerOf(connection).peer!;
  const decoder = new TextDecoder();
  let line = "";
  // Once the server has closed, next() tells why.
  const send = async (texts: string[]) => {
    if (!websocket.closed) await websocket.send(...texts);
  };
  return {
    connection,
    async next() {
      const message = await websocket.receive();
      if (typeof message === "string") return message;
      if (message) throw new SocketError("EPROTO", "recv", server);
      await websocket.close();
      throw new Closed(server, websocket.closed?.reason);
    },
    say: (...texts) => send(texts),
    async type(bytes) {
      line += decoder.decode(bytes, { stream: true });
      const lines = line.split(/\r?\n/);
      line = lines.pop()!;
      // The server refuses a line that is too long; it need not be whole for that.
      if (line.length > LINE_LIMIT) {
        lines.push(line);
        line = "";
      }
      if (lines.length > 0) await send(lines);
    },
    async end() {
      if (line) await send([line]);
      await websocket.sendClose();
    },
  };
}
