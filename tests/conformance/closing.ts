/**
 * shutdown and close: CONFORMANCE.md groups F and I.
 *
 * @module
 */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { decode } from "../../lib/mod.ts";
import {
  accepted,
  type Case,
  casesOf,
  casesOfEach,
  clientOf,
  isCutOff,
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
  tcp,
  throws,
  withPeer,
  write,
} from "./fixtures.ts";

export const cases: Case[] = [
  // --- shutdown ---

  ...casesOf("40", {
    async "shutdown(SHUT_WR) is the end for the peer, and we still receive"() {
      const [client, server] = await pair();
      await client.sendall("request");
      await client.shutdown("SHUT_WR");
      await receivesToEnd(server, "request");
      await server.sendall("reply");
      await server.close();
      await receivesToEnd(client, "reply");
    },
    async "shutdown(SHUT_WR) sends what is pending first"() {
      const [client, server] = await pair();
      const sent = pattern(MUCH);
      const sending = client.sendall(sent);
      const last = client.sendall("last");
      const finishing = client.shutdown("SHUT_WR");
      await receivesToEnd(server, sent, "last");
      await Promise.all([sending, last, finishing]);
    },
  }),
  ...casesOfEach(ORIGINS, "41", {
    async "sendall() goes on after the peer's SHUT_WR, any amount"(origin) {
      const [socket, peer] = await pair(origin);
      await peer.sendall("request");
      await peer.shutdown("SHUT_WR");
      await receivesToEnd(socket, "request");
      const sent = pattern(MUCH);
      const sending = socket.sendall(sent);
      await pending(sending);
      await receives(peer, sent);
      await sending;
      assert.equal((await socket.recv(1)).length, 0);
    },
  }),
  ...casesOfEach(ORIGINS, "41", {
    async "recv() goes on after our SHUT_WR"(origin) {
      const [socket, peer] = await withPeer(origin);
      await socket.shutdown("SHUT_WR");
      assert.equal((await readAll(peer)).length, 0);
      // As much as the kernel takes at once: on Deno, node:net cuts off what
      // is more once it has seen the end (2.9.6).
      const sent = pattern(MIB);
      await write(peer, sent);
      peer.end();
      await receivesToEnd(socket, sent);
    },
  }),
  ...casesOf("40", {
    async "shutdown(SHUT_WR) reaches the peer although its wait is cut short"() {
      const [client, server] = await pair();
      const sent = pattern(MUCH);
      const sending = client.sendall(sent);
      client.settimeout(30);
      const first = client.shutdown("SHUT_WR").catch(() => {});
      await Promise.race([first, delay(60)]);
      client.settimeout(null);
      const second = client.shutdown("SHUT_WR");
      await receivesToEnd(server, sent);
      await Promise.all([sending, second]);
    },
  }),
  ...casesOf("43", {
    async "shutdown() may be repeated, at once and after both ends did it"() {
      const [client, server] = await pair();
      await Promise.all([
        client.shutdown("SHUT_WR"),
        client.shutdown("SHUT_WR"),
      ]);
      await client.shutdown("SHUT_WR");
      await server.shutdown("SHUT_WR");
      assert.equal((await client.recv(1)).length, 0);
      await client.shutdown("SHUT_RD");
      assert.equal((await server.recv(1)).length, 0);
    },
    async "shutdown() is ENOTCONN without a connection"() {
      for (const how of ["SHUT_RD", "SHUT_WR", "SHUT_RDWR"] as const) {
        await rejects(tcp().shutdown(how), "ENOTCONN");
      }
      await rejects((await listening()).shutdown("SHUT_WR"), "ENOTCONN");
    },
    async "shutdown() refuses what is no direction"() {
      const [client, server] = await pair();
      for (const how of ["SHUT_", 1, undefined, null]) {
        await refuses(client.shutdown(how as never));
      }
      await client.sendall("fine");
      assert.equal(decode(await server.recv(10)), "fine");
    },
  }),
  ...casesOf("rule", {
    async "send() is EPIPE after our own SHUT_WR, and we still receive"() {
      const [client, server] = await pair();
      await client.shutdown("SHUT_WR");
      await rejects(client.send("x"), "EPIPE");
      await rejects(client.sendall("x"), "EPIPE");
      await server.sendall("reply");
      await server.close();
      await receivesToEnd(client, "reply");
    },
  }),
  ...casesOf("45", {
    async "shutdown(SHUT_RD) makes recv() empty, also one that waits"() {
      const [client, server] = await pair();
      const waiting = server.recv(1);
      await pending(waiting);
      await server.shutdown("SHUT_RD");
      assert.equal((await waiting).length, 0);
      assert.equal((await server.recv(1)).length, 0);
      await server.sendall("sending goes on");
      assert.equal((await client.recv(100)).length, 15);
    },
    async "shutdown(SHUT_RD) gives up what has arrived and nobody received"() {
      const [client, server] = await pair();
      await client.sendall("received and not");
      assert.equal(decode(await server.recv(8)), "received");
      await server.shutdown("SHUT_RD");
      assert.equal((await server.recv(8)).length, 0);
    },
    async "shutdown(SHUT_RDWR) ends both directions"() {
      const [client, server] = await pair();
      await server.shutdown("SHUT_RDWR");
      assert.equal((await server.recv(1)).length, 0);
      await rejects(server.send("x"), "EPIPE");
      assert.equal((await client.recv(1)).length, 0);
    },
  }),

  // --- close ---

  ...casesOf("rule", {
    async "close() may be called again, on any socket"() {
      const server = await listening();
      const client = await clientOf(server);
      const connection = await accepted(server);
      for (const socket of [tcp(), server, client, connection]) {
        await Promise.all([socket.close(), socket.close()]);
        await socket.close();
      }
    },
    async "close() is what `await using` calls"() {
      const [client, server] = await pair();
      {
        await using used = client;
        await used.sendall("bye");
      }
      await rejects(client.send("x"), "EBADF");
      await receivesToEnd(server, "bye");
    },
    async "close() makes everything that waits EBADF"() {
      const [client] = await pair();
      const server = await listening();
      const waiting = [
        client.recv(1),
        client.recv(2),
        client.sendall(pattern(MUCH)),
        client.sendall("queued"),
        client.send("queued"),
        client.shutdown("SHUT_WR"),
        server.accept(),
        server.accept(),
      ];
      const outcomes = waiting.map((one) => rejects(one, "EBADF"));
      await pending(Promise.race(waiting));
      await Promise.all([client.close(), server.close()]);
      await Promise.all(outcomes);
    },
    async "close() makes nobody's abandoned wait an unhandled rejection"() {
      const [client, server] = await pair();
      const listener = await listening();
      const signal = new AbortController().signal;
      client.settimeout(5000);
      client.recv(1);
      client.recv(1, { signal });
      client.sendall(pattern(MUCH));
      client.sendall("queued", { signal });
      client.shutdown("SHUT_WR");
      server.recv(1);
      server.sendall(pattern(MUCH));
      server.send("queued");
      listener.accept();
      listener.accept({ signal });
      tcp().connect(listener.getsockname());
      const connecting = tcp();
      connecting.connect(listener.getsockname(), { signal });
      for (const socket of [connecting, client, server, listener]) {
        socket.close();
      }
      await delay(10); // the suite notices what comes up
    },
  }),
  ...casesOf("64", {
    async "close() makes every other call EBADF"() {
      const [client, server] = await pair();
      const listener = await listening();
      const bound = tcp();
      await bound.bind(["127.0.0.1", 0]);
      for (const socket of [tcp(), bound, listener, client, server]) {
        await socket.close();
        await rejects(socket.bind(["127.0.0.1", 0]), "EBADF");
        await rejects(socket.listen(), "EBADF");
        await rejects(socket.accept(), "EBADF");
        await rejects(socket.connect(["127.0.0.1", 9]), "EBADF");
        await rejects(socket.send("x"), "EBADF");
        await rejects(socket.sendall("x"), "EBADF");
        await rejects(socket.recv(1), "EBADF");
        await rejects(socket.shutdown("SHUT_WR"), "EBADF");
        throws(() => socket.getsockname(), "EBADF");
        throws(() => socket.getpeername(), "EBADF");
        throws(() => socket.settimeout(1), "EBADF");
        throws(() => socket.gettimeout(), "EBADF");
      }
    },
    async "recv(0) and send() of nothing are EBADF after close(), too"() {
      const [client, server] = await pair();
      await client.sendall("unread");
      for (const socket of [client, server]) {
        await socket.close();
        await rejects(socket.recv(0), "EBADF");
        await rejects(socket.send(""), "EBADF");
        await rejects(socket.shutdown("SHUT_RD"), "EBADF");
      }
    },
  }),
  ...casesOf("rule", {
    async "close() is done although the peer reads nothing"() {
      const [client] = await pair();
      const sending = client.sendall(pattern(MUCH));
      await pending(sending);
      await client.close();
      await rejects(sending, "EBADF");
    },
  }),
  ...[10, 300 * KIB].flatMap((unread) =>
    casesOf("47", {
      async [
        `close() with ${unread} unread bytes never leaves the peer waiting`
      ]() {
        const [client, server] = await pair();
        await client.sendall(pattern(unread));
        await server.recv(1);
        await server.close();
        await isCutOff(client);
      },
    })
  ),
  ...casesOf("47", {
    async "close() with unread bytes resets the connection"() {
      const [client, server] = await pair();
      await client.sendall(pattern(MIB));
      await server.close();
      await rejects(client.recv(1), "ECONNRESET");
    },
  }),
  ...casesOfEach(ORIGINS, "49", {
    async "send() succeeds once after the peer has closed, then not"(origin) {
      const [socket, peer] = await withPeer(origin);
      peer.destroy();
      assert.equal((await socket.recv(1)).length, 0);
      assert.equal(await socket.send("x"), 1);
      // The RST that answers it comes when it comes.
      let code: string | undefined;
      while (!code) {
        await delay(1);
        code = await socket.send("x").then(
          () => undefined,
          ({ code }) => code,
        );
      }
      assert.ok(["EPIPE", "ECONNRESET"].includes(code), code);
      await rejects(socket.send("x"), "EPIPE");
    },
  }),
  ...casesOfEach(ORIGINS, "49", {
    async "sendall() fails when the peer closes without reading"(origin) {
      const [socket, peer] = await withPeer(origin);
      const sending = socket.sendall(pattern(MUCH));
      const outcome = rejects(sending, "EPIPE", "ECONNRESET");
      await pending(sending);
      peer.destroy();
      await outcome;
    },
  }),
];
