/**
 * Mail over SMTP: the envelope decides where a mail goes, not the letter. The
 * envelope is two commands, and "To:" is only a line of the letter.
 *
 * Aim: To send a mail over SMTP, and to tell its envelope from its letter.
 *
 *     deno run --allow-net scripts/smtp_mail.ts
 *     bun scripts/smtp_mail.ts
 *     node scripts/smtp_mail.ts
 *
 * The server takes mails from swaks and curl, too. It keeps none of them.
 *
 * Output:
 *
 *     client: 220 lab.test ESMTP Socket Lab
 *     client: EHLO client.lab.test -> 250 lab.test
 *     client: MAIL FROM:<ann@lab.test> -> 250 OK
 *     client: RCPT TO:<bob@lab.test> -> 250 OK
 *     client: RCPT TO:<eve@example.com> -> 550 Only lab.test is here
 *     client: DATA -> 354 Send the letter, and a dot on a line
 *     server: For bob@lab.test: 129 bytes that say "To: carol@lab.test"
 *     client: To: carol@lab.test -> 250 Taken
 *     client: QUIT -> 221 Bye
 */
import { AF_INET, type End, experiment, SOCK_STREAM } from "../lib/mod.ts";
import { decode, socket } from "../lib/mod.ts";
import { fieldIn, formatCommand, formatData } from "../lib/protocols/smtp.ts";
import { formatDate, formatLetter } from "../lib/protocols/smtp.ts";
import { MAIL_FLAGS, ReplyReader } from "../lib/services/smtp_client.ts";
import { mailsOf } from "../lib/services/smtp_server.ts";
import { Unexpected } from "../lib/services/unexpected.ts";

/** What the client sends, and the code of the reply without which it stops. */
const dialogue = (to = "bob@lab.test"): [send: string, code: RegExp][] => [
  ["", /220/], // the server speaks first
  ["EHLO client.lab.test\r\n", /250/],
  [formatCommand("MAIL FROM:", "ann@lab.test"), /250/],
  [formatCommand("RCPT TO:", to), /25./],
  [formatCommand("RCPT TO:", "eve@example.com"), /.../], // may be refused
  ["DATA\r\n", /354/],
  [
    formatData(formatLetter({
      To: "carol@lab.test",
      From: "The King <king@example.com>",
      Date: formatDate(new Date()),
      Subject: "Hello",
    }, "Who reads this?\n")), // and a line of one dot
    /250/,
  ],
  ["QUIT\r\n", /221/],
];

export async function server({ address, print, ready, serve }: End) {
  // 1. Create a socket, bind it to the server's port, and listen.
  const listener = socket(AF_INET, SOCK_STREAM);
  await listener.bind(address);
  await listener.listen();
  ready(listener);
  let mails = 0;

  // 2. Answer the commands of each client, until it has sent a whole mail.
  for await (const [client] of listener) {
    await serve(client, async () => {
      for await (const mail of mailsOf(client, "lab.test")) {
        // 3. Take it for those whom the envelope names, and for nobody else.
        const to = fieldIn(decode(mail.letter), "To") ?? "";
        const says = `${mail.letter.length} bytes that say "To: ${to}"`;
        for (const mailbox of mail.recipients) print(`For ${mailbox}: ${says}`);
        mails++;
      }
    });
  }
  return mails;
}

export async function client({ address, flags, print }: End) {
  // 1. Create a socket and connect it to the server.
  await using connection = socket(AF_INET, SOCK_STREAM);
  await connection.connect(address);
  const replies = new ReplyReader(connection);

  // 2. Send the envelope, then the letter; read the reply to each line.
  for (const [say, code] of dialogue(flags.to)) {
    if (say) await connection.sendall(say);
    const reply = await replies.next();
    const said = say && `${say.split("\r\n", 1)} -> `;
    print(`${said}${reply.code} ${reply.text}`);

    // 3. Stop if the server does not do what the mail needs.
    if (code.test(String(reply.code))) continue;
    throw new Unexpected(address, `${reply.code} ${reply.text}`);
  }
}

if (import.meta.main) {
  const flags = MAIL_FLAGS;
  await experiment({ url: import.meta.url, port: 2525, flags, server, client });
}
