/**
 * What the tests of TFTP share: seeded random input for its packets, a peer that
 * does as it is told, and a network that loses, doubles and delays datagrams.
 *
 * @module
 */
import { expect } from "bun:test";
import dgram from "node:dgram";
import {
  answerTo,
  NetasciiDecoder,
  pack,
  type Packet,
  requestIn,
  type Terms,
  termsOf,
  toNetascii,
  unpack,
} from "../../lib/protocols/tftp.ts";
import { type Address, AF_INET, SOCK_DGRAM, socket } from "../../lib/mod.ts";
import { Transfer } from "../../lib/services/tftp/transfer.ts";
import { receiveBlocks } from "../../lib/services/tftp/receive.ts";
import { blocksOf, sendBlocks } from "../../lib/services/tftp/send.ts";
import { type Numbers, numbers } from "./fuzz.ts";

const encoder = new TextEncoder();
const WORDS =
  "notes.bin|octet|netascii|blksize|BLKSIZE|tsize|windowsize|timeout|" +
  "0|1|7|8|512|65464|65465|99999999999999999999|-1|1e3|__proto__|constructor||é|../x";

/** A datagram that some peer might send: of any kind, cut and changed. */
function randomDatagram(next: Numbers): Uint8Array {
  const words = WORDS.split("|");
  const texts = Array.from(
    { length: next(9) },
    () => words[next(words.length)],
  );
  const rest = next(3) > 0
    ? encoder.encode(texts.map((text) => `${text}\0`).join(""))
    : Uint8Array.from({ length: next(700) }, () => next(256));
  const head = [next(20) === 0 ? next(256) : 0, next(8)];
  const bytes = Uint8Array.of(...head, ...rest);
  for (let changes = next(3); changes > 0; changes--) {
    bytes[next(bytes.length)] = next(256);
  }
  return bytes.subarray(0, next(4) > 0 ? bytes.length : next(bytes.length));
}

/** Whatever comes is no packet, or one that is the same after pack(). */
export function fuzzPackets(count: number): void {
  const next = numbers(3);
  let packets = 0;
  for (let i = 0; i < count; i++) {
    const packet = unpack(randomDatagram(next));
    if (!packet) continue;
    packets++;
    const bytes = pack(packet);
    if (bytes.length > 512 && "name" in packet) continue; // replaced characters
    expect(unpack(bytes)).toEqual(packet);
    const request = requestIn(bytes);
    if (!request) continue;
    const { accepted, terms } = answerTo(request, next(2) ? 20_000 : undefined);
    expect(terms.blksize).toBeWithin(8, 65465);
    expect(terms.windowsize).toBeWithin(1, 65);
    expect(terms.windowsize * terms.blksize).toBeLessThanOrEqual(128 * 1024);
    expect(termsOf(request.options, accepted)).toEqual(terms);
  }
  expect(packets).toBeWithin(count / 10, count);
}

/** Text is the same after netascii, in whatever pieces it comes. */
export function fuzzNetascii(count: number): void {
  const next = numbers(4);
  for (let i = 0; i < count; i++) {
    const text = Uint8Array.from(
      { length: next(20) },
      () => [0, 10, 13, 65][next(4)],
    );
    const wire = toNetascii(text);
    expect(Buffer.from(wire).toString("latin1"))
      .not.toMatch(/\r(?![\n\0])|(?<!\r)\n/);
    const decoder = new NetasciiDecoder();
    const parts: number[] = [];
    for (let at = 0; at < wire.length;) {
      parts.push(...decoder.push(wire.subarray(at, at += 1 + next(4))));
    }
    parts.push(...decoder.push(new Uint8Array(0), true));
    expect(parts).toEqual([...text]);
  }
}

