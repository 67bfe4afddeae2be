/**
 * What is under way when it is given up: it ends at once and leaves nothing
 * behind. And a program that was busy has not waited: CONFORMANCE.md group H.
 *
 * @module
 */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { decode, type StreamSocket } from "../../lib/mod.ts";
import {
  accepted,
  afterwards,
  type Case,
  casesOf,
  casesOfEach,
  clientOf,
  listening,
  nameOf,
  ORIGINS,
  pair,
  pending,
  receives,
  rejects,
  rejectsWith,
  same,
  socketDescriptors,
  socketsFallTo,
  tcp,
  timesOut,
  udp,
} from "./fixtures.ts";

/** Ways to connect, and what they do before the first packet. */
const WAYS = {
  "by number": (server, wait) => tcp().connect(server.getsockname(), wait),
  "by name": (server, wait) =>
    tcp().connect(["localhost", nameOf(server)[1]], wait),
  "bound": async (server, wait) => {
    const client = tcp();
    await client.bind(["127.0.0.2", 0]);
    return client.connect(server.getsockname(), wait);
  },
  "bound by an unawaited bind()": (server, wait) => {
    const client = tcp();
    client.bind(["127.0.0.2", 0]);
    return client.connect(server.getsockname(), wait);
  },
} satisfies Record<
  string,
  (server: StreamSocket, wait: AbortController) => Promise<void>
>;

