/**
 * The stream sockets of Node: https://nodejs.org/api/net.html
 *
 * @module
 */
import type { AddressInfo, Server, Socket } from "node:net";
import { type Address, UNKNOWN, withZone } from "../address.ts";
import { ACCEPT_QUEUE_LIMIT, Inbox } from "../inbox.ts";
import type {
  Connection,
  Listener,
  ListenOptions,
  PendingConnect,
  StreamOption,
} from "./runtime.ts";

// Not static, or a bundle of the whole library would load it at once.
const { default: net } = await import("node:net");

// --- listen and connect ---

export const noDelay = false; // as tcp(7) has it
export const aborts = true;

export function listen<Client>(
  options: ListenOptions<Client>,
): Promise<Listener<Client>> {
  const { address, admit, backlog, ipv6Only } = options;
  const server = net.createServer(ACCEPTED);
  return new Promise((resolve, reject) => {
    // Stays: an error that nobody listens to would end the process.
    server.on("error", (error: Error & { code: string }) => {
      // So libuv calls a missing folder, uv_pipe_bind2().
      if (typeof address !== "string" || error.code !== "EACCES") {
        return reject(error);
      }
      import("./true_error.ts").then(
        ({ bindCode }) => reject({ code: bindCode(address) }),
        () => reject(error), // no descriptor is left to load it
      );
    });
    server.listen({ ...optionsFor(address), backlog, ipv6Only }, () => {
      server.unref(); // until accept() waits
      resolve(new NodeListener(server, admit));
    });
  });
}

export function connect(pending: PendingConnect): void {
  const { target, from, failed } = pending;
  const [localAddress, localPort] = from as [string, number] | undefined ?? [];
  const socket = net.connect({
    ...optionsFor(target),
    allowHalfOpen: true,
    ...(from && { localAddress, localPort }),
  });
  socket.on("error", failed);
  socket.once("connect", () => {
    const local = typeof target === "string" ? "" : undefined;
    // "Any host" is this host, whose address the socket knows.
    const peer = ANY_HOST.test(target[0]) ? undefined : target;
    pending.opened(new NodeConnection(socket, local, peer));
    socket.off("error", failed); // the connection has its own
  });
  pending.cancel = () => socket.destroy();
}

const ACCEPTED = { allowHalfOpen: true, pauseOnConnect: true };

function optionsFor(address: Address) {
  if (typeof address === "string") return { path: address };
  return { host: address[0], port: address[1] };
}

// --- the listener ---

class NodeListener<Client> extends Inbox<Client> implements Listener<Client> {
  readonly address: Address;
  readonly source: Server;

  constructor(server: Server, admit: (connection: Connection) => Client) {
    super();
    this.source = server;
    const name = server.address() as AddressInfo | string;
    const path = typeof name === "string";
    this.address = path ? name : [name.address, name.port];
    const local = ANY_HOST.test(this.address[0]) ? undefined : this.address;
    // Node accepts by itself, so the inbox is the real backlog.
    server.on("connection", (socket) => {
      if (this.waiting >= ACCEPT_QUEUE_LIMIT) {
        return void socket.resetAndDestroy();
      }
      const peer = path ? "" : undefined;
      this.arrived(admit(new NodeConnection(socket, local, peer)));
    });
  }

  /** The callback of close() would wait for the connections as well. */
  close(): Promise<void> {
    this.source.close();
    return Promise.resolve();
  }
}

// --- the connection ---

class NodeConnection extends Inbox<Uint8Array> implements Connection {
  readonly address: Address;
  readonly local: Address;
  readonly source: Socket;

  /**
   * The names that are known come along: each that Node has to ask for costs a
   * system call, and those of AF_UNIX sockets it does not know.
   */
  constructor(socket: Socket, local?: Address, peer?: Address) {
    super();
    this.source = socket;
    // Asked for at once: after a reset the system has forgotten it.
    this.address = peer ??
      [socket.remoteAddress ?? UNKNOWN, socket.remotePort ?? 0];
    this.local = local ?? [
      // Bun's node:net does not tell its zone.
      withZone(socket.localAddress ?? "", this.address[0]),
      socket.localPort ?? 0,
    ];
    (socket as Owned).owner = this;
    socket.unref(); // until a call waits
    socket.on("data", onData).on("end", onEnd).on("error", onError)
      .on("close", onEnd);
  }

  override want(): void {
    if (this.source.isPaused()) this.source.resume();
  }

  override hold(on: boolean): void {
    if (!on && (this.wanted || this.source.writableLength > 0)) return;
    super.hold(on);
  }

  get readsLater(): boolean {
    return true;
  }

  /** Node takes all into memory: what the system has not taken is waited for. */
  write(bytes: Uint8Array): number | Promise<number> {
    const socket = this.source;
    if (socket.destroyed) return Promise.reject(socket.errored ?? GONE);
    socket.write(bytes);
    if (socket.errored) return Promise.reject(socket.errored);
    if (socket.writableLength === 0) return bytes.length;
    this.hold(true);
    return new Promise((resolve, reject) => {
      socket.write(NOTHING, (error) => {
        this.hold(false);
        if (error) reject(error);
        else resolve(bytes.length);
      });
    });
  }

  set(option: StreamOption, on: boolean): void {
    if (option === "TCP_NODELAY") this.source.setNoDelay(on);
    if (option === "SO_KEEPALIVE") this.source.setKeepAlive(on);
  }

  closeWrite(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.source.end((error?: Error) => error ? reject(error) : resolve(0));
    });
  }

  close(): void {
    this.source.destroy();
  }

  /** There is no RST within one machine, unix(7). */
  abort(): void {
    if (typeof this.address === "string") this.source.destroy();
    else this.source.resetAndDestroy();
  }
}

// The same functions for all sockets: what one takes when it idles, shows.

interface Owned extends Socket {
  owner: NodeConnection;
}

function onData(this: Owned, chunk: Uint8Array): void {
  const { buffer, byteOffset, byteLength } = chunk; // a Buffer
  this.owner.arrived(new Uint8Array(buffer, byteOffset, byteLength));
  if (this.owner.waiting > 1) this.pause();
}

function onEnd(this: Owned): void {
  this.owner.ended();
}

function onError(this: Owned, error: Error): void {
  this.owner.failed(error);
}

const ANY_HOST = /^(0\.0\.0\.0|::)$/;
const NOTHING = new Uint8Array(0);
const GONE = Object.assign(new Error("gone"), { code: "EPIPE" });
