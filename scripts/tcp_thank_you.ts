/**
 * A line of thanks over TCP: the server thanks each client for connecting, and
 * closes the connection; the client reads one line.
 *
 * Aim: To send a client one line of text, and to read it up to its end mark.
 *
 *     deno run --allow-net scripts/tcp_thank_you.ts
 *     bun scripts/tcp_thank_you.ts
 *     node scripts/tcp_thank_you.ts
 *
 * Output:
 *
 *     server: Got a connection from ('127.0.0.1', <port>)
 *     client: The time got from the server is Thank you for connecting
 */
import {
  AF_INET,
  type End,
  experiment,
  formatAddress,
  Reader,
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

  // 3. Accept each client, thank it, and close the connection.
  const counts = { thanked: 0 };
  for await (const [client, peer] of listener) {
    await serve(client, async () => {
      print("Got a connection from", formatAddress(peer));
      await client.sendall("Thank you for connecting\r\n");
      counts.thanked++;
    });
  }
  return counts;
}

export async function client({ address, print }: End) {
  // 1. Create a socket and connect it to the server.
  const connection = socket(AF_INET, SOCK_STREAM);
  await connection.connect(address);

  // 2. Read one line: CR and LF are its delimiter. Null is the end.
  const line = await new Reader(connection).line();
  if (line === null) throw new SocketError("EPROTO", "recv", address);

  // 3. Close the connection, and print the line. It is not a time, though the
  //    original lab calls it one.
  await connection.close();
  print("The time got from the server is", line);
  return line;
}

if (import.meta.main) {
  await experiment({ url: import.meta.url, port: 9999, server, client });
}
