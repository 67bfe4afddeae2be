/**
 * A chat over TCP: everybody may speak at any time. Each client is read on the
 * side, so nobody waits for a turn, and what one says goes to all others.
 *
 * Aim: To let several clients talk to each other through a server.
 *
 *     deno run --allow-net scripts/tcp_chat.ts
 *     bun scripts/tcp_chat.ts
 *     node scripts/tcp_chat.ts
 *
 * The first line of a member is its name, so `nc` and `telnet` can take part. On a
 * terminal, `client` alone is you: type your name and what you say; Ctrl-D leaves.
 * `client --name ann` takes what you say from a pipe, too. Else two members talk.
 *
 * Output:
 *
 *     server: ann joins: 1 here
 *     server: bob joins: 2 here
 *     client: bob hears: ann: Is it raining?
 *     client: bob hears: ann: Here it is.
 *     client: ann hears: bob: No.
 *     server: ann leaves: 1 here
 */
import {
  AF_INET,
  type End,
  experiment,
  SOCK_STREAM,
  socket,
} from "../lib/mod.ts";
import { formatWelcome, NAME, PROMPT } from "../lib/protocols/chat.ts";
import { dismiss, receiveLines } from "../lib/services/chat_lines.ts";
import { converse, enter } from "../lib/services/chat_member.ts";
import { openRoom } from "../lib/services/chat_room.ts";

export async function server({ address, print, ready, serve }: End) {
  // 1. Create a socket, bind it to the server's port, and listen.
  const listener = socket(AF_INET, SOCK_STREAM);
  await listener.bind(address);
  await listener.listen();
  ready(listener);

  // 2. Accept each client and serve it on the side. Its first line is its name.
  const room = openRoom();
  for await (const [client, peer] of listener) {
    await serve(client, async () => {
      await client.sendall(`${PROMPT}\n`);
      const lines = receiveLines(client);
      const name = await lines.first();
      if (name === null) return;
      let problem = room.problem(name);
      if (problem) return await dismiss(client, problem);

      // 3. Let it join: what others say waits for it in a queue of its own, so
      //    that one who does not read holds nobody up.
      const send = (texts: readonly string[]) =>
        client.sendall(texts.map((text) => `${text}\n`).join(""));
      const member = room.join(name, { peer, send });
      print(`${name} joins: ${room.size} here`);
      member.tell(formatWelcome(name, room.size));

      // 4. Pass each line on to all others, whenever it comes.
      try {
        problem = await lines.each(member.say, member.lost);
      } finally {
        // 5. Its stream has ended: it leaves.
        const sent = member.leave();
        if (room.size > 0) print(`${name} leaves: ${room.size} here`);
        await sent;
      }
      if (problem) await dismiss(client, problem);
    });
  }
}

export async function client({ address, flags, print, terminal }: End) {
  // 1. Create a socket for each member, and connect it to the server.
  const connect = async () => {
    const connection = socket(AF_INET, SOCK_STREAM);
    await connection.connect(address);
    return connection;
  };

  // 2. A person speaks and listens side by side: a loop sends what is typed,
  //    another prints what comes.
  const { name } = flags;
  const person = await terminal?.();
  if (person && (name || person.interactive())) {
    const typed = person.typed();
    return converse(await connect(), { name, typed, hear: print });
  }

  // 3. Otherwise ann and bob enter. Each says its name, and is welcome.
  const ann = await enter(await connect(), "ann");
  const bob = await enter(await connect(), "bob");

  // 4. Both listen while they speak. Nothing keeps ann from saying two things in
  //    a row; bob answers when he has heard both.
  await Promise.all([
    ann.say("Is it raining?").then(() => ann.say("Here it is.")),
    ann.hear(["bob: No."], print),
    bob.hear(["ann: Is it raining?", "ann: Here it is."], print)
      .then(() => bob.say("No.")),
  ]);

  // 5. End the streams. The server closes each connection when it has left.
  for (const member of [ann, bob]) await member.leave();
}

if (import.meta.main) {
  const takes = "1 to 16 of the characters A-Z a-z 0-9 _ -";
  const help = "speak yourself, with this name";
  const name = { value: "NAME", takes, pattern: NAME, help };
  const flags = { name };
  await experiment({ url: import.meta.url, port: 5555, flags, server, client });
}
