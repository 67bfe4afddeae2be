/**
 * WebSocket as websocket_chat speaks it: frames on the wire, fed whole and byte by
 * byte, to the parser and to servers on three runtimes; the handshake of both ends.
 */
import { describe, expect, test } from "bun:test";
import { socket, type StreamSocket } from "../lib/mod.ts";
import { Utf8Check } from "../lib/protocols/utf8.ts";
import { WebSocketParser } from "../lib/protocols/websocket.ts";
import {
  formatClosure,
  formatFrame,
  isCloseCode,
  OPCODES,
} from "../lib/protocols/websocket_format.ts";
import { openWebSocket } from "../lib/services/websocket_client.ts";
import { serverOn } from "./support/ends.ts";
import { foundIn, fuzzWebSocket } from "./support/fuzz_websocket.ts";
import { numbers } from "./support/fuzz.ts";
import { ACCEPT, dial, KEY, requestFor } from "./support/raw_websocket.ts";
import { commandFor, RUNTIMES, start } from "./support/runtimes.ts";
import { ROOT } from "./support/scripts.ts";
import { failureOf, testOn } from "./support/test_on.ts";
import {
  encode,
  encodeAll,
  type Found,
  FRAME_CASES,
  type FrameCase,
  joined,
  MASKED,
  type RawFrame,
} from "./support/websocket_cases.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);

describe("WebSocketParser", () => {
  for (const from of ["client", "server"] as const) {
    const cases = [...FRAME_CASES, ...MASKED[from]];
    for (
      const [how, piece] of [["whole", Infinity], ["byte by byte", 1]] as const
    ) {
      test(`finds what a ${from} has sent, ${how}`, () => {
        expect(cases.length).toBeGreaterThan(190);
        for (const { name, frames, found } of cases) {
          const seen = foundIn(encodeAll(frames, from), from, piece).found;
          expect([name, seen]).toEqual([name, found]);
        }
      });
    }
  }

  test("finds the same in 5,000 random streams, however they come", () =>
    fuzzWebSocket(5000));

  test("refuses what is wrong at its first byte", () => {
    const at = ({ frames, found }: FrameCase) => {
      const bytes = encodeAll(frames, "client");
      for (let size = 1; size <= bytes.length; size++) {
        const seen = foundIn(bytes.subarray(0, size), "client", Infinity).found;
        if (seen.at(-1)?.[0] === "fault") return size;
      }
      throw new Error(`${found}`);
    };
    const cases = Object.fromEntries(FRAME_CASES.map((one) => [one.name, one]));
    const name = "a character of four, cut";
    expect(at(cases["4.1 opcode 3"])).toBe(1);
    expect(at(cases["3.1 reserved bits 7 of a text"])).toBe(1);
    expect(at(cases["2.5 a ping of 126 bytes"])).toBe(2);
    expect(at(cases["9.3 2^62 bytes are announced"])).toBe(10);
    expect(at(cases["6.7 wrong before the frame is whole"])).toBe(8);
    expect(at(cases["6.6 wrong before the last fragment"])).toBe(8);
    expect(at(cases[`6.2 ${name}`])).toBe(9); // its last byte
  });

  test("has a limit of the caller's", () => {
    const parser = new WebSocketParser({ from: "server", limit: 3 });
    parser.push(encodeAll([{ opcode: 2, payload: "abc" }], "server"));
    expect(parser.next()).toEqual({ kind: "message", data: utf8("abc") });
    parser.push(encodeAll([{ opcode: 2, payload: "abcd" }], "server"));
    expect(() => parser.next()).toThrow("a message has at most 3 bytes");
  });

  test("knows whether a message has begun", () => {
    const parser = new WebSocketParser({ from: "server" });
    const begun = [...encodeAll([
      { opcode: 1, payload: "a", final: false },
      { opcode: 0, payload: "b" },
    ], "server")].map((byte) => {
      parser.push(Uint8Array.of(byte));
      parser.next();
      return parser.begun;
    });
    expect(begun).toEqual([true, true, true, true, true, false]);
  });
});

