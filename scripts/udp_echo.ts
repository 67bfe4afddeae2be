/**
 * Echo over UDP: there is no connection and nothing is reliable. Each datagram
 * carries the addresses of both ends, and may be lost; a client that needs an
 * answer asks again.
 *
 * Aim: To exchange datagrams with sendto() and recvfrom(), and to recover a
 * lost one.
 *
 *     deno run --allow-net scripts/udp_echo.ts
 *     bun scripts/udp_echo.ts
 *     node scripts/udp_echo.ts
 *
 * Output:
 *
 *     client: To ('127.0.0.1', <port>): Hello, UDP!
 *     server: From ('127.0.0.1', <port>): Hello, UDP! (not answered)
 *     client: No answer in <250> ms
 *     client: To ('127.0.0.1', <port>): Hello, UDP!
 *     server: From ('127.0.0.1', <port>): Hello, UDP!
 *     client: From ('127.0.0.1', <port>): Hello, UDP!
 */
import {
  AF_INET,
  decode,
  type End,
  experiment,
  formatAddress,
  SOCK_DGRAM,
  socket,
  SocketError,
} from "../lib/mod.ts";

export async function server({ address, print, ready, serve }: End) {
  // 1. Create a socket and bind it to the server's port. There is no listen()
  //    and no accept(): one socket receives from all clients.
  const receiver = socket(AF_INET, SOCK_DGRAM);
  await receiver.bind(address);
  ready(receiver);

  // 2. Receive each datagram, with the address of its sender. Answer only every
  //    second one, as if the network had lost the others.
  let [received, answered] = [0, 0];
  for await (const [data, sender] of receiver) {
    const lost = ++received % 2 === 1;
    const text = `From ${formatAddress(sender)}: ${decode(data)}`;
    print(lost ? `${text} (not answered)` : text);
    if (lost) continue;

    // 3. Send the same bytes back to the sender.
    await serve(sender, async () => {
      await receiver.sendto(data, sender);
      answered++;
    });
  }
  return { received, answered };
}

export async function client({ address, print }: End) {
  // 1. Create a socket; the first sendto() gives it an ephemeral port.
  await using sender = socket(AF_INET, SOCK_DGRAM);
  const longest = sender.gettimeout() ?? Infinity; // --timeout
  for (let tries = 1, wait = 250; tries <= 4; tries++, wait *= 2) {
    // 2. Send a datagram to the server. That succeeds even if the datagram is
    //    lost, or no server is there.
    await sender.sendto("Hello, UDP!", address);
    print(`To ${formatAddress(address)}: Hello, UDP!`);

    // 3. Wait for the answer, with a timeout; it must be the same bytes.
    const ms = Math.min(wait, longest);
    sender.settimeout(ms);
    try {
      const [data, from] = await sender.recvfrom(1024);
      const answer = decode(data);
      if (answer !== "Hello, UDP!") {
        throw new SocketError("EPROTO", "recv", from);
      }
      print(`From ${formatAddress(from)}: ${answer}`);
      return { tries, answer };
    } catch (error) {
      if ((error as SocketError).code !== "ETIMEDOUT") throw error;
      print(`No answer in ${ms} ms`);
    }
    // 4. If none came, send again and wait twice as long; four times in all.
  }
  throw new SocketError("ETIMEDOUT", "recvfrom", address);
}

if (import.meta.main) {
  const { url } = import.meta;
  await experiment({ url, port: 9000, clock: true, server, client });
}
