/**
 * Reader: messages out of a stream.
 *
 * @module
 */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { decode, observe, Reader, type StreamSocket } from "../../lib/mod.ts";
import {
  afterwards,
  type Case,
  casesOf,
  MIB,
  MUCH,
  pair,
  pattern,
  pending,
  refuses,
  rejects,
  rejectsWith,
  same,
  timesOut,
  withPeer,
  write,
} from "./fixtures.ts";

export const cases: Case[] = [
  // --- line ---

  ...casesOf("rule", {
    async "line() gives each line without its LF or CRLF, and then null"() {
      const [client, reader] = await stream();
      await client.sendall("one\ntwo\r\n\r\n\nthree\n");
      await client.close();
      for (const line of ["one", "two", "", "", "three", null, null]) {
        assert.equal(await reader.line(), line);
      }
    },
    async "line() ends at an LF only, and cuts off one CR"() {
      const [client, reader] = await stream();
      await client.sendall("a\rb\r\r\n\r\n");
      assert.equal(await reader.line(), "a\rb\r");
      assert.equal(await reader.line(), "");
    },
    async "line() puts together a line that arrives byte by byte"() {
      const [client, reader] = await stream();
      const line = reader.line();
      const next = line.then(() => reader.line());
      const bytes = new TextEncoder().encode("né…😀\r\nnext\n");
      for (let at = 0; at < bytes.length; at++) {
        await client.sendall(bytes.subarray(at, at + 1));
        await delay(1);
      }
      assert.equal(await line, "né…😀");
      assert.equal(await next, "next");
    },
    async "line() called twice at once gives the lines in order"() {
      const [client, reader] = await stream();
      const lines = [reader.line(), reader.line()];
      await client.sendall("one\ntwo\n");
      assert.deepEqual(await Promise.all(lines), ["one", "two"]);
    },
    async "line() takes a line of `limit` bytes, however it ends"() {
      const [client, reader] = await stream();
      await client.sendall("12345\n12345\r\n");
      assert.equal(await reader.line({ limit: 5 }), "12345");
      assert.equal(await reader.line({ limit: 5 }), "12345");
    },
    async "line() is EMSGSIZE over `limit` bytes, and keeps them"() {
      const [client, reader] = await stream();
      await client.sendall("123456\nnext\n");
      await rejects(reader.line({ limit: 5 }), "EMSGSIZE");
      assert.equal(await reader.line({ limit: 6 }), "123456");
      assert.equal(await reader.line(), "next");
    },
    async "line() is EMSGSIZE for a peer that never ends its line"() {
      const [client, reader] = await stream();
      const sending = client.sendall(new Uint8Array(MUCH).fill(0x61));
      await rejects(reader.line(), "EMSGSIZE");
      await client.close();
      await rejects(sending, "EBADF");
    },
    async "line() is EBADMSG at the end within a line, and keeps the bytes"() {
      const [client, reader] = await stream();
      await client.sendall("whole\nhalf");
      await client.close();
      assert.equal(await reader.line(), "whole");
      await rejects(reader.line(), "EBADMSG");
      assert.equal(decode(await reader.all()), "half");
      assert.equal(await reader.line(), null);
    },
    async "line() is ECONNRESET at a reset within a line, and keeps the bytes"() {
      const [server, peer] = await withPeer();
      const reader = new Reader(server);
      await write(peer, "half");
      const line = reader.line();
      await pending(line);
      peer.resetAndDestroy();
      await rejects(line, "ECONNRESET");
      assert.equal(decode(await reader.exactly(4)), "half");
    },
    async "line() is EBADF when the socket is closed within a line"() {
      const [client, reader, server] = await stream();
      await client.sendall("half");
      const line = reader.line();
      await pending(line);
      await server.close();
      await rejects(line, "EBADF");
      await rejects(reader.exactly(5), "EBADF");
    },
    async "line() that times out within a line loses nothing"() {
      const [client, reader, server] = await stream();
      await client.sendall("one li");
      server.settimeout(30);
      await rejects(reader.line(), "ETIMEDOUT");
      await rejects(reader.line(), "ETIMEDOUT");
      await client.sendall("ne\n");
      server.settimeout(null);
      assert.equal(await reader.line(), "one line");
    },
    async "line() that is aborted within a line loses nothing"() {
      const [client, reader] = await stream();
      await client.sendall("one li");
      const controller = new AbortController();
      const line = reader.line(controller);
      await pending(line);
      controller.abort("enough");
      await rejectsWith("enough", line);
      await client.sendall("ne\n");
      assert.equal(await reader.line(), "one line");
    },
    async "line() reads a thousand lines that arrive at once"() {
      const [client, reader] = await stream();
      const lines = Array.from({ length: 1000 }, (_, index) => `line ${index}`);
      const sending = client.sendall(lines.join("\r\n") + "\r\n");
      for (const line of lines) assert.equal(await reader.line(), line);
      await sending;
    },
  }),

  // --- exactly ---

  ...casesOf("rule", {
    async "exactly() gives so many bytes, and leaves the rest"() {
      const [client, reader] = await stream();
      const sent = pattern(3 * MIB);
      const sending = client.sendall(sent);
      same(await reader.exactly(7), sent.subarray(0, 7));
      same(await reader.exactly(2 * MIB), sent.subarray(7, 2 * MIB + 7));
      same(await reader.exactly(MIB - 7), sent.subarray(2 * MIB + 7));
      await sending;
    },
    async "exactly(0) is empty at once, also at the end"() {
      const [client, reader] = await stream();
      assert.equal((await reader.exactly(0)).length, 0);
      await client.close();
      assert.equal(await reader.line(), null);
      assert.equal((await reader.exactly(0)).length, 0);
    },
    async "exactly() is EBADMSG at an early end, and keeps the bytes"() {
      const [client, reader] = await stream();
      await client.sendall("abc");
      await client.close();
      await rejects(reader.exactly(4), "EBADMSG");
      assert.equal(decode(await reader.exactly(3)), "abc");
      await rejects(reader.exactly(1), "EBADMSG");
    },
    async "exactly() refuses what is no number of bytes"() {
      const [client, reader] = await stream();
      await client.sendall("abc");
      for (const size of [-1, 1.5, NaN, "3"]) {
        await refuses(reader.exactly(size as number));
      }
      assert.equal(decode(await reader.exactly(3)), "abc");
    },
    async "exactly() gives bytes that belong to the caller"() {
      const [client, reader] = await stream();
      await client.sendall("abcdef");
      const first = await reader.exactly(3);
      assert.equal(decode(await reader.exactly(3)), "def");
      await client.sendall("ghijkl");
      assert.equal(decode(await reader.exactly(6)), "ghijkl");
      assert.equal(decode(first), "abc");
    },
    async "exactly() and all() give bytes that the caller may transfer"() {
      const [client, reader] = await stream();
      await client.sendall("abcdef");
      await client.close();
      assert.equal(decode(transferred(await reader.exactly(3))), "abc");
      assert.equal(decode(transferred(await reader.all())), "def");
      assert.equal((await reader.all()).length, 0);
    },
    async "exactly() that times out loses nothing"() {
      const [client, reader, server] = await stream();
      await client.sendall("abc");
      server.settimeout(30);
      await rejects(reader.exactly(6), "ETIMEDOUT");
      await client.sendall("def");
      server.settimeout(null);
      assert.equal(decode(await reader.exactly(6)), "abcdef");
    },
    async "exactly() reads a body that follows its header lines"() {
      const [client, reader] = await stream();
      await client.sendall("Content-Length: 4\r\n\r\nbodynext\n");
      assert.equal(await reader.line(), "Content-Length: 4");
      assert.equal(await reader.line(), "");
      assert.equal(decode(await reader.exactly(4)), "body");
      assert.equal(await reader.line(), "next");
    },
  }),

  // --- all ---

  ...casesOf("rule", {
    async "all() gives what is left of the stream"() {
      const [client, reader] = await stream();
      await client.sendall("line\nall ");
      assert.equal(await reader.line(), "line");
      const rest = reader.all();
      await client.sendall("of it");
      await client.close();
      assert.equal(decode(await rest), "all of it");
      assert.equal((await reader.all()).length, 0);
    },
    async "all() is EMSGSIZE over `limit` bytes, and keeps them"() {
      const [client, reader] = await stream();
      await client.sendall("123456");
      await client.close();
      await rejects(reader.all({ limit: 5 }), "EMSGSIZE");
      assert.equal(decode(await reader.all({ limit: 6 })), "123456");
    },
    async "all() is EMSGSIZE for a peer that never ends"() {
      const [client, reader] = await stream();
      const sending = client.sendall(pattern(MUCH));
      await rejects(reader.all({ limit: MIB }), "EMSGSIZE");
      await client.close();
      await rejects(sending, "EBADF");
    },
  }),

  // --- until ---

  ...casesOf("rule", {
    async "until() gives the bytes up to a mark and with it, and only that mark"() {
      const [client, reader] = await stream();
      await client.sendall("a\nb\rc\r\n\r\nrest");
      await client.close();
      assert.equal(decode((await reader.until("\r\n"))!), "a\nb\rc\r\n");
      assert.equal(decode((await reader.until("\r\n"))!), "\r\n");
      await rejects(reader.until("\r\n"), "EBADMSG");
      assert.equal(decode(await reader.all()), "rest");
      assert.equal(await reader.until("\r\n"), null);
    },
    async "until() finds a mark that arrives byte by byte, and after its start"() {
      const [client, reader] = await stream();
      const marks = ["aab", "\r\n\r\n", "\0"];
      const texts = ["aaaab", "x\r\n\r\r\n\r\n", "né…\0"];
      for (const [index, text] of texts.entries()) {
        const message = reader.until(marks[index]);
        for (const byte of new TextEncoder().encode(text)) {
          await client.sendall(Uint8Array.of(byte));
          await delay(1);
        }
        assert.equal(decode((await message)!), text);
      }
    },
    async "until() takes bytes as a mark, and counts as they were at the call"() {
      const [client, reader] = await stream();
      const mark = Uint8Array.of(0, 255);
      const message = reader.until(mark);
      mark.fill(7);
      await client.sendall(Uint8Array.of(7, 7, 0, 0, 255, 9));
      same((await message)!, Uint8Array.of(7, 7, 0, 0, 255));
      same(await reader.exactly(1), Uint8Array.of(9));
    },
    async "until() takes `limit` bytes with the mark; over it is EMSGSIZE"() {
      const [client, reader] = await stream();
      await client.sendall("1234;56789;");
      assert.equal(decode((await reader.until(";", { limit: 5 }))!), "1234;");
      await rejects(reader.until(";", { limit: 5 }), "EMSGSIZE");
      assert.equal(decode((await reader.until(";", { limit: 6 }))!), "56789;");
    },
    async "until() is EMSGSIZE for a peer that never sends the mark"() {
      const [client, reader] = await stream();
      const sending = client.sendall(new Uint8Array(MUCH).fill(0x61));
      await rejects(reader.until("\n"), "EMSGSIZE");
      await client.close();
      await rejects(sending, "EBADF");
    },
    async "until() refuses what is no mark"() {
      const [client, reader] = await stream();
      await client.sendall("abc");
      for (const mark of ["", new Uint8Array(0), 5, null, undefined, ["a"]]) {
        await refuses(reader.until(mark as string));
      }
      assert.equal(decode(await reader.exactly(3)), "abc");
    },
    async "until() that is given up within a message loses nothing"() {
      const [client, reader, server] = await stream();
      await client.sendall("one me");
      server.settimeout(30);
      await rejects(reader.until(";"), "ETIMEDOUT");
      server.settimeout(null);
      const controller = new AbortController();
      const message = reader.until(";", controller);
      await pending(message);
      controller.abort("enough");
      await rejectsWith("enough", message);
      await client.sendall("ssage;");
      assert.equal(decode((await reader.until(";"))!), "one message;");
    },
  }),

  // --- some ---

  ...casesOf("rule", {
    async "some() gives what is held at once, else what one recv() gives"() {
      const [client, reader] = await stream();
      await client.sendall("line\nabcdef");
      assert.equal(await reader.line(), "line");
      assert.equal(decode(await reader.some(2)), "ab");
      assert.equal(decode(await reader.some(100)), "cdef");
      const waiting = reader.some(100);
      await pending(waiting);
      await client.sendall("gh");
      assert.equal(decode(await waiting), "gh");
      await client.close();
      assert.equal((await reader.some(1)).length, 0);
      assert.equal((await reader.some(1)).length, 0);
    },
    async "some() of fewer bytes than arrive leaves the rest"() {
      const [client, reader] = await stream();
      const waiting = [reader.some(2), reader.some(1)];
      await client.sendall("abcd\n");
      const texts = (await Promise.all(waiting)).map(decode);
      assert.deepEqual(texts, ["ab", "c"]);
      assert.equal(await reader.line(), "d");
    },
    async "some(0) is empty at once, and some() refuses what is no number"() {
      const [client, reader] = await stream();
      assert.equal((await reader.some(0)).length, 0);
      for (const size of [-1, 1.5, NaN, "3", undefined]) {
        await refuses(reader.some(size as number));
      }
      await client.sendall("abc");
      assert.equal(decode(await reader.some(3)), "abc");
    },
    async "some() that times out loses nothing"() {
      const [client, reader, server] = await stream();
      server.settimeout(1);
      await rejects(reader.some(10), "ETIMEDOUT");
      server.settimeout(null);
      await client.sendall("abc");
      assert.equal(decode(await reader.some(10)), "abc");
    },
  }),

  // --- a call is one call ---

  ...casesOf("rule", {
    async "Reader's call has one time limit, however the message drips"() {
      const calls: ((reader: Reader) => Promise<unknown>)[] = [
        (reader) => reader.line(),
        (reader) => reader.until(";"),
        (reader) => reader.exactly(1_000_000),
        (reader) => reader.all(),
      ];
      for (const call of calls) {
        const [client, reader, server] = await stream();
        let dripping = true;
        const drip = (async () => {
          for (; dripping; await delay(2)) await client.sendall("x");
        })();
        server.settimeout(60);
        await timesOut(60, () => call(reader));
        dripping = false;
        await drip;
        // What came is kept for the next call.
        server.settimeout(null);
        await client.sendall("\n");
        assert.match((await reader.line())!, /^x+$/);
      }
    },
    async "Reader's call that waits behind another obeys its own signal"() {
      const [client, reader] = await stream();
      const first = reader.line();
      const controller = new AbortController();
      const behind = [
        reader.line(controller),
        reader.until(";", controller),
        reader.exactly(3, controller),
        reader.some(3, controller),
        reader.all(controller),
      ];
      const last = reader.line();
      controller.abort("enough");
      for (const one of behind) await rejectsWith("enough", one);
      await pending(first);
      await client.sendall("one\ntwo\n");
      assert.deepEqual([await first, await last], ["one", "two"]);
    },
    async "Reader's call that waits behind another obeys its own timeout"() {
      const [client, reader, server] = await stream();
      const first = reader.line();
      server.settimeout(30);
      await timesOut(30, () => reader.line());
      await timesOut(30, () => reader.exactly(3));
      server.settimeout(null);
      const last = reader.line();
      await pending(first);
      await client.sendall("one\ntwo\n");
      assert.deepEqual([await first, await last], ["one", "two"]);
    },
    async "Reader's first call that is given up lets the second one go on"() {
      const [client, reader] = await stream();
      const controller = new AbortController();
      const first = reader.line(controller);
      const second = reader.line();
      await client.sendall("on");
      await pending(first);
      controller.abort("enough");
      await rejectsWith("enough", first);
      await client.sendall("e\n");
      assert.equal(await second, "one");
    },
    async "Reader's calls with an aborted signal take nothing"() {
      const [client, reader] = await stream();
      await client.sendall("kept\n");
      const wait = { signal: AbortSignal.abort("no") };
      const calls = [
        reader.line(wait),
        reader.until(";", wait),
        reader.exactly(1, wait),
        reader.some(1, wait),
        reader.all(wait),
      ];
      for (const call of calls) await rejectsWith("no", call);
      assert.equal(await reader.line(), "kept");
    },
    async "Reader refuses a limit that limits nothing"() {
      const [client, reader] = await stream();
      await client.sendall("kept\n");
      for (const limit of [NaN, -1, "10", {}, []]) {
        const limits = { limit: limit as number };
        await refuses(reader.line(limits));
        await refuses(reader.until("\n", limits));
        await refuses(reader.all(limits));
      }
      assert.equal(await reader.line({ limit: Infinity }), "kept");
    },
    async "Reader keeps EMSGSIZE and its peer's address after close()"() {
      const [client, reader, server] = await stream();
      const peer = server.getpeername();
      await client.sendall("123456;\n");
      assert.equal(decode(await reader.exactly(1)), "1");
      await server.close();
      for (
        const call of [
          reader.line({ limit: 3 }),
          reader.until(";", { limit: 3 }),
          reader.all({ limit: 3 }),
        ]
      ) {
        const error = await rejects(call, "EMSGSIZE");
        assert.deepEqual(error.address, peer);
      }
      assert.equal(await reader.line(), "23456;");
      await rejects(reader.line(), "EBADF");
    },
    async "Reader makes no call of its own that a trace would show"() {
      const seen: string[] = [];
      afterwards(await observe(({ call }) => seen.push(call)));
      const [client, reader, server] = await stream();
      await client.sendall("one\n12345");
      seen.length = 0;
      assert.equal(await reader.line(), "one");
      await rejects(reader.line({ limit: 3 }), "EMSGSIZE");
      server.settimeout(1);
      await rejects(reader.line(), "ETIMEDOUT");
      await client.close();
      await rejects(reader.line(), "EBADMSG");
      const others = seen.filter((call) =>
        !/^(recv|settimeout|close)$/.test(call)
      );
      assert.deepEqual(others, []);
    },
  }),
];

/** A client, and a reader of what it sends to the server. */
async function stream(): Promise<
  [client: StreamSocket, reader: Reader, server: StreamSocket]
> {
  const [client, server] = await pair();
  return [client, new Reader(server), server];
}

/** The same bytes, whose memory the original has lost. */
function transferred(bytes: Uint8Array): Uint8Array {
  return structuredClone(bytes, { transfer: [bytes.buffer as ArrayBuffer] });
}
