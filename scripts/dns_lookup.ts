/**
 * Name lookup with DNS: one question in one datagram, one answer in another. As
 * anybody can send a datagram, the client believes only an answer to this question,
 * with its number, from this server. An answer too long for a datagram comes by TCP.
 *
 * Aim: To look up names over UDP, and over TCP where the answer is too long.
 *
 *     deno run --allow-net scripts/dns_lookup.ts
 *     bun scripts/dns_lookup.ts
 *     node scripts/dns_lookup.ts
 *
 * Both ends speak DNS, so that dig and dnsmasq can replace them. `--name www.lab.test
 * --type CNAME` asks another question.
 *
 * Output:
 *
 *     server: www.lab.test A over UDP: NOERROR, 90 bytes
 *     client: www.lab.test is a.lab.test
 *     client: a.lab.test A 165.165.80.80
 *     server: none.lab.test A over UDP: NXDOMAIN, 92 bytes
 *     client: none.lab.test: NXDOMAIN, for 300 s
 *     server: long.lab.test TXT over UDP: truncated, 42 bytes
 *     client: Truncated: asking again over TCP
 *     server: long.lab.test TXT over TCP: NOERROR, 1679 bytes
 *     client: long.lab.test TXT 1600 bytes in 8 strings
 */
import { AF_INET, type End, experiment } from "../lib/mod.ts";
import { SOCK_DGRAM, SOCK_STREAM, socket } from "../lib/mod.ts";
import { askInDatagram, askInStream } from "../lib/services/dns_client.ts";
import { isTruncated, linesOf, queriesOf } from "../lib/services/dns_client.ts";
import { repliesOver, replyTo } from "../lib/services/dns_zone.ts";
import { DNS_FLAGS } from "../lib/services/flag_values.ts";
import { openBoth } from "../lib/services/open_both.ts";
import { serveAll } from "../lib/services/serve_all.ts";

export async function server({ address, print, ready, serve, done }: End) {
  // 1. Create a stream and a datagram socket, and bind both to the same port.
  const [listener, receiver] = await openBoth(address);
  ready(listener, receiver);
  let answered = 0;

  // 2. Answer each question with one datagram. What does not fit is left out, and
  //    the answer is marked as truncated. An answer gets no answer.
  const datagrams = async () => {
    for await (const [data, sender] of receiver) {
      const reply = replyTo(data);
      if (!reply) continue;
      const answer = () => {
        print(reply.words);
        answered++;
        return receiver.sendto(reply.bytes, sender);
      };
      await serve(sender, answer, { anyPort: reply.answers });
    }
  };

  // 3. Over TCP each message follows its length, and nothing is left out.
  const streams = serveAll(listener, { serve, done }, async (client) => {
    for await (const reply of repliesOver(client)) {
      print(reply.words);
      answered++;
      await client.sendall(reply.bytes);
    }
  });
  await Promise.all([datagrams(), streams]);
  return answered;
}

export async function client({ address, flags, print }: End) {
  for (const query of queriesOf(flags)) {
    // 1. Create a socket for this question: the system gives it a random port.
    //    Connect it, so that it receives datagrams of the server only.
    await using asking = socket(AF_INET, SOCK_DGRAM);
    await asking.connect(address);

    // 2. Send the question with a random number, again if no answer comes in
    //    time. Ignore what has another number, or answers another question.
    let answer = await askInDatagram(asking, query, print);

    // 3. If the answer is truncated, do not use it: ask again over TCP.
    if (isTruncated(answer)) {
      print("Truncated: asking again over TCP");
      await using connection = socket(AF_INET, SOCK_STREAM);
      await connection.connect(address);
      answer = await askInStream(connection, query);
    }
    for (const line of linesOf(answer)) print(line);
  }
}

if (import.meta.main) {
  const flags = DNS_FLAGS;
  await experiment({ url: import.meta.url, port: 1053, flags, server, client });
}
