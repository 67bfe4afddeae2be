/**
 * Endings of an HTTP answer: a length and a last chunk tell whether the answer is
 * whole; the end of the stream does not.
 *
 * Aim: To compare three ways to end an answer, each whole and cut off.
 *
 *     deno run --allow-net scripts/http_endings.ts
 *     bun scripts/http_endings.ts
 *     node scripts/http_endings.ts
 *
 * Run the server alone and ask it with curl: for `/length?cut` and `/chunks?cut`
 * curl exits with 18, for `/end?cut` with 0, although half of the page is missing.
 *
 * Output:
 *
 *     server: GET /length: sent 60 of 60 bytes
 *     client: /length: 60 bytes, whole
 *     server: GET /length?cut: sent 30 of 60 bytes
 *     client: /length?cut: 30 bytes, cut off
 *     server: GET /chunks: sent 60 of 60 bytes
 *     client: /chunks: 60 bytes, whole
 *     server: GET /chunks?cut: sent 30 of 60 bytes
 *     client: /chunks?cut: 30 bytes, cut off
 *     server: GET /end: sent 60 of 60 bytes
 *     client: /end: 60 bytes, whole or cut off
 *     server: GET /end?cut: sent 30 of 60 bytes
 *     client: /end?cut: 30 bytes, whole or cut off
 */
import {
  AF_INET,
  type End,
  experiment,
  SOCK_STREAM,
  socket,
  SocketError,
} from "../lib/mod.ts";
import { textAnswer } from "../lib/services/http_answer.ts";
import { AnswerReader, formatGet } from "../lib/services/http_client.ts";
import { HttpConnection } from "../lib/services/http_server.ts";

const PAGE = "Who reads this must know where the end of the whole page is.";
const HEAD = "HTTP/1.1 200 OK\r\nConnection: close\r\n";
const WAYS = ["/length", "/chunks", "/end"];

/** The page, or half of it, in each way: fields, an empty line, and a body. */
const answers = (page: string, cut: boolean): Record<string, string> => ({
  "GET /length": `${HEAD}Content-Length: ${PAGE.length}\r\n\r\n${page}`,
  "GET /chunks": `${HEAD}Transfer-Encoding: chunked\r\n\r\n` +
    `${page.length.toString(16)}\r\n${page}\r\n${cut ? "" : "0\r\n\r\n"}`,
  "GET /end": `${HEAD}\r\n${page}`,
});

export async function server({ address, print, ready, serve }: End) {
  // 1. Create a socket, bind it to the server's port, and listen.
  const listener = socket(AF_INET, SOCK_STREAM);
  await listener.bind(address);
  await listener.listen();
  ready(listener);
  let answered = 0;
  // 2. Read the request of each client; the path names a way to end the answer.
  for await (const [client] of listener) {
    await serve(client, async () => {
      const http = new HttpConnection(client, { refused: print });
      for await (const { method, path, target } of http) {
        const cut = target.endsWith("?cut");
        const sent = PAGE.slice(0, cut ? 30 : 60);
        const answer = answers(sent, cut)[`${method} ${path}`];
        if (!answer) {
          await http.answer(textAnswer(404, WAYS.join(", ")));
          continue;
        }
        // 3. Send the page, or half of it, as if there were nothing more.
        print(`GET ${target}: sent ${sent.length} of ${PAGE.length} bytes`);
        await client.sendall(answer);
        // 4. End the stream, as the system does for a server that has crashed.
        answered++;
        return await http.finish();
      }
    });
  }
  return answered;
}

export async function client({ address, print }: End) {
  for (const target of WAYS.flatMap((way) => [way, `${way}?cut`])) {
    // 1. Connect to the server, and ask for the page.
    await using connection = socket(AF_INET, SOCK_STREAM);
    await connection.connect(address);
    await connection.sendall(formatGet(target, address));
    // 2. Receive the answer up to its end; was that the end of the page?
    const answer = await new AnswerReader(connection).received("GET");
    const { body: { length }, extent, status } = answer;
    if (status !== 200) throw new SocketError("EPROTO", "recv", address);
    print(`${target}: ${length} bytes, ${extent}`);
  }
}

if (import.meta.main) {
  await experiment({ url: import.meta.url, port: 8080, server, client });
}
