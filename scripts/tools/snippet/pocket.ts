// The pocket edition of Socket Lab: Berkeley sockets with promises, for Deno 2.9,
// Bun 1.4, Node 24.2 and newer. It leaves out IPv6, AF_UNIX, SHUT_RD, most options,
// UDP sockets with a peer, the limits of servers, and most flags of experiments.
import { Buffer } from "node:buffer";
import dgram from "node:dgram";
import dns from "node:dns/promises";
import net from "node:net";
import os from "node:os";
import process from "node:process";
import { getSystemErrorMap, parseArgs } from "node:util";

export const AF_INET = "AF_INET";
export const SOCK_STREAM = "SOCK_STREAM", SOCK_DGRAM = "SOCK_DGRAM";
export const SHUT_WR = "SHUT_WR";
export type Address = [host: string, port: number];
type Done = (error?: Error | null) => void;

/** A call that failed; `code` is the POSIX name of the reason. */
export class SocketError extends Error {
  readonly code: string;
  constructor(code: string, call: string, address?: Address) {
    const reason = new Map(getSystemErrorMap().values()).get(code) ?? code;
    super(`Cannot ${call} ${address?.join(":") ?? ""}`.trim() + `: ${reason}`);
    this.code = code;
  }
}

/** What every socket does: it waits, as long as its timeout says, and closes. */
class Socket<Item> {
  queue?: Item[]; // the clients to accept, or the datagrams to receive
  name: Address = ["0.0.0.0", 0];
  timeout: number | null = null; // in ms; null waits for ever
  closed = false;
  release = () => {};
  #change = Promise.withResolvers<void>();
  getsockname = () => this.name;
  gettimeout = () => this.timeout;
  settimeout = (ms: number | null) => void (this.timeout = ms);
  [Symbol.asyncDispose] = () => this.close();
  async close() {
    if (!this.closed) this.release();
    this.wake(this.closed = true);
  }
  /** Something has changed: the calls that wait look again. */
  wake(_change?: unknown) {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }
  /** Waits until look() sees something. Its timer keeps the program running. */
  async wait<T>(call: string, look: () => T | undefined, address?: Address) {
    let late = false;
    const expire = () => this.wake(late = true);
    const timer = setTimeout(expire, this.timeout ?? 2 ** 31 - 1);
    try {
      for (;; await this.#change.promise) {
        if (this.closed) throw { code: "EBADF" };
        const seen = look();
        if (seen !== undefined) return seen;
        if (late) throw { code: "ETIMEDOUT" };
      }
    } catch (error) {
      const { code = "EIO" } = error as { code?: string };
      const known = code.replace(/^(ERR_STREAM_.*|ECANCELED)$/, "EPIPE");
      throw new SocketError(known, call, address);
    } finally {
      clearTimeout(timer);
    }
  }
  /** Starts what calls back when it is done, and waits for that. */
  async run(call: string, start: (done: Done) => void, address?: Address) {
    let error: Error | null | undefined;
    start((given) => this.wake(error = given ?? null));
    await this.wait(call, () => {
      if (error) throw error;
      return error === null || undefined;
    }, address);
  }
  next = (call = "accept") =>
    this.wait(call, () => {
      if (!this.queue) throw { code: "EINVAL" }; // no listen(), or no bind()
      return this.queue.shift();
    });
  /** The next of the queue, again and again, until the socket is closed. */
  async *[Symbol.asyncIterator]() {
    try {
      while (true) yield await this.next();
    } catch (error) {
      if (!this.closed) throw error;
    }
  }
}

