/**
 * A member of the chat at the server: its lines, for which it takes the time it
 * likes, and the line that tells it why it is closed.
 *
 * @module
 */
import { formatClosed, LINE_LIMIT } from "../protocols/chat.ts";
import { TelnetLines } from "../protocols/telnet_lines.ts";
import type { Reach } from "./chat_room.ts";
import type { SocketError } from "../sockets/socket_error.ts";
import type { StreamSocket } from "../sockets/stream_socket.ts";

/** The lines that a member sends. */
export interface MemberLines {
  /**
   * Asks for the first one, for which the socket's time limit holds; null at the
   * end, and empty if it is too long.
   */
  ask(question: string): Promise<string | null>;
  /**
   * The others, until the member ends its stream or a line is too long. Throws the
   * reason of `lost` once that is aborted.
   */
  rest(lost: AbortSignal): AsyncIterable<string>;
  /** What is wrong, once a line is too long. */
  readonly problem: string | undefined;
}

/** Receives a member's lines. */
export function receiveLines(client: StreamSocket): MemberLines {
  const decoder = new TelnetLines(LINE_LIMIT);
  let lines: string[] = [];
  let ended = false;

  /** Receives once, which gives no line or some. */
  async function receive(signal?: AbortSignal): Promise<void> {
    const bytes = await client.recv(4096, { signal });
    lines = bytes.length > 0 ? decoder.push(bytes) : decoder.end();
    ended = bytes.length === 0 || decoder.tooLong;
    const replies = decoder.takeReplies();
    if (replies.length > 0) await client.sendall(replies, { signal });
  }

  return {
    async ask(question) {
      await client.sendall(`${question}\n`);
      while (lines.length === 0 && !ended) await receive();
      return lines.shift() ?? (decoder.tooLong ? "" : null);
    },
    async *rest(lost) {
      while (true) {
        yield* lines.splice(0);
        if (ended) return;
        await receive(lost).catch(ignoreSilence);
      }
    },
    get problem() {
      return decoder.tooLong ? TOO_LONG : undefined;
    },
  };
}

/** Who listens may be silent. */
function ignoreSilence(error: SocketError): void {
  if (error.code !== "ETIMEDOUT" || error.call !== "recv") throw error;
}

/** Sends lines to a member. */
export function sender(client: StreamSocket): Reach {
  return {
    peer: client.getpeername(),
    send: (texts) => client.sendall(texts.map((text) => `${text}\n`).join("")),
  };
}

/**
 * Tells a member why it is closed, and ends its stream. What it still sends is
 * received: a connection that is closed with bytes unread is reset, and the reset
 * can overtake the line.
 */
export async function dismiss(
  client: StreamSocket,
  reason: string,
): Promise<void> {
  await client.sendall(`${formatClosed(reason)}\n`);
  await client.shutdown("SHUT_WR");
  for (let left = UNREAD; left > 0;) {
    const { length } = await client.recv(65536);
    left = length > 0 ? left - length : 0;
  }
}

const TOO_LONG = `a line has at most ${LINE_LIMIT} bytes`;

/** How much of what a dismissed member sends is received, in bytes. */
const UNREAD = 1024 * 1024;
