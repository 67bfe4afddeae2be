/**
 * send, sendall and recv: CONFORMANCE.md group E.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { setTimeout as delay } from "node:timers/promises";
import { decode } from "../../lib/mod.ts";
import {
  accepted,
  afterwards,
  type Case,
  casesOf,
  casesOfEach,
  clientOf,
  KIB,
  listening,
  MIB,
  MUCH,
  ORIGINS,
  pair,
  pattern,
  pending,
  readAll,
  receives,
  receivesToEnd,
  refuses,
  rejects,
  same,
  sendUntilFull,
  skip,
  tcp,
  withPeer,
  write,
} from "./fixtures.ts";

export const cases: Case[] = [
  // --- recv ---

  ...casesOf("28", {
    async "recv() gives at most n bytes and keeps the rest"() {
      const [client, server] = await pair();
      const sent = pattern(16 * KIB);
      await client.sendall(sent);
      same(await server.recv(3), sent.subarray(0, 3));
      same(await server.recv(3), sent.subarray(3, 6));
      await receives(server, sent.subarray(6));
    },
    async "recv() gives what is there and does not wait for n bytes"() {
      const [client, server] = await pair();
      await client.sendall("abc");
      assert.equal(decode(await server.recv(2 ** 30)), "abc");
    },
    async "recv() waits until there is something"() {
      const [client, server] = await pair();
      const receiving = server.recv(10);
      await pending(receiving);
      await client.sendall("now");
      assert.equal(decode(await receiving), "now");
    },
    async "recv() gives bytes that belong to the caller"() {
      const [client, server] = await pair();
      await client.sendall("abcdefghi");
      const first = await server.recv(3);
      first.fill(0xff, 0, 1);
      const second = await server.recv(3);
      await client.sendall("more");
      await server.recv(1);
      assert.equal(decode(first.subarray(1)), "bc");
      assert.equal(decode(second), "def");
      await receives(server, "hi", "more");
      await client.sendall("a large one");
      const large = await server.recv(100_000);
      await client.sendall("another one");
      await server.recv(100_000);
      assert.equal(decode(large), "a large one");
    },
  }),
  ...casesOf("rule", {
    async "recv() calls are served in the order in which they were made"() {
      const [client, server] = await pair();
      const waiting = [2, 3, 100].map((size) => server.recv(size));
      await client.sendall("abcdefgh");
      const texts = (await Promise.all(waiting)).map(decode);
      assert.deepEqual(texts, ["ab", "cde", "fgh"]);
    },
  }),
  ...casesOf("31", {
    async "recv(0) is empty at once and takes nothing"() {
      const [client, server] = await pair();
      assert.equal((await server.recv(0)).length, 0);
      await client.sendall("abc");
      assert.equal((await server.recv(0)).length, 0);
      assert.equal(decode(await server.recv(3)), "abc");
    },
    async "recv() refuses what is no number of bytes"() {
      const [client, server] = await pair();
      for (const size of [-1, 1.5, NaN, Infinity]) {
        await refuses(server.recv(size));
      }
      await client.sendall("abc");
      assert.equal(decode(await server.recv(3)), "abc");
    },
  }),
  ...casesOf("32", {
    async "recv() is empty at the end of the stream, and stays so"() {
      const [client, server] = await pair();
      await client.sendall("last");
      await client.close();
      assert.equal(decode(await server.recv(10)), "last");
      for (let count = 0; count < 5; count++) {
        assert.equal((await server.recv(10)).length, 0);
      }
    },
    async "recv() calls that wait are all empty when the peer closes"() {
      const [client, server] = await pair();
      const waiting = [1, 2, 3].map((size) => server.recv(size));
      await client.close();
      for (const last of await Promise.all(waiting)) {
        assert.equal(last.length, 0);
      }
    },
  }),

  // --- send ---

  ...casesOf("29", {
    async "recv() gives a stream that knows no message boundaries"() {
      const [client, server] = await pair();
      for (const word of ["one", "two", "three"]) await client.sendall(word);
      await receives(server, "onetwothree");
      const sent = pattern(MIB);
      const sending = client.sendall(sent);
      await receives(server, sent);
      await sending;
    },
  }),
  ...casesOf("30", {
    async "send() resolves to how many bytes were taken"() {
      const [client, server] = await pair();
      const sent = pattern(MUCH);
      const receiving = receives(server, sent);
      let at = 0;
      while (at < sent.length) {
        const taken = await client.send(sent.subarray(at));
        assert.ok(taken > 0 && taken <= sent.length - at, `${taken} bytes`);
        at += taken;
      }
      await receiving;
    },
    async "send() counts the bytes of a text, not its characters"() {
      const [client, server] = await pair();
      assert.equal(await client.send("né…"), 6);
      await receives(server, "né…");
    },
    async "sendall() resolves when all bytes were taken, however large"() {
      const [client, server] = await pair();
      const sent = pattern(MUCH);
      const receiving = receives(server, sent);
      await client.sendall(sent);
      await receiving;
    },
    async "sendall() sends a part of a larger buffer, of any kind"() {
      const [client, server] = await pair();
      await client.sendall(pattern(64).subarray(7, 11));
      await client.sendall(Buffer.from("text"));
      await receives(server, pattern(64).subarray(7, 11), "text");
    },
    async "sendall() that has resolved no longer needs its buffer"() {
      const [client, server] = await pair();
      for (const length of [10, MUCH]) {
        const buffer = pattern(length).slice();
        const sending = client.sendall(buffer).then(() => buffer.fill(0));
        await receives(server, pattern(length));
        await sending;
      }
    },
    async "sendall() refuses what is neither text nor bytes"() {
      const [client, server] = await pair();
      for (const data of [5, null, ["a"], {}, new ArrayBuffer(3)]) {
        await refuses(client.sendall(data as never));
        await refuses(client.send(data as never));
      }
      await client.sendall("fine");
      await receives(server, "fine");
    },
  }),
  ...casesOf("31", {
    async "send() of nothing gives 0, and is not the end for the peer"() {
      const [client, server] = await pair();
      assert.equal(await client.send(""), 0);
      assert.equal(await client.send(new Uint8Array(0)), 0);
      await client.sendall("");
      await pending(server.recv(1));
      await client.sendall("x");
      await client.close();
      assert.equal((await server.recv(1)).length, 0);
    },
  }),
  ...casesOf("rule", {
    async "sendall() calls never interleave"() {
      const [client, server] = await pair();
      const parts = Array.from(
        { length: 20 },
        (_, index) => new Uint8Array(MIB).fill(index),
      );
      const sending = Promise.all(parts.map((part) => client.sendall(part)));
      await receives(server, ...parts);
      await sending;
    },
    async "sendall() and send() calls keep their order"() {
      const [client, server] = await pair();
      const first = pattern(MUCH);
      const sending = [
        client.sendall(first),
        client.send("a"),
        client.sendall("b"),
        client.send("c"),
      ];
      await receives(server, first, "abc");
      await Promise.all(sending);
    },
  }),
  ...casesOf("39", {
    async "send() and recv() are ENOTCONN without a connection"() {
      for (const socket of [tcp(), await listening()]) {
        await rejects(socket.send("x"), "ENOTCONN", "EPIPE");
        await rejects(socket.sendall("x"), "ENOTCONN", "EPIPE");
        await rejects(socket.recv(1), "ENOTCONN");
      }
    },
  }),

  // --- much data ---

  ...casesOf({ statement: "33", gate: true }, {
    async "recv() gives 64 MiB complete and in order, and then the end"() {
      const [client, server] = await pair();
      const sent = pattern(64 * MIB);
      const sending = client.sendall(sent).then(() => client.close());
      for (let at = 0; at < sent.length;) {
        const part = await server.recv(16 * KIB);
        assert.notEqual(part.length, 0, `the end after ${at} bytes`);
        same(part, sent.subarray(at, at += part.length));
      }
      await receivesToEnd(server);
      await sending;
    },
  }),
  ...casesOf("33", {
    async "close() after sendall() loses nothing, whatever the size"() {
      for (const size of [1, 64 * KIB, MIB, 3 * MIB]) {
        const [client, server] = await pair();
        const sent = pattern(size);
        const sending = client.sendall(sent).then(() => client.close());
        await receivesToEnd(server, sent);
        await sending;
      }
    },
  }),
  ...casesOf("rule", {
    async "sendall() in both directions at once does not get stuck"() {
      const [client, server] = await pair();
      const sent = pattern(MUCH);
      await Promise.all([
        receives(server, sent),
        receives(client, sent),
        client.sendall(sent),
        server.sendall(sent),
      ]);
    },
  }),
  ...casesOfEach(ORIGINS, "33", {
    async "sendall() and recv() carry 4 MiB each way"(origin) {
      const [socket, peer] = await withPeer(origin);
      const sent = pattern(4 * MIB);
      const [seen] = await Promise.all([
        readAll(peer),
        receivesToEnd(socket, sent),
        write(peer, sent).then(() => peer.end()),
        socket.sendall(sent).then(() => socket.shutdown("SHUT_WR")),
      ]);
      same(seen, sent);
    },
  }),

  // --- backpressure ---

  ...casesOf("38", {
    async "sendall() waits for a peer that does not read, and goes on"() {
      const [client, server] = await pair();
      const sent = pattern(MUCH);
      const sending = client.sendall(sent);
      await pending(sending);
      await receives(server, sent);
      await sending;
    },
    async "send() waits when the kernel's buffers are full"() {
      const [client, server] = await pair();
      const { taken, waiting } = await sendUntilFull(client);
      await skip(server, taken);
      assert.ok(await waiting > 0);
    },
    async "send() waits for a server that accepted and reads nothing"() {
      const server = await listening();
      const accepting = accepted(server);
      const client = await clientOf(server);
      const { taken, waiting } = await sendUntilFull(client);
      await skip(await accepting, taken);
      await waiting;
    },
    async "send() waits for a server that has not accepted yet"() {
      const server = await listening();
      const client = await clientOf(server);
      const { taken, waiting } = await sendUntilFull(client);
      await skip(await accepted(server), taken);
      await waiting;
    },
    async "send() that waits takes no notice when it is woken for nothing"() {
      const wake = wakeOfBun();
      const [client, server] = await pair();
      const { taken, waiting } = await sendUntilFull(client);
      const sends = [waiting, client.send(pattern(MIB))];
      for (let count = 0; count < 3; count++, await delay(1)) wake();
      await skip(server, taken);
      for (const sent of await Promise.all(sends)) assert.ok(sent > 0);
    },
    async "send() waits for a peer that reads a byte now and then"() {
      const [client, server] = await pair();
      let reading = true;
      const nibbling = (async () => {
        for (; reading; await delay(1)) await server.recv(1);
      })();
      await sendUntilFull(client);
      reading = false;
      await nibbling;
    },
  }),
  ...casesOfEach(ORIGINS, "38", {
    async "recv() that nobody calls stops a peer that floods"(origin) {
      const [socket, peer] = await withPeer(origin);
      const sent = pattern(MUCH);
      const flood = write(peer, sent);
      await pending(flood);
      await receives(socket, sent);
      await flood;
    },
  }),
];

/**
 * Calls what Bun calls when a client may send again: it does so without need,
 * too. No other runtime wakes the library.
 */
function wakeOfBun(): () => void {
  if (!("Bun" in globalThis)) return () => {};
  const { connect } = Bun;
  afterwards(() => Bun.connect = connect);
  let wake = () => {};
  const watched = (options: Parameters<typeof connect<unknown>>[0]) => {
    const { open, drain } = options.socket;
    const opened: typeof open = (client) => {
      wake = () => drain?.(client);
      return open?.(client);
    };
    return connect({ ...options, socket: { ...options.socket, open: opened } });
  };
  Bun.connect = watched as typeof connect;
  return () => wake();
}
