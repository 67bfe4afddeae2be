/**
 * The backlog of listen(): the 5 in listen(5) limits the accept queue (to 6
 * clients on Linux). More are not refused, but their connect() takes longer.
 *
 * Aim: To find out what the number in listen() does to clients beyond it.
 *
 *     deno run --allow-net scripts/tcp_backlog.ts
 *     bun scripts/tcp_backlog.ts
 *     node scripts/tcp_backlog.ts
 *
 * Otherwise: The runtime asks for a longer queue (Bun for one of 512), or accepts
 * ahead of the program, so that more of the clients are connected, or all. So are
 * those on another host: the end of their handshake is dropped, unseen by them.
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
  // 1. Create a socket, bind it, and listen with an accept queue of 5.
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
  let left = 13;
  const greeted = async () => {
    const connection = socket(AF_INET, SOCK_STREAM);
    connection.settimeout(connection.gettimeout() ?? 30_000); // --timeout
    await connection.connect(address);
    left--;
    await connection.sendall("Is it my turn?\r\n");
    const greeting = await new Reader(connection).line();
    if (greeting === "Your turn") return connection;
    throw new SocketError("EPROTO", "recv", address);
  };
  const first = await greeted();
  print("The server is busy, and 12 more clients connect");

  // 2. Start 12 more clients. While the accept queue has room, the system
  //    completes their handshake; then it drops the SYN, and the client's system
  //    sends it again after a second. Between hosts it does so with the question.
  const start = performance.now();
  const greet = async () => (await greeted()).close();
  const everyone = Promise.allSettled(Array.from({ length: 12 }, greet));

  // 3. After 300 ms count the connected ones, none of which the program has
  //    accepted. If they are more than the queue holds, the runtime has.
  const pause = new Promise((resolve) => setTimeout(resolve, 300));
  await Promise.race([pause, everyone]);
  const waiting = left;
  print(`After 300 ms: ${12 - waiting} connected, ${waiting} waiting`);
  const here = /^(localhost$|127\.)/.test(address[0]);
  const found = waiting > 0 ? "was full" : "is longer on this runtime";
  print("The queue of listen(5)", here ? found : "is unseen from here");

  // 4. Close: the server accepts the next, and in the end serves all.
  await first.close();
  const failed = (await everyone).filter((one) => one.status === "rejected");
  const [ms, served] = [performance.now() - start, 12 - failed.length];
  const verdict = failed.length > 0 ? "Not all had a turn" : "None was refused";
  print(`${verdict}: ${served} of 12 served, after ${Math.round(ms)} ms`);
  for (const { reason } of failed) throw reason;
  return { waiting, served };
}

if (import.meta.main) {
  const { url } = import.meta;
  await experiment({ url, port: 9999, clock: true, server, client });
}
