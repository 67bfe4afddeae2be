/**
 * Datagrams of UDP: each arrives whole and alone, or not at all. What does not
 * fit into the receiver's buffer is lost; nobody repeats a lost datagram.
 *
 * Aim: To show what UDP keeps and what it loses, and to measure round trips.
 *
 *     deno run --allow-net scripts/udp_datagrams.ts
 *     bun scripts/udp_datagrams.ts
 *     node scripts/udp_datagrams.ts
 *
 * Output:
 *
 *     client: Sent 3 datagrams of 3, 16 and 5 bytes
 *     server: Received 3 bytes
 *     server: Received 16 bytes
 *     server: Received 5 bytes
 *     client: recv(5) gave: one, two a, three
 *     server: Lost ping 1
 *     server: Lost ping 2
 *     server: Lost ping 8
 *     client: 10 sent, 7 received, 30% lost
 *     client: min/avg/max: <0.07>/<0.28>/<0.55> ms
 */
import {
  AF_INET,
  decode,
  type End,
  experiment,
  SOCK_DGRAM,
  socket,
  SocketError,
} from "../lib/mod.ts";
import { FRACTION, WHOLE_NUMBER } from "../lib/services/flag_values.ts";
import { random } from "../lib/services/random.ts";
import { replies } from "../lib/services/replies.ts";
import { minAvgMax } from "../lib/services/statistics.ts";

export async function server({ address, flags, print, ready, serve }: End) {
  // 1. Create a socket and bind it to the server's port.
  const receiver = socket(AF_INET, SOCK_DGRAM);
  await receiver.bind(address);
  ready(receiver);

  // 2. Receive the datagrams: each send() of a client is one of them.
  const { loss = "0.3", seed = "7" } = flags;
  let lost = 0;
  for await (const [data, sender] of receiver) {
    const [, ping] = decode(data).match(/^ping (\d+)$/) ?? [];
    if (!ping) print(`Received ${data.length} bytes`);
    // 3. "Lose" some pings, the same ones for each seed; send back the rest.
    if (ping && random(Number(seed), Number(ping)) < Number(loss)) {
      print(`Lost ping ${ping}`);
      lost++;
    } else await serve(sender, () => receiver.sendto(data, sender));
  }
  return { lost };
}

export async function client({ address, print }: End) {
  // 1. Create a socket. connect() sends nothing, but from now on the socket
  //    receives the server's datagrams only, and send() needs no address.
  await using connection = socket(AF_INET, SOCK_DGRAM);
  await connection.connect(address);
  // 2. Send three datagrams. Of each reply, recv(5) loses all but 5 bytes.
  const texts = ["one", "two and the rest", "three"];
  for (const text of texts) await connection.send(text);
  print("Sent 3 datagrams of 3, 16 and 5 bytes");
  const [received, times] = [new Set<string>(), [] as number[]];
  let [start, wait] = [performance.now(), 0];
  const receive = (size: number) => () => connection.recv(size);
  for await (const reply of replies(connection, 3000, receive(5))) {
    wait ||= Math.max(200, 4 * (performance.now() - start));
    if (received.add(decode(reply)).size === 3) break;
  }
  if (!wait) throw new SocketError("ETIMEDOUT", "recv", address);
  print(`recv(5) gave: ${[...received].join(", ")}`);

  // 3. Send ten pings; wait 200 ms for each, or 4 times the first reply's time.
  for (let ping = 1; ping <= 10; ping++) {
    start = performance.now();
    await connection.send(`ping ${ping}`);
    for await (const reply of replies(connection, wait, receive(1024))) {
      if (decode(reply) !== `ping ${ping}`) continue;
      times.push(performance.now() - start);
      break;
    }
  }
  // 4. Print how many were lost, and the round-trip times of the others.
  print(`10 sent, ${times.length} received, ${100 - 10 * times.length}% lost`);
  if (times.length > 0) print(`min/avg/max: ${minAvgMax(times)} ms`);
  return { received: [...received], lost: 10 - times.length };
}

if (import.meta.main) {
  const loss = { ...FRACTION, help: "lose this share of the pings (0.3)" };
  const seed = { ...WHOLE_NUMBER, help: "choose which ones (7)" };
  const flags = { loss, seed };
  const { url } = import.meta;
  await experiment({ url, port: 9000, clock: true, flags, server, client });
}
