/**
 * Stream sockets of AF_UNIX: CONFORMANCE.md group K, and group F once more.
 * Names are abstract where a case needs no file, since Deno opens those with
 * `--allow-net` alone.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  existsSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import {
  type Address,
  AF_UNIX,
  decode,
  SOCK_DGRAM,
  socket,
  type StreamSocket,
} from "../../lib/mod.ts";
import {
  accepted,
  afterwards,
  type Case,
  casesOf,
  casesOfEach,
  descriptors,
  descriptorsFallTo,
  isCutOff,
  MUCH,
  newPath,
  pattern,
  pending,
  receives,
  receivesToEnd,
  refuses,
  rejects,
  throws,
  unix,
} from "./fixtures.ts";

/** The longest name, in bytes: sun_path holds 108 with a NUL, unix(7). */
const LONGEST = 107;

/** The two kinds of names, and what a process needs for them. */
const KINDS = [
  { kind: "abstract", newName: abstractName, needs: undefined },
  { kind: "path", newName: newPath, needs: "all permissions" },
] as const;

export const cases: Case[] = [
  // --- names ---

  ...KINDS.flatMap(({ kind, newName, needs }): Case[] => [
    ...casesOf({ statement: "82", needs }, {
      async [`sendall() and recv() echo over AF_UNIX (${kind})`]() {
        const [client, server] = await pair(newName());
        const sent = pattern(MUCH);
        const sending = client.sendall(sent).then(() =>
          client.shutdown("SHUT_WR")
        );
        await receivesToEnd(server, sent);
        await sending;
        await server.sendall("reply");
        await server.close();
        await receivesToEnd(client, "reply");
      },
      async [
        `getsockname() is the server's name, and the client has none (${kind})`
      ]() {
        const name = newName();
        const server = await listening(name);
        assert.equal(server.getsockname(), name);
        const client = await clientOf(server);
        const [connection, address] = await server.accept();
        afterwards(() => connection.close());
        assert.equal(address, "");
        assert.equal(connection.getpeername(), "");
        assert.equal(connection.getsockname(), name);
        assert.equal(client.getsockname(), "");
        assert.equal(client.getpeername(), name);
      },
      async [`listen() on a name of ${LONGEST} bytes works (${kind})`]() {
        const name = newName().padEnd(LONGEST, "x");
        const server = await listening(name);
        assert.equal(server.getsockname(), name);
        await clientOf(server);
        await accepted(server);
      },
    }),
    ...casesOf({ statement: "8", needs }, {
      async [
        `bind() to a name in use is EADDRINUSE, the first goes on (${kind})`
      ]() {
        const first = await listening(newName());
        const second = unix();
        await rejects(second.bind(first.getsockname()), "EADDRINUSE");
        assert.equal(second.getsockname(), "");
        await rejects(second.listen(), "EINVAL");
        await second.close();
        await clientOf(first);
        await accepted(first);
      },
      async [`bind() leaves no listener behind before listen() (${kind})`]() {
        const name = newName();
        const server = unix();
        await server.bind(name);
        assert.equal(server.getsockname(), name);
        await rejects(unix().connect(name), "ECONNREFUSED", "ENOENT");
        await server.listen();
        await clientOf(server);
      },
      async [`listen() waits for a bind() that nobody awaited (${kind})`]() {
        const first = await listening(newName());
        const [second, third] = [unix(), unix()];
        second.bind(newName());
        await second.listen();
        await clientOf(second);
        third.bind(first.getsockname());
        await rejects(third.listen(), "EADDRINUSE");
      },
      async [
        `close() while bind() or listen() waits frees the name (${kind})`
      ]() {
        const name = newName();
        for (let round = 0; round < 8; round++) {
          const server = unix();
          const calls = [server.bind(name)];
          if (round & 1) await calls[0];
          if (round & 2) calls.push(server.listen());
          await server.close();
          await Promise.allSettled(calls);
          const next = await listening(name);
          await next.close();
        }
      },
    }),
    ...casesOf({ statement: "rule", needs }, {
      async [
        `close() of a listener frees its name before it resolves (${kind})`
      ]() {
        const name = newName();
        for (let count = 0; count < 10; count++) {
          const server = await listening(name);
          server.accept();
          await server.close();
        }
      },
    }),
  ]),
  ...casesOf("82", {
    async "getsockname() of AF_UNIX is empty before there is a name"() {
      const socket = unix();
      assert.equal(socket.getsockname(), "");
      const name = abstractName();
      await socket.bind(name);
      assert.equal(socket.getsockname(), name);
      throws(() => socket.getpeername(), "ENOTCONN");
    },
    async "connect() tells abstract names apart by all of their bytes"() {
      const name = abstractName();
      const [short, long] = [
        await listening(name),
        await listening(`${name}x`),
      ];
      await clientOf(long);
      await accepted(long);
      await pending(short.accept());
      await rejects(unix().connect(`${name}xx`), "ECONNREFUSED");
    },
  }),

  // --- what is no name ---

  ...casesOf("82", {
    async "bind() and connect() are EINVAL for a name that is too long"() {
      const long = `${abstractName()}${"x".repeat(LONGEST)}`;
      const names = [
        long.slice(0, LONGEST + 1),
        `/tmp/${"x".repeat(LONGEST)}`,
        `\0${"é".repeat(LONGEST / 2 + 1)}`, // it is bytes that count
      ];
      for (const name of names) {
        await rejects(unix().bind(name), "EINVAL");
        await rejects(unix().connect(name), "EINVAL");
      }
    },
    async "bind() and connect() are EINVAL for a path with a NUL inside"() {
      for (const path of ["/tmp/a\0b", "/tmp/a\0", "\0a\0b", "\0\0", ""]) {
        await rejects(unix().bind(path), "EINVAL");
        await rejects(unix().connect(path), "EINVAL");
      }
    },
  }),
  ...casesOf("3", {
    async "bind() and connect() of AF_UNIX refuse what is no path"() {
      for (const address of [["127.0.0.1", 80], 80, null, undefined, {}]) {
        await assert.rejects(unix().bind(address as Address), TypeError);
        await assert.rejects(unix().connect(address as Address), TypeError);
      }
    },
  }),
  ...casesOf("10", {
    async "listen() of AF_UNIX without bind() is EINVAL"() {
      await rejects(unix().listen(), "EINVAL");
    },
    async "bind() of AF_UNIX is EINVAL for a socket that has a name"() {
      const server = await listening(abstractName());
      const client = await clientOf(server);
      for (const socket of [server, client]) {
        await rejects(socket.bind(abstractName()), "EINVAL");
      }
    },
  }),
  ...casesOf("88", {
    async "socket() throws EPROTONOSUPPORT for datagrams of AF_UNIX"() {
      throws(() => socket(AF_UNIX as never, SOCK_DGRAM), "EPROTONOSUPPORT");
    },
  }),

  // --- nobody there ---

  ...casesOf("22", {
    async "connect() to an abstract name that nobody has is ECONNREFUSED"() {
      const name = abstractName();
      const client = unix();
      const error = await rejects(client.connect(name), "ECONNREFUSED");
      assert.equal(
        error.message,
        `Cannot connect to @${name.slice(1)}: connection refused`,
      );
      await listening(name);
      await client.connect(name);
    },
  }),
  ...casesOf({ statement: "22", needs: "all permissions" }, {
    async "connect() to a path that is not there is ENOENT"() {
      const path = newPath();
      const error = await rejects(unix().connect(path), "ENOENT");
      assert.equal(error.message, `Cannot connect to ${path}: no such file`);
      assert.equal(error.address, path);
    },
    async "connect() to a file that is no socket is ECONNREFUSED"() {
      const path = newPath();
      writeFileSync(path, "text");
      await rejects(unix().connect(path), "ECONNREFUSED");
    },
  }),
  ...casesOf({ statement: "84", needs: "all permissions" }, {
    async "connect() to a stale socket file is ECONNREFUSED"() {
      await rejects(unix().connect(await stalePath()), "ECONNREFUSED");
    },
    async "bind() to a stale socket file is EADDRINUSE until it is removed"() {
      const path = await stalePath();
      const server = unix();
      await rejects(server.bind(path), "EADDRINUSE");
      rmSync(path);
      await server.bind(path);
      await server.listen();
      await clientOf(server);
    },
    async "bind() to another kind of file is EADDRINUSE and leaves it alone"() {
      const path = newPath();
      writeFileSync(path, "text");
      const server = unix();
      await rejects(server.bind(path), "EADDRINUSE");
      await rejects(unix().bind(dirname(path)), "EADDRINUSE");
      const link = newPath();
      symlinkSync(newPath(), link); // to nothing, and so it stays
      await rejects(unix().bind(link), "EADDRINUSE");
      assert.equal(existsSync(readlinkSync(link)), false);
      await server.close();
      assert.equal(readFileSync(path, "utf8"), "text");
    },
    async "bind() in a folder that is not there is ENOENT"() {
      await rejects(unix().bind(`${newPath()}/s`), "ENOENT");
    },
    async "bind() and connect() are ENOTDIR where a file is no folder"() {
      const path = newPath();
      writeFileSync(path, "text");
      for (const call of ["bind", "connect"] as const) {
        const error = await rejects(unix()[call](`${path}/s`), "ENOTDIR");
        assert.match(error.message, /: part of the path is no folder$/);
      }
    },
    async "bind() and connect() are ELOOP for links that go in a circle"() {
      const path = newPath();
      symlinkSync(path, path);
      await rejects(unix().bind(`${path}/s`), "ELOOP");
      for (const name of [path, `${path}/s`]) {
        await rejects(unix().connect(name), "ELOOP");
      }
    },
  }),

  // --- the socket file ---

  ...casesOf({ statement: "84", needs: "all permissions" }, {
    async "close() removes the socket file that listen() made"() {
      const path = newPath();
      const server = unix();
      await server.bind(path);
      assert.ok(!existsSync(path));
      await server.listen();
      assert.ok(existsSync(path));
      const client = await clientOf(server);
      const connection = await accepted(server);
      for (const socket of [client, connection]) await socket.close();
      assert.ok(existsSync(path));
      await server.close();
      assert.ok(!existsSync(path));
      await rejects(unix().connect(path), "ENOENT");
    },
    async "close() of a listener whose socket file is gone is done"() {
      const path = newPath();
      const server = await listening(path);
      rmSync(path);
      await server.close();
      await rejects(server.accept(), "EBADF");
    },
    async "close() leaves a file alone that has replaced the socket"() {
      const path = newPath();
      const server = await listening(path);
      rmSync(path);
      writeFileSync(path, "somebody else's");
      await server.close();
      assert.ok(existsSync(path));
    },
  }),
  ...casesOf({ statement: "rule", needs: "all permissions" }, {
    async "close() of AF_UNIX sockets, and what fails, free their descriptors"() {
      const server = await listening(abstractName());
      const name = server.getsockname();
      const before = descriptors();
      for (let count = 0; count < 30; count++) {
        const [client, other] = [await clientOf(server), unix()];
        const connection = await accepted(server);
        await rejects(other.bind(name), "EADDRINUSE");
        await rejects(unix().connect(`${name}x`), "ECONNREFUSED");
        for (const socket of [client, connection]) await socket.close();
      }
      await descriptorsFallTo(before + 3);
    },
  }),

  // --- clients, waits and the end ---

  ...casesOf("rule", {
    async "accept() and recv() of AF_UNIX time out and lose nothing"() {
      const server = await listening(abstractName());
      server.settimeout(1);
      await rejects(server.accept(), "ETIMEDOUT");
      server.settimeout(null);
      const client = await clientOf(server);
      const connection = await accepted(server);
      connection.settimeout(1);
      await rejects(connection.recv(10), "ETIMEDOUT");
      connection.settimeout(null);
      await client.sendall("kept");
      assert.equal(decode(await connection.recv(10)), "kept");
    },
    async "close() makes what waits on AF_UNIX EBADF, and ends the iteration"() {
      const [client, , listener] = await pair(abstractName());
      const waiting = [listener.accept(), client.recv(1)]
        .map((one) => rejects(one, "EBADF"));
      const iterating = (async () => {
        for await (const [,] of listener) assert.fail("nobody connects");
      })();
      await Promise.all([listener.close(), client.close()]);
      await Promise.all([...waiting, iterating]);
      throws(() => client.getpeername(), "EBADF");
      throws(() => listener.getsockname(), "EBADF");
    },
    async "close() of an AF_UNIX listener leaves no waiting client hanging"() {
      const server = await listening(abstractName());
      const client = await clientOf(server);
      await server.close();
      await isCutOff(client);
    },
  }),
  ...casesOf("27", {
    async "bind() of an AF_UNIX client is the name that the server sees"() {
      const server = await listening(abstractName());
      const client = unix();
      const name = abstractName();
      await client.bind(name);
      await client.connect(server.getsockname());
      const [connection, address] = await server.accept();
      afterwards(() => connection.close());
      assert.equal(client.getsockname(), name);
      assert.equal(address, name);
    },
    async "connect() of an AF_UNIX client with a name does not drop it"() {
      const server = await listening(abstractName());
      const client = unix();
      await client.bind(abstractName());
      const attempt = client.connect(server.getsockname());
      // Where a runtime can bind it, this case goes and its deviations too.
      await rejects(attempt, "EOPNOTSUPP");
    },
  }),
  ...casesOf("38", {
    async "sendall() over AF_UNIX waits for a reader that does not read"() {
      const [client, server] = await pair(abstractName());
      const sending = client.sendall(pattern(MUCH));
      await pending(sending);
      await receives(server, pattern(MUCH));
      await sending;
    },
  }),

  // --- half-close ---

  ...casesOf("40", {
    async "shutdown(SHUT_WR) of AF_UNIX is the end for the peer only"() {
      const [client, server] = await pair(abstractName());
      await client.sendall("request");
      await client.shutdown("SHUT_WR");
      await receivesToEnd(server, "request");
      await server.sendall("reply");
      await server.close();
      await receivesToEnd(client, "reply");
    },
    async "shutdown(SHUT_WR) of AF_UNIX sends what is pending first"() {
      const [client, server] = await pair(abstractName());
      const sending = client.sendall(pattern(MUCH));
      const finishing = client.shutdown("SHUT_WR");
      await receivesToEnd(server, pattern(MUCH));
      await Promise.all([sending, finishing]);
    },
  }),
  ...casesOfEach(["connected", "accepted"], "41", {
    async "sendall() of AF_UNIX goes on after the peer's SHUT_WR"(origin) {
      const [client, server] = await pair(abstractName());
      const [socket, peer] = origin === "connected"
        ? [client, server]
        : [server, client];
      await peer.sendall("request");
      await peer.shutdown("SHUT_WR");
      await receivesToEnd(socket, "request");
      const sending = socket.sendall(pattern(MUCH));
      await pending(sending);
      await receives(peer, pattern(MUCH));
      await sending;
      assert.equal((await socket.recv(1)).length, 0);
    },
  }),
  ...casesOf("43", {
    async "shutdown() of AF_UNIX may be repeated, and needs a connection"() {
      const [client, server, listener] = await pair(abstractName());
      await Promise.all([
        client.shutdown("SHUT_WR"),
        client.shutdown("SHUT_WR"),
      ]);
      await server.shutdown("SHUT_WR");
      await client.shutdown("SHUT_WR");
      assert.equal((await client.recv(1)).length, 0);
      assert.equal((await server.recv(1)).length, 0);
      await rejects(client.send("x"), "EPIPE");
      await refuses(client.shutdown("SHUT_" as never));
      await rejects(listener.shutdown("SHUT_WR"), "ENOTCONN");
      await rejects(unix().shutdown("SHUT_WR"), "ENOTCONN");
    },
  }),
];

// --- names ---

/** A name in Linux's abstract namespace, which needs no file. */
function abstractName(): string {
  return `\0socket-lab-${crypto.randomUUID()}`;
}

/** A socket file that its server has left behind, as one that is killed does. */
async function stalePath(): Promise<string> {
  const path = newPath();
  const server = await listening(path);
  renameSync(path, `${path}2`); // so that close() finds nothing to remove
  await server.close();
  return `${path}2`;
}

// --- sockets ---

async function listening(name: string): Promise<StreamSocket> {
  const server = unix();
  await server.bind(name);
  await server.listen();
  return server;
}

async function clientOf(server: StreamSocket): Promise<StreamSocket> {
  const client = unix();
  await client.connect(server.getsockname());
  return client;
}

/** Both ends of one connection, and its listener. */
async function pair(
  name: string,
): Promise<[client: StreamSocket, server: StreamSocket, StreamSocket]> {
  const listener = await listening(name);
  const client = await clientOf(listener);
  return [client, await accepted(listener), listener];
}
