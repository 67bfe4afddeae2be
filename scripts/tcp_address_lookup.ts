/**
 * Address lookup over TCP: for each IP address that a client sends, the server
 * answers with the hardware address in its table, or "Not Found".
 *
 * Aim: To look up hardware addresses by IP address, with many questions over
 * one TCP connection.
 *
 *     deno run --allow-net scripts/tcp_address_lookup.ts
 *     bun scripts/tcp_address_lookup.ts
 *     node scripts/tcp_address_lookup.ts
 *
 * Output:
 *
 *     client: ('127.0.0.1', <port>)
 *     server: 165.165.80.80 -> 6A:08:AA:C2
 *     client: 6A:08:AA:C2
 *     server: acknowledgement recived from the server -> Not Found
 */
import {
  AF_INET,
  decode,
  type End,
  experiment,
  formatAddress,
  Reader,
  SHUT_WR,
  SOCK_STREAM,
  socket,
  SocketError,
} from "../lib/mod.ts";

const HARDWARE_ADDRESSES = new Map([
  ["165.165.80.80", "6A:08:AA:C2"],
  ["165.165.79.1", "8A:BC:E3:FA"],
]);

const ANSWER = /^([0-9A-F]{2}:)+[0-9A-F]{2}$|^Not Found$/i;

export async function server({ address, print, ready, serve }: End) {
  // 1. Create a socket, bind it to the server's port, and listen.
  const listener = socket(AF_INET, SOCK_STREAM);
  await listener.bind(address);
  await listener.listen();
  ready(listener);

  // 2. Accept each client, and answer until the end of its stream.
  let answered = 0;
  for await (const [client] of listener) {
    await serve(client, async () => {
      while (true) {
        // 3. Take the bytes of one recv() as one question. The messages have no
        //    delimiter: two that are sent in a row may arrive as one, and then
        //    neither is found. So a client must wait for each answer.
        const question = decode(await client.recv(1024)).trim();
        if (!question) break;

        // 4. Look it up, and send the answer.
        const answer = HARDWARE_ADDRESSES.get(question) ?? "Not Found";
        print(question, "->", answer);
        await client.sendall(answer);
        answered++;
      }
    });
  }
  return answered;
}

export async function client({ address, print }: End) {
  // 1. Create a socket, connect it to the server, and print its own address.
  const connection = socket(AF_INET, SOCK_STREAM);
  await connection.connect(address);
  print(formatAddress(connection.getsockname()));

  // 2. Ask for one address, and print the answer; anything else than a hardware
  //    address or "Not Found" is from another server.
  await connection.sendall("165.165.80.80");
  const answer = decode(await connection.recv(1024));
  if (!ANSWER.test(answer)) throw new SocketError("EPROTO", "recv", address);
  print(answer);

  // 3. Acknowledge it, in the words of the original lab. The server takes that
  //    for a question, too: the protocol does not distinguish the two.
  await connection.sendall("acknowledgement recived from the server");

  // 4. End the stream, discard the last answer, and close the connection.
  await connection.shutdown(SHUT_WR);
  await new Reader(connection).all();
  await connection.close();
  return answer;
}

if (import.meta.main) {
  await experiment({ url: import.meta.url, port: 8000, server, client });
}
