/**
 * bind: a name is given when the call resolves. CONFORMANCE.md groups A and B;
 * `unix.ts` has the same for paths, `datagrams.ts` for datagrams.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Address } from "../../lib/mod.ts";
import {
  accepted,
  type Case,
  casesOf,
  clientOf,
  freeAddress,
  listening,
  nameOf,
  rejects,
  socketDescriptors,
  socketsFallTo,
  tcp,
  udp,
} from "./fixtures.ts";

/** A name that fails without a question to DNS: a label has at most 63 bytes. */
const IMPOSSIBLE = `${"a".repeat(300)}.test`;

export const cases: Case[] = [
  ...["127.0.0.1", "::1"].flatMap((host) =>
    casesOf("8", {
      async [
        `bind() to a port in use is EADDRINUSE, the first goes on (${host})`
      ]() {
        const first = await listening(host);
        const second = tcp(host);
        await rejects(second.bind(first.getsockname()), "EADDRINUSE");
        await clientOf(first);
        await accepted(first);
        // Nothing has happened to it.
        assert.equal(nameOf(second)[1], 0);
        await second.bind([host, 0]);
        await second.listen();
        await clientOf(second);
      },
      async [
        `bind() to any host is EADDRINUSE where a port is taken (${host})`
      ]() {
        const [, port] = nameOf(await listening(host));
        await rejects(tcp(host).bind(["", port]), "EADDRINUSE");
      },
    })
  ),
  ...casesOf("8", {
    async "bind() can be tried again when the port has become free"() {
      const first = await listening();
      const second = tcp();
      const name = first.getsockname();
      await rejects(second.bind(name), "EADDRINUSE");
      await first.close();
      await second.bind(name);
      await second.listen();
      await clientOf(second);
    },
  }),
  ...casesOf("9", {
    async "bind() to an address of another machine is EADDRNOTAVAIL"() {
      for (const host of ["192.0.2.99", "2001:db8::1"]) {
        const error = await rejects(tcp(host).bind([host, 0]), "EADDRNOTAVAIL");
        assert.match(error.message, /: not an address of this machine$/);
      }
    },
  }),
  ...casesOf("1", {
    async "bind() with port 0 tells the port, on which listen() then listens"() {
      for (const host of ["127.0.0.1", "::1"]) {
        const server = tcp(host);
        await server.bind([host, 0]);
        const [own, port] = nameOf(server);
        assert.equal(own, host);
        assert.ok(port >= 1 && port <= 65535);
        await server.listen();
        assert.deepEqual(nameOf(server), [host, port]);
        await clientOf(server);
      }
    },
    async "bind() with port 0 tells the port, from which connect() then comes"() {
      const server = await listening();
      const client = tcp();
      await client.bind(["127.0.0.1", 0]);
      const name = nameOf(client);
      await client.connect(server.getsockname());
      assert.deepEqual(nameOf(client), name);
      const connection = await accepted(server);
      assert.deepEqual(connection.getpeername(), name);
    },
  }),
  ...casesOf("12", {
    async "bind() with port 0 leaves clients refused until listen()"() {
      const server = tcp();
      await server.bind(["127.0.0.1", 0]);
      for (let count = 0; count < 3; count++) {
        await rejects(tcp().connect(server.getsockname()), "ECONNREFUSED");
      }
      await server.listen();
      await clientOf(server);
    },
  }),
  ...casesOf("10", {
    async "bind() is EINVAL while another bind() is under way"() {
      const server = tcp();
      const first = server.bind(["127.0.0.1", 0]);
      await rejects(server.bind(["127.0.0.1", 0]), "EINVAL");
      await first;
      assert.notEqual(nameOf(server)[1], 0);
    },
  }),
  ...casesOf("rule", {
    async "listen() waits for a bind() that nobody awaited"() {
      const [, port] = await freeAddress();
      for (
        const [given, host] of [["localhost", "127.0.0.1"], ["", "0.0.0.0"]]
      ) {
        const server = tcp();
        server.bind([given, port]);
        await server.listen();
        assert.deepEqual(server.getsockname(), [host, port]);
        await server.close();
      }
    },
    async "listen() fails as a bind() did that nobody awaited, and never listens"() {
      const taken = await listening();
      const [, port] = await freeAddress();
      const calls: [host: Address, code: string][] = [
        [["::1", port], "EAFNOSUPPORT"],
        [[IMPOSSIBLE, port], "ENOTFOUND"],
        [["192.0.2.99", port], "EADDRNOTAVAIL"],
        [taken.getsockname(), "EADDRINUSE"],
      ];
      for (const [address, code] of calls) {
        const server = tcp();
        server.bind(address);
        const error = await rejects(server.listen(), code);
        assert.equal(error.call, "bind");
        assert.deepEqual(server.getsockname(), ["0.0.0.0", 0]);
      }
      await rejects(tcp().connect(["127.0.0.1", port]), "ECONNREFUSED");
    },
    async "connect() waits for a bind() that nobody awaited"() {
      const server = await listening();
      const [host, port] = await freeAddress("127.0.0.2");
      const client = tcp();
      client.bind([host, port]);
      await client.connect(server.getsockname());
      const connection = await accepted(server);
      assert.deepEqual(connection.getpeername(), [host, port]);
    },
    async "connect() fails as a bind() did that nobody awaited"() {
      const server = await listening();
      const client = tcp();
      client.bind(server.getsockname());
      const attempt = client.connect(server.getsockname());
      assert.equal((await rejects(attempt, "EADDRINUSE")).call, "bind");
      await client.connect(server.getsockname());
    },
    async "recvfrom(), sendto() and connect() wait for an unawaited bind()"() {
      const [server, client, sender] = [udp(), udp(), udp()];
      const address = await freeDatagramAddress();
      server.bind(address);
      const receiving = server.recvfrom(10);
      client.bind(["127.0.0.2", 0]);
      await client.connect(address);
      await client.send("x");
      assert.deepEqual((await receiving)[1], client.getsockname());
      assert.equal(client.getsockname()[0], "127.0.0.2");
      sender.bind(["127.0.0.3", 0]);
      await sender.sendto("y", address);
      const [, [host]] = await server.recvfrom(10);
      assert.equal(host, "127.0.0.3");
    },
    async "bind() that nobody awaited and that fails troubles nobody"() {
      const taken = await listening();
      tcp().bind(taken.getsockname());
      tcp().bind(["192.0.2.99", 0]);
      const server = tcp();
      await rejects(server.bind(taken.getsockname()), "EADDRINUSE");
      // The suite notices what comes up.
    },
  }),
  ...casesOf({ statement: "rule", needs: "all permissions" }, {
    async "bind() frees its descriptor, whether it fails or not"() {
      const taken = await listening();
      const before = socketDescriptors();
      for (let count = 0; count < 20; count++) {
        await rejects(tcp().bind(taken.getsockname()), "EADDRINUSE");
        await tcp().bind(["127.0.0.1", 0]);
      }
      await socketsFallTo(before);
    },
  }),

  // --- given up ---

  ...casesOf("rule", {
    async "close() while bind() or listen() is under way frees the port"() {
      const address = await freeAddress();
      for (let round = 0; round < 24; round++) {
        const server = tcp();
        const calls: Promise<unknown>[] = [server.bind(address)];
        if (round & 1) await calls[0];
        if (round & 2) calls.push(server.listen());
        if (round & 4) await Promise.resolve();
        await server.close();
        await opens(address);
        const outcomes = await Promise.allSettled(calls);
        for (const outcome of outcomes) {
          if (outcome.status === "fulfilled") continue;
          await rejects(Promise.reject(outcome.reason), "EBADF");
        }
      }
    },
    async "close() while listen() is under way makes it EBADF"() {
      const server = tcp();
      await server.bind(["127.0.0.1", 0]);
      const listening = server.listen();
      await server.close();
      await rejects(listening, "EBADF");
      await rejects(server.accept(), "EBADF");
    },
    async "close() while bind() waits for its name makes it EBADF"() {
      const server = tcp();
      const binding = server.bind(["localhost.localdomain.invalid", 0]);
      await server.close();
      await rejects(binding, "EBADF", "ENOTFOUND");
    },
  }),
];

/** An address that no datagram socket has. */
async function freeDatagramAddress(): Promise<Address> {
  const socket = udp();
  await socket.bind(["127.0.0.1", 0]);
  const address = socket.getsockname();
  await socket.close();
  return address;
}

/** Asserts that the address can be listened on at once. */
async function opens(address: Address): Promise<void> {
  const server = tcp();
  await server.bind(address);
  await server.listen();
  await server.close();
}
