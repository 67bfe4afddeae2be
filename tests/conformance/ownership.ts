/**
 * Whose bytes are these: what recv() gave is the caller's, and so is what was
 * sent once the call is over. Arguments count as they were at the call.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import vm from "node:vm";
import {
  type Address,
  decode,
  Reader,
  type StreamSocket,
} from "../../lib/mod.ts";
import {
  accepted,
  type Case,
  casesOf,
  casesOfEach,
  clientOf,
  KIB,
  listening,
  MIB,
  MUCH,
  nameOf,
  ORIGINS,
  pair,
  pattern,
  pending,
  receives,
  receivesToEnd,
  rejects,
  rejectsWith,
  same,
  tcp,
  udp,
} from "./fixtures.ts";

export const cases: Case[] = [
  // --- what was received ---

  ...casesOfEach(ORIGINS, "rule", {
    async "recv() gives parts that may be transferred, each of them"(origin) {
      const [socket, peer] = await pair(origin);
      const sent = pattern(100);
      for (const size of [1, 7, 10, 60]) {
        await peer.sendall(sent);
        for (let at = 0; at < sent.length;) {
          const part = await socket.recv(size);
          assert.notEqual(part.length, 0, `the end after ${at} bytes`);
          const moved = transferred(part);
          assert.equal(part.length, 0); // it is gone
          same(moved, sent.subarray(at, at += moved.length));
        }
      }
    },
    async "recv() gives parts of much data that may be transferred"(origin) {
      const [socket, peer] = await pair(origin);
      const sent = pattern(MIB);
      const sending = peer.sendall(sent);
      for (let at = 0, size = 1; at < sent.length; size = 3 * size % 50_021) {
        const part = await socket.recv(size);
        assert.notEqual(part.length, 0, `the end after ${at} bytes`);
        const moved = transferred(part);
        same(moved, sent.subarray(at, at += moved.length));
      }
      await sending;
    },
  }),
  ...casesOf("rule", {
    async "recv() gives bytes whose transfer leaves other sockets alone"() {
      const pairs = [await pair(), await pair(), await pair()];
      const waiting = pairs.map(([, server]) => server.recv(10));
      for (const [client] of pairs) {
        await client.sendall("0123456789".repeat(2));
      }
      transferred(await waiting[1]);
      assert.equal(decode(await waiting[0]), "0123456789");
      assert.equal(decode(await waiting[2]), "0123456789");
      for (const [, server] of pairs) await receives(server, "0123456789");
    },
    async "recv() gives bytes that keep little else in memory"() {
      const [client, server] = await pair();
      const waiting = server.recv(64);
      await client.sendall(pattern(64));
      holdsLittle(await waiting);
      await client.sendall(pattern(64 * KIB));
      for (let at = 0; at < 64 * KIB;) {
        const part = await server.recv(64);
        at += part.length;
        holdsLittle(part);
      }
    },
    async "recvfrom() gives bytes that keep little else, and may be transferred"() {
      const [server, client] = [udp(), udp()];
      await server.bind(["127.0.0.1", 0]);
      const words = ["one", "two", "three"];
      for (const word of words) {
        await client.sendto(word, server.getsockname());
      }
      for (const word of words) {
        const [data] = await server.recvfrom(word === "two" ? 3 : 65536);
        holdsLittle(data);
        assert.equal(decode(transferred(data)), word);
      }
    },
    async "Reader gives bytes that may be transferred, whatever the call"() {
      const [client, server] = await pair();
      const reader = new Reader(server);
      await client.sendall("abc;def;ghi;jkl");
      await client.shutdown("SHUT_WR");
      const parts = [
        await reader.until(";"),
        await reader.some(2),
        await reader.exactly(2),
        await reader.all(),
      ];
      const texts = parts.map((part) => decode(transferred(part!)));
      assert.deepEqual(texts, ["abc;", "de", "f;", "ghi;jkl"]);
    },
  }),

  // --- what was sent ---

  ...casesOfEach(ORIGINS, "rule", {
    async "sendall() that has timed out sends nothing that is written next"(
      origin,
    ) {
      const [socket, peer] = await pair(origin);
      const buffer = pattern(MUCH).slice();
      socket.settimeout(30);
      await rejects(socket.sendall(buffer), "ETIMEDOUT");
      buffer.fill(0xff);
      await startArrives(socket, peer);
    },
    async "sendall() that is aborted sends nothing that is written next"(
      origin,
    ) {
      const [socket, peer] = await pair(origin);
      const buffer = pattern(MUCH).slice();
      const controller = new AbortController();
      const sending = socket.sendall(buffer, controller);
      await pending(sending);
      controller.abort("enough");
      buffer.fill(0xff);
      await rejectsWith("enough", sending);
      await startArrives(socket, peer);
    },
    async "sendall() whose buffer is transferred meanwhile is a TypeError"(
      origin,
    ) {
      const [socket, peer] = await pair(origin);
      const reader = new Reader(peer);
      for (const options of [undefined, new AbortController()]) {
        const buffer = new Uint8Array(MUCH).fill(0x61);
        const sending = socket.sendall(buffer, options);
        await pending(sending);
        transferred(buffer);
        const outcome = assert.rejects(sending, TypeError);
        // The connection goes on.
        const next = socket.sendall(";");
        const received = await reader.until(";", { limit: MUCH });
        assert.ok(received!.subarray(0, -1).every((byte) => byte === 0x61));
        await outcome;
        await next;
      }
    },
  }),
  ...casesOf("rule", {
    async "sendall() that waits for its turn counts as it was at the call"() {
      const [client, server] = await pair();
      const first = client.sendall(pattern(MUCH));
      const [one, two] = [pattern(MIB).slice(), pattern(MIB).slice()];
      const others = [client.sendall(one), client.sendall(two)];
      one.fill(0xff);
      transferred(two);
      await receives(server, pattern(MUCH), pattern(MIB), pattern(MIB));
      await Promise.all([first, ...others]);
    },
    async "send() and sendto() count as they were at the call"() {
      const [client, server] = await pair();
      const bytes = new TextEncoder().encode("as it was");
      const sending = client.send(bytes);
      bytes.fill(0x2e);
      await receives(server, "as it was");
      assert.equal(await sending, 9);
      const [receiver, sender] = [udp(), udp()];
      await receiver.bind(["127.0.0.1", 0]);
      for (let round = 0; round < 2; round++) { // without a name, and with one
        const datagram = new TextEncoder().encode("as it was");
        const sent = sender.sendto(datagram, receiver.getsockname());
        datagram.fill(0x2e);
        transferred(datagram);
        assert.equal(await sent, 9);
        const [data] = await receiver.recvfrom(100);
        assert.equal(decode(data), "as it was");
      }
    },
    async "calls refuse a buffer that has been transferred, with TypeError"() {
      const [client, server] = await pair();
      const receiver = udp();
      await receiver.bind(["127.0.0.1", 0]);
      const connected = udp();
      await connected.connect(receiver.getsockname());
      const gone = pattern(10).slice();
      const goneBuffer = Buffer.from(gone.buffer);
      transferred(gone);
      await client.sendall("kept");
      for (const bytes of [gone, goneBuffer]) {
        const calls = [
          client.send(bytes),
          client.sendall(bytes),
          receiver.sendto(bytes, receiver.getsockname()),
          connected.send(bytes),
          server.recv_into(bytes),
          new Reader(server).until(bytes),
        ];
        for (const call of calls) {
          await assert.rejects(call, TypeError);
        }
      }
      assert.equal(decode(await server.recv(10)), "kept");
    },
  }),

  // --- other arguments ---

  ...casesOf("rule", {
    async "sendto() goes to the address as it was at the call"() {
      const [first, second] = [udp(), udp()];
      for (const one of [first, second]) await one.bind(["127.0.0.1", 0]);
      const sender = udp();
      for (let round = 0; round < 2; round++) { // without a name, and with one
        for (const host of ["127.0.0.1", "localhost"]) {
          const [, port] = first.getsockname();
          const to: Address = [host, Number(port)];
          const sending = sender.sendto("to the first", to);
          [to[0], to[1]] = second.getsockname() as [string, number];
          await sending;
          const [data] = await first.recvfrom(100);
          assert.equal(decode(data), "to the first");
        }
      }
      await pending(second.recvfrom(100));
    },
    async "bind() and connect() take the address as it was at the call"() {
      const server = tcp();
      const name: Address = ["localhost", 0];
      const binding = server.bind(name);
      [name[0], name[1]] = ["192.0.2.99", 1];
      await binding;
      assert.equal(nameOf(server)[0], "127.0.0.1");
      await server.listen();
      for (const host of ["127.0.0.1", "localhost"]) {
        const to: Address = [host, nameOf(server)[1]];
        const client = tcp();
        const connecting = client.connect(to);
        [to[0], to[1]] = ["192.0.2.99", 1];
        await connecting;
        assert.deepEqual(client.getpeername(), server.getsockname());
      }
      const [receiver, sender] = [udp(), udp()];
      const own: Address = ["127.0.0.1", 0];
      const naming = receiver.bind(own);
      own[0] = "192.0.2.99";
      await naming;
      const to = receiver.getsockname() as [string, number];
      const connecting = sender.connect(to);
      [to[0], to[1]] = ["192.0.2.99", 1];
      await connecting;
      assert.deepEqual(sender.getpeername(), receiver.getsockname());
    },
    async "calls take the bytes of another realm, and a Buffer"() {
      const [client, server] = await pair();
      const [receiver, connected] = [udp(), udp()];
      await receiver.bind(["127.0.0.1", 0]);
      await connected.connect(receiver.getsockname());
      for (const bytes of [foreign("hi"), Buffer.from("hi")]) {
        await client.sendall(bytes);
        await client.send(bytes);
        await receives(server, "hihi");
        await connected.send(bytes);
        await udp().sendto(bytes, receiver.getsockname());
        for (let count = 0; count < 2; count++) {
          assert.equal(decode((await receiver.recvfrom(9))[0]), "hi");
        }
        await client.sendall("to the mark: hi");
        const read = await new Reader(server).until(bytes);
        assert.equal(decode(read!), "to the mark: hi");
        await client.sendall("HO");
        assert.equal(await server.recv_into(bytes), 2);
        assert.equal(decode(bytes), "HO");
      }
    },
    async "calls refuse bytes of another kind, of this realm or another"() {
      const [client, server] = await pair();
      for (const code of KINDS) {
        for (const data of [(0, eval)(code), vm.runInNewContext(code)]) {
          await assert.rejects(client.send(data), TypeError, code);
          await assert.rejects(client.sendall(data), TypeError, code);
          await assert.rejects(udp().sendto(data, ["127.0.0.1", 9]), TypeError);
          await assert.rejects(server.recv_into(data), TypeError, code);
        }
      }
      await client.sendall("fine");
      await receives(server, "fine");
    },
    async "calls reject options that are none, and throw nothing"() {
      const listener = await listening();
      const client = await clientOf(listener);
      const server = await accepted(listener);
      const reader = new Reader(server);
      const datagrams = udp();
      await datagrams.bind(["127.0.0.1", 0]);
      const own = datagrams.getsockname();
      const connected = udp();
      await connected.connect(own);
      await client.sendall("kept;");
      for (
        const options of [null, { signal: null }, { signal: 5 }, { signal: {} }]
      ) {
        const wait = options as { signal: AbortSignal };
        const calls: (() => Promise<unknown>)[] = [
          () => server.recv(1, wait),
          () => server.recv_into(new Uint8Array(1), wait),
          () => server.send("x", wait),
          () => server.sendall("x", wait),
          () => listener.accept(wait),
          () => tcp().connect(listener.getsockname(), wait),
          () => datagrams.recvfrom(1, wait),
          () => datagrams.recv(1, wait),
          () => datagrams.sendto("x", own, wait),
          () => connected.send("x", wait),
          () => reader.line(wait),
          () => reader.until(";", wait),
          () => reader.exactly(1, wait),
          () => reader.some(1, wait),
          () => reader.all(wait),
        ];
        for (const call of calls) {
          let promise: Promise<unknown> | undefined;
          assert.doesNotThrow(() => void (promise = call()), `${call}`);
          await assert.rejects(promise!, TypeError, `${call}`);
        }
      }
      // They have taken nothing, and sent nothing.
      assert.equal(decode((await reader.until(";"))!), "kept;");
      await server.close();
      await receivesToEnd(client);
      await pending(datagrams.recvfrom(1));
    },
    async "calls take empty options, and a signal that is undefined"() {
      const [client, server] = await pair();
      for (const options of [undefined, {}, { signal: undefined }]) {
        await client.sendall("ab", options);
        await client.send("c;", options);
        assert.equal(decode(await server.recv(1, options)), "a");
        const reader = new Reader(server);
        assert.equal(decode((await reader.until(";", options))!), "bc;");
      }
    },
    async "listen() takes a backlog beyond what the system counts to"() {
      for (const backlog of [2 ** 31, 2 ** 40, Number.MAX_SAFE_INTEGER]) {
        const server = await listening("127.0.0.1", backlog);
        await clientOf(server);
        await clientOf(server);
        await accepted(server);
        await accepted(server);
      }
    },
  }),
];

/** Programs that make what is not bytes, though it looks like them. */
const KINDS = [
  "new ArrayBuffer(2)",
  "new DataView(new ArrayBuffer(2))",
  "new Uint16Array(1)",
  "new Uint8ClampedArray(2)",
  "new Int8Array(2)",
  "[104, 105]",
  "({ length: 2, 0: 104, 1: 105 })",
];

