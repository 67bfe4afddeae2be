/**
 * Files over FTP: it speaks on one connection and sends each file on another. Who
 * opens that one decides what a firewall must let through.
 *
 * Aim: To transfer a file over FTP, in passive and in active mode.
 *
 *     deno run --allow-net scripts/ftp_files.ts
 *     bun scripts/ftp_files.ts
 *     node scripts/ftp_files.ts
 *
 * `--root DIR` serves the files below a folder, and lab may write in `--inbox DIR`
 * (Deno: with --allow-read, --allow-write). Anybody may read as `anonymous`.
 *
 * Output:
 *
 *     client: 220 lab.test FTP Socket Lab
 *     client: USER lab -> 331 Send the password
 *     client: PASS lab -> 230 Welcome, lab
 *     client: TYPE I -> 200 The type is I
 *     client: EPSV -> 229 Entering Extended Passive Mode (|||<40123>|)
 *     server: RETR notes.txt: 2773 bytes, the client has connected
 *     client: RETR notes.txt: 2773 bytes -> 226 Sent
 *     client: EPRT |1|127.0.0.1|<40124>| -> 200 OK
 *     server: RETR notes.txt: 2773 bytes, the server has connected
 *     client: RETR notes.txt: 2773 bytes -> 226 Sent
 *     client: EPRT |1|192.0.2.1|50000| -> 501 Only to your own address
 *     client: QUIT -> 221 Bye
 */
import { type Address, AF_INET, type End, experiment } from "../lib/mod.ts";
import { SOCK_STREAM, socket, type Wait } from "../lib/mod.ts";
import { formatExtendedPort } from "../lib/protocols/ftp.ts";
import { Dialogue, FTP_FLAGS } from "../lib/services/ftp/client.ts";
import { acceptFrom } from "../lib/services/ftp/data.ts";
import { openTree } from "../lib/services/ftp/folder_tree.ts";
import { answerCommands } from "../lib/services/ftp/server.ts";
import { saveFile } from "../lib/services/save_file.ts";

export async function server({ address, flags, print, ready, serve }: End) {
  // 1. Create a socket, bind it to the server's port, and listen.
  const tree = await openTree(flags);
  const listener = socket(AF_INET, SOCK_STREAM);
  await listener.bind(address);
  await listener.listen();
  ready(listener);
  let clients = 0;
  // 2. Answer the commands of each client; each file has a connection of its own.
  for await (const [client] of listener) {
    const ends = { listen, connect, print };
    await serve(client, () => answerCommands(client, tree, ends));
    clients++;
  }
  return clients;
  // 3. EPSV: listen on a port that the system chooses; the client connects to it.
  async function listen(host: string) {
    const passive = socket(AF_INET, SOCK_STREAM);
    await passive.bind([host, 0]);
    await passive.listen(1);
    return passive;
  }

  // 4. EPRT: connect to the client, which listens: to its own address alone.
  async function connect([host, address]: [string, Address], wait: Wait) {
    const active = socket(AF_INET, SOCK_STREAM);
    await active.bind([host, 0]);
    await active.connect(address, wait);
    return active;
  }
}

export async function client({ address, flags, print }: End) {
  const { name = "notes.txt", save, user = "lab" } = flags;
  // 1. Create a socket, connect it to the server, and log in.
  await using control = socket(AF_INET, SOCK_STREAM);
  await control.connect(address);
  const ftp = new Dialogue(control, print);
  await ftp.greet(user, "lab");

  // 2. Passive mode: connect to the port that the server tells, and receive.
  using file = saveFile(save);
  await using passive = socket(AF_INET, SOCK_STREAM);
  await passive.connect([ftp.serverHost, await ftp.askPort()]);
  await ftp.retrieve(name, () => passive, { to: file });
  file.keep();

  // 3. Active mode: tell the server a port, accept its connection, and receive.
  await using listener = socket(AF_INET, SOCK_STREAM);
  await listener.bind([ftp.ownHost, 0]);
  await listener.listen(1);
  await ftp.ask("200", "EPRT", formatExtendedPort(listener.getsockname()));
  await ftp.retrieve(name, () => acceptFrom(listener, ftp.serverHost));

  // 4. Tell the address of another machine: the server must not connect to it.
  await ftp.ask("", "EPRT", formatExtendedPort(["192.0.2.1", 50_000]));
  await ftp.ask("221", "QUIT");
}

if (import.meta.main) {
  const flags = FTP_FLAGS;
  await experiment({ url: import.meta.url, port: 2121, flags, server, client });
}