describe("Utf8Check", () => {
  test("takes what TextDecoder takes", () => {
    const decoder = new TextDecoder("utf-8", { fatal: true });
    const next = numbers(3629);
    // Bytes at the bounds of the table in RFC 3629 section 4, and any.
    const bounds = "00417f8081bfc0c1c2dfe0e1eceddeeff0f1f3f4f5ff8f909fa0";
    const marked = Uint8Array.fromHex(bounds);
    let valid = 0;
    for (let i = 0; i < 20_000; i++) {
      const bytes = Uint8Array.from(
        { length: 1 + next(6) },
        () => next(4) > 0 ? marked[next(marked.length)] : next(256),
      );
      const check = new Utf8Check();
      const taken = check.push(bytes) && check.whole;
      let expected = true;
      try {
        decoder.decode(bytes);
      } catch {
        expected = false;
      }
      expect([bytes.toHex(), taken]).toEqual([bytes.toHex(), expected]);
      if (taken) valid++;
    }
    expect(valid).toBeGreaterThan(500);
  });
});

describe("formatFrame()", () => {
  test("writes lengths as short as they can be, masked or not", () => {
    for (const length of [0, 125, 126, 65_535, 65_536]) {
      const payload = new Uint8Array(length).fill(7);
      for (const mask of [null, [1, 2, 3, 4]]) {
        const expected = encode({ opcode: 2, payload, mask }, "server");
        const given = mask ? { mask: Uint8Array.from(mask) } : {};
        expect(formatFrame(OPCODES.binary, payload, given)).toEqual(expected);
      }
    }
    expect(payloadOf("abc")).toEqual(utf8("abc")); // and leaves it alone
  });

  function payloadOf(text: string): Uint8Array {
    const payload = utf8(text);
    formatFrame(OPCODES.text, payload, { mask: Uint8Array.of(1, 2, 3, 4) });
    return payload;
  }

  test("makes the examples of RFC 6455 section 5.7", () => {
    const mask = Uint8Array.fromHex("37fa213d");
    const hello = utf8("Hello");
    const made = [
      formatFrame(OPCODES.text, hello),
      formatFrame(OPCODES.text, hello, { mask }),
      formatFrame(OPCODES.text, utf8("Hel"), { final: false }),
      formatFrame(OPCODES.continuation, utf8("lo")),
      formatFrame(OPCODES.pong, hello, { mask }),
    ].map((frame) => frame.toHex());
    expect(made).toEqual([
      "810548656c6c6f",
      "818537fa213d7f9f4d5158",
      "010348656c",
      "80026c6f",
      "8a8537fa213d7f9f4d5158",
    ]);
  });
});

test("formatClosure() cuts a reason between characters, and knows the codes", () => {
  const reason = "\u{1f600}".repeat(40);
  expect(formatClosure({ code: 1000, reason })).toHaveLength(2 + 120);
  expect(formatClosure({ code: 1005, reason: "" })).toHaveLength(0);
  const codes = Array.from({ length: 65_536 }, (_, code) => code);
  expect(codes.filter(isCloseCode)).toHaveLength(12 + 2000);
  for (const code of [999, 1004, 1006, 1015, 2999, 5000]) {
    expect(() => formatClosure({ code, reason })).toThrow(RangeError);
  }
});

/** What an echo server sends back: messages, pongs, and its Close frame. */
function echoOf(found: Found[]): Uint8Array<ArrayBuffer> {
  const frames: RawFrame[] = [];
  for (const [kind, what] of found) {
    if (kind === "message") {
      const opcode = typeof what === "string" ? 1 : 2;
      frames.push({ opcode, payload: what });
    } else if (kind === "ping") frames.push({ opcode: 10, payload: what });
    else if (kind === "close" || kind === "fault") {
      const code = Uint8Array.of(what >> 8, what & 255);
      frames.push({ opcode: 8, payload: what === 1005 ? "" : code });
    }
  }
  return encodeAll(frames, "server");
}

/** The same without the reason of the last Close frame. */
function withoutReason(bytes: Uint8Array, found: Found[]): Uint8Array {
  if (found.at(-1)?.[0] !== "fault") return bytes;
  const code = echoOf(found).length - 2;
  const length = bytes[code - 1];
  expect(bytes).toHaveLength(code + length);
  return joined([
    bytes.slice(0, code - 1),
    Uint8Array.of(2),
    bytes.slice(code, code + 2),
  ]);
}

