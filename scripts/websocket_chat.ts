/**
 * A chat in the browser: after one HTTP request, the server speaks to the page
 * without being asked. Both ends have left HTTP for WebSocket by then.
 *
 * Aim: To let browsers and programs talk to each other through a WebSocket server.
 *
 *     deno run --allow-net scripts/websocket_chat.ts
 *     bun scripts/websocket_chat.ts
 *     node scripts/websocket_chat.ts
 *
 * With `server` alone, open http://127.0.0.1:8080 in a browser. On a terminal
 * `client` alone is you; Ctrl-D leaves. `--name ann` takes a pipe, too.
 *
 * Output:
 *
 *     server: GET /chat HTTP/1.1
 *     server: ann joins: 1 here
 *     server: GET /chat HTTP/1.1
 *     server: bob joins: 2 here
 *     client: bob hears: ann: Is it raining?
 *     client: bob hears: ann: Here it is.
 *     client: ann hears: bob: No.
 *     server: ann leaves: 1 here
 *     server: ann: requests 1, messages to it 3
 *     server: bob: requests 1, messages to it 4
 */
import {
  AF_INET,
  type End,
  experiment,
  SOCK_STREAM,
  socket,
} from "../lib/mod.ts";
import { CHAT_FLAGS, converse, enter } from "../lib/services/chat_member.ts";
import { inMessages, receiveMessages } from "../lib/services/chat_messages.ts";
import { chatSite } from "../lib/services/chat_page.ts";
import { openRoom } from "../lib/services/chat_room.ts";
import { openWebSocket } from "../lib/services/websocket_client.ts";
import { acceptWebSocket } from "../lib/services/websocket_server.ts";

export async function server({ address, print, ready, serve }: End) {
  // 1. Create a socket, bind it to the server's port, and listen.
  const listener = socket(AF_INET, SOCK_STREAM);
  await listener.bind(address);
  await listener.listen();
  ready(listener);
  const [room, site] = [openRoom({ print }), chatSite("/chat", print)];
  for await (const [client] of listener) {
    await serve(client, async () => {
      // 2. Answer a client's HTTP requests, until one asks to change to WebSocket.
      const { websocket, requests } = await acceptWebSocket(client, site);
      if (!websocket) return;
      // 3. From now on the server may send at any time. It asks for a name.
      const member = receiveMessages(websocket);
      const name = await member.askName(room.problem);
      if (name === undefined) return;
      // 4. Let it join, and send what it says to all others, who have not asked.
      const { lost, say, leave } = room.join(name, member.reach);
      try {
        for await (const text of member.texts(lost)) await say(text);
      } finally {
        await leave();
      }
      await websocket.close();
      print(`${name}: requests ${requests}, messages to it ${websocket.sent}`);
    });
  }
  return { joined: room.joined };
}

export async function client({ address, flags, print, terminal }: End) {
  // 1. Connect to the server, and ask it by HTTP to change to WebSocket.
  const connected = async () => {
    const connection = socket(AF_INET, SOCK_STREAM);
    await connection.connect(address);
    return inMessages(await openWebSocket(connection, "/chat"));
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
  // 5. They leave: each sends a Close frame, and waits for the server's.
  for (const member of [ann, bob]) await member.leave();
}

if (import.meta.main) {
  const flags = CHAT_FLAGS;
  await experiment({ url: import.meta.url, port: 8080, flags, server, client });
}
