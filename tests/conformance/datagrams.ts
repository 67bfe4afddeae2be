/**
 * Datagram sockets: CONFORMANCE.md group J, and what groups A, H, I, L and M
 * say about UDP.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import dgram from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { type Address, type DatagramSocket, decode } from "../../lib/mod.ts";
import {
  afterwards,
  type Case,
  casesOf,
  descriptors,
  descriptorsFallTo,
  pattern,
  pending,
  refuses,
  rejects,
  rejectsWith,
  same,
  throws,
  timesOut,
  udp,
} from "./fixtures.ts";

/** So many datagrams wait for a receiver. */
const MOST_UNREAD = 1024;

/** The longest datagram of each family: 65535 bytes less the headers. */
const LONGEST = [["127.0.0.1", 65507], ["::1", 65527]] as const;

/** A name that fails without a question to DNS: a label has at most 63 bytes. */
const IMPOSSIBLE = `${"a".repeat(300)}.test`;

export const cases: Case[] = [
  // --- what arrives ---

  ...casesOf("66", {
    async "recvfrom() gives each datagram as it was sent, and its sender"() {
      const server = await bound();
      const client = await bound();
      const sizes = [1, 0, 1000, 3, 9000, 0, 20_000, 2];
      for (const size of sizes) {
        const sent = await client.sendto(pattern(size), nameOf(server));
        assert.equal(sent, size);
      }
      for (const size of sizes) {
        const [data, address] = await server.recvfrom(65536);
        same(data, pattern(size));
        assert.deepEqual(address, client.getsockname());
      }
    },
    async "recvfrom() calls that wait are served in order"() {
      const server = await bound();
      const client = udp();
      const waiting = [1, 2, 3].map(() => text(server));
      await pending(waiting[0]);
      for (const word of ["one", "two", "three"]) {
        await client.sendto(word, nameOf(server));
      }
      assert.deepEqual(await Promise.all(waiting), ["one", "two", "three"]);
    },
    async "sendto() calls that nobody waits for go out in order"() {
      const server = await bound();
      const client = udp();
      const words = Array.from({ length: 50 }, (_, index) => `${index}`);
      const sends = words.map((word) => client.sendto(word, nameOf(server)));
      for (const word of words) assert.equal(await text(server), word);
      const lengths = words.map((word) => word.length);
      assert.deepEqual(await Promise.all(sends), lengths);
    },
    async "sendto() takes text and views, and recvfrom() gives plain bytes"() {
      const server = await bound();
      const client = udp();
      await client.sendto("naïve", nameOf(server));
      assert.equal(await text(server), "naïve");
      await client.sendto(pattern(100).subarray(8, 13), nameOf(server));
      const [data] = await server.recvfrom(100);
      same(data, pattern(100).subarray(8, 13));
      assert.equal(Object.getPrototypeOf(data), Uint8Array.prototype);
      for (const none of [1, null, undefined, [1], new ArrayBuffer(1)]) {
        await refuses(client.sendto(none as never, nameOf(server)));
      }
    },
    async "recvfrom() of less than the datagram gives its start; the rest goes"() {
      const server = await bound();
      const client = udp();
      for (const word of ["truncated", "dropped", "whole"]) {
        await client.sendto(word, nameOf(server));
      }
      const [start, address] = await server.recvfrom(5);
      assert.equal(decode(start), "trunc");
      assert.equal((address as [string, number])[1], nameOf(client)[1]);
      assert.equal((await server.recvfrom(0))[0].length, 0);
      assert.equal(await text(server), "whole");
      const waiting = server.recvfrom(2);
      await client.sendto("cut", nameOf(server));
      assert.equal(decode((await waiting)[0]), "cu");
      await pending(server.recvfrom(2));
    },
  }),
  ...casesOf("rule", {
    async "recvfrom() refuses what is no size"() {
      const server = await bound();
      for (const size of [-1, 1.5, NaN, "9", undefined]) {
        await refuses(server.recvfrom(size as never));
        await refuses(server.recv(size as never));
      }
    },
  }),
  ...LONGEST.flatMap(([host, longest]) =>
    casesOf("69", {
      async [
        `sendto() takes ${longest} bytes for ${host}, and one more is EMSGSIZE`
      ]() {
        const server = await bound(host);
        const client = udp(host);
        const tooLong = pattern(longest + 1);
        await rejects(client.sendto(tooLong, nameOf(server)), "EMSGSIZE");
        await client.connect(nameOf(server));
        await rejects(client.send(tooLong), "EMSGSIZE");
        assert.equal(await client.send(pattern(longest)), longest);
        // Nothing of what was too long has come before it.
        const [data] = await server.recvfrom(65536);
        same(data, pattern(longest));
      },
    })
  ),
  ...casesOf({ statement: "rule", needs: "all permissions" }, {
    async [
      `recvfrom() finds the oldest ${MOST_UNREAD} of those nobody received`
    ]() {
      const server = await bound();
      const client = udp();
      for (let index = 0; index < MOST_UNREAD + 200; index++) {
        await client.sendto(`${index}`, nameOf(server));
        if (index % 16 === 0) await emptied(server);
      }
      await emptied(server);
      for (let index = 0; index < MOST_UNREAD; index++) {
        assert.equal(await text(server), `${index}`);
      }
      await client.sendto("next", nameOf(server));
      assert.equal(await text(server), "next");
    },
  }),

  // --- names and destinations ---

  ...casesOf("1", {
    async "getsockname() of a datagram socket tells what port 0 has become"() {
      const [host, port] = nameOf(await bound());
      assert.equal(host, "127.0.0.1");
      assert.ok(port >= 1 && port <= 65535);
    },
  }),
  ...casesOf("2", {
    async "getsockname() of a datagram socket is any host before it has a name"() {
      assert.deepEqual(udp().getsockname(), ["0.0.0.0", 0]);
      assert.deepEqual(udp("::1").getsockname(), ["::", 0]);
    },
    async "getpeername() of a datagram socket is ENOTCONN without connect()"() {
      const server = await bound();
      const client = udp();
      for (const socket of [client, server]) {
        throws(() => socket.getpeername(), "ENOTCONN");
      }
      await client.connect(nameOf(server));
      assert.deepEqual(client.getpeername(), server.getsockname());
      throws(() => server.getpeername(), "ENOTCONN");
    },
  }),
  ...casesOf("1", {
    async "getsockname() after connect() is the address that the peer sees"() {
      const server = await bound();
      const client = udp();
      await client.connect(nameOf(server));
      await client.send("x");
      const [, address] = await server.recvfrom(1);
      assert.deepEqual(client.getsockname(), address);
    },
  }),
  ...casesOf("rule", {
    async "getsockname() and getpeername() of a datagram socket give copies"() {
      const server = await bound();
      const client = udp();
      await client.connect(nameOf(server));
      const [, port] = nameOf(server);
      nameOf(server)[1] = 1;
      (client.getpeername() as [string, number])[1] = 1;
      assert.equal(nameOf(server)[1], port);
      assert.deepEqual(client.getpeername(), server.getsockname());
    },
  }),
  ...casesOf("3", {
    async "bind(), connect() and sendto() of datagrams refuse what is no port"() {
      const socket = udp();
      for (const port of [-1, 65536, 1.5, NaN, "80", null, undefined]) {
        const address: Address = ["127.0.0.1", port as number];
        await refuses(socket.bind(address));
        await refuses(socket.connect(address));
        await refuses(socket.sendto("x", address));
      }
      for (const address of ["/tmp/path", null, 80, [], [80]]) {
        await refuses(socket.bind(address as Address));
        await refuses(socket.connect(address as Address));
        await refuses(socket.sendto("x", address as Address));
      }
      await socket.bind(["127.0.0.1", 0]); // nothing has happened to it
    },
  }),
  ...casesOf("4", {
    async "bind() of datagrams takes an empty host as any of the family"() {
      for (const [loopback, any] of [["127.0.0.1", "0.0.0.0"], ["::1", "::"]]) {
        const server = udp(loopback);
        await server.bind(["", 0]);
        const [host, port] = nameOf(server);
        assert.equal(host, any);
        await udp(loopback).sendto("x", [loopback, port]);
        assert.equal(await text(server), "x");
      }
    },
  }),
  ...casesOf("5", {
    async "bind(), connect() and sendto() of datagrams enforce the family"() {
      for (const [own, other] of [["127.0.0.1", "::1"], ["::1", "127.0.0.1"]]) {
        for (const socket of [udp(own), await bound(own)]) {
          await rejects(socket.bind([other, 0]), "EAFNOSUPPORT");
          await rejects(socket.connect([other, 80]), "EAFNOSUPPORT");
          await rejects(socket.sendto("x", [other, 80]), "EAFNOSUPPORT");
        }
      }
    },
  }),
  ...casesOf("6", {
    async "bind(), connect() and sendto() of datagrams can be ENOTFOUND"() {
      const socket = udp();
      await rejects(socket.bind([IMPOSSIBLE, 0]), "ENOTFOUND");
      await rejects(socket.connect([IMPOSSIBLE, 80]), "ENOTFOUND");
      await rejects(socket.sendto("x", [IMPOSSIBLE, 80]), "ENOTFOUND");
      await rejects(udp("::1").connect([IMPOSSIBLE, 80]), "ENOTFOUND");
      const [, port] = nameOf(await bound());
      await socket.sendto("x", ["127.0.0.1", port]);
    },
  }),
  ...casesOf("9", {
    async "bind() of datagrams to another machine's address is EADDRNOTAVAIL"() {
      const socket = udp();
      await rejects(socket.bind(["192.0.2.99", 0]), "EADDRNOTAVAIL");
      await socket.bind(["127.0.0.1", 0]);
    },
  }),
  ...casesOf("10", {
    async "bind() of datagrams is EINVAL for a socket that has a name"() {
      const server = await bound();
      const sender = udp();
      await sender.sendto("x", nameOf(server));
      const connected = udp();
      await connected.connect(nameOf(server));
      for (const socket of [server, sender, connected]) {
        await rejects(socket.bind(["127.0.0.1", 0]), "EINVAL");
      }
    },
  }),
  ...casesOf("70", {
    async "sendto() gives a socket without a name one, for the reply"() {
      const server = await bound();
      const client = udp();
      await client.sendto("request", nameOf(server));
      const [host, port] = nameOf(client);
      assert.equal(host, "0.0.0.0");
      const [data, address] = await server.recvfrom(100);
      assert.equal(decode(data), "request");
      assert.deepEqual(address, ["127.0.0.1", port]);
      await server.sendto("reply", address);
      const [reply, from] = await client.recvfrom(100);
      assert.equal(decode(reply), "reply");
      assert.deepEqual(from, server.getsockname());
    },
  }),
  ...casesOf("71", {
    async "send() without connect() is EDESTADDRREQ"() {
      await rejects(udp().send("x"), "EDESTADDRREQ");
      await rejects((await bound()).send("x"), "EDESTADDRREQ");
    },
    async "sendto() and connect() of datagrams refuse port 0"() {
      await refuses(udp().sendto("x", ["127.0.0.1", 0]));
      await refuses(udp().connect(["127.0.0.1", 0]));
    },
    async "recvfrom() is EINVAL for a socket that has no name"() {
      await rejects(udp().recvfrom(1), "EINVAL");
      await rejects(udp().recv(1), "EINVAL");
    },
  }),

  // --- connect ---

  ...casesOf("rule", {
    async "connect() of datagrams keeps strangers out"() {
      const server = await bound();
      const client = await bound();
      await client.connect(nameOf(server));
      await udp().sendto("stranger", nameOf(client));
      await (await bound("127.0.0.2")).sendto("stranger", nameOf(client));
      await server.sendto("peer", nameOf(client));
      assert.equal(decode(await client.recv(100)), "peer");
    },
  }),
  ...casesOf("73", {
    async "connect() of datagrams may be repeated, for another peer"() {
      const [first, second, client] = [await bound(), await bound(), udp()];
      await client.connect(nameOf(first));
      await client.send("to the first");
      await client.connect(nameOf(second));
      assert.deepEqual(client.getpeername(), second.getsockname());
      await client.send("to the second");
      assert.equal(await text(first), "to the first");
      const [data, address] = await second.recvfrom(100);
      assert.equal(decode(data), "to the second");
      await first.sendto("from the first", address);
      await second.sendto("from the second", address);
      assert.equal(await text(client), "from the second");
    },
    async "connect() of datagrams to another peer keeps the port"() {
      const client = await bound();
      const [, port] = nameOf(client);
      await client.connect(nameOf(await bound()));
      assert.equal(nameOf(client)[1], port);
      await client.connect(nameOf(await bound()));
      assert.equal(nameOf(client)[1], port);
    },
    async "connect() calls of datagrams are served in order"() {
      const [first, second, client] = [await bound(), await bound(), udp()];
      await Promise.all([
        client.connect(nameOf(first)),
        client.connect(nameOf(second)),
      ]);
      assert.deepEqual(client.getpeername(), second.getsockname());
      await client.send("x");
      assert.equal(await text(second), "x");
    },
  }),
  ...casesOf("24", {
    async "connect() of datagrams to any host reaches this one, both ways"() {
      const server = await bound();
      const [, port] = nameOf(server);
      const client = udp();
      await client.connect(["", port]);
      await client.send("request");
      const [data, address] = await server.recvfrom(100);
      assert.equal(decode(data), "request");
      await server.sendto("reply", address);
      client.settimeout(1000);
      assert.equal(decode(await client.recv(100)), "reply");
    },
  }),
  ...casesOf("74", {
    async "sendto() is EISCONN after connect()"() {
      const server = await bound();
      const client = udp();
      await client.connect(nameOf(server));
      await rejects(client.sendto("x", nameOf(server)), "EISCONN");
      await client.send("y");
      assert.equal(await text(server), "y");
    },
  }),
  ...casesOf("75", {
    async "recv() is ECONNREFUSED once where nobody is any more"() {
      const [client] = await deserted();
      client.settimeout(1000);
      await client.send("x");
      await rejects(client.recv(1), "ECONNREFUSED");
      client.settimeout(null);
      await pending(client.recv(1));
    },
    async "send() to where nobody was yet leaves the socket usable"() {
      const [client, address] = await deserted();
      await client.send("lost").catch(() => {});
      const server = udp();
      await server.bind(address);
      // The refusal may come with the next send.
      await client.send("found").catch(() => client.send("found"));
      assert.equal(await text(server), "found");
      await server.sendto("reply", ["127.0.0.1", nameOf(client)[1]]);
      let reply: string | undefined;
      while (!reply) {
        reply = await client.recv(100)
          .then(decode, (e) => void coded(e, "ECONNREFUSED"));
      }
      assert.equal(reply, "reply");
    },
    async "recv() is ECONNREFUSED at most once, however many sends were refused"() {
      const [client, address] = await deserted();
      for (let count = 0; count < 50; count++) {
        await client.send("x").catch((e) => coded(e, "ECONNREFUSED"));
        if (count % 10 === 0) await delay(1);
      }
      const server = udp();
      await server.bind(address);
      await server.sendto("answer", ["127.0.0.1", nameOf(client)[1]]);
      await delay(1); // whatever has come is in the socket's queue
      client.settimeout(1000);
      const first = await client.recv(9)
        .then(decode, (e) => coded(e, "ECONNREFUSED"));
      if (first === false) assert.equal(decode(await client.recv(9)), "answer");
      else assert.equal(first, "answer");
      client.settimeout(null);
      await pending(client.recv(9));
    },
    async "connect() to another peer forgets the errors of the one before"() {
      const [client] = await deserted();
      for (let count = 0; count < 5; count++) {
        await client.send("x").catch((e) => coded(e, "ECONNREFUSED"));
        await delay(1);
      }
      const server = await bound();
      await client.connect(nameOf(server));
      await client.send("request");
      const [, address] = await server.recvfrom(9);
      await server.sendto("reply", address);
      assert.equal(decode(await client.recv(9)), "reply");
      await pending(client.recv(9));
    },
    async "connect() to another peer forgets what the one before has sent"() {
      const [first, second, client] = [await bound(), await bound(), udp()];
      await client.connect(nameOf(first));
      await client.send("x");
      const [, address] = await first.recvfrom(9);
      await first.sendto("unread", address);
      await delay(5); // it has come
      await client.connect(nameOf(second));
      await client.send("y");
      await second.sendto("reply", (await second.recvfrom(9))[1]);
      assert.equal(decode(await client.recv(9)), "reply");
    },
    async "recvfrom() of an unconnected socket hears of no refusal"() {
      const client = await bound();
      const address = await freeAddress();
      const receiving = client.recvfrom(9);
      for (let count = 0; count < 5; count++) {
        assert.equal(await client.sendto("x", address), 1);
        await delay(1);
      }
      await pending(receiving);
      await client.sendto("to itself", nameOf(client));
      assert.equal(decode((await receiving)[0]), "to itself");
    },
    async "sendto() to others goes out however many were refused before"() {
      const [client, server] = [await bound(), await bound()];
      const address = await freeAddress();
      const sends = Array.from(
        { length: 60 },
        (_, index) => client.sendto("x", index % 3 ? address : nameOf(server)),
      );
      assert.deepEqual(await Promise.all(sends), sends.map(() => 1));
      for (let count = 0; count < 20; count++) {
        assert.equal(await text(server), "x");
      }
    },
  }),

  // --- options ---

  ...casesOf("77", {
    async "bind() of datagrams to a port in use is EADDRINUSE"() {
      const first = await bound();
      const second = udp();
      await rejects(second.bind(nameOf(first)), "EADDRINUSE");
      await udp().sendto("x", nameOf(first));
      assert.equal(await text(first), "x");
      await first.close();
      await second.bind(["127.0.0.1", 0]);
    },
    async "setsockopt(SO_REUSEADDR) on both: the last binder gets the datagram"() {
      const sockets = [udp(), udp()];
      let address: [string, number] = ["127.0.0.1", 0];
      for (const socket of sockets) {
        socket.setsockopt("SO_REUSEADDR", true);
        await socket.bind(address);
        address = nameOf(socket);
      }
      await udp().sendto("x", address);
      assert.equal(await text(sockets[1]), "x");
      await pending(sockets[0].recvfrom(1));
    },
    async "setsockopt(SO_REUSEADDR) on one of two does not share the port"() {
      const first = await bound();
      const second = udp();
      second.setsockopt("SO_REUSEADDR", true);
      await rejects(second.bind(nameOf(first)), "EADDRINUSE");
    },
  }),
  ...casesOf("78", {
    async "sendto() to a broadcast address needs SO_BROADCAST, else EACCES"() {
      const server = udp();
      await server.bind(["", 0]);
      const address: Address = ["127.255.255.255", nameOf(server)[1]];
      for (const sender of [udp(), await bound()]) {
        await rejects(sender.sendto("refused", address), "EACCES");
        sender.setsockopt("SO_BROADCAST", true);
        await sender.sendto("allowed", address);
        assert.equal(await text(server), "allowed");
        sender.setsockopt("SO_BROADCAST", false);
        await rejects(sender.sendto("refused", address), "EACCES");
      }
    },
    async "connect() to a broadcast address needs SO_BROADCAST, else EACCES"() {
      const server = udp();
      await server.bind(["", 0]);
      const client = udp();
      const address: Address = ["127.255.255.255", nameOf(server)[1]];
      await rejects(client.connect(address), "EACCES");
      throws(() => client.getpeername(), "ENOTCONN");
      await rejects(client.send("x"), "EDESTADDRREQ");
      client.setsockopt("SO_BROADCAST", true);
      await client.connect(address);
      await client.send("allowed");
      assert.equal(await text(server), "allowed");
    },
    async "recvfrom() on 127.0.0.1 gets no broadcast, on the address it does"() {
      const sender = udp();
      sender.setsockopt("SO_BROADCAST", true);
      for (
        const [host, first] of [
          ["127.0.0.1", "to one"],
          ["127.255.255.255", "to all"],
        ]
      ) {
        const server = await bound(host);
        const [, port] = nameOf(server);
        await sender.sendto("to all", ["127.255.255.255", port]);
        await sender.sendto("to one", [host, port]).catch(() => {});
        assert.equal(await text(server), first);
      }
    },
  }),
  ...casesOf("79", {
    async "setsockopt(IP_ADD_MEMBERSHIP) joins a group, and DROP leaves it"() {
      for (const when of ["before bind", "after bind"]) {
        const server = udp();
        const group = `239.255.${someByte()}.${someByte()}`;
        const join = () =>
          server.setsockopt("IP_ADD_MEMBERSHIP", [group, "127.0.0.1"]);
        if (when === "before bind") join();
        await server.bind(["", 0]);
        if (when === "after bind") join();
        const [, port] = nameOf(server);
        const sender = udp();
        sender.setsockopt("IP_MULTICAST_IF", "127.0.0.1");
        await sender.sendto("to the group", [group, port]);
        const [data, address] = await server.recvfrom(100);
        assert.equal(decode(data), "to the group");
        assert.deepEqual(address, ["127.0.0.1", nameOf(sender)[1]]);
        server.setsockopt("IP_DROP_MEMBERSHIP", [group, "127.0.0.1"]);
        await sender.sendto("to the group", [group, port]);
        await sender.sendto("to one", ["127.0.0.1", port]);
        assert.equal(await text(server), "to one");
      }
    },
  }),
  ...casesOf("79", {
    async "setsockopt(IP_ADD_MEMBERSHIP) joins every group that was set before"() {
      const server = udp();
      const groups = [1, 2, 3].map((last) => `239.255.${someByte()}.${last}`);
      for (const group of groups) {
        server.setsockopt("IP_ADD_MEMBERSHIP", [group, "127.0.0.1"]);
      }
      server.setsockopt("IP_DROP_MEMBERSHIP", [groups[1], "127.0.0.1"]);
      await server.bind(["", 0]);
      const sender = udp();
      sender.setsockopt("IP_MULTICAST_IF", "127.0.0.1");
      await sender.bind(["127.0.0.1", 0]);
      for (const group of groups) {
        await sender.sendto(group, [group, nameOf(server)[1]]);
      }
      await sender.sendto("end", ["127.0.0.1", nameOf(server)[1]]);
      const seen = [await text(server), await text(server), await text(server)];
      assert.deepEqual(seen, [groups[0], groups[2], "end"]);
    },
  }),
  ...casesOf("93", {
    async "getsockopt() of datagrams gives what was set, before and after bind"() {
      const socket = udp();
      for (const name of ["SO_REUSEADDR", "SO_BROADCAST"] as const) {
        assert.equal(socket.getsockopt(name), false);
        socket.setsockopt(name, true);
        assert.equal(socket.getsockopt(name), true);
      }
      await socket.bind(["127.0.0.1", 0]);
      assert.equal(socket.getsockopt("SO_REUSEADDR"), true);
      assert.equal(socket.getsockopt("IP_MULTICAST_LOOP"), true);
      assert.equal(socket.getsockopt("IP_MULTICAST_TTL"), 1);
      socket.setsockopt("SO_BROADCAST", false);
      socket.setsockopt("IP_MULTICAST_LOOP", false);
      socket.setsockopt("IP_MULTICAST_TTL", 7);
      assert.equal(socket.getsockopt("SO_BROADCAST"), false);
      assert.equal(socket.getsockopt("IP_MULTICAST_LOOP"), false);
      assert.equal(socket.getsockopt("IP_MULTICAST_TTL"), 7);
    },
    async "setsockopt() of datagrams is ENOPROTOOPT for what is no option"() {
      for (const socket of [udp(), await bound()]) {
        for (const option of ["SO_KEEPALIVE", "TCP_NODELAY", "toString", ""]) {
          throws(() => socket.setsockopt(option as never, true), "ENOPROTOOPT");
          throws(() => socket.getsockopt(option as never), "ENOPROTOOPT");
        }
      }
    },
    async "setsockopt(SO_REUSEADDR) is EINVAL when there is a name"() {
      const sender = udp();
      await sender.sendto("x", nameOf(await bound()));
      for (const socket of [sender, await bound()]) {
        throws(() => socket.setsockopt("SO_REUSEADDR", true), "EINVAL");
        assert.equal(socket.getsockopt("SO_REUSEADDR"), false);
      }
    },
    async "setsockopt() of datagrams says what the system refuses"() {
      const socket = await bound();
      const join = ["192.0.2.1", "127.0.0.1"] as [string, string]; // no group
      throws(() => socket.setsockopt("IP_ADD_MEMBERSHIP", join), "EINVAL");
      assert.equal(socket.getsockopt("IP_ADD_MEMBERSHIP"), false);
      throws(() => socket.setsockopt("IP_MULTICAST_TTL", 256), "EINVAL");
      assert.equal(socket.getsockopt("IP_MULTICAST_TTL"), 1);
    },
  }),
  ...casesOf("79", {
    async "setsockopt(IP_DROP_MEMBERSHIP) of no member is EADDRNOTAVAIL"() {
      const socket = await bound();
      const leave = () =>
        socket.setsockopt("IP_DROP_MEMBERSHIP", ["239.255.1.1", "127.0.0.1"]);
      throws(leave, "EADDRNOTAVAIL");
    },
  }),
  ...casesOf("93", {
    async "bind() that fails at an option leaves the port free"() {
      const address = await freeAddress();
      const socket = udp();
      socket.setsockopt("IP_ADD_MEMBERSHIP", ["192.0.2.1", "127.0.0.1"]);
      await rejects(socket.bind(address), "EINVAL");
      await udp().bind(address);
    },
  }),

  // --- timeouts and signals ---

  ...casesOf("58", {
    async "settimeout() of datagrams: null at first, and refuses what is no time"() {
      const socket = udp();
      assert.equal(socket.gettimeout(), null);
      for (const ms of [1500, null, 70]) {
        socket.settimeout(ms);
        assert.equal(socket.gettimeout(), ms);
      }
      for (const none of [-1, NaN, Infinity, "9", undefined]) {
        assert.throws(() => socket.settimeout(none as never), RangeError);
      }
      throws(() => socket.settimeout(0), "EINVAL");
      assert.equal(socket.gettimeout(), 70);
    },
  }),
  ...casesOf("56", {
    async "recvfrom() is ETIMEDOUT after the timeout, and loses no datagram"() {
      const server = await bound();
      const client = udp();
      for (const word of ["one", "two"]) {
        server.settimeout(30);
        await timesOut(30, () => server.recvfrom(10));
        server.settimeout(null);
        await client.sendto(word, nameOf(server));
        assert.equal(await text(server), word);
      }
    },
    async "recvfrom() ends with its signal's reason, and loses no datagram"() {
      const server = await bound();
      const client = udp();
      const controllers = [1, 2].map(() => new AbortController());
      const [first, second] = controllers.map((one) =>
        server.recvfrom(10, one)
      );
      const reason = new Error("enough");
      controllers[0].abort(reason);
      await rejectsWith(reason, first);
      await client.sendto("kept", nameOf(server));
      assert.equal(decode((await second)[0]), "kept");
    },
    async "sendto() that is aborted ends with its signal's reason"() {
      const server = await bound();
      const client = udp();
      for (let count = 0; count < 2; count++) { // without and with a name
        const controller = new AbortController();
        const sending = client.sendto("x", nameOf(server), controller);
        controller.abort("no");
        await rejectsWith("no", sending);
        await client.sendto("sent", nameOf(server));
      }
      while (await text(server) !== "sent");
    },
    async "recvfrom() and sendto() with an aborted signal do nothing"() {
      const server = await bound();
      const client = udp();
      const signal = AbortSignal.abort("no");
      const sending = client.sendto("withdrawn", nameOf(server), { signal });
      await rejectsWith("no", sending);
      await client.connect(nameOf(server));
      await rejectsWith("no", client.send("withdrawn", { signal }));
      await client.send("sent");
      await rejectsWith("no", server.recvfrom(10, { signal }));
      await rejectsWith("no", server.recv(10, { signal }));
      assert.equal(await text(server), "sent");
    },
    async "recvfrom() that times out again and again misses no datagram"() {
      const server = await bound();
      const client = udp();
      const sending = (async () => {
        for (let count = 0; count < 100; count++) {
          await client.sendto(`${count}`, nameOf(server));
          if (count % 2) await delay(count % 3);
        }
      })();
      server.settimeout(1);
      for (let count = 0; count < 100;) {
        const datagram = await server.recvfrom(10)
          .catch((error) => rejects(Promise.reject(error), "ETIMEDOUT"));
        if (!Array.isArray(datagram)) continue;
        assert.equal(decode(datagram[0]), `${count++}`);
      }
      await sending;
    },
  }),
  ...casesOf("rule", {
    async "settimeout() of an hour keeps no process alive after a datagram"() {
      const server = await bound();
      const client = udp();
      for (const socket of [server, client]) socket.settimeout(3_600_000);
      const { signal } = new AbortController();
      await client.sendto("x", nameOf(server), { signal });
      await server.recvfrom(1, { signal });
      const last = rejects(server.recvfrom(1), "EBADF");
      await server.close();
      await last;
      // The runner sees that the process ends.
    },
  }),

  // --- close ---

  ...casesOf("rule", {
    async "close() makes recvfrom() calls that wait EBADF"() {
      const server = await bound();
      const client = udp();
      await client.connect(nameOf(server));
      const waiting = [
        server.recvfrom(1),
        server.recvfrom(1, new AbortController()),
        server.recv(1),
        client.recv(1),
      ].map((one) => rejects(one as Promise<unknown>, "EBADF"));
      await Promise.all([server.close(), client.close()]);
      await Promise.all(waiting);
    },
    async "close() leaves no bind(), connect() or sendto() hanging"() {
      const server = await bound();
      const to = nameOf(server);
      const calls: ((socket: DatagramSocket) => Promise<unknown>)[] = [
        (socket) => socket.bind(["127.0.0.1", 0]),
        (socket) => socket.connect(to),
        (socket) => socket.sendto("x", to),
      ];
      for (const call of calls) {
        const socket = udp();
        const calling = call(socket).then(() => "done", ({ code }) => code);
        await socket.close();
        const outcome = await calling;
        assert.ok(["done", "EBADF"].includes(outcome), outcome);
      }
    },
    async "close() leaves no sendto() of a bound socket hanging"() {
      const to = nameOf(await bound());
      for (const limit of [null, 60_000]) {
        const socket = await bound();
        socket.settimeout(limit);
        const sends = [1, 2, 3].map(() =>
          socket.sendto("x", to).catch(({ code }) => code)
        );
        await socket.close();
        assert.deepEqual(await Promise.all(sends), [1, 1, 1]);
      }
    },
  }),
  ...casesOf("64", {
    async "close() makes every other call of a datagram socket EBADF"() {
      const server = await bound();
      const address = nameOf(server);
      const connected = udp();
      await connected.connect(address);
      for (const socket of [udp(), connected, server]) {
        await socket.close();
        await socket.close();
        await rejects(socket.bind(["127.0.0.1", 0]), "EBADF");
        await rejects(socket.connect(address), "EBADF");
        await rejects(socket.send("x"), "EBADF");
        await rejects(socket.sendto("x", address), "EBADF");
        await rejects(socket.recv(1), "EBADF");
        await rejects(socket.recvfrom(1), "EBADF");
        throws(() => socket.getsockname(), "EBADF");
        throws(() => socket.getpeername(), "EBADF");
        throws(() => socket.settimeout(1), "EBADF");
        throws(() => socket.gettimeout(), "EBADF");
        throws(() => socket.setsockopt("SO_BROADCAST", true), "EBADF");
        throws(() => socket.getsockopt("SO_BROADCAST"), "EBADF");
      }
    },
  }),
  ...casesOf("rule", {
    async "close() of a datagram socket frees the port before it resolves"() {
      const address = await freeAddress();
      for (let count = 0; count < 20; count++) {
        const socket = udp();
        await socket.bind(address);
        socket.recvfrom(1);
        socket.sendto("x", address);
        await socket.close();
      }
    },
    async "close() while bind() is under way gives the port back"() {
      const address = await freeAddress();
      const socket = udp();
      const binding = socket.bind(address).then(() => "done", (e) => e.code);
      await socket.close();
      await udp().bind(address);
      assert.ok(["done", "EBADF"].includes(await binding));
    },
  }),
  ...casesOf({ statement: "rule", needs: "all permissions" }, {
    async "close() of datagram sockets, and bind() that fails, free descriptors"() {
      const first = await bound();
      const before = descriptors();
      for (let count = 0; count < 50; count++) {
        const second = udp();
        await rejects(second.bind(nameOf(first)), "EADDRINUSE");
        await second.close();
        await (await bound()).close();
      }
      await descriptorsFallTo(before + 3);
    },
  }),
  ...casesOf("rule", {
    async "close() ends the iteration over datagrams"() {
      const server = await bound();
      const client = udp();
      for (const word of ["one", "two"]) {
        await client.sendto(word, nameOf(server));
      }
      const words: string[] = [];
      for await (const [data, address] of server) {
        assert.deepEqual(address, ["127.0.0.1", nameOf(client)[1]]);
        words.push(decode(data));
        // Now, or while it waits for the next one.
        if (words.length === 2) setTimeout(() => server.close(), 10);
      }
      assert.deepEqual(words, ["one", "two"]);
      for await (const _ of server) assert.fail("it is closed");
    },
    async "close() is what await using does to a datagram socket"() {
      const address = await freeAddress();
      {
        await using socket = udp();
        await socket.bind(address);
      }
      await udp().bind(address);
    },
    async "close() of datagram sockets leaves no abandoned promise to fail"() {
      const server = await bound();
      const { signal } = new AbortController();
      const [client] = await deserted();
      for (const socket of [server, client, udp()]) {
        socket.settimeout(5000);
        socket.recvfrom(1);
        socket.recv(1, { signal });
        socket.send("x");
        socket.send(pattern(70_000));
        socket.sendto("x", nameOf(server), { signal });
        socket.connect(["127.0.0.1", nameOf(server)[1]]);
        socket.bind(["127.0.0.1", 0]);
      }
      for (const socket of [server, client]) socket.close();
      server.sendto("x", ["127.0.0.1", 9]);
      await delay(10); // the suite notices what comes up
    },
  }),

  // --- IPv6 and localhost ---

  ...casesOf("90", {
    async "sendto() and recvfrom() echo over ::1, and the names show it"() {
      const server = await bound("::1");
      const client = udp("::1");
      const [, port] = nameOf(server);
      assert.deepEqual(server.getsockname(), ["::1", port]);
      await client.connect(["0:0:0:0:0:0:0:1", port]);
      assert.deepEqual(client.getpeername(), ["::1", port]);
      await client.send("echo");
      const [data, address] = await server.recvfrom(100);
      assert.deepEqual(address, ["::1", nameOf(client)[1]]);
      await server.sendto(data, address);
      assert.equal(decode(await client.recv(100)), "echo");
    },
    async "sendto() does not take an address in brackets"() {
      const [, port] = nameOf(await bound("::1"));
      await rejects(udp("::1").sendto("x", ["[::1]", port]), "ENOTFOUND");
    },
  }),
  ...casesOf("91", {
    async "recvfrom() on '::' shows an IPv4 sender as ::ffff:127.0.0.1"() {
      const server = await bound("::");
      const client = await bound();
      const [, port] = nameOf(client);
      await client.sendto("x", ["127.0.0.1", nameOf(server)[1]]);
      const [, address] = await server.recvfrom(1);
      assert.deepEqual(address, ["::ffff:127.0.0.1", port]);
      await server.sendto("y", address);
      assert.equal(await text(client), "y");
    },
    async "connect() to the ::ffff:127.0.0.1 of a sender receives from it"() {
      const server = await bound("::");
      const client = await bound();
      const [, port] = nameOf(server);
      await client.sendto("x", ["127.0.0.1", port]);
      const [, address] = await server.recvfrom(1);
      await server.connect(address);
      assert.deepEqual(server.getpeername(), address);
      await client.sendto("y", ["127.0.0.1", port]);
      server.settimeout(1000);
      assert.equal(await text(server), "y");
    },
  }),
  ...casesOf("93", {
    async "setsockopt(IPV6_V6ONLY) keeps IPv4 datagrams out"() {
      const server = udp("::1");
      server.setsockopt("IPV6_V6ONLY", true);
      await server.bind(["::", 0]);
      throws(() => server.setsockopt("IPV6_V6ONLY", false), "EINVAL");
      const [, port] = nameOf(server);
      await udp().sendto("over IPv4", ["127.0.0.1", port]);
      await udp("::1").sendto("over IPv6", ["::1", port]);
      assert.equal(await text(server), "over IPv6");
    },
  }),
  ...casesOf("92", {
    async "sendto() to localhost reaches a socket on 127.0.0.1"() {
      const server = await bound("localhost");
      const [host, port] = nameOf(server);
      assert.equal(host, "127.0.0.1");
      const client = udp();
      for (const word of ["once", "again"]) {
        await client.sendto(word, ["localhost", port]);
        assert.equal(await text(server), word);
      }
    },
  }),

  // --- errors and other people's sockets ---

  ...casesOf("rule", {
    async "SocketError of datagram calls says what, where and why"() {
      const [host, port] = nameOf(await bound());
      const binding = await rejects(udp().bind([host, port]), "EADDRINUSE");
      assert.equal(
        binding.message,
        `Cannot bind to 127.0.0.1:${port}: address already in use`,
      );
      const sending = await rejects(
        udp().sendto(pattern(70_000), [host, port]),
        "EMSGSIZE",
      );
      assert.equal(
        sending.message,
        `Cannot send to 127.0.0.1:${port}: message too long`,
      );
      assert.deepEqual([sending.call, binding.call], ["sendto", "bind"]);
      assert.deepEqual(sending.address, [host, port]);
    },
    async "recvfrom() gives nothing from port 0, which nobody can answer"() {
      const [server, inner] = await withInner();
      const from = { address: "127.0.0.1", family: "IPv4", port: 0, size: 6 };
      inner.emit("message", Buffer.from("forged"), from);
      await udp().sendto("honest", nameOf(server));
      assert.equal(await text(server), "honest");
    },
    async "recvfrom() of a socket without a peer tells of nobody's refusal"() {
      const [server, inner] = await withInner();
      const refusal = Object.assign(new Error(), { code: "ECONNREFUSED" });
      inner.emit("error", refusal);
      await udp().sendto("fine", nameOf(server));
      assert.equal(await text(server), "fine");
    },
    async "recvfrom() and sendto() work with a node:dgram socket"() {
      const peer = dgram.createSocket("udp4");
      afterwards(() => peer.close());
      peer.bind(0, "127.0.0.1");
      await once(peer, "listening");
      const heard = once(peer, "message");
      const client = udp();
      await client.sendto("request", ["127.0.0.1", peer.address().port]);
      const [message, { port }] = await heard;
      assert.equal(decode(message), "request");
      peer.send("reply", port, "127.0.0.1");
      assert.equal(await text(client), "reply");
    },
  }),
];

