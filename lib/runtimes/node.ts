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
): Promise<Connection> {
  const [localAddress, localPort] = from as [string, number] | undefined ?? [];
  return new Promise((resolve, reject) => {
    const socket = net.connect({
      ...optionsFor(address),
      allowHalfOpen: true,
      ...(from && { localAddress, localPort }),
    });
    socket.on("error", reject);
    socket.once("connect", () => {
      const path = typeof address === "string";
      resolve(new NodeConnection(socket, path ? "" : undefined, address));
    });
    attempt.cancel = () => socket.destroy();
  });
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
    const path = typeof name === "string" ? name : undefined;
    this.about = typeof name === "string" ? name : [name.address, name.port];
    // Node accepts by itself, so the inbox is the real backlog.
    server.on("connection", (socket) => {
      if (this.waiting >= MOST_WAITING) socket.resetAndDestroy();
      else this.arrived(admit(new NodeConnection(socket, path, "")));
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

  /** Node knows no names of AF_UNIX sockets, so that these come along. */
  constructor(socket: Socket, path?: string, peer?: Address) {
    super();
    this.#socket = socket;
    const { remoteAddress, remotePort, localAddress, localPort } = socket;
    this.about = path !== undefined
      ? peer!
      : [remoteAddress ?? "", remotePort ?? 0];
    this.local = path ?? [localAddress ?? "", localPort ?? 0];
    socket.on("data", (chunk: Uint8Array) => {
      const { buffer, byteOffset, byteLength } = chunk; // a Buffer
      this.arrived(new Uint8Array(buffer, byteOffset, byteLength));
      if (this.waiting > 1) socket.pause();
    });
    socket.on("end", () => this.ended());
    socket.on("error", (error) => this.failed(codeOf(error), error));
    socket.on("close", () => this.ended());
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

const NOTHING = new Uint8Array(0);
const GONE = Object.assign(new Error("gone"), { code: "EPIPE" });
