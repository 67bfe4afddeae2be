/**
 * Timeouts and signals: CONFORMANCE.md group H. A wait that is cut short loses
 * no byte and no client, and the socket stays usable.
 *
 * @module
 */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import {
  decode,
  Reader,
  setdefaulttimeout,
  type StreamSocket,
} from "../../lib/mod.ts";
import {
  accepted,
  afterwards,
  type Case,
  casesOf,
  clientOf,
  KIB,
  listening,
  MUCH,
  pair,
  pattern,
  pending,
  receives,
  receivesToEnd,
  rejects,
  rejectsWith,
  same,
  sendUntilFull,
  skip,
  tcp,
  throws,
  timesOut,
  udp,
} from "./fixtures.ts";

export const cases: Case[] = [
  // --- settimeout ---

  ...casesOf("58", {
    async "settimeout() is null at first, and gettimeout() gives what was set"() {
      const socket = tcp();
      assert.equal(socket.gettimeout(), null);
      for (const ms of [1500, 1, null]) {
        socket.settimeout(ms);
        assert.equal(socket.gettimeout(), ms);
      }
    },
    async "settimeout() refuses at once what is no time"() {
      const socket = tcp();
      socket.settimeout(70);
      assert.throws(() => socket.settimeout(-1), RangeError);
      assert.throws(() => socket.settimeout(NaN), RangeError);
      assert.throws(() => socket.settimeout("9" as never));
      assert.throws(() => socket.settimeout(undefined as never));
      assert.equal(socket.gettimeout(), 70);
    },
    async "settimeout(null) waits for ever"() {
      const [client, server] = await pair();
      server.settimeout(1);
      server.settimeout(null);
      const receiving = server.recv(1);
      await pending(receiving);
      await client.sendall("x");
      assert.equal(decode(await receiving), "x");
    },
    async "settimeout() takes no long time for a short one"() {
      const [, server] = await pair();
      try {
        server.settimeout(2 ** 32 + 1);
      } catch (error) {
        return assert.ok(error instanceof RangeError);
      }
      await pending(server.recv(1));
    },
  }),
  ...casesOf("59", {
    async "settimeout(0) is EINVAL"() {
      const socket = tcp();
      throws(() => socket.settimeout(0), "EINVAL");
      assert.equal(socket.gettimeout(), null);
    },
  }),
  ...casesOf("rule", {
    async "settimeout() holds for later waits, not for one under way"() {
      const [, server] = await pair();
      const first = server.recv(1);
      server.settimeout(1);
      await rejects(server.recv(1), "ETIMEDOUT");
      await pending(first);
    },
  }),

  // --- setdefaulttimeout ---

  ...casesOf("58", {
    async "setdefaulttimeout() is what each new socket starts with"() {
      const before = [tcp(), await listening()];
      setDefault(5000);
      const client = await clientOf(before[1]);
      const after = [tcp(), udp(), client, await accepted(before[1])];
      setDefault(null);
      for (const one of before) assert.equal(one.gettimeout(), null);
      for (const one of after) assert.equal(one.gettimeout(), 5000);
      assert.equal(tcp().gettimeout(), null);
    },
    async "setdefaulttimeout() limits what a socket waits for"() {
      const server = await listening();
      setDefault(30);
      const client = await clientOf(server);
      await timesOut(30, () => client.recv(1));
      client.settimeout(null);
      await pending(client.recv(1));
    },
    async "setdefaulttimeout() refuses what is no time, and keeps the last"() {
      setDefault(70);
      throws(() => setdefaulttimeout(0), "EINVAL");
      for (const none of [-1, NaN, Infinity, 2 ** 31, "9", undefined]) {
        assert.throws(() => setdefaulttimeout(none as never), RangeError);
      }
      assert.equal(tcp().gettimeout(), 70);
    },
  }),

  // --- recv ---

  ...casesOf("56", {
    async "recv() is ETIMEDOUT after the timeout, and loses no byte"() {
      const [client, server] = await pair();
      server.settimeout(30);
      for (const word of ["one", "two"]) {
        await timesOut(30, () => server.recv(10));
        await client.sendall(word);
        server.settimeout(5000);
        assert.equal(decode(await server.recv(10)), word);
        server.settimeout(30);
      }
    },
    async "recv() ends with its signal's reason, and loses no byte"() {
      const [client, server] = await pair();
      const controller = new AbortController();
      const receiving = server.recv(10, controller);
      const reason = new Error("enough");
      controller.abort(reason);
      await rejectsWith(reason, receiving);
      await client.sendall("kept");
      assert.equal(decode(await server.recv(10)), "kept");
    },
    async "recv() with a signal that is aborted already takes nothing"() {
      const [client, server] = await pair();
      await client.sendall("kept");
      const signal = AbortSignal.abort("no");
      const receiving = server.recv(10, { signal });
      await rejectsWith("no", receiving);
      assert.equal(decode(await server.recv(10)), "kept");
    },
    async "recv() of n bytes after a longer one timed out gives at most n"() {
      const [client, server] = await pair();
      server.settimeout(1);
      await rejects(server.recv(100), "ETIMEDOUT");
      await rejects(server.recv(100_000), "ETIMEDOUT");
      server.settimeout(null);
      await client.sendall("abcdefgh");
      await receives(server, "a");
      await receives(server, "bcd");
      await receives(server, "efgh");
    },
    async "recv() of many bytes after a shorter one timed out loses none"() {
      const [client, server] = await pair();
      server.settimeout(1);
      await rejects(server.recv(1), "ETIMEDOUT");
      server.settimeout(null);
      await client.sendall("abcdefgh");
      await receives(server, "abcdefgh");
    },
    async "recv() that is aborted makes room for the one behind it"() {
      const [client, server] = await pair();
      const controllers = [1, 2, 3].map(() => new AbortController());
      const waiting = controllers.map((one) => server.recv(3, one));
      controllers[0].abort("first");
      await rejectsWith("first", waiting[0]);
      await client.sendall("abcdef");
      assert.equal(decode(await waiting[1]), "abc");
      assert.equal(decode(await waiting[2]), "def");
    },
    async "recv() that is aborted behind another leaves those around it alone"() {
      const [client, server] = await pair();
      const controller = new AbortController();
      const first = server.recv(3);
      const second = server.recv(3, controller);
      const others = [server.recv(3), server.recv(3)];
      controller.abort("second");
      await rejectsWith("second", second);
      await client.sendall("abcdefghi");
      const texts = (await Promise.all([first, ...others])).map(decode);
      assert.deepEqual(texts, ["abc", "def", "ghi"]);
    },
    async "recv() that times out again and again misses nothing that arrives"() {
      const [client, server] = await pair();
      const sent = pattern(200);
      const sending = (async () => {
        for (let at = 0; at < sent.length; at++) {
          await client.sendall(sent.subarray(at, at + 1));
          if (at % 2) await delay(at % 3);
        }
        await client.close();
      })();
      server.settimeout(1);
      const received: number[] = [];
      while (true) {
        const part = await server.recv(1 + received.length % 7)
          .catch((error) => rejects(Promise.reject(error), "ETIMEDOUT"));
        if (!(part instanceof Uint8Array)) continue;
        if (part.length === 0) break;
        received.push(...part);
      }
      same(Uint8Array.from(received), sent);
      await sending;
    },
  }),

  // --- accept ---

  ...casesOf("rule", {
    async "accept() is ETIMEDOUT after the timeout, and loses no client"() {
      const server = await listening();
      server.settimeout(30);
      await timesOut(30, () => server.accept());
      server.settimeout(null);
      const client = await clientOf(server);
      const connection = await accepted(server);
      assert.deepEqual(connection.getpeername(), client.getsockname());
    },
    async "accept() that is aborted makes room for the one behind it"() {
      const server = await listening();
      const controller = new AbortController();
      const first = server.accept(controller);
      const second = accepted(server);
      controller.abort("first");
      await rejectsWith("first", first);
      const client = await clientOf(server);
      assert.deepEqual((await second).getpeername(), client.getsockname());
    },
    async "accept() with a signal that is aborted already takes no client"() {
      const server = await listening();
      const client = await clientOf(server);
      const accepting = server.accept({ signal: AbortSignal.abort("no") });
      await rejectsWith("no", accepting);
      const connection = await accepted(server);
      assert.deepEqual(connection.getpeername(), client.getsockname());
    },
    async "accept() that times out again and again misses no client"() {
      const server = await listening();
      const missing = new Set<string>();
      const connecting = (async () => {
        for (let count = 0; count < 100; count++) {
          const client = await clientOf(server);
          missing.add(`${client.getsockname()}`);
          if (count % 2) await delay(count % 3);
        }
      })();
      server.settimeout(1);
      for (let count = 0; count < 100;) {
        const client = await server.accept()
          .catch((error) => rejects(Promise.reject(error), "ETIMEDOUT"));
        if (!Array.isArray(client)) continue;
        afterwards(() => client[0].close());
        count++;
      }
      await connecting;
      assert.equal(missing.size, 100);
    },
  }),

  // --- send and sendall ---

  ...casesOf("56", {
    async "sendall() is ETIMEDOUT, and then nothing more of it goes out"() {
      const [client, server] = await pair();
      client.settimeout(30);
      await timesOut(30, () => client.sendall(pattern(MUCH)));
      client.settimeout(null);
      const next = client.sendall(NEXT).then(() => client.close());
      await receivesStart(server, pattern(MUCH));
      await next;
    },
    async "sendall() ends with its signal's reason, and nothing more goes out"() {
      const [client, server] = await pair();
      const controller = new AbortController();
      const sending = client.sendall(pattern(MUCH), controller);
      await pending(sending);
      controller.abort("enough");
      await rejectsWith("enough", sending);
      const next = client.sendall(NEXT).then(() => client.shutdown("SHUT_WR"));
      await receivesStart(server, pattern(MUCH));
      await next;
    },
    async "sendall() that is given up leaves those behind it in order"() {
      const [client, server] = await pair();
      const controller = new AbortController();
      const first = client.sendall(pattern(MUCH), controller);
      await pending(first);
      const others = [client.sendall("a"), client.send("b"), client.send(NEXT)];
      controller.abort("enough");
      await rejectsWith("enough", first);
      const last = client.shutdown("SHUT_WR");
      await receivesStart(server, pattern(MUCH), `ab${NEXT}`);
      await Promise.all([...others, last]);
    },
    async "sendall() queued behind another is withdrawn wholly at a timeout"() {
      const [client, server] = await pair();
      const sent = pattern(MUCH);
      const first = client.sendall(sent);
      client.settimeout(30);
      await rejects(client.sendall("withdrawn"), "ETIMEDOUT");
      client.settimeout(null);
      const last = client.sendall("last");
      await receives(server, sent, "last");
      await Promise.all([first, last]);
    },
    async "sendall() queued behind another is withdrawn wholly by its signal"() {
      const [client, server] = await pair();
      const first = client.sendall(pattern(MUCH));
      const controller = new AbortController();
      const second = client.sendall("withdrawn", controller);
      const third = client.send("withdrawn", controller);
      controller.abort("no");
      await rejectsWith("no", second);
      await rejectsWith("no", third);
      const last = client.shutdown("SHUT_WR");
      await receivesToEnd(server, pattern(MUCH));
      await Promise.all([first, last]);
    },
    async "sendall() with a signal that is aborted already sends nothing"() {
      const [client, server] = await pair();
      const signal = AbortSignal.abort("no");
      for (
        const sending of [
          client.sendall("withdrawn", { signal }),
          client.send("withdrawn", { signal }),
        ]
      ) {
        await rejectsWith("no", sending);
      }
      await client.sendall("sent");
      assert.equal(decode(await server.recv(100)), "sent");
    },
    async "sendall() takes its time as a whole, however steady the progress"() {
      const [client, server] = await pair();
      client.settimeout(200);
      const outcome = timesOut(200, () => client.sendall(pattern(MUCH)));
      let late = false;
      outcome.finally(() => late = true).catch(() => {});
      while (!late) {
        await server.recv(16 * KIB);
        await delay(5);
      }
      await outcome;
    },
    async "send() that waits is ETIMEDOUT, and the socket stays usable"() {
      const [client, server] = await pair();
      const { taken, waiting } = await sendUntilFull(client);
      client.settimeout(30);
      await rejects(client.send("withdrawn"), "ETIMEDOUT");
      client.settimeout(null);
      await skip(server, taken);
      const more = await waiting;
      await client.sendall("end");
      await skip(server, more);
      await receives(server, "end");
    },
  }),

  // --- what a wait leaves behind ---

  ...casesOf("rule", {
    async "recv() and the others leave nothing on a signal that outlives them"() {
      const { signal, listeners } = countedSignal();
      const server = await listening();
      const accepting = server.accept({ signal });
      const client = tcp();
      await client.connect(server.getsockname(), { signal });
      const [connection] = await accepting;
      afterwards(() => connection.close());
      const receiving = connection.recv(MUCH, { signal });
      await client.sendall("x", { signal });
      await receiving;
      const sending = client.sendall(pattern(MUCH), { signal });
      await receives(connection, pattern(MUCH));
      await sending;
      connection.settimeout(1);
      await rejects(connection.recv(1, { signal }), "ETIMEDOUT");
      connection.settimeout(null);
      const last = rejects(connection.recv(1, { signal }), "EBADF");
      await connection.close();
      await last;
      assert.equal(listeners(), 0);
    },
    async "settimeout() of an hour keeps no process alive after the wait"() {
      const [client, server] = await pair();
      server.settimeout(3_600_000);
      const receiving = server.recv(1);
      await client.sendall("x");
      await receiving;
      const last = rejects(server.recv(1), "EBADF");
      await server.close();
      await last;
      // The runner sees that the process ends.
    },
  }),
];

/** What is sent after a call that was given up. */
const NEXT = "<the next call's>";

/**
 * Asserts that the start of `sent` arrives, then what was sent next, and the
 * end. So many bytes of what was given up are more than the kernel holds.
 */
async function receivesStart(
  server: StreamSocket,
  sent: Uint8Array,
  next = NEXT,
): Promise<void> {
  const received = await new Reader(server).all({ limit: 2 * MUCH });
  const start = received.length - next.length;
  assert.equal(decode(received.subarray(start)), next);
  assert.ok(start < sent.length / 2, `${start} bytes went out`);
  same(received.subarray(0, start), sent.subarray(0, start));
}

/** Sets the default until the case has ended. */
function setDefault(ms: number | null): void {
  afterwards(() => setdefaulttimeout(null));
  setdefaulttimeout(ms);
}

/** A signal that is never aborted, and how many listeners it has. */
function countedSignal(): { signal: AbortSignal; listeners(): number } {
  const { signal } = new AbortController();
  let count = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: unknown[]) => {
    count++;
    addEventListener.apply(signal, args as never);
  };
  signal.removeEventListener = (...args: unknown[]) => {
    count--;
    removeEventListener.apply(signal, args as never);
  };
  return { signal, listeners: () => count };
}