/** TCP, on node:net. */
export class StreamSocket extends Socket<[StreamSocket, Address]> {
  #connection?: net.Socket;
  #peer?: Address;
  /** No runtime can hold a name without listening: it is tried, and let go. */
  bind = async (at: Address) => void (await this.#open("bind to", at)).close();
  async listen(backlog = 4096) {
    const server = await this.#open("listen on", this.name, backlog);
    const queue: [StreamSocket, Address][] = this.queue = [];
    server.on("connection", (connection) => {
      const client = new StreamSocket();
      const peer = client.#use(connection);
      if (peer[0]) this.wake(queue.push([client, peer])); // else it was reset
    });
  }
  async #open(call: string, [host, port]: Address, backlog?: number) {
    const server = net.createServer({ allowHalfOpen: true }).unref();
    await this.run(call, (done) => {
      server.on("error", done).listen({ host, port, backlog }, done);
    }, [host, port]);
    const { address, port: own } = server.address() as net.AddressInfo;
    this.name = [address, own];
    this.release = () => server.close();
    return server;
  }
  accept = () => this.next();
  async connect([host, port]: Address) {
    const connection = net.connect({ host, port, allowHalfOpen: true });
    this.release = () => connection.destroy();
    await this.run("connect to", (done) => {
      connection.on("error", done).on("connect", done);
    }, [host, port]);
    this.#use(connection);
  }
  #use(connection: net.Socket) {
    for (const change of ["readable", "end", "error", "close"]) {
      connection.on(change, () => this.wake());
    }
    this.#connection = connection.unref();
    this.release = () => connection.destroy();
    this.name = [connection.localAddress!, connection.localPort!];
    return this.#peer = [connection.remoteAddress!, connection.remotePort!];
  }
  #connected(): net.Socket {
    if (this.#connection) return this.#connection;
    throw new SocketError("ENOTCONN", "use the socket");
  }
  getpeername = () => this.#connected() && this.#peer!;
  /** 1 to `size` bytes once some are there; the rest stays. Empty at the end. */
  recv = (size: number): Promise<Uint8Array> =>
    this.wait("receive from", () => {
      const from = this.#connected();
      const bytes = from.read(Math.min(size, from.readableLength));
      if (bytes) return new Uint8Array(bytes);
      if (from.errored) throw from.errored;
      if (from.readableEnded || from.destroyed) return new Uint8Array();
    }, this.#peer);
  /** Waits until the system has taken all: a peer that does not read stops it. */
  sendall = (data: string | Uint8Array) =>
    this.run("send to", (done) => {
      const to = this.#connected();
      if (to.writableEnded) done(new SocketError("EPIPE", "send"));
      else to.write(data, done);
    }, this.#peer);
  send = (data: string | Uint8Array) =>
    this.sendall(data).then(() => Buffer.byteLength(data));
  /** Set twice: Bun has it on from the start, and takes it for off. */
  setsockopt = (_name: "TCP_NODELAY", on: boolean) =>
    void this.#connected().setNoDelay(!on).setNoDelay(on);
  /** Sends the end of the stream; recv() goes on. */
  shutdown = (_how: typeof SHUT_WR) =>
    this.run("shut down", (done) => this.#connected().end(done), this.#peer);
}

/** UDP, on node:dgram. */
export class DatagramSocket extends Socket<[Uint8Array, Address]> {
  readonly #options = new Set<string>();
  #socket?: dgram.Socket;
  #binding?: Promise<void>;
  bind = (address: Address) => this.#binding = this.#bind(address);
  async #bind([host, port]: Address) {
    const reuseAddr = this.#options.has("SO_REUSEADDR");
    const socket = dgram.createSocket({ type: "udp4", reuseAddr }).unref();
    this.release = () => socket.close();
    const name = { address: host, port, exclusive: true };
    await this.run("bind to", (done) => {
      socket.on("error", done).bind(name, done);
    }, [host, port]);
    socket.setBroadcast(this.#options.has("SO_BROADCAST"));
    this.name = [socket.address().address, socket.address().port];
    const queue: [Uint8Array, Address][] = this.queue = [];
    this.#socket = socket.on("message", (data, { address, port }) => {
      // As in the system, what finds the queue full is lost.
      if (queue.length >= 1024) return;
      this.wake(queue.push([new Uint8Array(data), [address, port]]));
    });
  }
  setsockopt(name: "SO_REUSEADDR" | "SO_BROADCAST", on: boolean) {
    this.#options[on ? "add" : "delete"](name);
    if (name === "SO_BROADCAST") this.#socket?.setBroadcast(on);
  }
  async sendto(data: string | Uint8Array, [host, port]: Address) {
    await (this.#binding ??= this.bind(this.name));
    await this.run("send to", (done) => {
      // Deno would send a broadcast without the option.
      const barred = /\.255$/.test(host) && !this.#options.has("SO_BROADCAST");
      if (barred) done(new SocketError("EACCES", "send"));
      else this.#socket!.send(data, port, host, done);
    }, [host, port]);
    return Buffer.byteLength(data);
  }
  async recvfrom(size: number): Promise<[Uint8Array, Address]> {
    const [data, sender] = await this.next("receive");
    return [data.subarray(0, size), sender];
  }
}

/** Creates a socket, as socket(2). */
export function socket(family?: string, type?: "SOCK_STREAM"): StreamSocket;
export function socket(family: string, type: "SOCK_DGRAM"): DatagramSocket;
export function socket(family = AF_INET, type = "SOCK_STREAM") {
  if (family === AF_INET && type === "SOCK_STREAM") return new StreamSocket();
  if (family === AF_INET && type === "SOCK_DGRAM") return new DatagramSocket();
  throw new SocketError("EPROTONOSUPPORT", "create the socket");
}

/** Messages out of a stream: null at its end; what comes after one is kept. */
export class Reader {
  #held = Buffer.alloc(0);
  readonly #socket: StreamSocket;
  constructor(socket: StreamSocket) {
    this.#socket = socket;
  }
  /** A line, without its LF or CRLF. */
  async line(limits?: Limits) {
    const line = await this.until("\n", limits);
    return line && decode(line).replace(/\r?\n$/, "");
  }
  /** The bytes up to a mark, and with it. */
  until = (mark: string, limits?: Limits) =>
    this.#next((held) => {
      return held.includes(mark) ? held.indexOf(mark) + mark.length : -1;
    }, limits);
  async exactly(size: number) {
    const sizeOf = (held: Buffer) => held.length < size ? -1 : size;
    const bytes = await this.#next(sizeOf, { limit: size });
    if (bytes) return bytes;
    throw new SocketError("EBADMSG", "read a whole message");
  }
  all = (limits?: Limits) =>
    this.#next((held, ended) => ended ? held.length : -1, limits)
      .then((rest) => rest ?? new Uint8Array());
  async #next(
    sizeOf: (held: Buffer, ended: boolean) => number,
    limits?: Limits,
  ) {
    for (let ended = false;;) {
      const size = sizeOf(this.#held, ended);
      const message = this.#held.subarray(0, size < 0 ? undefined : size);
      const long = message.length > (limits?.limit ?? 65_536);
      if (long) throw new SocketError("EMSGSIZE", "read a message");
      if (ended && message.length === 0) return null;
      if (size >= 0) {
        this.#held = this.#held.subarray(size);
        return new Uint8Array(message);
      }
      if (ended) throw new SocketError("EBADMSG", "read a whole message");
      const bytes = await this.#socket.recv(65_536);
      this.#held = Buffer.concat([this.#held, bytes]);
      ended = bytes.length === 0;
    }
  }
}
type Limits = { limit?: number };

