/**
 * The HTTP experiments: what their servers do with clients that are slow, and their
 * clients with servers that are none; the files of `--root`; what is uploaded.
 */
import { describe, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Reader, socket, type StreamSocket } from "../lib/mod.ts";
import type { SizedBody } from "../lib/services/http_answer.ts";
import { openPages } from "../lib/services/http_pages.ts";
import { HttpConnection } from "../lib/services/http_server.ts";
import { RequestParser } from "../lib/protocols/http.ts";
import { clientOn, command, serverOn } from "./support/ends.ts";
import { toBytes } from "./support/fuzz_http.ts";
import { run, RUNTIMES } from "./support/runtimes.ts";
import { failureOf, testOn } from "./support/test_on.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/** All that comes on a connection, to its end; `act` sends. */
async function talk(
  port: string,
  act: (socket: net.Socket, heard: () => string) => unknown,
): Promise<string> {
  const socket = net.connect({
    port: Number(port),
    host: "127.0.0.1",
    allowHalfOpen: true,
  });
  let text = "";
  socket.on("data", (data: Uint8Array) => text += Buffer.from(data).toString());
  const ended = new Promise<string>((resolve) => {
    socket.on("end", () => resolve("")).on(
      "error",
      ({ message }) => resolve(message),
    );
  });
  await act(socket, () => text);
  const fault = await ended;
  socket.destroy();
  return text + fault;
}

for (const runtime of RUNTIMES) {
  testOn(
    runtime,
    `${runtime}: a head or a body that drips is refused in time`,
    async () => {
      const flags = ["--timeout", "500"];
      const { port, server, stop } = await serverOn(
        "http_pages",
        runtime,
        flags,
      );
      const put = "PUT /a HTTP/1.1\r\nHost: a\r\n";
      const timers: ReturnType<typeof setInterval>[] = [];
      const drips = [
        ["", "GET / HTTP"], // a head, then a body in each of its forms
        [`${put}Content-Length: 99999\r\n\r\n`, "a"],
        [`${put}Transfer-Encoding: chunked\r\n\r\n`, "1\r\na\r\n"],
      ].map(([begin, drops]) =>
        talk(port, (socket) => {
          let at = 0;
          if (begin) socket.write(begin);
          const drip = () => socket.write(drops[at++ % drops.length]);
          timers.push(setInterval(drip, 100));
        })
      );
      // Others do not notice.
      const others = await talk(port, (socket) => socket.end(GET.repeat(20)));
      expect(others.match(/200 OK/g)).toHaveLength(20);
      for (const text of await Promise.all(drips)) {
        expect(text).toMatch(
          /^HTTP\/1\.1 408 [^]*\r\nConnection: close\r\n/,
        );
      }
      timers.forEach(clearInterval);

      const body = `${put}Content-Length: 5\r\n\r\nab`;
      expect(await talk(port, (socket) => socket.write(body))).toMatch(
        /^HTTP\/1\.1 408 /,
      );
      // Who has got its answers may leave without a word.
      expect(await talk(port, (socket) => socket.write(GET))).toMatch(
        /^HTTP\/1\.1 200 (?!.*HTTP)/s,
      );
      await stop();
      const { stderr } = await server.finished;
      expect(stderr).not.toContain("timed out");
    },
  );

  testOn(
    runtime,
    `${runtime}: a refusal arrives before what is unread`,
    async () => {
      const { port, stop } = await serverOn("http_pages", runtime);
      const big =
        "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n";
      const text = await talk(port, (socket) => {
        socket.write(big);
        socket.write("x".repeat(500_000));
      });
      expect(text).toMatch(/^HTTP\/1\.1 413 [^]*: the body is too long\n$/);
      await stop();
    },
  );

  testOn(runtime, `${runtime}: tells a client to continue`, async () => {
    const { port, stop } = await serverOn("http_pages", runtime);
    const text = await talk(port, async (socket, heard) => {
      socket.write(
        "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n" +
          "Expect: 100-continue\r\n\r\n",
      );
      while (heard() === "") await Bun.sleep(5);
      socket.end("ab");
    });
    expect(text).toMatch(
      /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201 Created\r\n/,
    );
    await stop();
  });
}

