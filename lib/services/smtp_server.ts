/**
 * The server's end of an SMTP connection: it answers the commands of a client, and
 * closes so that the last reply arrives.
 *
 * @module
 */
import { type Mail, SmtpSession } from "../protocols/smtp_session.ts";
import type { StreamSocket } from "../sockets/stream_socket.ts";
import { lingeringClose } from "./lingering_close.ts";
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
      if (session.closing) return await lingeringClose(client);
      [received, expectPace] = [0, paceOf(client)];
    }
    const bytes = await client.recv(65_536);
    if (bytes.length === 0) return;
    expectPace(received += bytes.length);
    session.push(bytes);
  }
}
