/**
 * Echo over TCP: the server sends back every byte that it receives. The order of
 * the bytes stays, but three lines may return in one piece, or in many.
 *
 * Aim: To send lines to a server that returns them, and to receive them all.
 *
 *     deno run --allow-net scripts/tcp_echo.ts
 *     bun scripts/tcp_echo.ts
 *     node scripts/tcp_echo.ts
 *
 * This is the echo service of RFC 862, whose own port is 7. `nc` and `socat` can
 * replace either end.
 *
 * Output:
 *
 *     client: Sent 3 lines at once: 37 bytes, 1 send
 *     client: Received 37 bytes: <1> recv(s)
 *     client: Back: Hello, echo!
 *     client: Back: How are you?
 *     client: Back: Goodbye...
 *     server: Sent back 37 bytes to ('127.0.0.1', <port>)
 */
import {
  AF_INET,
  decode,
  type End,
  experiment,
  formatAddress,
  SHUT_WR,
  SOCK_STREAM,
  socket,
  SocketError,
} from "../lib/mod.ts";

const LINES = "Hello, echo!\nHow are you?\nGoodbye...\n";

export async function server({ address, print, ready, serve }: End) {
  // 1. Create a socket, bind it to the server's port, and listen.
  const listener = socket(AF_INET, SOCK_STREAM);
  await listener.bind(address);
  await listener.listen();
  ready(listener);

  // 2. Accept each client, and serve it concurrently: send back the bytes of each
  //    recv(), until the client ends its stream.
  const sentBack = { bytes: 0 };
  for await (const [client, peer] of listener) {
    await serve(client, async () => {
      let size = 0;
      while (true) {
        const bytes = await client.recv(1024);
        if (bytes.length === 0) break;
        await client.sendall(bytes);
        size += bytes.length;
      }
      print(`Sent back ${size} bytes to ${formatAddress(peer)}`);
      sentBack.bytes += size;
    });
  }
  return sentBack;
}

export async function client({ address, print }: End) {
  // 1. Create a socket and connect it to the server.
  const connection = socket(AF_INET, SOCK_STREAM);
  await connection.connect(address);

  // 2. Send three lines with one call.
  await connection.sendall(LINES);
  print(`Sent 3 lines at once: ${LINES.length} bytes, 1 send`);

  // 3. Receive until as many bytes are back. One recv() may return all of them,
  //    one line, or part of a line.
  let [size, recvs, back] = [0, 0, ""];
  while (size < LINES.length) {
    const bytes = await connection.recv(1024);
    if (bytes.length === 0) throw new SocketError("EBADMSG", "recv", address);
    size += bytes.length;
    recvs++;
    back += decode(bytes);
  }
  print(`Received ${size} bytes: ${recvs} recv(s)`);

  // 4. Compare them with what was sent; another server may answer otherwise.
  if (back !== LINES) throw new SocketError("EPROTO", "recv", address);
  for (const line of back.trimEnd().split("\n")) print("Back:", line);

  // 5. End the stream, and close the connection.
  await connection.shutdown(SHUT_WR);
  await connection.close();
  return back;
}

if (import.meta.main) {
  await experiment({ url: import.meta.url, port: 7000, server, client });
}