describe("a client", () => {
  const LONG = `HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n`;
  const CASES: [name: string, say: string, code: string, stays?: boolean][] = [
    ["that gets nothing", "", "ended"],
    ["that hears nothing", "", "timed out", true],
    ["of another server", "220 ready\r\n", "no answer that this program"],
    [
      "of a cut answer",
      "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab",
      "ended",
    ],
    ["of half an answer", "HTTP/1.1 200 OK\r\nContent-", "timed out", true],
    ["of too long an answer", LONG, "message too long", true],
  ];
  for (const [i, [name, say, words, stays]] of CASES.entries()) {
    const runtime = RUNTIMES[i % 3];
    for (const script of ["http_pages", "http_endings"]) {
      // http_endings is about answers that are cut off.
      if (name === "of a cut answer" && script === "http_endings") continue;
      testOn(runtime, `${name} fails: ${script} on ${runtime}`, async () => {
        await using server = await badServer(async (client) => {
          if (say) await client.sendall(say);
          if (!stays) await client.shutdown("SHUT_WR");
          await new Reader(client).all().catch(() => {});
        });
        const args = ["client", "--port", server.port, "--timeout", "400"];
        const { code, stderr } = await run(command(script, runtime, args));
        expect([code, stderr]).toEqual([1, expect.stringContaining(words)]);
        expect(stderr.trim().split("\n").length).toBeLessThan(3);
      });
    }
  }

  testOn("bun", "connects again where the server ends it", async () => {
    let last: Promise<unknown> = Promise.resolve();
    await using server = await badServer(async (client) => {
      const before = last;
      const { promise, resolve } = Promise.withResolvers<void>();
      last = promise;
      await client.recv(1000);
      await before; // which the client has closed
      await client.sendall(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
      );
      await new Reader(client).all();
      resolve();
    });
    expect(await clientOn("http_pages", "bun", server.port)).toBe(
      "HTTP/1.1 200 OK, 1 bytes\n".repeat(4) +
        "It says: x\nConnections for 4 answers: 4\n",
    );
  });

  testOn("bun", "is bounded in time by an answer that drips", async () => {
    let timer: ReturnType<typeof setInterval>;
    await using server = await badServer(async (client) => {
      await client.sendall("HTTP/1.1 200 OK\r\n");
      timer = setInterval(() => client.sendall("a").catch(() => {}), 50);
      await new Reader(client).all().catch(() => {});
      clearInterval(timer);
    });
    const args = ["client", "--port", server.port, "--timeout", "400"];
    const { code, stderr } = await run(command("http_pages", "bun", args));
    expect([code, stderr]).toEqual([1, expect.stringContaining("timed out")]);
  });
});

/** A server of this process that serves each client like this. */
async function badServer(serve: (client: StreamSocket) => Promise<void>) {
  const listener = socket();
  await listener.bind(["127.0.0.1", 0]);
  await listener.listen();
  const port = String(listener.getsockname()[1]);
  (async () => {
    for await (const [client] of listener) {
      serve(client).finally(() => client.close());
    }
  })();
  return { port, [Symbol.asyncDispose]: () => listener.close() };
}

// On Bun it is on from the beginning.
testOn("node", "an answer does not wait for the client's ACK", async () => {
  const { stdout } = await run(command("http_pages", "node", ["--trace"]));
  expect(stdout).toContain(" setsockopt(4, TCP_NODELAY, true) = 0\n");
});

test("a connection says when it was reset", async () => {
  await using listener = socket();
  await listener.bind(["127.0.0.1", 0]);
  await listener.listen();
  const client = socket();
  await client.connect(listener.getsockname());
  const [accepted] = await listener.accept();
  await using connection = accepted;
  const http = new HttpConnection(connection);
  await client.sendall(GET);
  expect(await http.next()).toMatchObject({ value: { target: "/" } });
  client.setsockopt("SO_LINGER", 0);
  await client.close();
  expect(await failureOf(http.next())).toMatchObject({ code: "ECONNRESET" });
});

