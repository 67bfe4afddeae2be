/**
 * Date, time and client details over TCP: the server sends the date and time,
 * the client its own IP address, which is also the one that the server sees.
 *
 * Aim: To display the server's date and time at the client, and the client's
 * details at the server.
 *
 *     deno run --allow-net scripts/tcp_client_details.ts
 *     bun scripts/tcp_client_details.ts
 *     node scripts/tcp_client_details.ts
 *
 * Output:
 *
 *     server: Client Address: ('127.0.0.1', <port>)
 *     server: Client Details: 127.0.0.1
 *     client: Own Address: ('127.0.0.1', <port>)
 *     client: Date and Time: <dd/mm/yyyy> <hh:mm:ss>
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

  // 2. Listen, and accept each client that connects.
  await listener.listen();
  ready(listener);
  const counts = { told: 0 };
  for await (const [client, peer] of listener) {
    await serve(client, async () => {
      print("Client Address:", formatAddress(peer));

      // 3. Send the server's date and time.
      await client.sendall(dateAndTime());

      // 4. Receive the IP address that the client claims, and print it. The
      //    client could claim any; the one of accept() is true.
      const host = decode(await client.recv(1024));
      if (!host) return;
      print("Client Details:", host);
      counts.told++;
    });
  }

  // 5. The loop ends when the server is stopped, which closes the socket.
  return counts;
}

export async function client({ address, print }: End) {
  // 1. Create a socket and connect it to the server.
  const connection = socket(AF_INET, SOCK_STREAM);
  await connection.connect(address);

  // 2. Ask the socket for the client's own address.
  const own = connection.getsockname();
  print("Own Address:", formatAddress(own));

  // 3. Send the IP address in it to the server.
  await connection.sendall(own[0]);

  // 4. Receive the server's date and time, and print it; anything else is from
  //    another server.
  const time = decode(await connection.recv(1024));
  if (!/\d:\d\d/.test(time)) throw new SocketError("EPROTO", "recv", address);
  print("Date and Time:", time);

  // 5. Close the connection.
  await connection.close();
  return time;
}

if (import.meta.main) {
  await experiment({ url: import.meta.url, port: 8000, server, client });
}
