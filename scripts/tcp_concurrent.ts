/**
 * Iterative and concurrent servers: a server that serves one client at a time
 * makes all wait for a slow one; a concurrent server does not.
 *
 * Aim: To compare how clients wait at an iterative and a concurrent server.
 *
 *     deno run --allow-net scripts/tcp_concurrent.ts
 *     bun scripts/tcp_concurrent.ts
 *     node scripts/tcp_concurrent.ts
 *
 * Output:
 *
 *     server: How to serve: One at a time
 *     client: One at a time: the quick clients waited <300> ms
 *     server: How to serve: Side by side
 *     client: Side by side: the quick clients waited <2> ms
 *     client: Side by side saved them <298> ms
 */
import {
  AF_INET,
  type End,
  experiment,
  Reader,
  SOCK_STREAM,
  socket,
  SocketError,
} from "../lib/mod.ts";

export async function server({ address, done, print, ready, serve }: End) {
  // 1. Create a socket, bind it to the server's port, and listen.
  const listener = socket(AF_INET, SOCK_STREAM);
  await listener.bind(address);
  await listener.listen();
  ready(listener);

  // 2. Accept each client, and answer it. A request may choose how to serve.
  let way = "One at a time";
  let answered = 0;
  for await (const [client] of listener) {
    const answer = async () => {
      const request = await new Reader(client).line();
      if (request === "One at a time" || request === "Side by side") {
        way = request;
        print("How to serve:", way);
      }
      await client.sendall("OK\r\n");
      answered++;
    };
    const room = serve(client, answer);

    // 3. Iterative: accept the next client when this one is done. Concurrent:
    //    accept it at once, unless too many are being served.
    await (way === "One at a time" ? done() : room);
  }
  return answered;
}

export async function client({ address, print }: End) {
  const waits: number[] = [];
  for (const way of ["One at a time", "Side by side"]) {
    // 1. Choose how the server serves.
    await ask(address, way);

    // 2. Connect a slow client: it sends its request after 300 ms.
    const slow = socket(AF_INET, SOCK_STREAM);
    await slow.connect(address);
    setTimeout(() => slow.sendall("a slow request\r\n"), 300);

    // 3. Connect three quick clients after it, and measure how long they wait.
    const start = performance.now();
    await Promise.all(["a", "b", "c"].map((name) => ask(address, name)));
    const ms = Math.round(performance.now() - start);
    print(`${way}: the quick clients waited ${ms} ms`);
    waits.push(ms);

    // 4. Wait for the answer to the slow one, too.
    await new Reader(slow).line();
    await slow.close();
  }

  // 5. Compare the two times.
  const [oneAtATime, sideBySide] = waits;
  print(`Side by side saved them ${oneAtATime - sideBySide} ms`);
  return { oneAtATime, sideBySide };
}

/** Connects, sends a request, and waits for the answer. */
async function ask(address: End["address"], request: string): Promise<void> {
  const connection = socket(AF_INET, SOCK_STREAM);
  await connection.connect(address);
  await connection.sendall(`${request}\r\n`);
  const answer = await new Reader(connection).line();
  if (answer !== "OK") throw new SocketError("EPROTO", "recv", address);
  await connection.close();
}

if (import.meta.main) {
  const { url } = import.meta;
  await experiment({ url, port: 8000, clock: true, server, client });
}
