/**
 * Reader: messages out of a stream.
 *
 * @module
 */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { decode, Reader, type StreamSocket } from "../../lib/mod.ts";
import {
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
