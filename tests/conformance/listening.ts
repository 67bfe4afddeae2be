/**
 * bind, listen and accept: CONFORMANCE.md groups B and C.
 *
 * @module
 */
import assert from "node:assert/strict";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { decode, SocketError, type StreamSocket } from "../../lib/mod.ts";
import {
  accepted,
  afterwards,
  type Case,
  clientOf,
  freeAddress,
  listening,
  nameOf,
  pair,
  peerOf,
  pending,
  refuses,
  rejects,
  tcp,
} from "./fixtures.ts";

/** At most this many clients wait in the library, wherever it accepts ahead. */
const MOST_WAITING = 4096;

export const cases: Case[] = [
  {
    statement: "8",
    name: "listen() on a port in use is EADDRINUSE and leaves the first alone",
    async run() {
      const first = await listening();
      const second = tcp();
      await second.bind(first.getsockname());
      await rejects(second.listen(), "EADDRINUSE");
      await clientOf(first);
      await accepted(first);
    },
  },
  {
    statement: "8",
    name: "listen() can be tried again when the port has become free",
    async run() {
      const first = await listening();
      const second = tcp();
      await second.bind(first.getsockname());
      await rejects(second.listen(), "EADDRINUSE");
      await first.close();
      await second.listen();
      await clientOf(second);
    },
  },
  {
    statement: "9",
    name: "listen() on an address of another machine is EADDRNOTAVAIL",
    async run() {
      const server = tcp();
      await server.bind(["192.0.2.99", 0]);
      await rejects(server.listen(), "EADDRNOTAVAIL");
    },
  },
  {
    statement: "10",
    name: "bind() is EINVAL for a socket that has a name",
    async run() {
      const server = await listening();
      const bound = tcp();
      await bound.bind(["127.0.0.1", 0]);
      const client = await clientOf(server);
      for (const socket of [server, bound, client]) {
        await rejects(socket.bind(["127.0.0.1", 0]), "EINVAL");
      }
    },
  },
  {
    statement: "10",
    name: "listen() is EINVAL for a connected socket",
    async run() {
      const [client, server] = await pair();
      await rejects(client.listen(), "EINVAL");
      await rejects(server.listen(), "EINVAL");
    },
  },
  {
    statement: "10",
    name: "accept() is EINVAL for a socket that does not listen",
    async run() {
      const [client] = await pair();
      const bound = tcp();
      await bound.bind(["127.0.0.1", 0]);
      for (const socket of [tcp(), bound, client]) {
        await rejects(socket.accept(), "EINVAL");
      }
    },
  },
  {
    statement: "10",
    name: "listen() may be repeated",
    async run() {
      const server = await listening();
      await server.listen(20);
      await clientOf(server);
      await accepted(server);
    },
  },
  {
    statement: "rule",
    name: "listen() called again before it is done is served in its turn",
    async run() {
      const server = tcp();
      await server.bind(["127.0.0.1", 0]);
      await Promise.all([server.listen(5), server.listen(10)]);
      await clientOf(server);
    },
  },
  {
    statement: "11",
    name: "listen() without bind() takes any address and a free port",
    async run() {
      for (const any of ["0.0.0.0", "::"]) {
        const server = tcp(any);
        await server.listen();
        const [host, port] = nameOf(server);
        assert.equal(host, any);
        assert.notEqual(port, 0);
      }
    },
  },
  {
    statement: "12",
    name: "connect() to what is bound and does not listen is ECONNREFUSED",
    async run() {
      const server = tcp();
      const address = await freeAddress();
      await server.bind(address);
      await rejects(tcp().connect(address), "ECONNREFUSED");
      await server.listen();
      await tcp().connect(address);
    },
  },
  {
    statement: "13",
    name: "listen() takes a backlog of 0 and less, and refuses a fraction",
    async run() {
      for (const backlog of [0, -1]) {
        const server = await listening("127.0.0.1", backlog);
        await clientOf(server);
        await accepted(server);
      }
      for (const backlog of [1.5, NaN, "5", null]) {
        await refuses(tcp().listen(backlog as number));
      }
    },
  },
  {
    statement: "13",
    name: "connect() succeeds for backlog + 1 clients that nobody accepts",
    async run() {
      const server = await listening("127.0.0.1", 3);
      const clients = [];
      for (let count = 0; count < 4; count++) {
        clients.push(await clientOf(server));
      }
      for (const client of clients) {
        const [connection, address] = await server.accept();
        afterwards(() => connection.close());
        assert.deepEqual(address, client.getsockname());
      }
    },
  },
  {
    statement: "13",
    name: "connect() waits when backlog + 1 clients wait already",
    async run() {
      const server = await listening("127.0.0.1", 1);
      await clientOf(server);
      await clientOf(server);
      const third = tcp();
      third.settimeout(200);
      await rejects(third.connect(server.getsockname()), "ETIMEDOUT");
    },
  },
  {
    statement: "13",
    name: `listen() never lets more than ${MOST_WAITING} clients wait`,
    async run() {
      const server = await listening();
      const knock = () => peerOf(server.getsockname());
      for (let count = 0; count < MOST_WAITING; count += 64) {
        await Promise.all(Array.from({ length: 64 }, knock));
      }
      // The kernel's own queue has one place more than its backlog.
      assert.equal(
        await isTurnedAway(server) || await isTurnedAway(server),
        true,
      );
      // A place that accept() frees is taken again.
      await accepted(server);
      await accepted(server);
      assert.equal(await isTurnedAway(server), false);
    },
  },
  {
    statement: "16",
    name: "accept() waits until a client connects",
    async run() {
      const server = await listening();
      const accepting = accepted(server);
      await pending(accepting);
      const client = await clientOf(server);
      assert.deepEqual((await accepting).getpeername(), client.getsockname());
    },
  },
  {
    statement: "16",
    name: "accept() serves those who wait in the order in which they came",
    async run() {
      const server = await listening();
      const order: number[] = [];
      const accepting = [0, 1, 2].map((index) =>
        accepted(server).then((connection) => {
          order.push(index);
          return connection;
        })
      );
      for (const waiting of accepting) {
        const client = await clientOf(server);
        const connection = await waiting;
        assert.deepEqual(connection.getpeername(), client.getsockname());
      }
      assert.deepEqual(order, [0, 1, 2]);
    },
  },
  {
    statement: "16",
    name: "accept() gives the clients in the order in which they connected",
    async run() {
      const server = await listening();
      const names = [];
      for (let count = 0; count < 5; count++) {
        names.push((await clientOf(server)).getsockname());
      }
      for (const name of names) {
        assert.deepEqual((await accepted(server)).getpeername(), name);
      }
    },
  },
  {
    statement: "16",
    name: "accept() gives a client that has sent and closed already",
    async run() {
      const server = await listening();
      const client = await clientOf(server);
      await client.sendall("gone");
      await client.close();
      const connection = await accepted(server);
      assert.equal((await connection.recv(10)).length, 4);
      assert.equal((await connection.recv(10)).length, 0);
    },
  },
  {
    statement: "20",
    name: "accept() works again when there are descriptors again",
    needs: "few descriptors",
    async run() {
      const server = await listening();
      const sockets = await connectUntilItFails(server);
      server.settimeout(100);
      const starved = await untilItFails(async () => {
        sockets.push(await accepted(server));
      });
      assert.ok(["ETIMEDOUT", "EMFILE"].includes(starved.code));
      for (const socket of sockets) await socket.close();
      server.settimeout(null);
      const client = await clientOf(server);
      await client.sendall("served");
      let text = "";
      while (text !== "served") {
        const connection = await accepted(server);
        text = await connection.recv(10).then(decode, ({ code }) => code);
        await connection.close();
      }
    },
  },
  {
    statement: "20",
    name: "accept() is not busy while there is no descriptor",
    needs: "few descriptors",
    async run() {
      const server = await listening();
      await connectUntilItFails(server);
      server.settimeout(500);
      const before = process.cpuUsage();
      await untilItFails(async () => void await accepted(server));
      const { user, system } = process.cpuUsage(before);
      const ms = (user + system) / 1000;
      // One that is busy gets far more, even on a machine that is, too.
      assert.ok(ms < 100, `${ms} ms of 500 on the processor`);
    },
  },
  {
    statement: "20",
    name: "connect() is EMFILE while there is no descriptor",
    needs: "few descriptors",
    async run() {
      const server = await listening();
      await connectUntilItFails(server);
      await rejects(tcp().connect(server.getsockname()), "EMFILE");
    },
  },
  {
    statement: "21",
    name: "accept() gives a socket without the listener's timeout",
    async run() {
      const server = await listening();
      server.settimeout(5000);
      await clientOf(server);
      const connection = await accepted(server);
      assert.equal(connection.gettimeout(), null);
      assert.equal(server.gettimeout(), 5000);
    },
  },
  {
    statement: "rule",
    name: "for await gives each client, and ends when the listener is closed",
    async run() {
      const server = await listening();
      const seen: unknown[] = [];
      const loop = (async () => {
        for await (const [connection, address] of server) {
          seen.push(address);
          await connection.close();
          if (seen.length === 3) server.close();
        }
      })();
      const names = [];
      for (let count = 0; count < 3; count++) {
        names.push((await clientOf(server)).getsockname());
      }
      await loop;
      assert.deepEqual(seen, names);
    },
  },
  {
    statement: "rule",
    name: "for await ends at close() while it waits, and at once afterwards",
    async run() {
      const server = await listening();
      const loop = (async () => {
        for await (const [connection] of server) await connection.close();
      })();
      await pending(loop);
      await server.close();
      await loop;
      for await (const _ of server) {
        assert.fail("a closed listener has no clients");
      }
    },
  },
  {
    statement: "rule",
    name: "for await can be left and entered again",
    async run() {
      const server = await listening();
      const names = [];
      for (let count = 0; count < 2; count++) {
        names.push((await clientOf(server)).getsockname());
        for await (const [connection, address] of server) {
          await connection.close();
          assert.deepEqual(address, names[count]);
          break;
        }
      }
    },
  },
  {
    statement: "rule",
    name: "close() frees the port, whatever the listener was doing",
    async run() {
      const address = await freeAddress();
      for (let round = 0; round < 10; round++) {
        const server = tcp();
        await server.bind(address);
        await server.listen();
        const accepting = round % 2 ? rejects(server.accept(), "EBADF") : null;
        await server.close();
        await accepting;
      }
    },
  },
  {
    statement: "rule",
    name: "close() frees the port although clients are connected and waiting",
    async run() {
      const address = await freeAddress();
      for (let round = 0; round < 3; round++) {
        const server = tcp();
        await server.bind(address);
        await server.listen();
        const client = await clientOf(server);
        const connection = await accepted(server);
        await clientOf(server); // which nobody accepts
        await server.close();
        // The connection outlives its listener. Its server end closes first,
        // and so keeps the port in TIME_WAIT.
        await connection.sendall("still here");
        assert.equal((await client.recv(100)).length, 10);
        await connection.close();
        assert.equal((await client.recv(100)).length, 0);
      }
    },
  },
  {
    statement: "rule",
    name: "close() makes later connects ECONNREFUSED",
    async run() {
      const server = await listening();
      const address = server.getsockname();
      await server.close();
      await rejects(tcp().connect(address), "ECONNREFUSED");
    },
  },
  {
    statement: "rule",
    name: "close() of a listener ends the clients that nobody accepted",
    async run() {
      const server = await listening();
      const client = await clientOf(server);
      await server.close();
      const last = await client.recv(1).catch(({ code }) => code);
      assert.ok(last === "ECONNRESET" || last.length === 0, last);
    },
  },
  {
    statement: "rule",
    name: "close() of a listener leaves no client behind that just connects",
    async run() {
      for (let round = 0; round < 40; round++) {
        const server = await listening();
        const accepting = server.accept()
          .then(([one]) => one.close(), ({ code }) => code);
        const client = tcp();
        const ending = client.connect(server.getsockname())
          .then(() => client.recv(1))
          .catch(({ code }) => code);
        if (round % 4) await delay(round % 4 - 1);
        await server.close();
        assert.ok([undefined, "EBADF"].includes(await accepting));
        const last = await ending;
        assert.ok(
          ["ECONNRESET", "ECONNREFUSED"].includes(last) || last.length === 0,
          last,
        );
      }
    },
  },
];

