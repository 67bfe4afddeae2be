/**
 * A greeting over TCP: the server sends every client that connects one line of
 * text and closes the connection.
 *
 * Aim: To establish a connection between a client and a server, and to greet
 * each client over it.
 *
 *     deno run --allow-net scripts/tcp_hello.ts
 *     bun scripts/tcp_hello.ts
 *     node scripts/tcp_hello.ts
 *
 * Output:
 *
 *     server: Connection established with ('127.0.0.1', <port>)
 *     client: Hello World!
 */
import {
  AF_INET,
  decode,
  type End,
  experiment,
  formatAddress,
  SOCK_STREAM,
  socket,
  SocketError,
} from "../lib/mod.ts";

export async function server({ address, print, ready, serve }: End) {
  // 1. Create a socket and bind it to the server's port.
  const listener = socket(AF_INET, SOCK_STREAM);
  await listener.bind(address);

  // 2. Listen: from now on clients can connect, and wait in the accept queue.
  await listener.listen();
  ready(listener);

  // 3. Accept each client, greet it, and close its connection.
  const counts = { greeted: 0 };
  for await (const [client, peer] of listener) {
    await serve(client, async () => {
      print("Connection established with", formatAddress(peer));
      await client.sendall("Hello World!");
      counts.greeted++;
    });
  }
  return counts;
}

export async function client({ address, print }: End) {
  // 1. Create a socket and connect it to the server.
  const connection = socket(AF_INET, SOCK_STREAM);
  await connection.connect(address);

  // 2. Receive the greeting: at most 1024 bytes of it. Empty is the end.
  const greeting = decode(await connection.recv(1024));
  if (!greeting) throw new SocketError("EPROTO", "recv", address);
  print(greeting);

  // 3. Close the connection.
  await connection.close();
  return greeting;
}

if (import.meta.main) {
  await experiment({ url: import.meta.url, port: 3000, server, client });
}
