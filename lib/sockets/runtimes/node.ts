/**
 * The stream sockets of Node: https://nodejs.org/api/net.html
 *
 * @module
 */
import type { AddressInfo, Server, Socket } from "node:net";
import type { Address } from "../address.ts";
import { Inbox, MOST_WAITING } from "../queues.ts";
import { codeOf } from "../socket_error.ts";
import type { StreamOption } from "../stream_socket.ts";
import type {
  Admit,
  Attempt,
  Connection,
  Listener,
  ListenOptions,
} from "./mod.ts";

// Not static: a bundle with all of the library would load it at once.
const { default: net } = await import("node:net");

// --- the process ---

export const command = "node";

export function args(): string[] {
  return process.argv.slice(2);
}

export function exit(code: number): never {
  process.exit(code);
}

/**
 * Without a listener the EPIPE of `| head` would end the process; and what a
 * slow reader of a pipe has not read would be queued without a bound.
 */
export function outliveReaders(): void {
  for (const output of [process.stdout, process.stderr]) {
    output.on("error", () => {});
    (output as { _handle?: Handle })._handle?.setBlocking?.(true);
  }
}

interface Handle {
  setBlocking?(on: boolean): void;
}

export function onStop(stop: () => void): void {
  process.on("SIGINT", stop).on("SIGTERM", stop);
}

// --- listen and connect ---

/** As tcp(7) has it. */
export const noDelay = false;

export function listen<Client>(
  address: Address,
  admit: Admit<Client>,
  options: ListenOptions,
): Promise<Listener<Client>> {
  const server = net.createServer({
    allowHalfOpen: true,
    pauseOnConnect: true,
  });
  return new Promise((resolve, reject) => {
    // Stays: an error that nobody listens to would end the process.
    server.on("error", reject);
    server.listen({ ...optionsFor(address), ...options }, () => {
      resolve(new NodeListener(server, admit));
    });
  });
}

export function connect(
  address: Address,
  from: Address | undefined,
  attempt: Attempt,
): void {
  const [localAddress, localPort] = from as [string, number] | undefined ?? [];
  const socket = net.connect({
    ...optionsFor(address),
    allowHalfOpen: true,
    ...(from && { localAddress, localPort }),
  });
  const { failed } = attempt;
  socket.on("error", failed);
  socket.once("connect", () => {
    const local = typeof address === "string" ? "" : undefined;
    // To any host is to this one, which the socket knows.
    const about = /^(0\.0\.0\.0|::)$/.test(address[0]) ? undefined : address;
    attempt.opened(new NodeConnection(socket, local, about));
    socket.off("error", failed); // the connection has its own
  });
  attempt.cancel = () => socket.destroy();
}

function optionsFor(address: Address) {
  if (typeof address === "string") return { path: address };
  return { host: address[0], port: address[1] };
}

// --- the listener ---

class NodeListener<Client> extends Inbox<Client> implements Listener<Client> {
  readonly about: Address;
  readonly #server: Server;

  constructor(
    server: Server,
    admit: Admit<Client>,
  ) {
    super();
    this.#server = server;
    const name = server.address() as AddressInfo | string;
    const path = typeof name === "string";
    this.about = typeof name === "string" ? name : [name.address, name.port];
    const any = /^(0\.0\.0\.0|::)$/.test(this.about[0]);
    const local = any ? undefined : this.about;
    // Node accepts by itself, so the inbox is the real backlog.
    server.on("connection", (socket) => {
      if (this.waiting >= MOST_WAITING) socket.resetAndDestroy();
      else {this.arrived(
          admit(new NodeConnection(socket, local, path ? "" : undefined)),
        );}
    });
  }

  want(): void {}

  /** The callback of close() would wait for the connections as well. */
  close(): Promise<void> {
    this.#server.close();
    return Promise.resolve();
  }
}

// --- the connection ---

class NodeConnection extends Inbox<Uint8Array> implements Connection {
  readonly about: Address;
  readonly local: Address;
  readonly #socket: Socket;

  /**
   * The names that are known come along: each that Node has to ask for costs a
   * system call, and those of AF_UNIX sockets it does not know.
   */
  constructor(socket: Socket, local?: Address, about?: Address) {
    super();
    this.#socket = socket;
    // Asked for at once, since it is gone with the descriptor after a reset.
    this.local = local ?? [socket.localAddress ?? "", socket.localPort ?? 0];
    this.about = about ?? [socket.remoteAddress ?? "", socket.remotePort ?? 0];
    (socket as Owned).owner = this;
    socket.on("data", onData).on("end", onEnd).on("error", onError)
      .on("close", onEnd);
  }

  want(): void {
    if (this.#socket.isPaused()) this.#socket.resume();
  }

  /** Node takes all into memory: what the system has not taken is waited for. */
  write(bytes: Uint8Array): number | Promise<number> {
    const socket = this.#socket;
    if (socket.destroyed) return Promise.reject(socket.errored ?? GONE);
    socket.write(bytes);
    if (socket.errored) return Promise.reject(socket.errored);
    if (socket.writableLength === 0) return bytes.length;
    return new Promise((resolve, reject) => {
      socket.write(NOTHING, (error) => {
        if (error) reject(error);
        else resolve(bytes.length);
      });
    });
  }

  set(option: StreamOption, on: boolean): void {
    if (option === "TCP_NODELAY") this.#socket.setNoDelay(on);
    if (option === "SO_KEEPALIVE") this.#socket.setKeepAlive(on);
  }

  closeWrite(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#socket.end((error?: Error) => error ? reject(error) : resolve(0));
    });
  }

  close(): void {
    this.#socket.destroy();
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
  this.owner.failed(codeOf(error), error);
}

const NOTHING = new Uint8Array(0);
const GONE = Object.assign(new Error("gone"), { code: "EPIPE" });
