/**
 * Address lookup over TCP: for each IP address that a client sends, the server
 * answers with the hardware address in its table, or "Not Found".
 *
 * Aim: To look up hardware addresses by IP address over one TCP connection.
 *
 *     deno run --allow-net scripts/tcp_address_lookup.ts
 *     bun scripts/tcp_address_lookup.ts
 *     node scripts/tcp_address_lookup.ts
 *
 * `--reverse 6A:08:AA:C2` asks for the IP address instead, as RARP does (RFC 903).
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

const ADDRESSES = new Map([
  ["165.165.80.80", "6A:08:AA:C2"],
  ["165.165.79.1", "8A:BC:E3:FA"],
]);
for (const [ip, hardware] of [...ADDRESSES]) ADDRESSES.set(hardware, ip);
const HARDWARE = /^([0-9A-F]{2}:){1,19}[0-9A-F]{2}$/i;
const IP = /^(\d{1,3}\.){3}\d{1,3}$/;

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
        // 3. Take the bytes of one recv() as one question. There is no delimiter:
        //    of two that arrive as one neither is found. So clients must wait.
        const question = decode(await client.recv(1024)).trim();
        if (!question) break;

        // 4. Look it up, either way, and send the answer.
        const answer = ADDRESSES.get(question.toUpperCase()) ?? "Not Found";
        print(question, "->", answer);
        await client.sendall(answer);
        answered++;
      }
    });
  }
  return answered;
}

export async function client({ address, flags, print }: End) {
  // 1. Create a socket, connect it to the server, and print its own address.
  const connection = socket(AF_INET, SOCK_STREAM);
  await connection.connect(address);
  print(formatAddress(connection.getsockname()));

  // 2. Ask for one address, and print the answer; anything else than an address
  //    of the other kind or "Not Found" is from another server.
  await connection.sendall(flags.reverse ?? "165.165.80.80");
  const answer = decode(await connection.recv(1024));
  const known = (flags.reverse ? IP : HARDWARE).test(answer);
  const usable = known || answer === "Not Found";
  if (!usable) throw new SocketError("EPROTO", "recv", address);
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
  const help = "ask for the IP address of this hardware address";
  const takes = "a hardware address, such as 6A:08:AA:C2";
  const flags = { reverse: { value: "A", takes, pattern: HARDWARE, help } };
  await experiment({ url: import.meta.url, port: 8000, flags, server, client });
}