for (const runtime of RUNTIMES) {
  testOn(
    runtime,
    `${runtime} answers frames, whole and byte by byte`,
    async () => {
      const program = commandFor(runtime, ["--allow-net"]);
      const server = start([...program, "tests/peers/websocket_echo.ts"], {
        cwd: ROOT,
      });
      const [, port] = await server.said(/port (\d+)/);
      const cases = [...FRAME_CASES, ...MASKED.client]
        .flatMap((one) => [{ ...one, piece: Infinity }, { ...one, piece: 1 }]);
      const wrong: string[] = [];
      const work = async () => {
        for (let one; (one = cases.shift());) {
          const { name, piece } = one;
          const frames = [...one.frames];
          const found = [...one.found];
          if (!["close", "fault"].includes(found.at(-1)![0])) {
            frames.push({ opcode: 8 });
            found.push(["close", 1005, ""]);
          }
          const bytes = encodeAll(frames, "client");
          if (piece === 1 && bytes.length > 200) continue;
          const { socket, ended } = dial(port, requestFor("/", port));
          for (let at = 0; at < bytes.length; at += piece) {
            socket.write(bytes.subarray(at, at + piece));
          }
          const expected = echoOf(found);
          const heard = withoutReason(await ended, found);
          if (!Buffer.from(heard).equals(Buffer.from(expected))) {
            const [is, not] = [heard, expected].map((bytes) =>
              bytes.slice(-20).toHex()
            );
            wrong.push(`${name}, ${piece}: ${is}, and not ${not}`);
          }
        }
      };
      await Promise.all(Array.from({ length: 8 }, work));
      expect(wrong).toEqual([]);
      server.kill();
      expect((await server.finished).stderr).toBe("");
    },
  );

  testOn(
    runtime,
    `${runtime} agrees to a WebSocket, or says why not`,
    async () => {
      const { port, stop, server } = await serverOn("websocket_chat", runtime);
      const statusFor = async (
        fields: Record<string, string | undefined>,
        first?: string,
      ) => {
        const request = requestFor("/chat", port, fields, first);
        const { ended, heard, hears, socket } = dial(port, request);
        await hears("\r\n\r\n");
        socket.end();
        await ended;
        return heard();
      };
      const agreed = await statusFor({ Origin: `http://127.0.0.1:${port}` });
      expect(agreed).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n/);
      expect(agreed).toContain(`\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n`);
      expect(agreed).toMatch(
        /\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n/,
      );
      expect(agreed).not.toMatch(/Content-Length|Extensions/);

      const own = `http://LOCALHOST:${port}`;
      const cases: [number, Record<string, string | undefined>, string?][] = [
        [101, { Origin: own, Host: `localhost:${port}` }],
        [101, { Origin: `https://127.0.0.1:${port}` }],
        [101, { Upgrade: "h2c, WebSocket", Connection: "keep-alive, UPGRADE" }],
        [101, { "Sec-WebSocket-Protocol": "chat" }],
        [101, { "Sec-WebSocket-Extensions": "permessage-deflate" }],
        [403, { Origin: "http://evil.test" }],
        [403, { Origin: "http://127.0.0.1" }],
        [403, { Origin: `http://127.0.0.1:${port}.evil.test` }],
        [403, { Origin: "null" }],
        [403, { Origin: "null", Host: "null" }],
        [403, { Origin: "" }],
        [426, { "Sec-WebSocket-Version": "8" }],
        [426, { "Sec-WebSocket-Version": undefined }],
        [426, { Upgrade: undefined, Connection: undefined }],
        [426, { Upgrade: "h2c" }],
        [426, { Connection: "keep-alive" }],
        [426, {}, "GET /chat HTTP/1.0"],
        [426, { Connection: "keep-alive, Upgrade" }, "GET /chat HTTP/1.0"],
        [426, { Connection: "close, Upgrade" }],
        [405, {}, "POST /chat HTTP/1.1"],
        [400, { "Sec-WebSocket-Key": undefined }],
        [400, { "Sec-WebSocket-Key": "short" }],
        [400, { "Sec-WebSocket-Key": KEY.replace("==", "=") }],
        [400, { "Sec-WebSocket-Key": `${KEY}\r\nSec-WebSocket-Key: ${KEY}` }],
        [400, { "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZR==" }],
      ];
      for (const [status, fields, first] of cases) {
        const answer = await statusFor(fields, first);
        const told = [fields, first, Number(answer.slice(9, 12))];
        expect(told).toEqual([fields, first, status]);
        if (status === 426) {
          expect(answer).toMatch(
            /\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n/,
          );
          expect(answer).toContain("\r\nSec-WebSocket-Version: 13\r\n");
        }
        // Nobody takes part who was not agreed to.
        if (status !== 101) expect(answer).not.toContain("Your name");
      }
      await stop();
      expect((await server.finished).stderr).not.toMatch(/Error|at /);
    },
  );
}