/** A socket of the runtime's own, and the packets that came to it. */
export async function openPeer(host = "127.0.0.1") {
  const socket = dgram.createSocket("udp4").on("error", () => {});
  await new Promise<void>((bound) => socket.bind(0, host, bound));
  const heard: { packet: Packet | undefined; from: Address }[] = [];
  let wake = Promise.withResolvers<void>();
  socket.on("message", (message, { address, port }) => {
    heard.push({ packet: unpack(message), from: [address, port] });
    wake.resolve();
    wake = Promise.withResolvers();
  });
  let taken = 0;
  let sent: Promise<unknown> = Promise.resolve();
  return {
    heard,
    port: socket.address().port,
    send(packet: Packet | Uint8Array, to: Address): void {
      const bytes = packet instanceof Uint8Array ? packet : pack(packet);
      sent = new Promise((done) =>
        socket.send(bytes, Number(to[1]), to[0], done)
      );
    },
    /** The next packet that has come, and its sender. */
    async next() {
      while (taken === heard.length) await wake.promise;
      return heard[taken++];
    },
    async [Symbol.asyncDispose]() {
      await sent;
      await new Promise<void>((closed) => socket.close(() => closed()));
    },
  };
}

/** A request to read a file. */
export function read(name = "notes.bin", options = {}, mode = "octet"): Packet {
  return {
    kind: "read",
    name,
    mode,
    options: new Map(Object.entries(options)),
  };
}

/**
 * A bad network before a server: a client that asks at `address` gets each answer
 * from another port, as it does from the server itself. `fate` says what becomes of
 * a datagram: how often it arrives, and how many ms later.
 */
export async function badNetwork(
  server: Address,
  fate: () => { copies: number; delay: number },
) {
  const sockets: dgram.Socket[] = [];
  const timers = new Set<ReturnType<typeof setTimeout>>();
  const open = async () => {
    const socket = dgram.createSocket("udp4").on("error", () => {});
    sockets.push(socket);
    await new Promise<void>((bound) => socket.bind(0, "127.0.0.1", bound));
    return socket;
  };
  const pass = (from: dgram.Socket, bytes: Uint8Array, port: number) => {
    const { copies, delay } = fate();
    for (let i = 0; i < copies; i++) {
      const timer = setTimeout(() => {
        timers.delete(timer);
        from.send(bytes, port, "127.0.0.1");
      }, delay);
      timers.add(timer);
    }
  };
  const entrance = await open();
  /** By the client's port: what the server sees of it. */
  const clients = new Map<number, Promise<dgram.Socket>>();
  const outside = async (client: number) => {
    const [far, near] = [await open(), await open()];
    let transfer: number | undefined;
    far.on("message", (bytes, { port }) => {
      transfer ??= port;
      pass(near, bytes, client);
    });
    near.on("message", (bytes) => {
      if (transfer) pass(far, bytes, transfer);
    });
    return far;
  };
  entrance.on("message", async (bytes, { port }) => {
    const far = clients.get(port) ?? outside(port);
    clients.set(port, far);
    pass(await far, bytes, Number(server[1]));
  });
  return {
    address: ["127.0.0.1", entrance.address().port] as Address,
    [Symbol.dispose]() {
      for (const timer of timers) clearTimeout(timer);
      for (const socket of sockets) socket.close();
    },
  };
}

/** A file in memory arrives whole, over loopback, with these terms. */
export async function expectWhole(
  content: Uint8Array,
  terms: Terms,
): Promise<void> {
  const one = socket(AF_INET, SOCK_DGRAM);
  const other = socket(AF_INET, SOCK_DGRAM);
  for (const end of [one, other]) await end.bind(["127.0.0.1", 0]);
  const read = async (position: number, buffer: Uint8Array) => {
    const part = content.subarray(position, position + buffer.length);
    buffer.set(part);
    return part.length;
  };
  const { blksize } = terms;
  const got = new Uint8Array(content.length);
  let at = 0;
  const [received, sent] = await Promise.all([
    receiveBlocks(new Transfer(other, one.getsockname()), {
      ...{ terms, mode: "octet", opening: { kind: "ack", block: 0 } },
      write(bytes) {
        got.set(bytes, at);
        at += bytes.length;
      },
    }),
    sendBlocks(
      new Transfer(one, other.getsockname()),
      blocksOf({ read }, { blksize, mode: "octet" }),
      { terms },
    ),
  ]);
  for (const end of [one, other]) await end.close();
  const blocks = Math.floor(content.length / blksize) + 1;
  expect([received.blocks, sent.blocks]).toEqual([blocks, blocks]);
  expect(Buffer.compare(got, content)).toBe(0);
}
