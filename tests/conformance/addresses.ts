/**
 * Addresses and names: CONFORMANCE.md groups A and L.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Address } from "../../lib/mod.ts";
import {
  accepted,
  afterwards,
  type Case,
  casesOf,
  clientOf,
  freeAddress,
  listening,
  nameOf,
  refuses,
  rejects,
  tcp,
  throws,
  withPeer,
} from "./fixtures.ts";

/** A name that fails without a question to DNS: a label has at most 63 bytes. */
const IMPOSSIBLE = `${"a".repeat(300)}.test`;

export const cases: Case[] = [
  ...casesOf("1", {
    async "getsockname() tells the port that port 0 has become"() {
      const [host, port] = nameOf(await listening());
      assert.equal(host, "127.0.0.1");
      assert.ok(port >= 1 && port <= 65535);
    },
    async "getsockname() and getpeername() of both ends agree with accept()"() {
      const server = await listening();
      const client = await clientOf(server);
      const [connection, address] = await server.accept();
      assert.deepEqual(address, client.getsockname());
      assert.deepEqual(connection.getpeername(), client.getsockname());
      assert.deepEqual(client.getpeername(), connection.getsockname());
      assert.deepEqual(client.getpeername(), server.getsockname());
      await connection.close();
    },
  }),
  ...casesOf("2", {
    async "getpeername() is ENOTCONN without a connection"() {
      const server = await listening();
      const bound = tcp();
      await bound.bind(["127.0.0.1", 0]);
      for (const socket of [tcp(), bound, server]) {
        throws(() => socket.getpeername(), "ENOTCONN");
      }
    },
    async "getpeername() is ENOTCONN once the peer has reset the connection"() {
      const [server, peer] = await withPeer();
      peer.resetAndDestroy();
      await rejects(server.recv(1), "ECONNRESET");
      throws(() => server.getpeername(), "ENOTCONN");
    },
    async "getsockname() gives any host and port 0 before there is a name"() {
      assert.deepEqual(tcp().getsockname(), ["0.0.0.0", 0]);
      assert.deepEqual(tcp("::").getsockname(), ["::", 0]);
    },
  }),
  ...casesOf("3", {
    async "bind() and connect() refuse what is no port"() {
      const socket = tcp();
      for (const port of [-1, 65536, 1.5, NaN, "x", "80", null, undefined]) {
        const address: Address = ["127.0.0.1", port as number];
        await refuses(socket.bind(address));
        await refuses(socket.connect(address));
      }
      await socket.bind(["127.0.0.1", 0]); // nothing has happened to it
    },
    async "bind() and connect() refuse what is no address"() {
      const socket = tcp();
      for (const address of ["/tmp/path", "127.0.0.1:80", null, 80, [], [80]]) {
        await refuses(socket.bind(address as Address));
        await refuses(socket.connect(address as Address));
      }
    },
  }),
  ...casesOf("rule", {
    async "bind() keeps the address that it has checked"() {
      const server = tcp();
      const address: [string, number] = ["127.0.0.1", 0];
      await server.bind(address);
      address[0] = "::1";
      const name = nameOf(server);
      assert.equal(name[0], "127.0.0.1");
      await server.listen();
      assert.deepEqual(nameOf(server), name);
    },
    async "getsockname(), getpeername() and accept() give copies of the names"() {
      const server = await listening();
      const client = await clientOf(server);
      const [connection, address] = await server.accept();
      afterwards(() => connection.close());
      const names = () => [
        nameOf(server),
        nameOf(client),
        nameOf(connection),
        client.getpeername() as [string, number],
        connection.getpeername() as [string, number],
      ];
      const before = structuredClone(names());
      for (const name of [address as [string, number], ...names()]) {
        name[0] = "192.0.2.1";
      }
      assert.deepEqual(names(), before);
    },
  }),
  ...casesOf("4", {
    async "bind() takes an empty host as any address of the family"() {
      for (const [family, any] of [["0.0.0.0", "0.0.0.0"], ["::", "::"]]) {
        const server = tcp(family);
        await server.bind(["", 0]);
        await server.listen();
        const [host, port] = nameOf(server);
        assert.equal(host, any);
        const loopback = any === "::" ? "::1" : "127.0.0.1";
        await tcp(family).connect([loopback, port]);
      }
    },
  }),
  ...casesOf("5", {
    async "bind() and connect() refuse an address of the other family"() {
      for (const [family, other] of [["0.0.0.0", "::1"], ["::", "127.0.0.1"]]) {
        await rejects(tcp(family).bind([other, 0]), "EAFNOSUPPORT");
        await rejects(tcp(family).connect([other, 80]), "EAFNOSUPPORT");
      }
    },
  }),
  ...casesOf("6", {
    async "bind() and connect() are ENOTFOUND for a name that cannot be"() {
      await rejects(tcp().bind([IMPOSSIBLE, 0]), "ENOTFOUND");
      await rejects(tcp().connect([IMPOSSIBLE, 80]), "ENOTFOUND");
      await rejects(tcp("::").connect([IMPOSSIBLE, 80]), "ENOTFOUND");
    },
    async "bind() and connect() can be tried again after ENOTFOUND"() {
      const server = tcp();
      await rejects(server.bind([IMPOSSIBLE, 0]), "ENOTFOUND");
      await server.bind(["127.0.0.1", 0]);
      await server.listen();
      const client = tcp();
      await rejects(client.connect([IMPOSSIBLE, 80]), "ENOTFOUND");
      await client.connect(server.getsockname());
    },
  }),
  ...casesOf("90", {
    async "sendall() and recv() echo over ::1, and the names show it"() {
      const listener = await listening("::1");
      const client = await clientOf(listener);
      const server = await accepted(listener);
      await client.sendall("echo");
      await server.sendall(await server.recv(4));
      assert.equal((await client.recv(4)).length, 4);
      assert.equal(nameOf(server)[0], "::1");
      assert.deepEqual(client.getpeername(), server.getsockname());
      assert.deepEqual(server.getpeername(), client.getsockname());
    },
    async "connect() to 127.0.0.1 does not reach a listener on ::1"() {
      const [, port] = nameOf(await listening("::1"));
      await rejects(tcp().connect(["127.0.0.1", port]), "ECONNREFUSED");
    },
    async "connect() does not take an address in brackets"() {
      const [, port] = nameOf(await listening("::1"));
      await rejects(tcp("::1").connect(["[::1]", port]), "ENOTFOUND");
    },
    async "getsockname() writes an IPv6 address in its short form"() {
      const server = await listening("0:0:0:0:0:0:0:1");
      assert.equal(nameOf(server)[0], "::1");
    },
  }),
  ...casesOf("91", {
    async "accept() on '::' shows an IPv4 client as ::ffff:127.0.0.1"() {
      const server = await listening("::");
      const client = tcp();
      await client.connect(["127.0.0.1", nameOf(server)[1]]);
      const [connection, address] = await server.accept();
      const [, port] = nameOf(client);
      assert.deepEqual(address, ["::ffff:127.0.0.1", port]);
      assert.deepEqual(connection.getpeername(), address);
      assert.equal(nameOf(connection)[0], "::ffff:127.0.0.1");
      await connection.close();
    },
    async "accept() on '::' serves IPv6 clients as well"() {
      const server = await listening("::");
      const client = tcp("::1");
      await client.connect(["::1", nameOf(server)[1]]);
      const connection = await accepted(server);
      assert.deepEqual(connection.getpeername(), client.getsockname());
    },
    async "connect() to ::1 does not reach a listener on 0.0.0.0"() {
      const [, port] = nameOf(await listening("0.0.0.0"));
      await rejects(tcp("::1").connect(["::1", port]), "ECONNREFUSED");
    },
  }),
  ...casesOf("92", {
    async "connect() to localhost reaches a listener on 127.0.0.1"() {
      const [, port] = nameOf(await listening());
      const client = tcp();
      await client.connect(["localhost", port]);
      assert.deepEqual(client.getpeername(), ["127.0.0.1", port]);
    },
    async "bind() to localhost takes one address of the family"() {
      const server = tcp();
      await server.bind(["localhost", 0]);
      await server.listen();
      const [host, port] = nameOf(server);
      assert.equal(host, "127.0.0.1");
      await rejects(tcp().connect(["127.0.0.2", port]), "ECONNREFUSED");
    },
    async "connect() to a name that is refused tells the name that was given"() {
      const [, port] = await freeAddress();
      const attempt = tcp().connect(["localhost", port]);
      const error = await rejects(attempt, "ECONNREFUSED");
      assert.deepEqual(error.address, ["localhost", port]);
    },
  }),
];
