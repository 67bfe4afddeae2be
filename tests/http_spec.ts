/**
 * HTTP/1.1 as the experiments speak it: requests on the wire and their answers on
 * three runtimes, fed whole and byte by byte; both parsers; and what a client does
 * with answers that are none.
 */
import { describe, expect, test } from "bun:test";
import net from "node:net";
import { formatChunk } from "../lib/protocols/http_body.ts";
import { formatHead } from "../lib/protocols/http_format.ts";
import { RequestParser, ResponseParser } from "../lib/protocols/http.ts";
import { HTTP_LIMITS, HttpFault } from "../lib/protocols/http_lines.ts";
import { serverOn } from "./support/ends.ts";
import { fuzzHttp, outcomeOf, toBytes } from "./support/fuzz_http.ts";
import { WIRE_CASES, type WireCase } from "./support/http_cases.ts";
import { RUNTIMES } from "./support/runtimes.ts";
import { testOn } from "./support/test_on.ts";

/** What a server answers to bytes, which come in pieces of so many. */
async function answersTo(
  port: string,
  say: string,
  piece: number,
): Promise<string> {
  const socket = net.connect({
    port: Number(port),
    host: "127.0.0.1",
    allowHalfOpen: true,
    noDelay: true,
  });
  const parts: Uint8Array[] = [];
  socket.on("data", (data: Uint8Array) => parts.push(data));
  const ended = new Promise<void>((resolve, reject) => {
    socket.on("end", resolve).on("error", reject);
  });
  const bytes = toBytes(say);
  for (let at = 0; at < bytes.length; at += piece) {
    socket.write(bytes.subarray(at, at + piece));
  }
  socket.end();
  await ended;
  return Buffer.concat(parts).toString("latin1");
}

function expectAnswers(text: string, { statuses, hear, not }: WireCase): void {
  const all = [...text.matchAll(/HTTP\/1\.1 (?!100)(\d{3}) /g)];
  expect(all.map(([, status]) => Number(status))).toEqual(statuses);
  if (hear) expect(text).toMatch(hear);
  if (not) expect(text).not.toMatch(not);
}

for (const runtime of RUNTIMES) {
  for (
    const [how, piece] of [["whole", Infinity], ["byte by byte", 1]] as const
  ) {
    testOn(runtime, `${runtime} answers requests, fed ${how}`, async () => {
      const { port, server, stop } = await serverOn("http_pages", runtime);
      const wrong: string[] = [];
      // Four at a time; a long message comes in pieces of 100 bytes.
      const cases = [...WIRE_CASES];
      const work = async () => {
        for (let each; (each = cases.shift());) {
          const size = each.say.length > 400 ? Math.max(piece, 100) : piece;
          try {
            expectAnswers(await answersTo(port, each.say, size), each);
          } catch (error) {
            wrong.push(`${each.name}: ${(error as Error).message}`);
          }
        }
      };
      await Promise.all([work(), work(), work(), work()]);
      expect(wrong).toEqual([]);
      expect(await stop()).not.toMatch(/[^\x20-\x7e\n]/);
      expect((await server.finished).stderr).not.toMatch(/Error/);
    });
  }
}

