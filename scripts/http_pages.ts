/**
 * Pages over HTTP: requests and answers are text, and each says where it ends; so
 * one connection carries many.
 *
 * Aim: To download and to upload pages over HTTP on one connection.
 *
 *     deno run --allow-net scripts/http_pages.ts
 *     bun scripts/http_pages.ts
 *     node scripts/http_pages.ts
 *
 * The server serves browsers and curl, too. It keeps uploads in memory only.
 *
 * Output:
 *
 *     server: GET / HTTP/1.1
 *     client: HTTP/1.1 200 OK, 184 bytes
 *     server: GET /nothing HTTP/1.1
 *     client: HTTP/1.1 404 Not Found, 28 bytes
 *     server: PUT /note.txt HTTP/1.1, 22 bytes
 *     client: HTTP/1.1 <201 Created|204 No Content>, 0 bytes
 *     server: GET /note.txt HTTP/1.1
 *     client: HTTP/1.1 200 OK, 22 bytes
 *     client: It says: Hello, World Wide Web!
 *     client: Connections for 4 answers: 1
 *     server: Requests on this connection: 4
 */
import {
  AF_INET,
  decode,
  type End,
  experiment,
  SOCK_STREAM,
  socket,
} from "../lib/mod.ts";
import { inWords } from "../lib/protocols/http.ts";
import { AnswerReader, hostOf } from "../lib/services/http_client.ts";
import { openPages, PAGE_FLAGS } from "../lib/services/http_pages.ts";
import { HttpConnection } from "../lib/services/http_server.ts";

/** What the client says; its page comes in chunks. */
const dialogue = (host: string) => [
  `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
  `GET /nothing HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
  `PUT /note.txt HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n` +
  "\r\n7\r\nHello, \r\n6\r\nWorld \r\n9\r\nWide Web!\r\n0\r\n\r\n",
  `GET /note.txt HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
];

export async function server({ address, flags, print, ready, serve }: End) {
  // 1. Create a socket, bind it to the server's port, and listen.
  const pages = await openPages(flags.root);
  const listener = socket(AF_INET, SOCK_STREAM);
  await listener.bind(address);
  await listener.listen();
  ready(listener);
  let answered = 0;
  // 2. Read the requests of each client: where one ends, the next begins.
  for await (const [client] of listener) {
    await serve(client, async () => {
      const http = new HttpConnection(client, { refused: print });
      for await (const request of http) {
        print(inWords(request));
        // 3. Answer with a page, or keep the page that the request brings.
        await http.answer(await pages.answer(request));
      }
      print("Requests on this connection:", http.count);
      answered += http.count;
    });
  }
  return answered;
}

export async function client({ address, print }: End) {
  let http: AnswerReader | undefined;
  let [connections, page] = [0, ""];
  for (const request of dialogue(hostOf(address))) {
    // 1. Connect to the server; again only if it has ended the connection.
    if (!http?.persists) {
      const connection = socket(AF_INET, SOCK_STREAM);
      await connection.connect(address);
      http = new AnswerReader(connection);
      connections++;
    }
    // 2. Send a request: lines of text, an empty one, and perhaps a body.
    await http.connection.sendall(request);
    // 3. Read the answer up to its end, which is not the end of the stream.
    const answer = await http.next(request);
    print(inWords(answer));
    page = decode(answer.body);
  }
  await http?.connection.close();
  print("It says:", page.slice(0, 50));
  print("Connections for 4 answers:", connections);
  return connections;
}

if (import.meta.main) {
  const flags = PAGE_FLAGS;
  await experiment({ url: import.meta.url, port: 8080, flags, server, client });
}