/** A server of this process that answers a request with this. */
async function answering(
  answer: (key: string) => Promise<string> | string,
  frames: Uint8Array = new Uint8Array(0),
) {
  const listener = socket();
  listener.settimeout(null); // another test may have set a default
  await listener.bind(["127.0.0.1", 0]);
  await listener.listen();
  (async () => {
    for await (const [client] of listener) {
      client.settimeout(null);
      (async () => {
        let text = "";
        while (!text.includes("\r\n\r\n")) {
          text += String.fromCharCode(...await client.recv(1000));
        }
        const [, key] = text.match(/Sec-WebSocket-Key: (\S+)/)!;
        await client.sendall(joined([utf8(await answer(key)), frames]));
        while ((await client.recv(1000)).length > 0);
      })().catch(() => {}).finally(() => client.close());
    }
  })();
  return listener;
}

describe("openWebSocket()", () => {
  const accepting = async (key: string) => {
    const text = utf8(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
    const digest = await crypto.subtle.digest("SHA-1", text);
    return new Uint8Array(digest).toBase64();
  };
  const agree = async (key: string, more = "") =>
    "HTTP/1.1 101 Yes\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\n" +
    `Sec-WebSocket-Accept: ${await accepting(key)}\r\n${more}\r\n`;
  const openTo = async (listener: StreamSocket) => {
    const connection = socket();
    connection.settimeout(500);
    await connection.connect(listener.getsockname());
    return await openWebSocket(connection, "/");
  };

  test("takes frames that come with the answer", async () => {
    const frames: RawFrame[] = [{ opcode: 1, payload: "early" }];
    const early = encodeAll([...frames, { opcode: 8 }], "server");
    await using listener = await answering((key) => agree(key), early);
    const websocket = await openTo(listener);
    expect(await websocket.receive()).toBe("early");
    expect(await websocket.receive()).toBeUndefined();
    expect(websocket.closed).toEqual({ code: 1005, reason: "" });
    await websocket.close();
    expect(await websocket.receive()).toBeUndefined();
    const error = await failureOf(websocket.send("late"));
    expect(error).toMatchObject({ code: "EPIPE" });
  });

  test("believes no other answer", async () => {
    const wrong: [
      words: string | RegExp,
      answer: (key: string) => Promise<string>,
    ][] = [
      [
        /answers 403 Forb.*\\x9b/,
        () =>
          Promise.resolve(
            "HTTP/1.1 403 Forb\x9b2J\r\nContent-Length: 0\r\n\r\n",
          ),
      ],
      [
        /answers 200 /,
        () => Promise.resolve("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
      ],
      [
        "is it the right server",
        async (key) => (await agree(key)).replace("WebSocket\r\n", "h2c\r\n"),
      ],
      [
        "is it the right server",
        async (key) => (await agree(key)).replace(/Connection.*\r\n/, ""),
      ],
      [
        "is it the right server",
        async (key) => (await agree(key)).replace(/Accept: ./, "Accept: *"),
      ],
      [
        "is it the right server",
        async (key) => (await agree(key)).replace(/Sec-.*\r\n/, ""),
      ],
      [
        "is it the right server",
        (key) => agree(key, "Sec-WebSocket-Extensions: permessage-deflate\r\n"),
      ],
      [
        "is it the right server",
        (key) => agree(key, "Sec-WebSocket-Protocol: chat\r\n"),
      ],
      ["timed out", () => Promise.resolve("HTTP/1.1 101 ")],
      ["is it the right server", () => Promise.resolve("SSH-2.0-x\r\n")],
    ];
    for (const [words, answer] of wrong) {
      await using listener = await answering(answer);
      const error = await failureOf(openTo(listener)) as Error;
      expect(error.message).toMatch(words);
    }
  });

  test("ends with a server that breaks the protocol, or the limit", async () => {
    const cases: [code: string, frames: RawFrame[]][] = [
      ["EPROTO", [{ opcode: 1, mask: [1, 2, 3, 4] }]],
      ["EPROTO", [{ opcode: 5 }]],
      ["EPROTO", [{ opcode: 1, payload: Uint8Array.of(0xff) }]],
      ["EMSGSIZE", [{ opcode: 1, length: 65_537n }]],
      ["ETIMEDOUT", []],
      ["ETIMEDOUT", [{ opcode: 1, payload: "a", final: false }]],
      ["ETIMEDOUT", Array(50).fill({ opcode: 9, payload: "x" })],
    ];
    for (const [code, frames] of cases) {
      const bytes = encodeAll(frames, "server");
      await using listener = await answering((key) => agree(key), bytes);
      const websocket = await openTo(listener);
      // It answers pings before, which do not count as messages.
      const error = await failureOf(websocket.receive());
      expect([code, frames, error]).toMatchObject([code, frames, { code }]);
      await websocket.socket.close();
    }
  });
});