describe("pages", () => {
  /** The answer to a request, its body in one piece. */
  const asking = (pages: Awaited<ReturnType<typeof openPages>>) =>
  async (
    method: string,
    target: string,
    body = "",
  ) => {
    const parser = new RequestParser();
    const length = body && `Content-Length: ${body.length}\r\n`;
    parser.push(
      toBytes(
        `${method} ${target} HTTP/1.1\r\nHost: a\r\n${length}\r\n${body}`,
      ),
    );
    const answer = await pages.answer(parser.next()!);
    const { body: given = new Uint8Array(0) } = answer;
    const parts: Uint8Array[] = [];
    if (given instanceof Uint8Array) parts.push(given);
    else for await (const piece of given.pieces) parts.push(piece.slice());
    return { ...answer, text: Buffer.concat(parts).toString("latin1") };
  };

  test("of a folder are its files, and none outside", async () => {
    const folder = mkdtempSync(join(tmpdir(), "pages-"));
    const long = "0123456789".repeat(300_000);
    mkdirSync(join(folder, "in"));
    writeFileSync(join(folder, "in", "a.html"), "<p>");
    writeFileSync(join(folder, "long"), long);
    writeFileSync(join(folder, "a.constructor"), "");
    symlinkSync("/etc/passwd", join(folder, "link"));
    const ask = asking(await openPages(folder));
    expect(await ask("GET", "/in/a.html")).toMatchObject({
      text: "<p>",
      status: 200,
      fields: {
        "Content-Type": "text/html; charset=utf-8",
        "X-Content-Type-Options": "nosniff",
      },
    });
    expect(await ask("GET", "/a.constructor")).toMatchObject({
      fields: { "Content-Type": "application/octet-stream" },
    });
    const { body, text } = await ask("GET", "/long");
    expect([text === long, body]).toMatchObject([true, { size: 3_000_000 }]);
    for (
      const path of ["/", "/link", "/in", "/in/", "//etc/passwd", "/in//a.html"]
    ) {
      expect([path, (await ask("GET", path)).status]).toEqual([path, 404]);
    }
    expect((await ask("PUT", "/new.html", "x")).status).toBe(201);
    expect((await ask("PUT", "/long", "y")).status).toBe(201);
    expect((await ask("GET", "/long")).text).toBe("y");
    expect(readdirSync(folder).sort()).toEqual(
      ["a.constructor", "in", "link", "long"],
    );
    rmSync(folder, { recursive: true });
  });

  test("that become shorter while they are sent are cut off", async () => {
    const folder = mkdtempSync(join(tmpdir(), "pages-"));
    writeFileSync(join(folder, "long"), "x".repeat(100_000));
    const pages = await openPages(folder);
    const parser = new RequestParser();
    parser.push(toBytes("GET /long HTTP/1.1\r\nHost: a\r\n\r\n"));
    const { body } = await pages.answer(parser.next()!);
    truncateSync(join(folder, "long"), 70_000);
    let size = 0;
    const sent = (async () => {
      for await (const piece of (body as SizedBody).pieces) {
        size += piece.length;
      }
    })();
    expect(await failureOf(sent)).toMatchObject({ code: "EBADMSG" });
    expect(size).toBe(70_000);
    rmSync(folder, { recursive: true });
  });

  test("that are uploaded are text, also in place of our own", async () => {
    const ask = asking(await openPages());
    expect((await ask("GET", "/")).text).toContain("<h1>");
    expect((await ask("PUT", "/index.html", "<script>")).status).toBe(201);
    expect(await ask("GET", "/")).toMatchObject({
      text: "<script>",
      fields: {
        "Content-Type": "text/plain; charset=utf-8",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
      },
    });
  });

  test("that are uploaded have a bound", async () => {
    const ask = asking(await openPages());
    const page = "x".repeat(2 ** 20);
    const statuses: number[] = [];
    for (let i = 0; i < 17; i++) {
      statuses.push((await ask("PUT", `/a${i}`, page)).status);
    }
    expect(statuses).toEqual([...Array(16).fill(201), 507]);
    // Who makes one smaller makes room.
    expect((await ask("PUT", "/a0", "x")).status).toBe(204);
    expect((await ask("PUT", "/b", "x")).status).toBe(201);
    const many = asking(await openPages());
    for (let i = 0; i < 100; i++) await many("PUT", `/a${i}`, "x");
    expect((await many("PUT", "/b", "x")).status).toBe(507);
    expect((await many("PUT", "/a1", "xx")).status).toBe(204);
  });
});
