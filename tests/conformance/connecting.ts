/**
 * connect and its errors: CONFORMANCE.md group D.
 *
 * @module
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import process from "node:process";
import { type Address, decode } from "../../lib/mod.ts";
import { freePort } from "../../scripts/tools/support/free_port.ts";
import {
  accepted,
  afterwards,
  type Case,
  casesOf,
  clientOf,
  freeAddress,
  leaveOpen,
  listening,
  nameOf,
  pair,
  pending,
  refuses,
  rejects,
  rejectsWith,
  socketDescriptors,
  socketsFallTo,
  tcp,
  timesOut,
} from "./fixtures.ts";

export const cases: Case[] = [
  ...casesOf("22", {
    async "connect() is ECONNREFUSED where nobody listens"() {
      for (const host of ["127.0.0.1", "::1"]) {
        const address = await freeAddress(host);
        await rejects(tcp(host).connect(address), "ECONNREFUSED");
      }
    },
    async "connect() can be tried again after a refusal"() {
      const client = tcp();
      const address = await freeAddress();
      await rejects(client.connect(address), "ECONNREFUSED");
      const server = tcp();
      await server.bind(address);
      await server.listen();
      await client.connect(address);
      await accepted(server);
    },
  }),
  ...casesOf("23", {
    async "connect() is EISCONN for a connected socket"() {
      const [client, server] = await pair();
      const address = await freeAddress();
      await rejects(client.connect(address), "EISCONN");
      await rejects(server.connect(address), "EISCONN");
    },
    async "connect() is EISCONN for a listening socket"() {
      const server = await listening();
      await rejects(server.connect(await freeAddress()), "EISCONN");
    },
    async "connect() is EALREADY while another connect() is under way"() {
      const server = await listening();
      const client = tcp();
      const first = client.connect(server.getsockname());
      await rejects(client.connect(server.getsockname()), "EALREADY");
      await first;
      assert.deepEqual(client.getpeername(), server.getsockname());
    },
  }),
  ...casesOf("24", {
    async "connect() to 0.0.0.0 reaches this machine"() {
      const server = await listening();
      const client = tcp();
      await client.connect(["0.0.0.0", nameOf(server)[1]]);
      const connection = await accepted(server);
      assert.deepEqual(client.getpeername(), server.getsockname());
      assert.deepEqual(connection.getpeername(), client.getsockname());
    },
    async "connect() refuses port 0"() {
      await refuses(tcp().connect(["127.0.0.1", 0]));
    },
    async "connect() to 255.255.255.255 is ENETUNREACH"() {
      await rejects(tcp().connect(["255.255.255.255", 9]), "ENETUNREACH");
    },
  }),
  ...casesOf("25", {
    async "connect() without an answer is ETIMEDOUT"() {
      const address = await hole();
      const client = tcp();
      client.settimeout(50);
      await timesOut(50, () => client.connect(address));
    },
    async "connect() without an answer ends with its signal's reason"() {
      const address = await hole();
      const controller = new AbortController();
      const connecting = tcp().connect(address, controller);
      await pending(connecting);
      const reason = new Error("enough");
      controller.abort(reason);
      await rejectsWith(reason, connecting);
    },
    async "connect() without an answer is EBADF when its socket is closed"() {
      const client = tcp();
      const connecting = client.connect(await hole());
      await pending(connecting);
      await client.close();
      await rejects(connecting, "EBADF");
    },
    async "connect() can be tried elsewhere after a timeout"() {
      const client = tcp();
      client.settimeout(50);
      await rejects(client.connect(await hole()), "ETIMEDOUT");
      client.settimeout(null);
      const server = await listening();
      await client.connect(server.getsockname());
      assert.deepEqual(client.getpeername(), server.getsockname());
    },
  }),
  ...casesOf({ statement: "25", needs: "all permissions" }, {
    async "connect() that was given up frees its descriptor"() {
      await isGivenUp(await hole());
    },
    async "connect() to 0.0.0.0 that was given up frees its descriptor"() {
      const [, port] = await hole();
      await isGivenUp(["0.0.0.0", port]);
    },
    async "close() of a socket that connects frees its descriptor"() {
      const address = await hole();
      const client = tcp();
      const before = socketDescriptors();
      const connecting = client.connect(address);
      await pending(connecting);
      assert.ok(socketDescriptors().length > before.length);
      await client.close();
      await rejects(connecting, "EBADF");
      await socketsFallTo(before);
    },
  }),
  ...casesOf("rule", {
    async "connect() that is aborted at once leaves the socket usable"() {
      const server = await listening();
      const client = tcp();
      const controller = new AbortController();
      const connecting = client.connect(server.getsockname(), controller);
      controller.abort("changed my mind");
      await rejectsWith("changed my mind", connecting);
      assert.deepEqual(client.getsockname(), ["0.0.0.0", 0]);
      await client.connect(server.getsockname());
      // What was given up may have got through: it is closed by then.
      await client.sendall("second");
      let connection = await accepted(server);
      let text = decode(await connection.recv(10));
      if (text === "") {
        connection = await accepted(server);
        text = decode(await connection.recv(10));
      }
      assert.equal(text, "second");
    },
    async "connect() with a signal that is aborted already goes nowhere"() {
      const server = await listening();
      const signal = AbortSignal.abort("no");
      const connecting = tcp().connect(server.getsockname(), { signal });
      await rejectsWith("no", connecting);
      await pending(server.accept());
    },
    async "connect() that is under way is EBADF when its socket is closed"() {
      const server = await listening();
      const client = tcp();
      const connecting = client.connect(server.getsockname());
      await client.close();
      await rejects(connecting, "EBADF");
      // If it got through, the server sees it end.
      server.settimeout(50);
      const connection = await accepted(server).catch(() => undefined);
      if (connection) assert.equal((await connection.recv(1)).length, 0);
    },
  }),
  ...casesOf("27", {
    async "connect() comes from the address that bind() named"() {
      const server = await listening();
      const [, port] = await freeAddress("127.0.0.2");
      const client = tcp();
      await client.bind(["127.0.0.2", port]);
      await client.connect(server.getsockname());
      const [connection, address] = await server.accept();
      assert.deepEqual(address, ["127.0.0.2", port]);
      assert.deepEqual(client.getsockname(), ["127.0.0.2", port]);
      assert.deepEqual(client.getpeername(), server.getsockname());
      await connection.close();
    },
    async "connect() takes a free port of the host that bind() named"() {
      const server = await listening();
      const client = tcp();
      await client.bind(["127.0.0.2", 0]);
      await client.connect(server.getsockname());
      const [host, port] = nameOf(client);
      assert.equal(host, "127.0.0.2");
      assert.notEqual(port, 0);
      const connection = await accepted(server);
      assert.deepEqual(connection.getpeername(), [host, port]);
    },
    async "connect() is EADDRINUSE if another has the port since bind()"() {
      const [other, client] = [tcp(), tcp()];
      await client.bind(await freeAddress());
      await other.bind(client.getsockname());
      await other.listen();
      const server = await listening();
      await rejects(client.connect(server.getsockname()), "EADDRINUSE");
      await other.close();
      await client.connect(server.getsockname());
    },
    async "connect() of a bound socket is ECONNREFUSED where nobody listens"() {
      const client = tcp();
      await client.bind(["127.0.0.1", 0]);
      await rejects(client.connect(await freeAddress()), "ECONNREFUSED");
    },
  }),
];

/** Asserts that a connect() to where nobody answers leaves no descriptor. */
async function isGivenUp(address: Address): Promise<void> {
  const client = tcp();
  client.settimeout(20);
  const before = socketDescriptors();
  await rejects(client.connect(address), "ETIMEDOUT");
  await socketsFallTo(before);
}