/** The text as bytes of another realm, as every test has them under Jest. */
function foreign(text: string): Uint8Array {
  const bytes = vm.runInNewContext(
    `new Uint8Array([${[...Buffer.from(text)]}])`,
  );
  assert.ok(!(bytes instanceof Uint8Array));
  return bytes;
}

/** The same bytes, whose memory the original has lost. */
function transferred(bytes: Uint8Array): Uint8Array {
  return structuredClone(bytes, { transfer: [bytes.buffer as ArrayBuffer] });
}

/** Asserts that whoever keeps the bytes keeps not much more. */
function holdsLittle(bytes: Uint8Array): void {
  const { byteLength } = bytes.buffer;
  assert.ok(
    byteLength <= 2 * bytes.length + 64,
    `${byteLength} bytes are kept`,
  );
}

/** Asserts that of the pattern the start arrives, and then what is sent now. */
async function startArrives(
  sender: StreamSocket,
  receiver: StreamSocket,
): Promise<void> {
  sender.settimeout(null);
  const next = sender.sendall("next").then(() => sender.close());
  const received = await new Reader(receiver).all({ limit: 2 * MUCH });
  const start = received.length - 4;
  assert.equal(decode(received.subarray(start)), "next");
  same(received.subarray(0, start), pattern(MUCH).subarray(0, start));
  await next;
}
