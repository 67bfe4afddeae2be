/**
 * The server's end of an SMTP connection: it answers the commands of a client, and
 * closes so that the last reply arrives.
 *
 * @module
 */
import { type Mail, SmtpSession } from "../protocols/smtp_session.ts";
import { SocketError } from "../sockets/socket_error.ts";
import type { StreamSocket } from "../sockets/stream_socket.ts";
import { paceOf } from "./pace.ts";

/**
 * Gives the mails of a client for a domain, one after the other. Each is taken,
 * and the client told so, when the next one is asked for. ETIMEDOUT for a client
 * whose bytes drip: a command or a letter has the socket's time limit, and a second
 * more for each 1000 bytes.
 */
export async function* mailsOf(
  client: StreamSocket,
  domain: string,
): AsyncGenerator<Mail, void> {
  // Of two replies, the second must not wait for the first one's ACK.
  client.setsockopt("TCP_NODELAY", true);
  const session = new SmtpSession(domain);
  let [received, expectPace] = [0, paceOf(client)];
  while (true) {
    for (let mail; (mail = session.next());) yield mail;
    const replies = session.replies();
    if (replies) {
      await client.sendall(replies);
      if (session.closing) return await finish(client);
      [received, expectPace] = [0, paceOf(client)];
    }
    const bytes = await client.recv(65_536);
    if (bytes.length === 0) return;
    expectPace(received += bytes.length);
    session.push(bytes);
  }
}

/**
 * Ends this direction, and waits for the client to end the other: a socket that is
 * closed while bytes of the client are unread sends a RST, and that may discard the
 * reply at the client.
 */
async function finish(client: StreamSocket): Promise<void> {
  const signal = AbortSignal.timeout(LINGER);
  try {
    await client.shutdown("SHUT_WR");
    for (let left = MOST; left > 0;) {
      const { length } = await client.recv(65_536, { signal });
      if (length === 0) return;
      left -= length;
    }
  } catch (error) {
    if (!(error instanceof SocketError) && !signal.aborted) throw error;
  }
}

/** How long a client is waited for that was told that this is the end, in ms... */
const LINGER = 2000;
/** ... and how much of what it sends is read. */
const MOST = 2 ** 20;