/**
 * An address that answers nothing: its queue is full, and nobody accepts.
 *
 * Only Deno's own listener leaves clients in the kernel's queue. Elsewhere it
 * takes a process that fills its own queue and stops.
 */
async function hole(): Promise<[host: string, port: number]> {
  if ("Deno" in globalThis) {
    const server = await listening("127.0.0.1", 1);
    for (let count = 0; count < 2; count++) await clientOf(server);
    return nameOf(server);
  }
  if (!("Bun" in globalThis)) {
    return ["127.0.0.1", await (stuckPort ??= startStuck(2))];
  }
  // The connects that Bun cannot cancel end soon after the process, and nobody
  // else may have its port by then. Bun knows no backlog but 512, which the
  // kernel may lower.
  leaveOpen();
  const most = Number(readFileSync("/proc/sys/net/core/somaxconn"));
  return ["127.0.0.1", await startStuck(1 + Math.min(512, most))];
}

/** Under Node all cases share one, since a start costs more than all of them. */
let stuckPort: Promise<number> | undefined;

async function startStuck(clients: number): Promise<number> {
  const child = spawn(process.execPath, ["-e", STUCK], {
    stdio: ["ignore", "pipe", "ignore"],
    env: { ...process.env, PORT: `${await freePort()}`, CLIENTS: `${clients}` },
  });
  const kill = () => child.kill("SIGKILL");
  if ("Bun" in globalThis) afterwards(kill);
  else process.once("exit", kill);
  const [line] = await once(child.stdout, "data");
  child.stdout.destroy();
  child.unref();
  return Number(line);
}

const STUCK = `
  const server = require("node:net").createServer();
  const port = Number(process.env.PORT);
  server.listen({ host: "127.0.0.1", port, backlog: 1 }, () => {
    for (let count = 0; count < process.env.CLIENTS; count++) {
      require("node:net").connect(port, "127.0.0.1");
    }
    process.nextTick(() => { // they have connected: the kernel answers at once
      require("node:fs").writeSync(1, process.env.PORT);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });
  });
`;
