/**
 * A member of the chat at the server: its lines, for which it takes the time it
 * likes, and the line that tells it why it is closed.
 *
 * @module
 */
import { formatClosed, LINE_LIMIT } from "../protocols/chat.ts";
import { TelnetLines } from "../protocols/telnet_lines.ts";
import type { SocketError } from "../sockets/socket_error.ts";
import type { StreamSocket } from "../sockets/stream_socket.ts";

/** The lines that a member sends. */
export interface MemberLines {
  /** The first one, for which the socket's time limit holds; null at the end. */
  first(): Promise<string | null>;
  /**
   * Calls `hear` with each later line until the member ends its stream, or
   * `lost` is aborted, which rejects with its reason. Resolves to what is wrong, if
   * a line was too long.
   */
  each(
    hear: (line: string) => void,
    lost: AbortSignal,
  ): Promise<string | undefined>;
}

/** Receives a member's lines. */
export function receiveLines(client: StreamSocket): MemberLines {
  const decoder = new TelnetLines(LINE_LIMIT);
  let lines: string[] = [];

  /** Receives once; false at the end of the stream, and after a long line. */
  async function more(signal?: AbortSignal): Promise<boolean> {
    const bytes = await client.recv(4096, { signal });
    lines.push(...bytes.length > 0 ? decoder.push(bytes) : decoder.end());
    const replies = decoder.takeReplies();
    if (replies.length > 0) await client.sendall(replies);
    return bytes.length > 0 && !decoder.tooLong;
  }

  return {
    async first() {
      while (lines.length === 0 && await more());
      return lines.shift() ?? null;
    },
    async each(hear, lost) {
      for (let on = true; on;) {
        for (const line of lines) hear(line);
        lines = [];
        on = await more(lost).catch(ignoreSilence);
      }
      for (const line of lines) hear(line);
      return decoder.tooLong ? TOO_LONG : undefined;
    },
  };
}

/** Who listens may be silent. */
function ignoreSilence(error: SocketError): boolean {
  if (error.code === "ETIMEDOUT" && error.call === "recv") return true;
  throw error;
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
