/**
 * Date and time with acknowledgement over TCP: the server sends each client the
 * date and time, and waits for an acknowledgement.
 *
 * Aim: To send the date and time from a server to its clients over TCP, and to
 * have each client acknowledge it.
 *
 *     deno run --allow-net scripts/tcp_time.ts
 *     bun scripts/tcp_time.ts
 *     node scripts/tcp_time.ts
 *
 * Output:
 *
 *     server: Waiting for a client to connect...
 *     server: Client Address: ('127.0.0.1', <port>)
 *     client: Received from server: <dd/mm/yyyy> <hh:mm:ss>
 *     server: Acknowledgment from client: Time received successfully.
 */
import {
  AF_INET,
  dateAndTime,
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
  print("Waiting for a client to connect...");

  // 3. Accept each client, and serve it concurrently: nobody has to wait for a
  //    slow one.
  const counts = { acknowledged: 0 };
  for await (const [client, peer] of listener) {
    await serve(client, async () => {
      print("Client Address:", formatAddress(peer));

      // 4. Send the date and time, and wait for the acknowledgement. A client
      //    may close without one.
      await client.sendall(dateAndTime());
      const acknowledgment = decode(await client.recv(1024));
      if (acknowledgment) {
        print("Acknowledgment from client:", acknowledgment);
        counts.acknowledged++;
      }
    });
  }
  return counts;
}

export async function client({ address, print }: End) {
  // 1. Create a socket and connect it to the server.
  const connection = socket(AF_INET, SOCK_STREAM);
  await connection.connect(address);

  // 2. Receive the date and time; anything else is from another server.
  const time = decode(await connection.recv(1024));
  if (!/\d:\d\d/.test(time)) throw new SocketError("EPROTO", "recv", address);
  print("Received from server:", time);

  // 3. Acknowledge it, and close the connection.
  await connection.sendall("Time received successfully.");
  await connection.close();
  return time;
}

if (import.meta.main) {
  await experiment({ url: import.meta.url, port: 8000, server, client });
}
