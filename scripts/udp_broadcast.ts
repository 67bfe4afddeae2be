/**
 * Broadcast over UDP: a broadcast reaches every socket that is bound to its
 * port, but only a socket with SO_BROADCAST may send one.
 *
 * Aim: To send one datagram to all hosts of a network and count the answers.
 *
 *     deno run --allow-net scripts/udp_broadcast.ts
 *     bun scripts/udp_broadcast.ts
 *     node scripts/udp_broadcast.ts
 *
 * This one stays on the machine. `server --host 0.0.0.0` receives from others,
 * and `client --host "<broadcast>"` sends to every host of the local network.
 *
 * Output:
 *
 *     client: sendto ('127.255.255.255', <port>): EACCES
 *     client: setsockopt SO_BROADCAST
 *     client: sendto ('127.255.255.255', <port>): 17 bytes
 *     server: Receiver <1|2> got "Is anybody there?"
 *     server: Receiver <1|2> got "Is anybody there?"
 *     client: 2 answers
 */
import {
  type Address,
  AF_INET,
  decode,
  type End,
  experiment,
  formatAddress,
  parseAddress,
  SOCK_DGRAM,
  socket,
  SocketError,
} from "../lib/mod.ts";
import { broadcastName, LOOPBACK } from "../lib/services/broadcast_name.ts";
import { replies } from "../lib/services/replies.ts";

export async function server({ address, print, ready, serve }: End) {
  // 1. Bind two sockets to the same port, which SO_REUSEADDR allows, and to the
  //    broadcast address: one with 127.0.0.1 receives unicasts only. It would
  //    share the port with other programs, too: so make sure that none has it.
  const name = await broadcastName(address);
  const [first, second] = [await bound(name), await bound(name)];
  ready(first, second);

  // 2. Receive with both, and answer each sender.
  let heard = 0;
  await Promise.all([first, second].map(async (receiver, i) => {
    for await (const [data, sender] of receiver) {
      print(`Receiver ${i + 1} got "${decode(data)}"`);
      await serve(sender, () => receiver.sendto(`Receiver ${i + 1}`, sender));
      heard++;
    }
  }));
  return heard;
}

export async function client({ address, print }: End) {
  // 1. Create a socket. --host may be another network's broadcast address.
  await using sender = socket(AF_INET, SOCK_DGRAM);
  const own = /^(localhost$|127\.|0\.)/.test(address[0]);
  const to = await parseAddress(own ? LOOPBACK : address[0], address[1]);

  // 2. Send without the option: the system refuses to disturb every host.
  const refusal = await sender.sendto("Is anybody there?", to)
    .then(() => "", (error: SocketError) => error.code);
  if (refusal) print(`sendto ${formatAddress(to)}: ${refusal}`);

  // 3. Set the option, and send again.
  sender.setsockopt("SO_BROADCAST", true);
  print("setsockopt SO_BROADCAST");
  const size = await sender.sendto("Is anybody there?", to);
  print(`sendto ${formatAddress(to)}: ${size} bytes`);

  // 4. Count the different answers that come within a second.
  const answers = new Set<string>();
  const receive = () => sender.recvfrom(1024);
  for await (const [data, from] of replies(sender, 1000, receive)) {
    const answer = `${from} ${decode(data)}`;
    if (/ Receiver [12]$/.test(answer)) answers.add(answer);
  }
  if (answers.size === 0) throw new SocketError("ETIMEDOUT", "recvfrom", to);
  print(`${answers.size} answers`);
  return { refusal, answers: answers.size };
}

async function bound(name: Address) {
  const receiver = socket(AF_INET, SOCK_DGRAM);
  receiver.setsockopt("SO_REUSEADDR", true);
  await receiver.bind(name);
  return receiver;
}

if (import.meta.main) {
  const { url } = import.meta;
  await experiment({ url, port: 9000, clock: true, server, client });
}
