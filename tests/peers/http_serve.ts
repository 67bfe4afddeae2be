/**
 * The HTTP server of a runtime: Deno.serve(), Bun.serve(), or that of node:http; it
 * prints its port.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const kept = new Map<string, string>([["/", "<p>It works</p>\n"]]);

async function answer(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (request.method === "PUT") {
    kept.set(pathname, await request.text());
    return new Response(null, { status: 201 });
  }
  const page = kept.get(pathname);
  return page === undefined
    ? new Response("no such page\n", { status: 404 })
    : new Response(page);
}

const hostname = "127.0.0.1";
if ("Deno" in globalThis) {
  const onListen = ({ port }: { port: number }) => console.log(`port ${port}`);
  Deno.serve({ hostname, port: 0, onListen }, answer);
} else if ("Bun" in globalThis) {
  const { port } = Bun.serve({ hostname, port: 0, fetch: answer });
  console.log(`port ${port}`);
} else {
  const server = createServer(async (incoming, outgoing) => {
    let body = "";
    for await (const part of incoming) body += part;
    const { method = "", url = "" } = incoming;
    const request = new Request(`http://a${url}`, {
      method,
      ...(method === "PUT" ? { body } : {}),
    });
    const response = await answer(request);
    outgoing.writeHead(response.status).end(await response.text());
  });
  server.listen(0, hostname, () => {
    console.log(`port ${(server.address() as AddressInfo).port}`);
  });
}
