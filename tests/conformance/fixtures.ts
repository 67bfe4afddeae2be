/**
 * What the cases share: sockets that are closed when the case ends, connected
 * pairs, peers that misbehave, and assertions on errors and bytes.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
} from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import {
  type Address,
  AF_INET,
  AF_INET6,
  AF_UNIX,
  type DatagramSocket,
  SOCK_DGRAM,
  SOCK_STREAM,
  socket,
  SocketError,
  type StreamSocket,
} from "../../lib/mod.ts";

/** One statement about the sockets, and the program that shows it. */
export interface Case extends Terms {
  /** A sentence led by the symbol; no two are the same. */
  name: string;
  run(): Promise<void>;
}

/** What cases have in common. */
export interface Terms {
  /** The number in CONFORMANCE.md, or "rule" for one of DESIGN.md section 2. */
  statement: string;
  /** What the process needs so that the case can be run, if anything. */
  needs?: Need;
  /** Too long for the suite: the gate runs it. */
  gate?: boolean;
}

/**
 * "all permissions": it reads /proc, which Deno allows with --allow-all only.
 * "few descriptors": it uses up what there are, so run it under `ulimit -n 256`.
 * "permissions of Deno": it is about them; no other runtime has any.
 * "a network of its own": it needs the routes, the firewall and the names that
 * `own_network.ts` sets up.
 */
export type Need =
  | "all permissions"
  | "few descriptors"
  | "permissions of Deno"
  | "a network of its own";

/** The outcome of a case. */
export interface Result {
  statement: string;
  name: string;
  ok: boolean;
  ms: number;
  /** The stack of the first failure. */
  error?: string;
  /** What outlives the case: sockets, timers, or the case itself. */
  left?: string[];
}

/** The cases of a statement: each is a method, whose name is the sentence. */
export function casesOf(
  terms: string | Terms,
  cases: Record<string, () => Promise<void>>,
): Case[] {
  const shared = typeof terms === "string" ? { statement: terms } : terms;
  return Object.entries(cases).map(([name, run]) => ({ ...shared, name, run }));
}

// --- what a case opened ---

const opened: (() => unknown)[] = [];

/** Calls `close` when the case under way has ended. */
export function afterwards(close: () => unknown): void {
  opened.push(close);
}

/** Closes what the case opened, the youngest first. */
export async function closeAll(): Promise<void> {
  for (const close of opened.splice(0).reverse()) await close();
}

let leavesOpen = false;

/** Says that the runtime will not close all that the case under way opens. */
export function leaveOpen(): void {
  leavesOpen = true;
}

/** Whether the case that has just ended said so. */
export function mayLeaveOpen(): boolean {
  const said = leavesOpen;
  leavesOpen = false;
  return said;
}

// --- sockets ---

/** A stream socket of the family to which the host belongs. */
export function tcp(host = "127.0.0.1"): StreamSocket {
  return closedAfterwards(socket(familyOf(host), SOCK_STREAM));
}

/** A datagram socket of the family to which the host belongs. */
export function udp(host = "127.0.0.1"): DatagramSocket {
  return closedAfterwards(socket(familyOf(host), SOCK_DGRAM));
}

/** A stream socket of AF_UNIX. */
export function unix(): StreamSocket {
  return closedAfterwards(socket(AF_UNIX, SOCK_STREAM));
}

function closedAfterwards<T extends { close(): Promise<void> }>(created: T): T {
  afterwards(() => created.close());
  return created;
}

function familyOf(host: string) {
  return host.includes(":") ? AF_INET6 : AF_INET;
}

/** A socket that listens on a port of its own. */
export async function listening(
  host = "127.0.0.1",
  backlog?: number,
): Promise<StreamSocket> {
  const server = tcp(host);
  await server.bind([host, 0]);
  await server.listen(backlog);
  return server;
}

/** A new client of a server. */
export async function clientOf(server: StreamSocket): Promise<StreamSocket> {
  const [host, port] = nameOf(server);
  const client = tcp(host);
  await client.connect([host, port]);
  return client;
}

/** The next client that the server accepts. */
export async function accepted(server: StreamSocket): Promise<StreamSocket> {
  const [connection] = await server.accept();
  afterwards(() => connection.close());
  return connection;
}

/**
 * How a stream socket came to be connected. On some runtimes each way has code
 * of its own: Deno borrows the client that is bound first from `node:net`.
 */
export const ORIGINS = ["connected", "accepted", "bound"] as const;
export type Origin = typeof ORIGINS[number];

/** As `casesOf`, each case once for each origin, which its name ends with. */
export function casesOfEach(
  origins: readonly Origin[],
  terms: string | Terms,
  cases: Record<string, (origin: Origin) => Promise<void>>,
): Case[] {
  const entries = Object.entries(cases);
  return origins.flatMap((origin) =>
    casesOf(
      terms,
      Object.fromEntries(
        entries.map((
          [name, run],
        ) => [`${name} (${origin})`, () => run(origin)]),
      ),
    )
  );
}