// --- sockets ---

/** A socket with a port of its own. */
async function bound(host = "127.0.0.1"): Promise<DatagramSocket> {
  const server = udp(host);
  await server.bind([host, 0]);
  return server;
}

/** The same, and the runtime's socket in it. */
async function withInner(): Promise<[DatagramSocket, dgram.Socket]> {
  const { createSocket } = dgram;
  let inner: dgram.Socket | undefined;
  dgram.createSocket =
    ((options: dgram.SocketOptions) =>
      inner = createSocket(options)) as typeof createSocket;
  try {
    return [await bound(), inner!];
  } finally {
    dgram.createSocket = createSocket;
  }
}

/** A socket that is connected to an address which nobody has any more. */
async function deserted(): Promise<[DatagramSocket, [string, number]]> {
  const server = await bound();
  const address = nameOf(server);
  const client = udp();
  await client.connect(address);
  await server.close();
  return [client, address];
}

function nameOf(socket: DatagramSocket): [host: string, port: number] {
  return socket.getsockname() as [string, number];
}

/** An address that no datagram socket has. */
async function freeAddress(): Promise<[host: string, port: number]> {
  const server = await bound();
  const address = nameOf(server);
  await server.close();
  return address;
}

/** The text of the next datagram. */
async function text(socket: DatagramSocket): Promise<string> {
  return decode((await socket.recvfrom(65536))[0]);
}

/** Waits until the kernel holds nothing more for the socket, proc(5). */
async function emptied(socket: DatagramSocket): Promise<void> {
  const [, port] = nameOf(socket);
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  while (true) {
    await delay(1);
    const lines = readFileSync("/proc/net/udp", "utf8").split("\n");
    const line = lines.find((line) => line.includes(` 0100007F:${hex} `));
    if (line?.trim().split(/\s+/)[4].endsWith(":00000000")) break;
  }
  await delay(1); // what was read last has been handed over
}

function someByte(): number {
  return 1 + Math.floor(Math.random() * 254);
}

/** Throws on what is not the error of that code. */
function coded(error: unknown, code: string): false {
  throws(() => {
    throw error;
  }, code);
  return false;
}
