/**
 * Half close of a TCP connection: after shutdown(SHUT_WR) the reply still arrives,
 * after close() it cannot. The server sees the same end of the stream both times.
 *
 * Aim: To compare shutdown() with close() at the end of a request.
 *
 *     deno run --allow-net scripts/tcp_half_close.ts
 *     bun scripts/tcp_half_close.ts
 *     node scripts/tcp_half_close.ts
 *
 * Output:
 *
 *     client: Sent 3 lines, then shutdown(SHUT_WR)
 *     server: Read 3 lines, then the end of the stream
 *     server: Sent a reply of 16777216 bytes
 *     client: The reply arrived: 16777216 bytes
 *     client: Sent 3 lines, then close()
 *     client: recv() fails: EBADF
 *     server: Read 3 lines, then the end of the stream
 *     server: Could not send the reply: <EPIPE|ECONNRESET>
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

const REPLY = 16 * 1024 * 1024; // bytes: more than the socket buffers hold

export async function server({ address, print, ready, serve }: End) {
  // 1. Create a socket, bind it to the server's port, and listen.
  const listener = socket(AF_INET, SOCK_STREAM);
  await listener.bind(address);
  await listener.listen();
  ready(listener);

  // 2. Count each client's lines up to the FIN of its shutdown() or close().
  const replies = { sent: 0, refused: 0 };
  for await (const [client] of listener) {
    await serve(client, async () => {
      const reader = new Reader(client);
      let lines = 0;
      while (await reader.line() !== null) lines++;
      print(`Read ${lines} lines, then the end of the stream`);

      // 3. Send a reply in pieces. A client that only shut down receives it; the
      //    system of one that closed answers with a reset (RST): sending fails.
      try {
        for (let sent = 0; sent < REPLY; sent += 1024) {
          await client.sendall(new Uint8Array(1024));
        }
        print(`Sent a reply of ${REPLY} bytes`);
        replies.sent++;
      } catch (error) {
        if (!(error instanceof SocketError)) throw error;
        print("Could not send the reply:", error.code);
        replies.refused++;
      }
    });
  }
  return replies;
}

export async function client({ address, print }: End) {
  // 1. Connect twice: one connection for shutdown(), one for close().
  const closed = socket(AF_INET, SOCK_STREAM);
  await closed.connect(address);
  await using halfClosed = socket(AF_INET, SOCK_STREAM);
  await halfClosed.connect(address);

  // 2. Send some lines, shut down the sending side, and read the reply: each
  //    64 KiB of it has the time limit of one message.
  await halfClosed.sendall("one\ntwo\nthree\n");
  await halfClosed.shutdown(SHUT_WR);
  print("Sent 3 lines, then shutdown(SHUT_WR)");
  const reader = new Reader(halfClosed);
  let received = 0;
  while (received < REPLY) received += (await reader.exactly(65536)).length;
  print(`The reply arrived: ${received} bytes`);

  // 3. Send the same, but close: now no call can receive the reply.
  await closed.sendall("one\ntwo\nthree\n");
  await closed.close();
  print("Sent 3 lines, then close()");
  const code = await closed.recv(1024)
    .then(() => "it does not", (error: SocketError) => error.code);
  print("recv() fails:", code);
  return { received, code };
}

if (import.meta.main) {
  await experiment({ url: import.meta.url, port: 8000, server, client });
}