/**
 * Both ends of one connection, like socketpair(2); the first end is the client
 * unless told otherwise.
 */
export async function pair(
  origin: Origin = "connected",
): Promise<[socket: StreamSocket, peer: StreamSocket]> {
  const listener = await listening();
  const client = tcp();
  if (origin === "bound") await client.bind(["127.0.0.1", 0]);
  await client.connect(listener.getsockname());
  const server = await accepted(listener);
  return origin === "accepted" ? [server, client] : [client, server];
}

/** A path that is not there, in a folder of its own. */
export function newPath(): string {
  const folder = mkdtempSync(join(tmpdir(), "lab-"));
  afterwards(() => rmSync(folder, { recursive: true }));
  return join(folder, "s");
}

/** The name of an AF_INET or AF_INET6 socket. */
export function nameOf(socket: StreamSocket): [host: string, port: number] {
  const name = socket.getsockname();
  assert.ok(typeof name !== "string");
  return name;
}

/** An address on which nobody listens. */
export async function freeAddress(
  host = "127.0.0.1",
): Promise<[host: string, port: number]> {
  const server = await listening(host);
  const name = nameOf(server);
  await server.close();
  return name;
}

// --- peers that are not the library's, and may misbehave ---

/** A connected socket and its peer, which reads nothing unless it is told to. */
export async function withPeer(
  origin: Origin = "accepted",
): Promise<[socket: StreamSocket, peer: net.Socket]> {
  if (origin === "accepted") {
    const server = await listening();
    const peer = await peerOf(server.getsockname());
    return [await accepted(server), peer];
  }
  const server = net.createServer({
    allowHalfOpen: true,
    pauseOnConnect: true,
  });
  afterwards(() => server.close());
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as net.AddressInfo;
  const client = tcp();
  if (origin === "bound") await client.bind(["127.0.0.1", 0]);
  const [[peer]] = await Promise.all([
    once(server, "connection") as Promise<[net.Socket]>,
    client.connect(["127.0.0.1", port]),
  ]);
  return [client, tamed(peer)];
}

/** A `node:net` client that has connected, and reads nothing of its own. */
export async function peerOf(address: Address): Promise<net.Socket> {
  const [host, port] = address as [string, number];
  const peer = tamed(net.connect({ host, port, allowHalfOpen: true }));
  await once(peer, "connect");
  return peer;
}

/** Writes, and waits until the system has taken it. */
export function write(
  peer: net.Socket,
  data: string | Uint8Array,
): Promise<void> {
  return new Promise((resolve, reject) => {
    peer.write(data, (error) => error ? reject(error) : resolve());
  });
}

/** Everything up to the end that a peer sees. */
export async function readAll(peer: net.Socket): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  peer.on("data", (chunk: Uint8Array) => chunks.push(chunk)).resume();
  await once(peer, "end");
  return Buffer.concat(chunks);
}

function tamed(peer: net.Socket): net.Socket {
  peer.pause();
  peer.on("error", () => {}); // it is the library that is under test
  afterwards(() => peer.destroy());
  return peer;
}

// --- bytes ---

export const KIB = 1024;
export const MIB = 1024 * KIB;

/** More than the kernel's buffers of both ends take: somebody has to read. */
export const MUCH = 16 * MIB;

/**
 * Bytes that tell where they belong: each word is its own index. All share one
 * memory, since fresh memory costs more than sending it: nobody may change it.
 */
export function pattern(length: number): Uint8Array {
  if (made.length < length) {
    const words = new Uint32Array(Math.ceil(length / 4));
    for (let index = 0; index < words.length; index++) words[index] = index;
    made = new Uint8Array(words.buffer);
  }
  return made.subarray(0, length);
}

let made = new Uint8Array();

/** Asserts that these bytes and texts arrive next, in whatever pieces. */
export async function receives(
  socket: StreamSocket,
  ...expected: (Uint8Array | string)[]
): Promise<void> {
  for (const each of expected) {
    const bytes = typeof each === "string" ? encoder.encode(each) : each;
    for (let at = 0; at < bytes.length;) {
      const part = await socket.recv(bytes.length - at);
      assert.notEqual(part.length, 0, `the end after ${at} bytes`);
      same(part, bytes.subarray(at, at += part.length));
    }
  }
}

/** The same, and after them the end of the stream. */
export async function receivesToEnd(
  socket: StreamSocket,
  ...expected: (Uint8Array | string)[]
): Promise<void> {
  await receives(socket, ...expected);
  assert.equal((await socket.recv(1)).length, 0);
}

/** Receives so many bytes, whatever they are. */
export async function skip(
  socket: StreamSocket,
  length: number,
): Promise<void> {
  while (length > 0) {
    const part = await socket.recv(length);
    assert.notEqual(part.length, 0, `the end before the last ${length} bytes`);
    length -= part.length;
  }
}

