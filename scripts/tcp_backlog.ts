/**
 * The backlog of listen(): the 5 in listen(5) limits the accept queue (to 6
 * clients on Linux). Further clients are not refused, but their connect() takes
 * longer.
 *
 * Aim: To find out what the number in listen() does, and what happens to
 * clients for whom the queue has no room.
 *
 *     deno run --allow-net scripts/tcp_backlog.ts
 *     bun scripts/tcp_backlog.ts
 *     node scripts/tcp_backlog.ts
 *
 * If a runtime sets a longer queue, as Bun does with 512, or accepts ahead of the
 * program, all are connected, and nobody has to wait. The other servers use the default of 4096, because
 * a short queue loses clients when many come at once.
 *
 * Output:
 *
 *     server: listen(5), and one client at a time
 *     client: The server is busy, and 12 more clients connect
 *     client: After 300 ms: <6> connected, <6> waiting
 *     client: The queue of listen(5) <was full|is longer on this runtime>
 *     client: None was refused: 12 of 12 served, after <1007> ms
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
  // 1. Create a socket, bind it to the server's port, and listen with an accept
  //    queue of 5.
  const listener = socket(AF_INET, SOCK_STREAM);
  await listener.bind(address);
  await listener.listen(5);
  ready(listener);
  print("listen(5), and one client at a time");

  // 2. Accept a client, greet it, and accept no other until it has closed.
  let served = 0;
  for await (const [client] of listener) {
    serve(client, async () => {
      await client.sendall("Your turn\r\n");
      await new Reader(client).all();
      served++;
    });
    await done();
  }
  return served;
}

export async function client({ address, print }: End) {
  // 1. Connect, and wait for the greeting: from now on the server is busy.
  const first = socket(AF_INET, SOCK_STREAM);
  await first.connect(address);
  const turn = await new Reader(first).line();
  if (turn !== "Your turn") throw new SocketError("EPROTO", "recv", address);
  print("The server is busy, and 12 more clients connect");

  // 2. Start 12 more clients. While the accept queue has room, the system
  //    completes their handshake; then it drops the SYN, and the client's system
  //    sends it again after a second.
  const start = performance.now();
  let connected = 0;
  const everyone = Promise.all(Array.from({ length: 12 }, async () => {
    const connection = socket(AF_INET, SOCK_STREAM);
    await connection.connect(address);
    connected++;
    const greeting = await new Reader(connection).line();
    await connection.close();
    return greeting;
  }));

  // 3. After 300 ms count the connected ones, none of which the program has
  //    accepted. If they are more than the queue holds, the runtime has.
  const pause = new Promise((resolve) => setTimeout(resolve, 300));
  await Promise.race([pause, everyone]);
  const waiting = 12 - connected;
  print(`After 300 ms: ${connected} connected, ${waiting} waiting`);
  const found = waiting > 0 ? "was full" : "is longer on this runtime";
  print("The queue of listen(5)", found);

  // 4. Close: the server accepts the next, and in the end serves all.
  await first.close();
  const served = (await everyone).filter((line) => line !== null).length;
  const ms = Math.round(performance.now() - start);
  print(`None was refused: ${served} of 12 served, after ${ms} ms`);
  return { waiting, served };
}

if (import.meta.main) {
  await experiment({ url: import.meta.url, port: 9999, server, client });
}
