/**
 * A peer that resets: CONFORMANCE.md group G. Whatever a peer does, it ends no
 * more than its own connection.
 *
 * @module
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { type Address, decode, type StreamSocket } from "../../lib/mod.ts";
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
  pattern,
  peerOf,
  pending,
  receives,
  rejects,
  same,
  withPeer,
  write,
} from "./fixtures.ts";

export const cases: Case[] = [
  ...casesOfEach(ORIGINS, "51", {
    async "recv() that waits is ECONNRESET once, then empty"(origin) {
      const [socket, peer] = await withPeer(origin);
      const first = socket.recv(1);
      const second = socket.recv(1);
      await pending(first);
      peer.resetAndDestroy();
      await rejects(first, "ECONNRESET");
      assert.equal((await second).length, 0);
      assert.equal((await socket.recv(1)).length, 0);
    },
    async "recv() after a reset is ECONNRESET once, then empty"(origin) {
      const [socket, peer] = await withPeer(origin);
      peer.resetAndDestroy();
      await delay(20); // so that it is known before anybody asks
      await rejects(socket.recv(1), "ECONNRESET");
      assert.equal((await socket.recv(1)).length, 0);
      assert.equal((await socket.recv(1)).length, 0);
    },
    async "recv() gives what came before a reset, and then it"(origin) {
      const [socket, peer] = await withPeer(origin);
      await write(peer, "last words");
      peer.resetAndDestroy();
      await receives(socket, "last words");
      await rejects(socket.recv(1), "ECONNRESET");
      assert.equal((await socket.recv(1)).length, 0);
    },
    async "recv() gives 32 KiB that came before a reset"(origin) {
      const [socket, peer] = await withPeer(origin);
      const sent = pattern(32 * KIB);
      await write(peer, sent);
      same(await socket.recv(4), sent.subarray(0, 4));
      peer.resetAndDestroy();
      await delay(20);
      await receives(socket, sent.subarray(4));
      await rejects(socket.recv(1), "ECONNRESET");
    },
  }),
  ...casesOfEach(ORIGINS, "53", {
    async "send() after a reset fails, and then is EPIPE"(origin) {
      const [socket, peer] = await withPeer(origin);
      peer.resetAndDestroy();
      await rejects(untilItFails(socket), "ECONNRESET", "EPIPE");
      await rejects(socket.send("x"), "EPIPE");
      await rejects(socket.sendall("x"), "EPIPE");
    },
    async "sendall() that waits fails at a reset, and all behind"(origin) {
      const [socket, peer] = await withPeer(origin);
      const waiting = [
        socket.sendall(pattern(MUCH)),
        socket.sendall("queued"),
        socket.send("queued"),
      ];
      const outcomes = waiting.map((one) =>
        rejects(one, "ECONNRESET", "EPIPE")
      );
      await pending(Promise.race(waiting));
      peer.resetAndDestroy();
      await Promise.all(outcomes);
    },
    async "sendall() that timed out and fails later troubles nobody"(origin) {
      const [socket, peer] = await withPeer(origin);
      socket.settimeout(30);
      await rejects(socket.sendall(pattern(MUCH)), "ETIMEDOUT");
      peer.resetAndDestroy();
      // The suite notices the rejection that nobody waits for any more.
      await rejects(untilItFails(socket), "ECONNRESET", "EPIPE");
      await socket.close();
    },
    async "shutdown() after a reset is done or fails, at once"(origin) {
      const [socket, peer] = await withPeer(origin);
      peer.resetAndDestroy();
      await rejects(socket.recv(1), "ECONNRESET");
      await socket.shutdown("SHUT_WR")
        .catch((error) => rejects(Promise.reject(error), "ENOTCONN", "EPIPE"));
    },
  }),
  ...casesOfEach(ORIGINS, "51", {
    async "recv() stays empty when a reset follows the end"(origin) {
      const [socket, peer] = await withPeer(origin);
      peer.end();
      assert.equal((await socket.recv(1)).length, 0);
      peer.resetAndDestroy();
      await delay(20);
      assert.equal((await socket.recv(1)).length, 0);
      await socket.close();
    },
  }),
  ...casesOf("rule", {
    async "accept() goes on when a client has reset before it"() {
      const server = await listening();
      const rude = await peerOf(server.getsockname());
      rude.resetAndDestroy();
      await delay(20);
      const client = await clientOf(server);
      await client.sendall("polite");
      // On Linux the dead connection is accepted too, and tells of the reset.
      for await (const [connection] of server) {
        afterwards(() => connection.close());
        const text = await connection.recv(10).then(decode, ({ code }) => code);
        if (text === "polite") break;
        assert.ok(text === "ECONNRESET" || text === "", text);
      }
    },
  }),
  ...casesOf({ statement: "rule", needs: "all permissions" }, {
    async "accept() tells the address of a client that has reset before it"() {
      const server = await listening();
      const port = resetFromOutside(server.getsockname());
      await clientOf(server); // for who passes the other over
      const [client, address] = await server.accept();
      afterwards(() => client.close());
      assert.deepEqual(address, ["127.0.0.1", port]);
    },
    async "accept() gives what a client has sent before it has reset"() {
      const server = await listening();
      resetFromOutside(server.getsockname());
      await clientOf(server).then((client) => client.sendall("another"));
      const client = await accepted(server);
      await receives(client, "last words");
      await rejects(client.recv(1), "ECONNRESET");
    },
  }),
  ...casesOf("rule", {
    async "a server outlives every kind of peer"() {
      const server = await listening();
      const serving = (async () => {
        for await (const [client] of server) {
          echo(client).catch(() => {}).then(() => client.close());
        }
      })();
      const address = server.getsockname();
      (await peerOf(address)).resetAndDestroy();
      (await peerOf(address)).destroy();
      (await peerOf(address)).end("half closed");
      (await peerOf(address)).write(pattern(MIB)); // and reads no echo
      const rude = await peerOf(address);
      await write(rude, pattern(MIB));
      rude.resetAndDestroy();
      const polite = await clientOf(server);
      await polite.sendall("hello");
      await receives(polite, "hello");
      await server.close();
      await serving;
    },
  }),
];

/**
 * A client that connects and resets while this process does nothing else; returns
 * its port.
 */
function resetFromOutside(server: Address): number {
  const { stdout } = spawnSync(
    process.execPath,
    ["Deno" in globalThis ? "eval" : "-e", RESETS],
    { env: { ...process.env, PORT: String(server[1]) }, encoding: "utf8" },
  );
  return Number(stdout);
}

const RESETS = `import("node:net").then(({ connect }) => {
  const peer = connect(Number(process.env.PORT), "127.0.0.1", () => {
    console.log(peer.localPort);
    peer.write("last words", () => peer.resetAndDestroy());
  });
})`;

async function echo(client: StreamSocket): Promise<void> {
  while (true) {
    const bytes = await client.recv(64 * KIB);
    if (bytes.length === 0) return;
    await client.sendall(bytes);
  }
}

async function untilItFails(socket: StreamSocket): Promise<never> {
  for (;; await delay(1)) await socket.send("x");
}
