/**
 * A broadcast reaches every socket that is bound to its port, but only a
 * sender that has asked for SO_BROADCAST may send one.
 *
 *     deno run --allow-net scripts/udp_broadcast.ts
 *     bun scripts/udp_broadcast.ts
 *     node scripts/udp_broadcast.ts
 *
 * This one stays in the machine. With `server --host 0.0.0.0` others are heard,
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
  type DatagramSocket,
  decode,
  type End,
  experiment,
  formatAddress,
  parseAddress,
  SOCK_DGRAM,
  socket,
  SocketError,
} from "../lib/mod.ts";

/** All of 127.x.x.x is this machine; this one is the broadcast. */
const HERE = "127.255.255.255";

export async function server({ address, print, ready, serve }: End) {
  // 1. Bind two sockets to the same port, which SO_REUSEADDR allows, and to
  //    the broadcast: one that has 127.0.0.1 gets only what is sent to that.
  const [host, port] = address as [string, number];
  const own = /^(localhost$|127\.)/.test(host);
  const first = await bound([own ? HERE : host, port]);
  const second = await bound(first.getsockname());
  ready(first, second);

  // 2. Receive with both, and tell each sender that it was heard.
  let heard = 0;
  const receive = async (receiver: DatagramSocket, name: string) => {
    for await (const [data, sender] of receiver) {
      print(`Receiver ${name} got "${decode(data)}"`);
      await serve(sender, () => receiver.sendto(`Receiver ${name}`, sender));
      heard++;
    }
  };
  await Promise.all([receive(first, "1"), receive(second, "2")]);
  return heard;
}

export async function client({ address, print }: End) {
  // 1. Create a socket. --host may name the broadcast of another network.
  await using sender = socket(AF_INET, SOCK_DGRAM);
  const longest = sender.gettimeout() ?? Infinity; // --timeout
  const own = /^(localhost$|127\.|0\.)/.test(address[0]);
  const host = own ? HERE : address[0];
  const to = await parseAddress(host, address[1]);

  // 2. Try without the option: the system refuses, lest a program calls on all
  //    hosts by mistake.
  let refusal = "";
  try {
    await sender.sendto("Is anybody there?", to);
  } catch (error) {
    refusal = (error as SocketError).code;
    print(`sendto ${formatAddress(to)}: ${refusal}`);
  }

  // 3. Ask for it, and send again.
  sender.setsockopt("SO_BROADCAST", true);
  print("setsockopt SO_BROADCAST");
  const size = await sender.sendto("Is anybody there?", to);
  print(`sendto ${formatAddress(to)}: ${size} bytes`);

  // 4. Count the answers until no more come: how many there will be is not
  //    known.
  sender.settimeout(Math.min(300, longest));
  let answers = 0;
  try {
    while (await sender.recvfrom(1024)) answers++;
  } catch (error) {
    if ((error as SocketError).code !== "ETIMEDOUT") throw error;
  }
  if (answers === 0) throw new SocketError("ETIMEDOUT", "recvfrom", to);
  print(`${answers} answers`);
  return { refusal, answers };
}

async function bound(address: Address): Promise<DatagramSocket> {
  const receiver = socket(AF_INET, SOCK_DGRAM);
  receiver.setsockopt("SO_REUSEADDR", true);
  await receiver.bind(address);
  return receiver;
}

if (import.meta.main) {
  await experiment({ url: import.meta.url, port: 9000, server, client });
}