/** The address of a host and a port, each by its name or its number. */
export async function parseAddress(
  host: string | number,
  port: string | number,
): Promise<Address> {
  const number = Number({ echo: 7, daytime: 13, http: 80 }[port] ?? port);
  const bytes = [24, 16, 8, 0].map((bits) => Number(host) >>> bits & 255);
  const name = typeof host === "number" ? bytes.join(".") : host || "0.0.0.0";
  if (number > 65535 || typeof host === "number" && host !== host >>> 0) {
    throw new RangeError(`No such address: ${host}, ${port}`);
  }
  if (name === "<broadcast>") return ["255.255.255.255", number];
  const family = net.isIP(name) || 4;
  try {
    // A name server would be asked for 256.0.0.1, too.
    if (Number.isNaN(number) || /^[\d.]+$/.test(name) && !net.isIP(name)) {
      throw name;
    }
    return [(await dns.lookup(name, { family })).address, number];
  } catch {
    throw new SocketError("ENOTFOUND", "find", [name, number]);
  }
}
export const gethostname = async () => os.hostname();
export const formatAddress = ([host, port]: Address) => `('${host}', ${port})`;
export const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
export const dateAndTime = () =>
  new Date().toLocaleString("en-GB").replace(",", "");

/** What a server or client is given, besides the socket calls. */
export type End = ReturnType<typeof createEnd>;
type Role = (end: End) => Promise<unknown>;
type Ends = { server?: Role; client?: Role };
type Program = Ends & { port: number; flags?: object; [of: string]: unknown };
const started = Promise.withResolvers<Address>();
const serving = new Set<Promise<void>>();
let listeners: Socket<unknown>[] = [];
const stop = () => listeners.forEach((listener) => listener.close());
const createEnd = (tag: string, to: Address, flags: NodeJS.Dict<string>) => ({
  address: to,
  flags,
  print: (...words: unknown[]) => console.log(escaped(tag + words.join(" "))),
  ready(...sockets: Socket<unknown>[]) {
    listeners = sockets;
    started.resolve(listeners[0].getsockname());
    if (!tag) console.error("The server listens (Ctrl-C stops it)");
  },
  async serve(client: unknown, work: () => Promise<unknown>) {
    const served = work().catch(report).then(() => {
      if (client instanceof Socket) client.close();
      serving.delete(served);
    });
    serving.add(served);
  },
  done: () => Promise.all(serving),
});

