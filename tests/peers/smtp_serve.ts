/**
 * The SMTP server of smtp_mail without its page: prints its port, then each mail as
 * a line of JSON with the letter as latin1, or with `quiet` nothing more.
 */
import { Buffer } from "node:buffer";
import process from "node:process";
import { socket, type StreamSocket } from "../../lib/mod.ts";
import { mailsOf } from "../../lib/services/smtp_server.ts";

const quiet = process.argv[2] === "quiet";

async function serve(client: StreamSocket): Promise<void> {
  for await (
    const { sender, recipients, letter } of mailsOf(client, "lab.test")
  ) {
    if (quiet) continue;
    const text = Buffer.from(letter).toString("latin1");
    console.log(JSON.stringify({ sender, recipients, letter: text }));
  }
}

const listener = socket();
await listener.bind(["127.0.0.1", 0]);
await listener.listen();
console.log(`port ${listener.getsockname()[1]}`);
for await (const [client] of listener) {
  client.settimeout(30_000);
  serve(client)
    .catch((error) => console.error(String(error)))
    .finally(() => client.close());
}
