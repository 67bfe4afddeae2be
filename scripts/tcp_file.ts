/**
 * A file over TCP: it is whole when its length and its SHA-256 say so. One
 * recv() is not the file, and that the stream has ended says nothing.
 *
 * Aim: To send a file over TCP, and to tell a whole one from one that is cut.
 *
 *     deno run --allow-net scripts/tcp_file.ts
 *     bun scripts/tcp_file.ts
 *     node scripts/tcp_file.ts
 *
 * A request is `send NAME`; after `half NAME` the server closes in the middle.
 * `--root DIR` serves the files below a folder, `--name NAME` asks for one, and
 * `--save FILE` keeps it (Deno: with --allow-read, --allow-write).
 *
 * Output:
 *
 *     server: notes.txt: sent 2773 of 2773 bytes
 *     client: One recv() gave <1014> of 2773 bytes
 *     client: notes.txt: 2773 of 2773 bytes, whole
 *     client: The stream goes on
 *     server: notes.txt: sent 1386 of 2773 bytes
 *     client: notes.txt: 1386 of 2773 bytes, cut short
 *     client: The stream has ended
 */
import { AF_INET, type End, experiment, SOCK_STREAM } from "../lib/mod.ts";
import { socket, SocketError } from "../lib/mod.ts";
import { FileAnswer, formatRequest } from "../lib/protocols/file_transfer.ts";
import { formatDigest, formatHead } from "../lib/protocols/file_transfer.ts";
import { requestsOf } from "../lib/services/file_requests.ts";
import { FILE_FLAGS } from "../lib/services/flag_values.ts";
import { paceOf } from "../lib/services/pace.ts";
import { saveFile } from "../lib/services/save_file.ts";
import { sha256 } from "../lib/services/sha256.ts";
import { chunksOf, openShelf } from "../lib/services/shelf.ts";

export async function server({ address, flags, print, ready, serve }: End) {
  // 1. Create a socket, bind it to the server's port, and listen.
  const shelf = await openShelf(flags.root);
  const listener = socket(AF_INET, SOCK_STREAM);
  await listener.bind(address);
  await listener.listen();
  ready(listener);
  let files = 0;
  // 2. Read each client's requests. To each, send the length of the file first.
  for await (const [client] of listener) {
    await serve(client, async () => {
      for await (const { file, end } of requestsOf(client, shelf, print)) {
        await client.sendall(formatHead(file.size));
        // 3. Send all or half of it, in chunks: it may be larger than the memory.
        let [sent, hash] = [0, sha256()];
        for await (const chunk of chunksOf(file, end)) {
          await client.sendall(chunk);
          hash.update(chunk);
          sent += chunk.length;
        }
        print(`${file.name}: sent ${sent} of ${file.size} bytes`);
        // 4. Send the hash of what was sent, if that is all of the file.
        if (sent < file.size) return;
        await client.sendall(formatDigest(hash.digest("hex")));
        files++;
      }
    });
  }
  return files;
}

export async function client({ address, flags, print }: End) {
  // 1. Create a socket and connect it to the server.
  await using connection = socket(AF_INET, SOCK_STREAM);
  await connection.connect(address);
  const { name = "notes.txt", save } = flags;
  for (const half of flags.name ?? save ? [false] : [false, true]) {
    // 2. Ask for a file; then, on the same connection, for half of it.
    using file = saveFile(save);
    await connection.sendall(formatRequest({ name, half }));
    const answer = new FileAnswer(sha256());
    // 3. Receive, at first 1024 bytes, until the answer or the stream ends.
    const [buffer, expectPace] = [new Uint8Array(2 ** 18), paceOf(connection)];
    let [first, count] = [0, 1];
    while (!answer.complete && count > 0) {
      const room = first > 0 ? buffer : buffer.subarray(0, 1024);
      count = await connection.recv_into(room);
      file.write(answer.push(buffer.subarray(0, count)));
      first ||= answer.received;
      expectPace(answer.received);
    }
    // 4. The file is whole if its length and its hash are those announced.
    const { code, length, summary } = answer;
    if (!half && length) print(`One recv() gave ${first} of ${length} bytes`);
    print(`${name}: ${summary}`);
    print(count > 0 ? "The stream goes on" : "The stream has ended");
    if (!code) file.keep();
    else if (!half) throw new SocketError(code, "recv_into", address);
  }
}

if (import.meta.main) {
  const flags = FILE_FLAGS;
  await experiment({ url: import.meta.url, port: 5555, flags, server, client });
}
