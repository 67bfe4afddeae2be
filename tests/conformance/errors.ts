/**
 * What the library is made of and how it refuses: constants, argument checks,
 * and the one error that leaves it.
 *
 * @module
 */
import assert from "node:assert/strict";
import * as lib from "../../lib/mod.ts";
import {
  decode,
  formatAddress,
  parseAddress,
  socket,
  SocketError,
} from "../../lib/mod.ts";
import { escapeControls } from "../../lib/sockets/escape.ts";
import {
  accepted,
  type Case,
  casesOf,
  clientOf,
  freeAddress,
  listening,
  nameOf,
  pair,
  refuses,
  rejects,
  tcp,
  unix,
} from "./fixtures.ts";

/** How an address fails that nobody has, by what it is and who may see it. */
const NOT_THERE = ["ECONNREFUSED", "EINVAL", "ENOENT", "EACCES", "ENOTFOUND"];

export const cases: Case[] = [
  ...casesOf("rule", {
    async "constants are strings equal to their own names"() {
      const names = Object.keys(lib).filter((name) =>
        /^[A-Z_0-9]+$/.test(name)
      );
      assert.ok(names.length >= 6);
      for (const name of names) {
        assert.equal((lib as Record<string, unknown>)[name], name);
      }
    },
    async "socket() makes a TCP socket over IPv4 unless told otherwise"() {
      assert.equal(socket().family, "AF_INET");
      assert.equal(socket("AF_INET6").family, "AF_INET6");
    },
    async "socket() throws at once for a family or type that does not exist"() {
      assert.throws(() => socket("AF_X25" as never), SocketError);
      assert.throws(() => socket("AF_INET", "SOCK_RAW" as never), SocketError);
    },
    async "formatAddress() prints an address as Python does"() {
      assert.equal(formatAddress(["127.0.0.1", 80]), "('127.0.0.1', 80)");
    },
    async "escapeControls() writes what could drive a terminal as text"() {
      const unsafe: [from: number, to: number][] = [
        [0x00, 0x1f], // C0
        [0x7f, 0x9f], // DEL and C1
        [0x61c, 0x61c], // Arabic letter mark
        [0x200e, 0x200f], // left-to-right mark, right-to-left mark
        [0x2028, 0x2029], // line separator, paragraph separator
        [0x202a, 0x202e], // embeddings and overrides
        [0x2066, 0x2069], // isolates
        [0xd800, 0xdfff], // surrogates that stand alone
        [0xfdd0, 0xfdef], // noncharacters, as the next ones
        [0xfffe, 0xffff],
        [0x1fffe, 0x1ffff],
      ];
      for (const [from, to] of unsafe) {
        for (let code = from; code <= to; code++) {
          const escaped = escapeControls(`a${String.fromCodePoint(code)}b`);
          assert.match(escaped, /^a\\([nrt]|x[0-9a-f]{2}|u\{[0-9a-f]+\})b$/);
        }
      }
      assert.equal(
        escapeControls("1\n2\r3\t4\0\x1b[0m\x7f\u009b\u202e\ud800\ufffe"),
        String.raw`1\n2\r3\t4\x00\x1b[0m\x7f\x9b\u{202e}\u{d800}\u{fffe}`,
      );
    },
    async "escapeControls() leaves every other character as it is"() {
      const texts = [
        "plain text, \\n and 'quotes'",
        "né… ß Ω Ж",
        "שלום سلام", // right to left by themselves
        "日本語 한국어",
        "😀 👩‍💻 🏳️‍🌈", // with joiners and variation selectors
        "\u00a0\u00ad\ufeff\ufffd",
        "",
      ];
      for (const text of texts) assert.equal(escapeControls(text), text);
    },
    async "decode() reads UTF-8 and marks what is none"() {
      const bytes = Uint8Array.of(0xef, 0xbb, 0xbf, 0xc3, 0xa9, 0xff);
      assert.equal(decode(bytes), "\ufeffé\ufffd");
    },
    async "SocketError says what could not be done, where and why"() {
      const [host, port] = await freeAddress();
      const error = await rejects(tcp().connect([host, port]), "ECONNREFUSED");
      assert.equal(
        error.message,
        `Cannot connect to 127.0.0.1:${port}: connection refused`,
      );
      assert.equal(error.call, "connect");
      assert.deepEqual(error.address, [host, port]);
      assert.equal(error.name, "SocketError");
      assert.ok(error instanceof Error);
    },
    async "SocketError keeps what the runtime said as its cause"() {
      const address = await freeAddress();
      const error = await rejects(tcp().connect(address), "ECONNREFUSED");
      assert.ok(error.cause instanceof Error);
    },
    async "SocketError puts an IPv6 address in brackets"() {
      const [host, port] = await freeAddress("::1");
      const client = tcp("::1");
      const error = await rejects(client.connect([host, port]), "ECONNREFUSED");
      assert.equal(
        error.message,
        `Cannot connect to [::1]:${port}: connection refused`,
      );
    },
    async "SocketError of bind() and of listen() names the address"() {
      const second = tcp();
      await second.bind(await freeAddress());
      const [host, port] = nameOf(second);
      const first = tcp();
      await first.bind([host, port]);
      await first.listen();
      const calls = [
        ["bind to", "bind", () => tcp().bind([host, port])],
        // No runtime can keep the port between bind() and listen().
        ["listen on", "listen", () => second.listen()],
      ] as const;
      for (const [words, call, attempt] of calls) {
        const error = await rejects(attempt(), "EADDRINUSE");
        assert.equal(
          error.message,
          `Cannot ${words} 127.0.0.1:${port}: address already in use`,
        );
        assert.equal(error.call, call);
        assert.deepEqual(error.address, [host, port]);
      }
    },
    async "SocketError of recv() and accept() names the other end or the server"() {
      const server = await listening();
      const client = await clientOf(server);
      await accepted(server);
      const [host, port] = nameOf(server);
      for (const one of [server, client]) one.settimeout(1);
      const accepting = await rejects(server.accept(), "ETIMEDOUT");
      const receiving = await rejects(client.recv(1), "ETIMEDOUT");
      assert.equal(
        accepting.message,
        `Cannot accept on ${host}:${port}: timed out`,
      );
      assert.equal(
        receiving.message,
        `Cannot receive from ${host}:${port}: timed out`,
      );
      assert.deepEqual([accepting.call, receiving.call], ["accept", "recv"]);
      assert.deepEqual(receiving.address, [host, port]);
    },
    async "SocketError tells of control characters and prints none"() {
      const evil = "\x1b[2J\r\n\x9b\u202e\ud800";
      const name = `\0socket-lab${evil}`;
      const calls: (() => Promise<unknown>)[] = [
        () => unix().connect(name),
        () => unix().bind(name.padEnd(200)),
        () => unix().connect(`/tmp${evil}/s`),
        () => tcp().connect([evil, 80]),
        () => parseAddress("localhost", evil),
      ];
      for (const call of calls) {
        const { message, address } = await rejects(call(), ...NOT_THERE);
        assert.ok(String(address).includes(evil));
        assert.ok(message.includes(escapeControls(evil)));
        assert.equal(message, escapeControls(message));
      }
    },
    async "SocketError is written as one plain line without a full stop"() {
      const fresh = tcp();
      const closed = tcp();
      await closed.close();
      const attempts: Promise<unknown>[] = [
        fresh.recv(1),
        fresh.sendall("x"),
        fresh.accept(),
        fresh.shutdown("SHUT_WR"),
        fresh.connect(["::1", 80]),
        tcp().bind([`${"a".repeat(300)}.test`, 0]),
        closed.recv(1),
        closed.listen(),
      ];
      for (const attempt of attempts) {
        const { message } = await attempt.then(() => {}, (error) => error);
        assert.match(message, /^Cannot [a-z][^\n]*: [a-z][^\n]*[^.\n]$/);
        assert.doesNotMatch(message, /undefined|n't/);
      }
    },
    async "calls that return promises reject bad arguments and never throw"() {
      const [client] = await pair();
      const nothing = undefined as never;
      const fresh = tcp();
      const server = await listening();
      const calls = [
        () => fresh.bind(nothing),
        () => fresh.connect(nothing),
        () => fresh.listen("5" as never),
        () => client.send(nothing),
        () => client.sendall(7 as never),
        () => client.sendall([1, 2] as never),
        () => client.sendall(new ArrayBuffer(2) as never),
        () => client.recv(nothing),
        () => client.recv("3" as never),
      ];
      for (const call of calls) {
        let promise: Promise<unknown> | undefined;
        assert.doesNotThrow(() => void (promise = call()), `${call}`);
        await refuses(promise!);
      }
      // What was refused has changed nothing.
      await fresh.connect(server.getsockname());
    },
    async "calls that nobody awaits are never an unhandled rejection"() {
      const fresh = tcp();
      fresh.recv(-1);
      fresh.bind(["127.0.0.1", -1]);
      fresh.listen(1.5);
      fresh.connect(["::1", 80]);
      fresh.connect(await freeAddress());
      fresh.accept();
      fresh.send("x");
      fresh.sendall("x");
      fresh.shutdown("SHUT_WR");
      const server = await listening();
      const second = tcp();
      second.bind(server.getsockname());
      second.listen();
      const bound = tcp();
      bound.bind([`${"a".repeat(300)}.test`, 0]);
      const aborted = AbortSignal.abort();
      server.accept({ signal: aborted });
      // The suite notices what becomes of them before the case has ended.
      await tcp().connect(await freeAddress()).catch(() => {});
    },
  }),
];