export const cases: Case[] = [
  // --- connect ---

  ...Object.entries(WAYS).flatMap(([way, connect]) =>
    casesOf({ statement: "25", needs: "all permissions" }, {
      async [
        `connect() that is aborted in the same tick leaves nothing (${way})`
      ]() {
        await leavesNothing(async (server, ticks) => {
          const controller = new AbortController();
          const connecting = connect(server, controller);
          await ticks();
          controller.abort("enough");
          await connecting.catch((reason) => assert.equal(reason, "enough"));
        });
      },
    })
  ),
  ...["connect()", "bind() and connect()"].flatMap((calls) =>
    casesOf({ statement: "25", needs: "all permissions" }, {
      async [`close() in the same tick as ${calls} leaves nothing`]() {
        await leavesNothing(async (server, ticks) => {
          const client = tcp();
          if (calls !== "connect()") client.bind(["127.0.0.2", 0]);
          const connecting = client.connect(server.getsockname());
          await ticks();
          await client.close();
          await connecting.catch((error) =>
            rejects(Promise.reject(error), "EBADF")
          );
        });
      },
    })
  ),

  // --- iterators ---

  ...casesOf("rule", {
    async "return() of a listener's iterator ends a next() that waits"() {
      const server = await listening();
      const iterator = server[Symbol.asyncIterator]();
      const next = iterator.next();
      const behind = iterator.next();
      await pending(next);
      const done = { value: undefined, done: true };
      assert.deepEqual(await iterator.return!(), done);
      assert.deepEqual(await next, done);
      assert.deepEqual(await behind, done);
      assert.deepEqual(await iterator.next(), done);
      // The next client is for whoever asks for it.
      const client = await clientOf(server);
      const connection = await accepted(server);
      assert.deepEqual(connection.getpeername(), client.getsockname());
    },
    async "return() of an iterator over datagrams ends a next() that waits"() {
      const [server, client] = [udp(), udp()];
      await server.bind(["127.0.0.1", 0]);
      const iterator = server[Symbol.asyncIterator]();
      const next = iterator.next();
      const behind = iterator.next();
      await pending(next);
      const done = { value: undefined, done: true };
      assert.deepEqual(await iterator.return!(), done);
      assert.deepEqual(await next, done);
      assert.deepEqual(await behind, done);
      assert.deepEqual(await iterator.next(), done);
      await client.sendto("kept", server.getsockname());
      assert.equal(decode((await server.recvfrom(10))[0]), "kept");
    },
    async "return() leaves accept() calls and other iterators alone"() {
      const server = await listening();
      const first = server[Symbol.asyncIterator]();
      const other = server[Symbol.asyncIterator]();
      const waiting = [server.accept(), first.next(), other.next()] as const;
      await first.return!();
      assert.equal((await waiting[1]).done, true);
      const names = [];
      for (let count = 0; count < 2; count++) {
        names.push((await clientOf(server)).getsockname());
      }
      const [one, address] = await waiting[0];
      const { value } = await waiting[2];
      assert.ok(value);
      for (const each of [one, value[0]]) afterwards(() => each.close());
      assert.deepEqual([address, value[1]], names);
    },
    async "for await that is left by an exception leaves the socket as it was"() {
      const server = await listening();
      for (let count = 0; count < 3; count++) {
        const client = await clientOf(server);
        const loop = async () => {
          for await (const [connection, address] of server) {
            await connection.close();
            assert.deepEqual(address, client.getsockname());
            throw "mine";
          }
        };
        await rejectsWith("mine", loop());
      }
      await pending(server.accept());
    },
  }),

  // --- datagrams ---

  ...casesOf("rule", {
    async "close() sends the datagrams that send() and sendto() were given"() {
      const server = udp();
      await server.bind(["127.0.0.1", 0]);
      const [one, other] = [udp(), udp()];
      await one.bind(["127.0.0.1", 0]);
      await other.connect(server.getsockname());
      for (const socket of [one, other]) {
        const sends = Array.from(
          { length: 20 },
          (_, index) =>
            socket === one
              ? one.sendto(`${index}`, server.getsockname())
              : other.send(`${index}`),
        );
        await socket.close();
        await Promise.all(sends);
        for (let index = 0; index < 20; index++) {
          assert.equal(decode((await server.recvfrom(9))[0]), `${index}`);
        }
      }
    },
    async "sendto() that is aborted behind others is not sent"() {
      const server = udp();
      await server.bind(["127.0.0.1", 0]);
      const client = udp(); // its first datagram waits for a name
      const controller = new AbortController();
      const to = server.getsockname();
      const first = client.sendto("first", to);
      const second = client.sendto("withdrawn", to, controller);
      const third = client.sendto("third", to);
      controller.abort("enough");
      await rejectsWith("enough", second);
      await Promise.all([first, third]);
      assert.equal(decode((await server.recvfrom(9))[0]), "first");
      assert.equal(decode((await server.recvfrom(9))[0]), "third");
    },
  }),

  // --- a busy program is no timeout ---

  ...casesOfEach(ORIGINS, "57", {
    async "recv() that timed out while the program was busy gives what came"(
      origin,
    ) {
      const [socket, peer] = await pair(origin);
      socket.settimeout(30);
      const receiving = socket.recv(10);
      await delay(1);
      const sending = peer.sendall("reply");
      busy(80);
      assert.equal(decode(await receiving), "reply");
      await sending;
    },
    async "recv_into() that timed out while it was busy gives what came"(
      origin,
    ) {
      const [socket, peer] = await pair(origin);
      socket.settimeout(30);
      const buffer = new Uint8Array(5);
      const receiving = socket.recv_into(buffer);
      await delay(1);
      const sending = peer.sendall("reply");
      busy(80);
      assert.equal(await receiving, 5);
      same(buffer, new TextEncoder().encode("reply"));
      await sending;
    },
  }),
  ...casesOf("57", {
    async "recvfrom() that timed out while it was busy gives what came"() {
      const [server, client] = [udp(), udp()];
      await server.bind(["127.0.0.1", 0]);
      await client.bind(["127.0.0.1", 0]);
      server.settimeout(30);
      const receiving = server.recvfrom(10);
      await delay(1);
      const sending = client.sendto("reply", server.getsockname());
      busy(80);
      assert.equal(decode((await receiving)[0]), "reply");
      await sending;
    },
    async "connect() and accept() that timed out while busy are done"() {
      const server = await listening();
      server.settimeout(30);
      const accepting = accepted(server);
      const client = tcp();
      client.settimeout(30);
      const connecting = client.connect(server.getsockname());
      busy(80);
      await connecting;
      await client.sendall("x");
      await receives(await accepting, "x");
    },
    async "recv() for which nothing came is ETIMEDOUT though it was busy"() {
      const [, server] = await pair();
      server.settimeout(30);
      await timesOut(30, () => {
        const receiving = server.recv(10);
        busy(80);
        return receiving;
      });
    },
  }),
];

/** Keeps the processor, so that no event is handled meanwhile. */
function busy(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end;);
}

/** Gives up a connect() after 0 to 5 ticks: each time nothing is left of it. */
async function leavesNothing(
  giveUp: (server: StreamSocket, ticks: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const server = await listening();
  const before = socketDescriptors();
  for (let count = 0; count < 6; count++) {
    await giveUp(server, async () => {
      for (let tick = 0; tick < count; tick++) await undefined;
    });
  }
  await everyoneLeaves(server);
  await socketsFallTo(before);
}

/** Accepts whoever came, and asserts that each of them has gone. */
async function everyoneLeaves(server: StreamSocket): Promise<void> {
  server.settimeout(50);
  while (true) {
    const connection = await accepted(server).catch(() => undefined);
    if (!connection) return;
    const last = await connection.recv(1).catch(({ code }) => code);
    assert.ok(last === "ECONNRESET" || last.length === 0, last);
    await connection.close();
  }
}