/** Uses up the descriptors; the last one goes to a client, not to its server. */
async function connectUntilItFails(
  server: StreamSocket,
): Promise<StreamSocket[]> {
  // Deno 2.9.6 watches signals from half a second after its start, and panics
  // if it then finds no descriptor: let it begin now.
  const nothing = () => {};
  process.on("SIGUSR2", nothing).off("SIGUSR2", nothing);
  const clients: StreamSocket[] = [];
  await untilItFails(async () => {
    assert.ok(clients.length < 256, "run this under `ulimit -n 256`");
    clients.push(await clientOf(server));
  });
  await clients.pop()?.close();
  clients.push(await clientOf(server));
  return clients;
}

async function untilItFails(step: () => Promise<void>): Promise<SocketError> {
  try {
    while (true) await step();
  } catch (error) {
    if (error instanceof SocketError) return error;
    throw error;
  }
}

/** Whether one more client is reset, or not answered at all. */
async function isTurnedAway(server: StreamSocket): Promise<boolean> {
  const patience = AbortSignal.timeout(1000);
  const client = tcp();
  try {
    await client.connect(server.getsockname(), { signal: patience });
    await client.recv(1, { signal: patience });
    return true;
  } catch (error) {
    if (error !== patience.reason) return true;
    return client.getsockname()[1] === 0; // it never got through
  }
}
