/**
 * setsockopt, getsockopt and the names of hosts: CONFORMANCE.md group M and
 * statement 7, for stream sockets and for parseAddress.
 *
 * @module
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import {
  AF_INET6,
  gethostname,
  parseAddress,
  SOCK_STREAM,
  socket,
  type StreamSocket,
} from "../../lib/mod.ts";
import {
  accepted,
  afterwards,
  type Case,
  casesOf,
  clientOf,
  listening,
  MUCH,
  nameOf,
  pair,
  pattern,
  pending,
  receives,
  receivesToEnd,
  rejects,
  tcp,
  throws,
} from "./fixtures.ts";

export const cases: Case[] = [
  ...casesOf("93", {
    async "getsockopt() gives what setsockopt() set, before and after connect()"() {
      const server = await listening();
      const client = tcp();
      for (const socket of [client, server]) {
        for (const option of ["SO_REUSEADDR", "SO_KEEPALIVE"] as const) {
          assert.equal(socket.getsockopt(option), false);
          socket.setsockopt(option, true);
          assert.equal(socket.getsockopt(option), true);
        }
      }
      await client.connect(server.getsockname());
      assert.equal(client.getsockopt("SO_KEEPALIVE"), true);
      for (const on of [true, false]) {
        client.setsockopt("TCP_NODELAY", on);
        assert.equal(client.getsockopt("TCP_NODELAY"), on);
      }
    },
    async "setsockopt() of a listener is inherited by what it accepts"() {
      const server = await listening();
      server.setsockopt("SO_KEEPALIVE", true);
      const client = await clientOf(server);
      const connection = await accepted(server);
      assert.equal(connection.getsockopt("SO_KEEPALIVE"), true);
      assert.equal(client.getsockopt("SO_KEEPALIVE"), false);
    },
    async "setsockopt(SO_LINGER, 0) makes close() reset the connection"() {
      const server = await listening();
      server.setsockopt("SO_LINGER", 0); // what it accepts inherits it
      const client = await clientOf(server);
      const connection = await accepted(server);
      assert.equal(connection.getsockopt("SO_LINGER"), 0);
      const sending = connection.sendall(pattern(MUCH));
      await pending(sending);
      await connection.close();
      await rejects(sending, "EBADF");
      await rejects(receivesToEnd(client, pattern(MUCH)), "ECONNRESET");
    },
    async "setsockopt(SO_LINGER) cannot make close() wait"() {
      const [client, server] = await pair();
      for (const value of [true, 5]) {
        throws(() => client.setsockopt("SO_LINGER", value as true), "EINVAL");
      }
      client.setsockopt("SO_LINGER", 0);
      client.setsockopt("SO_LINGER", false);
      await client.close();
      assert.equal((await server.recv(1)).length, 0);
    },
    async "setsockopt() while a send is pending loses no byte"() {
      const [client, server] = await pair();
      const sending = client.sendall(pattern(MUCH));
      await pending(sending);
      client.setsockopt("TCP_NODELAY", true);
      client.setsockopt("SO_KEEPALIVE", true);
      const receiving = receivesToEnd(server, pattern(MUCH));
      await sending;
      await client.close();
      await receiving;
    },
    async "setsockopt() of what is no option is ENOPROTOOPT"() {
      const [client] = await pair();
      for (const option of ["SO_RCVBUF", "SO_BROADCAST", "toString", ""]) {
        throws(() => client.setsockopt(option as never, true), "ENOPROTOOPT");
        throws(() => client.getsockopt(option as never), "ENOPROTOOPT");
      }
    },
    async "setsockopt() and getsockopt() are EBADF after close()"() {
      const [client] = await pair();
      await client.close();
      throws(() => client.setsockopt("SO_KEEPALIVE", true), "EBADF");
      throws(() => client.getsockopt("SO_KEEPALIVE"), "EBADF");
    },
  }),
  ...casesOf({ statement: "94", needs: "all permissions" }, {
    async "setsockopt(SO_KEEPALIVE) reaches the kernel"() {
      const server = await listening();
      const client = tcp();
      client.setsockopt("SO_KEEPALIVE", true);
      await client.connect(server.getsockname());
      await keepaliveIs(true, client);
      client.setsockopt("SO_KEEPALIVE", false);
      await keepaliveIs(false, client);
    },
    async "setsockopt(SO_KEEPALIVE) while a send is pending reaches it, too"() {
      const [client, server] = await pair();
      const sending = client.sendall(pattern(MUCH));
      await pending(sending);
      client.setsockopt("SO_KEEPALIVE", true);
      await receives(server, pattern(MUCH));
      await sending;
      await keepaliveIs(true, client);
    },
  }),
  ...casesOf("94", {
    async "getsockopt(TCP_NODELAY) is off unless it was set"() {
      const [client, server] = await pair();
      assert.equal(client.getsockopt("TCP_NODELAY"), false);
      assert.equal(server.getsockopt("TCP_NODELAY"), false);
    },
  }),
  ...casesOf("93", {
    async "setsockopt(IPV6_V6ONLY) keeps IPv4 out, and is EINVAL when listening"() {
      const server = socket(AF_INET6, SOCK_STREAM);
      afterwards(() => server.close());
      server.setsockopt("IPV6_V6ONLY", true);
      await server.bind(["::", 0]);
      await server.listen();
      throws(() => server.setsockopt("IPV6_V6ONLY", false), "EINVAL");
      const [, port] = nameOf(server);
      await rejects(tcp().connect(["127.0.0.1", port]), "ECONNREFUSED");
      await tcp("::1").connect(["::1", port]);
    },
  }),
  ...casesOf({ statement: "7", needs: "all permissions" }, {
    async "gethostname() is the machine's name"() {
      assert.equal(await gethostname(), hostname());
      assert.notEqual(await gethostname(), "");
    },
  }),
  ...casesOf("rule", {
    async "parseAddress() takes every form of host and port"() {
      const forms = [
        ["localhost", 80, "127.0.0.1", 80],
        ["10.1.2.3", "80", "10.1.2.3", 80],
        ["0:0:0:0:0:0:0:1", "http", "::1", 80],
        ["", "https", "0.0.0.0", 443],
        ["<broadcast>", 0, "255.255.255.255", 0],
        [0xc0000263, 65535, "192.0.2.99", 65535],
      ] as const;
      for (const [host, port, ...address] of forms) {
        assert.deepEqual(await parseAddress(host, port), address);
      }
    },
    async "parseAddress() refuses what is no host, port or service"() {
      for (const host of ["256.0.0.1", "[::1]", "a b", "x".repeat(300)]) {
        await rejects(parseAddress(host, 80), "ENOTFOUND");
      }
      for (const service of ["gopherd", "", "-1", "constructor"]) {
        await rejects(parseAddress("localhost", service), "ENOTFOUND");
      }
      for (const [host, port] of [[-1, 1], [2 ** 32, 1], [1.5, 1]]) {
        await assert.rejects(parseAddress(host, port), RangeError);
      }
      for (const port of [-1, 65536, 1.5, NaN, "65536"]) {
        await assert.rejects(parseAddress("localhost", port), RangeError);
      }
    },
  }),
];

/**
 * Asserts that the kernel has a keepalive timer for a connection, or has none,
 * proc(5). One look would not do: the table is read in parts, and a line that
 * moves meanwhile is missed.
 */
async function keepaliveIs(on: boolean, client: StreamSocket): Promise<void> {
  const port = nameOf(client)[1].toString(16).toUpperCase().padStart(4, "0");
  // local address, peer's address, ESTABLISHED, queues, timer
  const line = new RegExp(
    `: 0100007F:${port} 0100007F:[0-9A-F]{4} 01 [0-9A-F:]+ (..):`,
  );
  for (let ms = 1; ms < 2000; ms *= 2, await delay(ms)) {
    const [, timer] = readFileSync("/proc/net/tcp", "utf8").match(line) ?? [];
    if (timer && (timer === "02") === on) return;
  }
  assert.fail(`the kernel's keepalive is not ${on}`);
}
