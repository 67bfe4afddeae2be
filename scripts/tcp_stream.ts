/**
 * Messages in a TCP stream: TCP keeps the order of the bytes, not the
 * boundaries of the messages; a Reader finds those by a delimiter.
 *
 * Aim: To show that TCP is a stream of bytes, and to divide it into messages.
 *
 *     deno run --allow-net scripts/tcp_stream.ts
 *     bun scripts/tcp_stream.ts
 *     node scripts/tcp_stream.ts
 *
 * Output:
 *
 *     client: Sent 10 lines of 10 bytes: 10 sends
 *     server: Received 100 bytes: <1> recv(s)
 *     server: Sent them back, at most 7 at a time: <15> sends
 *     client: Read 10 lines, whole and in order
 */
import {
  AF_INET,
  type End,
  experiment,
  Reader,
  SHUT_WR,
  SOCK_STREAM,
  socket,
  SocketError,
} from "../lib/mod.ts";

const LINES = Array.from({ length: 10 }, (_, i) => `message ${i}`);

export async function server({ address, print, ready, serve }: End) {
  // 1. Create a socket, bind it to the server's port, and listen.
  const listener = socket(AF_INET, SOCK_STREAM);
  await listener.bind(address);
  await listener.listen();
  ready(listener);

  // 2. Receive from each client up to the end of the stream. One recv() returns
  //    the bytes that are there: part of a message, one message, or several.
  const counts = { clients: 0, recvs: 0, sends: 0 };
  for await (const [client] of listener) {
    await serve(client, async () => {
      let [recvs, size, sends] = [0, 0, 0];
      while (true) {
        const bytes = await client.recv(1024);
        if (bytes.length === 0) break;
        recvs++;
        size += bytes.length;

        // 3. Send the same bytes back, in pieces that end inside messages.
        for (let at = 0; at < bytes.length; at += 7) {
          await client.sendall(bytes.subarray(at, at + 7));
          sends++;
        }
      }
      print(`Received ${size} bytes: ${recvs} recv(s)`);
      print(`Sent them back, at most 7 at a time: ${sends} sends`);
      counts.clients++;
      counts.recvs += recvs;
      counts.sends += sends;
    });
  }
  return counts;
}

export async function client({ address, print }: End) {
  // 1. Create a socket and connect it to the server.
  const connection = socket(AF_INET, SOCK_STREAM);
  await connection.connect(address);

  // 2. Send ten messages, each with a delimiter, and end the stream.
  for (const line of LINES) await connection.sendall(`${line}\n`);
  await connection.shutdown(SHUT_WR);
  print("Sent 10 lines of 10 bytes: 10 sends");

  // 3. Read them back: a Reader receives until it has a whole line, and keeps
  //    the bytes after it for the next. Compare each with what was sent, and
  //    null with the end; another server may answer otherwise, and endlessly.
  const reader = new Reader(connection);
  for (const line of [...LINES, null]) {
    if (await reader.line() === line) continue;
    throw new SocketError("EPROTO", "recv", address);
  }
  await connection.close();
  print(`Read ${LINES.length} lines, whole and in order`);
  return LINES;
}

if (import.meta.main) {
  await experiment({ url: import.meta.url, port: 8000, server, client });
}
