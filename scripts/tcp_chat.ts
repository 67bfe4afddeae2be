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
 * The first line of a member is its name: `nc` and `telnet` can take part. On a
 * terminal `client` alone is you; Ctrl-D leaves. `--name ann` takes a pipe, too.
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
import { NAME, PROMPT } from "../lib/protocols/chat.ts";
import { dismiss, receiveLines, sender } from "../lib/services/chat_lines.ts";
import { converse, enter, inLines } from "../lib/services/chat_member.ts";
import { openRoom } from "../lib/services/chat_room.ts";

export async function server({ address, print, ready, serve }: End) {
  // 1. Create a socket, bind it to the server's port, and listen.
  const listener = socket(AF_INET, SOCK_STREAM);
  await listener.bind(address);
  await listener.listen();
  ready(listener);

  // 2. Accept each client and serve it on the side: ask it for its name.
  const room = openRoom({ print });
  for await (const [client] of listener) {
    await serve(client, async () => {
      const lines = receiveLines(client);
      const name = await lines.ask(PROMPT);
      if (name === null) return;
      const refusal = room.problem(name);
      if (refusal) return await dismiss(client, refusal);

      // 3. Let it join. What others say waits for it in an outbox of its own.
      const { lost, say, leave } = room.join(name, sender(client));
      try {
        // 4. Whenever a line comes from it, put it into the outboxes of all others.
        for await (const line of lines.rest(lost)) await say(line);
      } finally {
        // 5. Its stream has ended, or a line was too long: it leaves.
        await leave();
      }
      if (lines.problem) await dismiss(client, lines.problem);
    });
  }
  return { joined: room.joined };
}

export async function client({ address, flags, print, terminal }: End) {
  // 1. Create a socket for each member, and connect it to the server.
  const connected = async () => {
    const connection = socket(AF_INET, SOCK_STREAM);
    await connection.connect(address);
    return inLines(connection);
  };

  // 2. For a person, one loop sends what is typed, another prints what comes.
  const [{ name }, person] = [flags, await terminal?.()];
  if (person && (name || person.interactive())) {
    return converse(await connected(), { name, person, print });
  }

  // 3. Without a person, ann and bob enter, each with its name.
  const ann = await enter(await connected(), "ann");
  const bob = await enter(await connected(), "bob");

  // 4. Both listen while they speak: ann says two things in a row, and bob answers.
  await Promise.all([
    ann.say("Is it raining?", "Here it is."),
    ann.hear(["bob: No."], print),
    bob.hear(["ann: Is it raining?", "ann: Here it is."], print)
      .then(() => bob.say("No.")),
  ]);

  // 5. They leave: each ends its stream, and waits until the server closes.
  for (const member of [ann, bob]) await member.leave();
}

if (import.meta.main) {
  const flags = { name: NAME };
  await experiment({ url: import.meta.url, port: 5555, flags, server, client });
}