const encoder = new TextEncoder();

/**
 * Sends until the other end, which does not read, makes it wait; gives how much
 * was taken by then. The last send is still pending.
 */
export async function sendUntilFull(
  sender: StreamSocket,
): Promise<{ taken: number; waiting: Promise<number> }> {
  const block = pattern(MIB);
  let taken = 0;
  while (true) {
    const waiting = sender.send(block);
    const sent = await Promise.race([waiting, delay(200)]);
    if (sent === undefined) return { taken, waiting };
    taken += sent;
    assert.ok(taken <= 4 * MUCH, `${taken} bytes were taken and nobody reads`);
  }
}

// --- assertions ---

/** Asserts the rejection with one of the codes, and gives the error. */
export async function rejects(
  promise: Promise<unknown>,
  ...codes: string[]
): Promise<SocketError> {
  const expected = codes.join(" or ");
  const error: unknown = await promise.then(
    (value) => assert.fail(`resolved to ${value} in place of ${expected}`),
    (reason) => reason,
  );
  return coded(error, codes);
}

/** Asserts the rejection with this very reason, such as that of a signal. */
export function rejectsWith(
  reason: unknown,
  promise: Promise<unknown>,
): Promise<void> {
  return assert.rejects(promise, (error) => error === reason);
}

/** Asserts that a wait of `ms` fails with ETIMEDOUT, and not too soon. */
export async function timesOut(
  ms: number,
  wait: () => Promise<unknown>,
): Promise<void> {
  const start = performance.now();
  await rejects(wait(), "ETIMEDOUT");
  assert.ok(performance.now() - start >= ms - 5); // a timer may be early
}

/** Asserts that it throws at once, with the code. */
export function throws(call: () => unknown, code: string): void {
  let error: unknown;
  try {
    call();
  } catch (thrown) {
    error = thrown;
  }
  coded(error, [code]);
}

/** Asserts a rejection for a bad argument: `RangeError` or `TypeError`. */
export async function refuses(promise: Promise<unknown>): Promise<void> {
  await assert.rejects(
    promise,
    (error) => error instanceof RangeError || error instanceof TypeError,
  );
}

/** Asserts that nothing has settled the promise after a while. */
export async function pending(promise: Promise<unknown>): Promise<void> {
  const settled = promise.then(
    (value) => `resolved to ${value}`,
    (reason) => `rejected with ${reason}`,
  );
  assert.equal(await Promise.race([settled, delay(50, "pending")]), "pending");
}

/** Asserts that the bytes are the same, without printing megabytes. */
export function same(actual: Uint8Array, expected: Uint8Array): void {
  assert.equal(actual.length, expected.length);
  assert.ok(Buffer.compare(actual, expected) === 0, "the bytes differ");
}

function coded(error: unknown, codes: string[]): SocketError {
  const seen = error instanceof Error
    ? error
    : new Error(`not an error: ${error}`);
  assert.ok(seen instanceof SocketError, `${seen.name}: ${seen.message}`);
  assert.ok(codes.includes(seen.code), `${seen.code}: ${seen.message}`);
  return seen;
}

/** Asserts that the peer has ended the connection, in either way. */
export async function isCutOff(socket: StreamSocket): Promise<void> {
  const last = await socket.recv(1).catch(({ code }) => code);
  assert.ok(last === "ECONNRESET" || last.length === 0, last);
}

// --- descriptors ---

const DESCRIPTORS = "/proc/self/fd";

/** How many descriptors are open. */
export function descriptors(): number {
  return readdirSync(DESCRIPTORS).length;
}

/** Asserts that after a while no more than so many descriptors are open. */
export async function descriptorsFallTo(most: number): Promise<void> {
  for (let ms = 1; descriptors() > most && ms < 2000; ms *= 2) await delay(ms);
  assert.ok(descriptors() <= most, `${descriptors()} are open, not ${most}`);
}

/** The sockets among the descriptors, by their inodes; proc(5). */
export function socketDescriptors(): string[] {
  if (!existsSync(DESCRIPTORS)) return []; // not on Linux
  const links = readdirSync(DESCRIPTORS).map((descriptor) => {
    try {
      return readlinkSync(`${DESCRIPTORS}/${descriptor}`);
    } catch {
      return ""; // the folder's own
    }
  });
  // Once each: Bun opens its standard output, a socket, a second time.
  return [...new Set(links)].filter((link) => link.startsWith("socket:"));
}

/** Asserts that after a while every socket is closed that was not open before. */
export async function socketsFallTo(before: string[]): Promise<void> {
  const others = () =>
    socketDescriptors().filter((one) => !before.includes(one));
  for (let ms = 1; others().length > 0 && ms < 1000; ms *= 2) await delay(ms);
  assert.deepEqual(others(), []);
}
