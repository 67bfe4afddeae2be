/**
 * A server with limits that a test can reach: `limited.ts LIMITS`, as JSON. To the
 * line "much" it answers with 32 MiB in one sendall(), to any other with itself.
 */
import process from "node:process";
import { run } from "../../lib/experiment/experiment.ts";
import { DEFAULTS, type End, limits } from "../../lib/experiment/settings.ts";
import { AF_INET, Reader, SOCK_STREAM, socket } from "../../lib/mod.ts";

async function server({ address, print, ready, serve }: End) {
  const listener = socket(AF_INET, SOCK_STREAM);
  await listener.bind(address);
  await listener.listen();
  ready(listener);
  for await (const [client] of listener) {
    await serve(client, async () => {
      const line = await new Reader(client).line();
      await client.sendall(
        line === "much" ? new Uint8Array(32 * 2 ** 20) : `${line}\n`,
      );
      print("Answered", line);
    });
  }
}

Object.assign(limits, JSON.parse(process.argv[2]));
const own = { url: import.meta.url, port: 0, server, client: server };
await run(own, { ...DEFAULTS, role: "server" });
