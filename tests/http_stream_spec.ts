/**
 * Answers of HTTP whose size nobody knows before: how each version sends them, and
 * that they end with their client.
 */
import { expect, test } from "bun:test";
import type { HttpRequest } from "../lib/protocols/http.ts";
import { serveHttp } from "../lib/services/http_serve.ts";
import { AF_INET, SOCK_STREAM, socket } from "../lib/sockets/mod.ts";
import { answerTo } from "./support/board.ts";

/** Pieces, and then none until somebody calls `return()`. */
function piecesOf(texts: string[], ends: boolean) {
  const waiting = texts.map((text) => new TextEncoder().encode(text));
  const returned = Promise.withResolvers<IteratorResult<Uint8Array>>();
  const end = { value: undefined, done: true } as const;
  return {
    returned: returned.promise,
    pieces: {
      [Symbol.asyncIterator]: () => ({
        async next(): Promise<IteratorResult<Uint8Array>> {
          const value = waiting.shift();
          if (value) return { value, done: false };
          return ends ? end : returned.promise;
        },
        async return() {
          returned.resolve(end);
          return end;
        },
      }),
    },
  };
}

/** A server for the test, which answers with these pieces. */
async function serving(texts: string[], ends = true) {
  const listener = socket(AF_INET, SOCK_STREAM);
  await listener.bind(["127.0.0.1", 0]);
  await listener.listen();
  const streams: ReturnType<typeof piecesOf>[] = [];
  const answer = async ({ path }: HttpRequest) => {
    if (path === "/short") return { status: 200, body: new Uint8Array(2) };
    const stream = piecesOf(texts, ends);
    streams.push(stream);
    return { status: 200, body: { pieces: stream.pieces } };
  };
  const served = serveHttp(listener, answer);
  return {
    port: Number(listener.getsockname()[1]),
    streams,
    async [Symbol.asyncDispose]() {
      await listener.close();
      await served;
    },
  };
}

const GET = "GET / HTTP/1.1\r\nHost: a\r\n";

test("HTTP/1.1 has chunks, and the connection goes on", async () => {
  await using server = await serving(["one", "", "three"]);
  const last = "GET /short HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  const { fields, body } = await answerTo(server.port, `${GET}\r\n${last}`);
  expect(fields.get("transfer-encoding")).toBe("chunked");
  expect(fields.has("content-length")).toBe(false);
  expect(body).toMatch(/^3\r\none\r\n5\r\nthree\r\n0\r\n\r\nHTTP\/1.1 200 OK/);
});

test("HTTP/1.0 has them as they are, and the end of the stream", async () => {
  await using server = await serving(["one", "two"]);
  const text = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
  const { fields, body } = await answerTo(server.port, text);
  expect(fields.has("transfer-encoding")).toBe(false);
  expect(fields.get("connection")).toBe("close");
  expect(body).toBe("onetwo");
});

test("HEAD has no body, and nobody makes one", async () => {
  await using server = await serving(["one"], false);
  const head = "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  const { status, body } = await answerTo(server.port, head);
  expect([status, body]).toEqual([200, ""]);
});

for (const how of ["ends its stream", "resets", "sends without end"]) {
  test(`a client that ${how} ends the answer`, async () => {
    await using server = await serving(["one"], false);
    const client = socket(AF_INET, SOCK_STREAM);
    await client.connect(["127.0.0.1", server.port]);
    await client.sendall(`${GET}\r\n`);
    await client.recv(1000);
    if (how === "ends its stream") await client.shutdown("SHUT_WR");
    else if (how === "resets") {
      client.setsockopt("SO_LINGER", 0);
      await client.close();
    } else await client.sendall(new Uint8Array(70_000)).catch(() => {});
    await server.streams[0].returned; // or the test takes too long
    await client.close();
  });
}
