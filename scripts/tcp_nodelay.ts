/**
 * Nagle's algorithm in TCP: two small sends and an answer take 40 ms, since the
 * second waits for the acknowledgement of the first, and the server delays that.
 *
 * Aim: To measure what two small sends in a row cost, and two ways to avoid it.
 *
 *     deno run --allow-net scripts/tcp_nodelay.ts
 *     bun scripts/tcp_nodelay.ts
 *     node scripts/tcp_nodelay.ts
 *
 * The times are medians of 20 exchanges; Linux acknowledges the first at once. By
 * RFC 1122 (4.2.3.2), a system delays an acknowledgement by less than 500 ms.
 *
 * Output:
 *
 *     client: Two sends, TCP_NODELAY off: <44.02> ms
 *     client: One send, TCP_NODELAY off: <0.05> ms
 *     client: Two sends, TCP_NODELAY on: <0.06> ms
 *     server: Answered 60 requests
 */
import {
  AF_INET,
  type End,
  experiment,
  Reader,
  SOCK_STREAM,
  socket,
  SocketError,
  type StreamSocket,
} from "../lib/mod.ts";

export async function server({ address, print, ready, serve }: End) {
  // 1. Create a socket, bind it to the server's port, and listen.
  const listener = socket(AF_INET, SOCK_STREAM);
  await listener.bind(address);
  await listener.listen();
  ready(listener);

  // 2. Answer whole lines only: an answer would carry an acknowledgement.
  const counts = { answered: 0 };
  for await (const [client] of listener) {
    await serve(client, async () => {
      const reader = new Reader(client);
      let requests = 0;
      for (; await reader.line() !== null; requests++) {
        await client.sendall("OK\n");
      }
      print(`Answered ${requests} requests`);
      counts.answered += requests;
    });
  }
  return counts;
}

export async function client({ address, print }: End) {
  // 1. Create a socket and connect it to the server.
  const connection = socket(AF_INET, SOCK_STREAM);
  await connection.connect(address);

  // 2. Turn Nagle's algorithm on (RFC 896); some runtimes turn it off. Send each
  //    request in two pieces: the second leaves when the first is acknowledged,
  //    and the server's system delays that by 40 ms.
  connection.setsockopt("TCP_NODELAY", false);
  const off = await median(connection, "name=", "value\n");
  print(`Two sends, TCP_NODELAY off: ${off} ms`);

  // 3. Send the same bytes with one call: nothing has to wait.
  const one = await median(connection, "name=value\n");
  print(`One send, TCP_NODELAY off: ${one} ms`);

  // 4. Turn Nagle's algorithm off: both pieces are sent at once, in two segments.
  connection.setsockopt("TCP_NODELAY", true);
  const on = await median(connection, "name=", "value\n");
  print(`Two sends, TCP_NODELAY on: ${on} ms`);

  // 5. Close the connection.
  await connection.close();
  return { off, one, on };
}

/** The median time of 20 exchanges, from the first send to the answer. */
async function median(connection: StreamSocket, ...pieces: string[]) {
  const reader = new Reader(connection);
  const times: number[] = [];
  while (times.length < 20) {
    const start = performance.now();
    for (const piece of pieces) await connection.sendall(piece);
    if (await reader.line() !== "OK") {
      throw new SocketError("EPROTO", "recv", connection.getpeername());
    }
    times.push(performance.now() - start);
  }
  const [low, high] = times.sort((a, b) => a - b).slice(9);
  return ((low + high) / 2).toFixed(2);
}

if (import.meta.main) {
  const { url } = import.meta;
  await experiment({ url, port: 8000, clock: true, server, client });
}
