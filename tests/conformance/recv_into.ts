/**
 * recv_into: the bytes come into the caller's own buffer, as
 * `socket.recv_into()` of Python does.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { setTimeout as delay } from "node:timers/promises";
import { decode, type StreamSocket } from "../../lib/mod.ts";
import {
  type Case,
  casesOf,
  casesOfEach,
  KIB,
  listening,
  MUCH,
  type Origin,
  ORIGINS,
  pair,
  pattern,
  pending,
  receives,
  rejects,
  rejectsWith,
  same,
  tcp,
  timesOut,
  withPeer,
  write,
} from "./fixtures.ts";

export const cases: Case[] = [
  ...casesOfEach(ORIGINS, "28", {
    async "recv_into() fills the buffer, tells how much, and keeps the rest"(
      origin,
    ) {
      const [socket, peer] = await pair(origin);
      await peer.sendall("abcdefgh");
      assert.equal(await into(socket, 3), "abc");
      assert.equal(decode(await socket.recv(2)), "de");
      assert.equal(await into(socket, 100), "fgh");
      const waiting = into(socket, 100);
      await pending(waiting);
      await peer.sendall("ij");
      assert.equal(await waiting, "ij");
    },
    async "recv_into() is 0 at the end of the stream, and stays so"(origin) {
      const [socket, peer] = await pair(origin);
      const waiting = [into(socket, 9), into(socket, 9)];
      await peer.sendall("last");
      await peer.close();
      assert.deepEqual(await Promise.all(waiting), ["last", ""]);
      for (let count = 0; count < 3; count++) {
        assert.equal(await socket.recv_into(new Uint8Array(9)), 0);
      }
      assert.equal((await socket.recv(1)).length, 0);
    },
    async "recv_into() receives much, complete and in order"(origin) {
      const [socket, peer] = await pair(origin);
      const sent = pattern(MUCH);
      const sending = peer.sendall(sent);
      const buffer = new Uint8Array(60_000);
      for (let at = 0; at < sent.length;) {
        const count = await socket.recv_into(buffer);
        assert.notEqual(count, 0, `the end after ${at} bytes`);
        same(buffer.subarray(0, count), sent.subarray(at, at += count));
      }
      await sending;
    },
    async "recv_into() that timed out leaves the buffer alone, and the bytes"(
      origin,
    ) {
      const [socket, peer] = await pair(origin);
      const buffer = new Uint8Array(10).fill(0x2e);
      socket.settimeout(30);
      await timesOut(30, () => socket.recv_into(buffer));
      socket.settimeout(null);
      const controller = new AbortController();
      const waiting = socket.recv_into(buffer, controller);
      controller.abort("enough");
      await rejectsWith("enough", waiting);
      await peer.sendall("abcdef");
      await delay(20); // by then they have come
      assert.equal(decode(buffer), "..........");
      assert.equal(await into(socket, 4), "abcd");
      await receives(socket, "ef");
    },
    async "recv_into() is ECONNRESET once, then 0"(origin) {
      const [socket, peer] = await withPeer(origin);
      await write(peer, "last");
      peer.resetAndDestroy();
      assert.equal(await into(socket, 9), "last");
      await rejects(into(socket, 9), "ECONNRESET");
      assert.equal(await into(socket, 9), "");
    },
    async "recv_into() a buffer that is transferred meanwhile is a TypeError"(
      origin,
    ) {
      await intoTransferred(origin);
    },
    async "recv_into() a buffer that is transferred meanwhile takes nothing"(
      origin,
    ) {
      const socket = await intoTransferred(origin);
      socket.settimeout(1000);
      await receives(socket, "kept");
    },
    async "recv_into() with a signal and a transferred buffer takes nothing"(
      origin,
    ) {
      const socket = await intoTransferred(origin, new AbortController());
      await receives(socket, "kept");
    },
  }),
  ...casesOf("rule", {
    async "recv_into() fills a part of a larger buffer, and nothing beside it"() {
      const [client, server] = await pair();
      const buffer = new Uint8Array(10).fill(0x2e);
      for (let count = 0; count < 2; count++) {
        const waiting = server.recv_into(buffer.subarray(3, 6));
        await client.sendall("abcde");
        assert.equal(await waiting, 3);
        assert.equal(decode(buffer), "...abc....");
        await receives(server, "de");
      }
      await client.sendall("XYZ");
      assert.equal(await server.recv_into(Buffer.from(buffer.buffer, 0, 3)), 3);
      assert.equal(decode(buffer), "XYZabc....");
    },
    async "recv_into() and recv() calls are served in order"() {
      const [client, server] = await pair();
      const waiting = [
        server.recv(1).then(decode),
        into(server, 2),
        into(server, 3),
        server.recv(100).then(decode),
      ];
      await client.sendall("abcdefgh");
      const texts = await Promise.all(waiting.slice(0, 3));
      assert.deepEqual(texts, ["a", "bc", "def"]);
      assert.equal(await waiting[3], "gh");
    },
    async "recv_into() that is given up makes room for the one behind it"() {
      const [client, server] = await pair();
      const controller = new AbortController();
      const first = server.recv_into(new Uint8Array(3), controller);
      const second = into(server, 3);
      const third = into(server, 100);
      controller.abort("enough");
      await rejectsWith("enough", first);
      await client.sendall("abcdef");
      assert.equal(await second, "abc");
      assert.equal(await third, "def");
    },
    async "recv_into() after a recv() that timed out loses nothing"() {
      const [client, server] = await pair();
      server.settimeout(1);
      await rejects(server.recv(100), "ETIMEDOUT");
      await rejects(server.recv_into(new Uint8Array(5)), "ETIMEDOUT");
      server.settimeout(null);
      await client.sendall("abcdefgh");
      assert.equal(await into(server, 3), "abc");
      await receives(server, "defgh");
    },
    async "recv_into() an empty buffer is 0 at once and takes nothing"() {
      const [client, server] = await pair();
      assert.equal(await server.recv_into(new Uint8Array(0)), 0);
      await client.sendall("abc");
      assert.equal(await server.recv_into(new Uint8Array(0)), 0);
      await receives(server, "abc");
    },
    async "recv_into() gives the caller's buffer back when the socket closes"() {
      const [client, server] = await pair();
      const buffer = new Uint8Array(64 * KIB).fill(0x2e);
      const waiting = server.recv_into(buffer);
      const outcome = rejects(waiting, "EBADF");
      await server.close();
      await outcome;
      await client.sendall("late").catch(() => {});
      await delay(10);
      assert.ok(buffer.every((byte) => byte === 0x2e));
    },
    async "recv_into() refuses what is no buffer"() {
      const [client, server] = await pair();
      for (const none of ["text", "", 5, null, undefined, [1, 2], {}]) {
        await assert.rejects(server.recv_into(none as never), TypeError);
      }
      await client.sendall("kept");
      await receives(server, "kept");
    },
  }),
  ...casesOf("39", {
    async "recv_into() is ENOTCONN without a connection, EBADF after close()"() {
      const [client] = await pair();
      await client.close();
      for (const socket of [tcp(), await listening(), client]) {
        const code = socket === client ? "EBADF" : "ENOTCONN";
        for (const buffer of [new Uint8Array(1), new Uint8Array(0)]) {
          await rejects(socket.recv_into(buffer), code);
        }
      }
    },
    async "SocketError of recv_into() names the call and the other end"() {
      const [, server] = await pair();
      server.settimeout(1);
      const error = await rejects(into(server, 1), "ETIMEDOUT");
      assert.match(
        error.message,
        /^Cannot receive from 127.0.0.1:\d+: timed out$/,
      );
      assert.equal(error.call, "recv_into");
    },
  }),
];

/** What recv_into() receives into a buffer of so many bytes, as text. */
async function into(socket: StreamSocket, size: number): Promise<string> {
  const buffer = new Uint8Array(size).fill(0x2e);
  const count = await socket.recv_into(buffer);
  assert.ok(buffer.subarray(count).every((byte) => byte === 0x2e));
  return decode(buffer.subarray(0, count));
}

/** A socket at which "kept" arrived for a buffer that was transferred. */
async function intoTransferred(
  origin: Origin,
  options?: AbortController,
): Promise<StreamSocket> {
  const [socket, peer] = await pair(origin);
  const buffer = new Uint8Array(100);
  const waiting = socket.recv_into(buffer, options);
  await pending(waiting);
  structuredClone(buffer, { transfer: [buffer.buffer] });
  const outcome = assert.rejects(waiting, TypeError);
  await peer.sendall("kept");
  await outcome;
  return socket;
}
