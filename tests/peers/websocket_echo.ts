/**
 * A WebSocket server that sends each message back, on the lab's own sockets; prints
 * its port.
 */
import { socket, type StreamSocket } from "../../lib/mod.ts";
import { acceptWebSocket } from "../../lib/services/websocket_server.ts";
import { textAnswer } from "../../lib/services/http_answer.ts";

const site = {
  path: "/",
  page: () => textAnswer(404, "a WebSocket is at /"),
  print() {},
};

async function serve(client: StreamSocket): Promise<void> {
  const { websocket } = await acceptWebSocket(client, site);
  if (!websocket) return;
  for (let one; (one = await websocket.receive()) !== undefined;) {
    await websocket.send(one);
  }
  await websocket.close();
}

const listener = socket();
await listener.bind(["127.0.0.1", 0]);
await listener.listen();
console.log(`port ${listener.getsockname()[1]}`);
for await (const [client] of listener) {
  client.settimeout(30_000);
  serve(client)
    .catch((error) => console.error(String(error)))
    .finally(() => client.close());
}
