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
  casesOf,
  clientOf,
  freeAddress,
  isCutOff,
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
  ...casesOf("8", {
    async "listen() is EADDRINUSE if another socket has listened since bind()"() {
      const [first, second] = [tcp(), tcp()];
      await second.bind(await freeAddress());
      await first.bind(second.getsockname());
      await first.listen();
      await rejects(second.listen(), "EADDRINUSE");
      await clientOf(first);
      await accepted(first);
      // It can be tried again when the port has become free.
      await first.close();
      await second.listen();
      await clientOf(second);
    },
  }),
  ...casesOf("10", {
    async "bind() is EINVAL for a socket that has a name"() {
      const server = await listening();
      const bound = tcp();
      await bound.bind(["127.0.0.1", 0]);
      const client = await clientOf(server);
      for (const socket of [server, bound, client]) {
        await rejects(socket.bind(["127.0.0.1", 0]), "EINVAL");
      }
    },
    async "listen() is EINVAL for a connected socket"() {
      const [client, server] = await pair();
      await rejects(client.listen(), "EINVAL");
      await rejects(server.listen(), "EINVAL");
    },
    async "accept() is EINVAL for a socket that does not listen"() {
      const [client] = await pair();
      const bound = tcp();
      await bound.bind(["127.0.0.1", 0]);
      for (const socket of [tcp(), bound, client]) {
        await rejects(socket.accept(), "EINVAL");
      }
    },
    async "listen() may be repeated"() {
      const server = await listening();
      await server.listen(20);
      await clientOf(server);
      await accepted(server);
    },
  }),
  ...casesOf("rule", {
    async "listen() called again before it is done is served in its turn"() {
      const server = tcp();
      await server.bind(["127.0.0.1", 0]);
      await Promise.all([server.listen(5), server.listen(10)]);
      await clientOf(server);
    },
  }),
  ...casesOf("11", {
    async "listen() without bind() takes any address and a free port"() {
      for (const any of ["0.0.0.0", "::"]) {
        const server = tcp(any);
        await server.listen();
        const [host, port] = nameOf(server);
        assert.equal(host, any);
        assert.notEqual(port, 0);
      }
    },
  }),
  ...casesOf("12", {
    async "connect() to what is bound and does not listen is ECONNREFUSED"() {
      const server = tcp();
      const address = await freeAddress();
      await server.bind(address);
      await rejects(tcp().connect(address), "ECONNREFUSED");
      await server.listen();
      await tcp().connect(address);
    },
  }),
  ...casesOf("13", {
    async "listen() takes a backlog of 0 and less, and refuses a fraction"() {
      for (const backlog of [0, -1]) {
        const server = await listening("127.0.0.1", backlog);
        await clientOf(server);
        await accepted(server);
      }
      for (const backlog of [1.5, NaN, "5", null]) {
        await refuses(tcp().listen(backlog as number));
      }
    },
    async "connect() succeeds for backlog + 1 clients that nobody accepts"() {
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
    async "connect() waits when backlog + 1 clients wait already"() {
      for (const backlog of [1, 0, -1]) {
        const server = await listening("127.0.0.1", backlog);
        const room = 1 + Math.max(0, backlog);
        for (let count = 0; count < room; count++) await clientOf(server);
        const next = tcp();
        next.settimeout(100);
        await rejects(next.connect(server.getsockname()), "ETIMEDOUT");
      }
    },
  }),
  ...casesOf({ statement: "13", gate: true }, {
    async [`listen() never lets more than ${MOST_WAITING} clients wait`]() {
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
  }),
  ...casesOf("16", {
    async "accept() waits until a client connects"() {
      const server = await listening();
      const accepting = accepted(server);
      await pending(accepting);
      const client = await clientOf(server);
      assert.deepEqual((await accepting).getpeername(), client.getsockname());
    },
    async "accept() serves those who wait in the order in which they came"() {
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
    async "accept() gives the clients in the order in which they connected"() {
      const server = await listening();
      const names = [];
      for (let count = 0; count < 5; count++) {
        names.push((await clientOf(server)).getsockname());
      }
      for (const name of names) {
        assert.deepEqual((await accepted(server)).getpeername(), name);
      }
    },
    async "accept() gives a client that has sent and closed already"() {
      const server = await listening();
      const client = await clientOf(server);
      await client.sendall("gone");
      await client.close();
      const connection = await accepted(server);
      assert.equal((await connection.recv(10)).length, 4);
      assert.equal((await connection.recv(10)).length, 0);
    },
  }),
  ...casesOf({ statement: "20", needs: "few descriptors" }, {
    async "accept() works again when there are descriptors again"() {
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
    async "accept() is not busy while there is no descriptor"() {
      const server = await listening();
      await connectUntilItFails(server);
      server.settimeout(500);
      const before = processorTime();
      await untilItFails(async () => void await accepted(server));
      const used = processorTime() - before;
      // It takes 7 ms; one that is busy gets 100, even on a machine that is.
      assert.ok(used < 30, `${used} ms of 500 on the processor`);
    },
    async "connect() is EMFILE while there is no descriptor"() {
      const server = await listening();
      await connectUntilItFails(server);
      await rejects(tcp().connect(server.getsockname()), "EMFILE");
    },
  }),
  ...casesOf("21", {
    async "accept() gives a socket without the listener's timeout"() {
      const server = await listening();
      server.settimeout(5000);
      await clientOf(server);
      const connection = await accepted(server);
      assert.equal(connection.gettimeout(), null);
      assert.equal(server.gettimeout(), 5000);
    },
  }),
  ...casesOf("rule", {
    async "for await gives each client, and ends when the listener is closed"() {
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
    async "for await ends at close() while it waits, and at once afterwards"() {
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
    async "for await can be left and entered again"() {
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
    async "close() frees the port, whatever the listener was doing"() {
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
    async "close() frees the port although clients are connected and waiting"() {
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
    async "close() makes later connects ECONNREFUSED"() {
      const server = await listening();
      const address = server.getsockname();
      await server.close();
      await rejects(tcp().connect(address), "ECONNREFUSED");
    },
    async "close() of a listener ends the clients that nobody accepted"() {
      const server = await listening();
      const client = await clientOf(server);
      await server.close();
      await isCutOff(client);
    },
    async "close() of a listener ends the client that it is just accepting"() {
      const server = await listening();
      const clients = [await clientOf(server), await clientOf(server)];
      const [first, second] = [server.accept(), server.accept()];
      // Deno has the second one by the time that the first is handed over.
      const [connection] = await first;
      const closing = server.close();
      await connection.close();
      await second.then(
        ([late]) => late.close(),
        (error) => rejects(Promise.reject(error), "EBADF"),
      );
      await closing;
      for (const client of clients) await isCutOff(client);
    },
    async "close() of a listener leaves no client behind that just connects"() {
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
  }),
];

/** Uses up the descriptors; the last one goes to a client, not to its server. */
async function connectUntilItFails(
  server: StreamSocket,
): Promise<StreamSocket[]> {
  const clients: StreamSocket[] = [];
  await untilItFails(async () => {
    assert.ok(clients.length < 256, "run this under `ulimit -n 256`");
    clients.push(await clientOf(server));
  });
  await clients.pop()?.close();
  clients.push(await clientOf(server));
  return clients;
}

/** How long this process has had a processor, in ms. */
function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
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