describe("RequestParser", () => {
  test("finds the same, whole and byte by byte", () => {
    expect(WIRE_CASES.length).toBeGreaterThan(160);
    for (const { name, say } of WIRE_CASES) {
      const whole = outcomeOf(new RequestParser(), toBytes(say), Infinity);
      for (const piece of [1, 7]) {
        const found = outcomeOf(new RequestParser(), toBytes(say), piece);
        expect([name, found]).toEqual([name, whole]);
      }
    }
  });

  test("leaves the bytes of another protocol alone", () => {
    const parser = new RequestParser();
    const request =
      "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n";
    parser.push(toBytes(`${request}\x81\x02hi`));
    expect(parser.next()?.fields.get("upgrade")).toBe("websocket");
    expect(parser.rest()).toEqual(toBytes("\x81\x02hi"));
    expect(parser.stage).toBe("nothing");
  });

  test("says what is incomplete", () => {
    const parser = new RequestParser();
    const stages = [
      "P",
      "UT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n",
    ]
      .map((part) => {
        parser.push(toBytes(part));
        parser.next();
        return parser.stage;
      });
    parser.push(toBytes("ab"));
    expect(parser.next()?.body).toEqual(toBytes("ab"));
    expect([...stages, parser.stage]).toEqual(["head", "body", "nothing"]);
  });

  test("refuses chunks that are too long together before they come", () => {
    const parser = new RequestParser({ ...HTTP_LIMITS, body: 5 });
    const head = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n";
    parser.push(toBytes(`${head}\r\n3\r\nabc\r\n2\r\n`));
    expect(parser.next()).toBeUndefined();
    const other = new RequestParser({ ...HTTP_LIMITS, body: 5 });
    other.push(toBytes(`${head}\r\n3\r\nabc\r\n3\r\n`));
    expect(() => other.next()).toThrow("the body is too long");
  });

  test("says once that a client is to continue, if it still waits", () => {
    const head = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n" +
      "Expect: 100-continue\r\n\r\n";
    for (const [body, expected] of [["", true], ["a", false]] as const) {
      const parser = new RequestParser();
      parser.push(toBytes(head + body));
      parser.next();
      expect(parser.mustContinue()).toBe(expected);
      expect(parser.mustContinue()).toBe(false);
    }
  });

  // A pattern that tries each space twice needs a minute for these.
  test("is not slow to read what is written in order to be slow", () => {
    const head = "GET / HTTP/1.1\r\nHost: a\r\n";
    const spaces = " ".repeat(16_000);
    for (
      const text of [
        `${head}a:${spaces}\x01\r\n\r\n`,
        `${head}Connection: a${spaces}b\r\n\r\n`,
        `${head}Transfer-Encoding: a${spaces}b\r\n\r\n`,
        `GET /%${"25".repeat(4000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
      ]
    ) {
      const bytes = toBytes(text);
      for (let i = 0; i < 200; i++) {
        outcomeOf(new RequestParser(), bytes, Infinity);
      }
    }
  }, 20_000);

  test("joins fields of one name, and knows the path", () => {
    const parser = new RequestParser();
    parser.push(
      toBytes("GET /a%20b?c HTTP/1.1\r\nHost: a\r\nX: 1\r\nx:2\r\n\r\n"),
    );
    const request = parser.next()!;
    expect(request.fields.get("x")).toBe("1, 2");
    expect([request.path, request.target]).toEqual(["/a b", "/a%20b?c"]);
  });
});

/** The answers that a stream holds, and how they end. */
function answersIn(text: string, methods: string[], piece = Infinity) {
  const parser = new ResponseParser();
  const found: unknown[] = [];
  const bytes = toBytes(text);
  const take = () => {
    for (let answer; (answer = parser.next(methods[0] ?? "GET"));) {
      methods.shift();
      found.push([
        answer.status,
        String.fromCharCode(...answer.body),
        answer.extent,
      ]);
    }
  };
  try {
    for (let at = 0; at < bytes.length; at += piece) {
      parser.push(bytes.subarray(at, at + piece));
      take();
    }
    const last = parser.end();
    if (last) {
      found.push([last.status, String.fromCharCode(...last.body), last.extent]);
    }
  } catch (error) {
    if (!(error instanceof HttpFault)) throw error;
    found.push("refused");
  }
  return found;
}

describe("ResponseParser", () => {
  const OK = "HTTP/1.1 200 OK\r\n";
  const CASES: [
    name: string,
    say: string,
    found: unknown[],
    methods?: string[],
  ][] = [
    ["a length", `${OK}Content-Length: 2\r\n\r\nhi`, [[200, "hi", "whole"]]],
    ["a length, cut off", `${OK}Content-Length: 3\r\n\r\nhi`, [[
      200,
      "hi",
      "cut off",
    ]]],
    ["chunks", `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n`, [
      [200, "hi", "whole"],
    ]],
    ["chunks, cut off", `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n`, [
      [200, "hi", "cut off"],
    ]],
    ["until the end", `${OK}\r\nhi`, [[200, "hi", "whole or cut off"]]],
    ["nothing until the end", `${OK}\r\n`, [[200, "", "whole or cut off"]]],
    [
      "an answer to HEAD",
      `${OK}Content-Length: 9\r\n\r\n${OK}Content-Length: 0\r\n\r\n`,
      [
        [200, "", "whole"],
        [200, "", "whole"],
      ],
      ["HEAD", "GET"],
    ],
    [
      "204 and 304",
      `HTTP/1.1 204 No\r\n\r\nHTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n`,
      [
        [204, "", "whole"],
        [304, "", "whole"],
      ],
    ],
    [
      "interim answers",
      `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 E\r\na: b\r\n\r\n${OK}Content-Length: 1\r\n\r\nx`,
      [
        [200, "x", "whole"],
      ],
    ],
    ["101 ends it", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", [[
      101,
      "",
      "whole",
    ]]],
    ["no reason", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", [[
      200,
      "",
      "whole",
    ]]],
    ["HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nx", [[200, "x", "whole or cut off"]]],
    ["another protocol", "220 ready\r\n", ["refused"]],
    ["no HTTP at all", "\x16\x03\x01\0\n", ["refused"]],
    ["two lengths", `${OK}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`, [
      "refused",
    ]],
    ["a fold", `${OK}a: b\r\n c\r\n\r\n`, ["refused"]],
    ["too long a length", `${OK}Content-Length: 1048577\r\n\r\n`, ["refused"]],
    ["too much until the end", `${OK}\r\n${"x".repeat(1048577)}`, ["refused"]],
    ["fields without end", OK + "a: b\r\n".repeat(101), ["refused"]],
    ["cut off in the head", `${OK}a: b\r\n`, []],
  ];
  test("knows whether another answer may follow", () => {
    for (
      const [say, persists] of [
        [`${OK}Content-Length: 0\r\n\r\n`, true],
        [`${OK}Content-Length: 0\r\nConnection: close\r\n\r\n`, false],
        [`${OK}\r\n`, false], // the end of the stream ends it
        ["HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false],
      ] as const
    ) {
      const parser = new ResponseParser();
      parser.push(toBytes(say));
      const answer = parser.next("GET") ?? parser.end();
      expect([say, answer?.persists]).toEqual([say, persists]);
    }
  });

  for (const [name, say, found, methods = []] of CASES) {
    test(name, () => {
      expect(answersIn(say, [...methods])).toEqual(found);
      if (say.length < 10_000) {
        expect(answersIn(say, [...methods], 1)).toEqual(found);
      }
    });
  }
});

test("formatHead() lets no value become another field", () => {
  for (const value of ["a\r\nb: c", "a\n", "\0", "\u20ac"]) {
    expect(() => formatHead("HTTP/1.1 200 OK", [["X", value]])).toThrow(
      TypeError,
    );
  }
  expect(() => formatHead("GET / HTTP/1.1", [["X: y\r\nZ", ""]])).toThrow(
    TypeError,
  );
  expect(formatHead("GET / HTTP/1.1", [["Host", "a"]])).toBe(
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
  );
});

test("formatChunk() writes the size in hexadecimal", () => {
  expect(formatChunk(toBytes("x".repeat(26)))).toEqual(
    toBytes(`1a\r\n${"x".repeat(26)}\r\n`),
  );
});

test("random requests and answers harm nobody", () => fuzzHttp(5000));