/** Runs both ends, or the one that the command line names. */
export const experiment = (program: Program) => run(program).catch(fail);
async function run({ port, flags: own, server, client }: Program) {
  process.once("SIGINT", stop).on("unhandledRejection", report);
  process.stdout.on("error", () => process.exit()); // "| head" has read enough
  const one = server ? client ? "both" : "server" : "client"; // by default
  const [, , ...args] = process.argv;
  const named = one === "both" && /^(both|server|client)$/.test(args[0]);
  const role = named ? args.shift() : one;
  const text = { type: "string" } as const;
  const options = { host: text, port: text };
  for (const name in own) Object.assign(options, { [name]: text });
  const { host, port: at, ...flags } = parseArgs({ options, args }).values;
  const usual = role === "both" ? 0 : port; // 0: a free one
  const address: Address = [host ?? "127.0.0.1", Number(at ?? usual)];
  const tag = (end: string) => role === "both" ? `${end}: ` : "";
  const atServer = createEnd(tag("server"), address, flags);
  const ended = role !== "client" && server?.(atServer).catch(fail);
  if (role !== "server") {
    const to = ended ? await started.promise : address;
    await client?.(createEnd(tag("client"), to, flags));
    stop();
  }
  await ended;
  await Promise.all(serving);
}

/** Says in one line which call failed, or flag; anything else is a bug. */
function report(error: unknown) {
  const { code, message } = error as SocketError;
  const usage = /^ERR_(PARSE_ARGS|SOCKET_BAD_PORT)/.test(code);
  const known = usage || error instanceof SocketError;
  console.error(known ? escaped(message) : error);
  if (usage || !known) process.exit(usage ? 2 : 1);
  return 1; // the exit code
}
const fail = (error: unknown): never => process.exit(report(error));

/** One line that cannot drive the terminal, whatever a peer has sent. */
const escaped = (text: string) =>
  text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => {
    return `\\u{${character.codePointAt(0)!.toString(16)}}`;
  });
