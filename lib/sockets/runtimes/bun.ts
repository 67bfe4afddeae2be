/**
 * The stream sockets of Bun: https://bun.sh/docs/api/tcp
 *
 * @module
 */
import type { Socket, TCPSocketListener } from "bun";
import type { Address } from "../address.ts";
import { ACCEPT_QUEUE_LIMIT, Inbox } from "../inbox.ts";
import type { StreamOption } from "../options.ts";
import { codeOf } from "../socket_error.ts";
import type {
  Admit,
  Connection,
  Listener,
  ListenOptions,
  PendingConnect,
} from "./runtime.ts";

// --- listen and connect ---

/** Bun switches TCP_NODELAY on; off again, it costs 2% of the exchanges. */
export const noDelay = true;

// async, so that what Bun throws at once rejects
export async function listen<Client>(
  address: Address,
  admit: Admit<Client>,
  { ipv6Only }: ListenOptions, // whatever the backlog, Bun asks for 512
): Promise<Listener<Client>> {
  return new BunListener(address, admit, ipv6Only);
}

export function connect(
  address: Address,
  from: Address | undefined,
  pending: PendingConnect,
): void {
  // Bun cannot cancel a connect. On this machine the answer comes at once; for
  // all else the descriptor would stay until the kernel gives up, in minutes.
  const near = typeof address === "string" || /^(127\.|::1$)/.test(address[0]);
  if (from || !near) {
    import("./node.ts").then((node) => node.connect(address, from, pending))
      .catch(pending.failed);
    return;
  }
  const data: Dialling = { address, pending };
  const options = { data, allowHalfOpen: true, socket: CLIENT };
  if (typeof address === "string") {
    Bun.connect<unknown>({ ...options, unix: address });
  } else {
    const [hostname, port] = address;
    Bun.connect<unknown>({ ...options, hostname, port });
  }
}

/** The data of a socket until it is connected. */
interface Dialling {
  address: Address;
  pending: PendingConnect;
}

function optionsFor(address: Address) {
  if (typeof address === "string") return { unix: address } as never;
  return { hostname: address[0], port: address[1] };
}

// --- the listener ---

class BunListener<Client> extends Inbox<Client> implements Listener<Client> {
  readonly local: Address;
  readonly #listener: TCPSocketListener<unknown>;
  readonly #admit: Admit<Client>;

  constructor(address: Address, admit: Admit<Client>, ipv6Only: boolean) {
    super();
    this.#admit = admit;
    const options = { ipv6Only }; // not in Bun's types
    this.#listener = Bun.listen<unknown>({
      ...optionsFor(address),
      ...options,
      exclusive: true,
      allowHalfOpen: true,
      socket: SERVER,
      data: this,
    });
    this.local = typeof address === "string"
      ? address
      : [address[0], this.#listener.port];
  }

  get errorAddress(): Address {
    return this.local;
  }

  want(): void {}

  /** Bun accepts by itself, so the inbox is the real backlog. */
  opened(socket: Socket<unknown>): void {
    const path = typeof this.local === "string" ? this.local : undefined;
    const connection = path === undefined
      ? new BunConnection(socket)
      : new BunConnection(socket, path, "");
    if (this.waiting >= ACCEPT_QUEUE_LIMIT) return void socket.terminate();
    if (!this.wanted) connection.pause();
    this.arrived(this.#admit(connection));
  }

  close(): Promise<void> {
    this.#listener.stop();
    return Promise.resolve();
  }
}

// --- the connection ---

class BunConnection extends Inbox<Uint8Array> implements Connection {
  readonly peer: Address;
  readonly #path: string | undefined;
  readonly #socket: Socket<BunConnection>;
  #paused = false;
  #gone: { code: string } | undefined;
  #unsent: Unsent | undefined;

  /** Bun knows no names of AF_UNIX sockets, so that these come along. */
  constructor(socket: Socket<unknown>, path?: string, peer?: Address) {
    super();
    this.#socket = socket as Socket<BunConnection>;
    this.#path = path;
    // Bun forgets it at a reset, which may be before this.
    this.peer = peer ?? [socket.remoteAddress ?? "", socket.remotePort ?? 0];
    socket.data = this;
  }

  get errorAddress(): Address {
    return this.peer;
  }

  /** Asked for only when needed; after a reset Bun has lost the host. */
  get local(): Address {
    if (this.#path !== undefined) return this.#path;
    const { localAddress, localPort } = this.#socket;
    const any = this.peer[0].includes(":") ? "::" : "0.0.0.0";
    return [localAddress ?? any, localPort];
  }

  want(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket.resume();
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  /** Bun forgets what it did not take; `drain` says when to go on. */
  write(bytes: Uint8Array): number | Promise<number> {
    const taken = this.#gone ? -1 : this.#socket.write(bytes);
    if (taken > 0) return taken;
    return new Promise((resolve, reject) => {
      if (taken < 0) reject(this.#gone ?? BROKEN);
      else this.#unsent = { bytes, resolve, reject };
    });
  }

  set(option: StreamOption, on: boolean): void {
    if (option === "TCP_NODELAY") this.#socket.setNoDelay(on);
    if (option === "SO_KEEPALIVE") this.#socket.setKeepAlive(on, 7_200_000);
  }

  drained(): void {
    const unsent = this.#unsent;
    const taken = unsent ? this.#socket.write(unsent.bytes) : 0;
    if (!unsent || taken === 0) return;
    this.#unsent = undefined;
    if (taken > 0) unsent.resolve(taken);
    else unsent.reject(BROKEN);
  }

  received(bytes: Uint8Array): void {
    this.arrived(bytes);
    if (this.waiting > 0 && !this.#paused) this.pause();
  }

  /** Bun tells a reset here, and the peer's FIN too once we have sent ours. */
  closed(error: Error | undefined): void {
    if (error) this.failed(codeOf(error), error);
    this.ended();
    this.#gone = BROKEN;
    this.#unsent?.reject(error ?? BROKEN);
    this.#unsent = undefined;
  }

  /** Not end(), which is close(2). */
  closeWrite(): number {
    this.#socket.shutdown();
    return 0;
  }

  close(): void {
    this.#socket.end();
  }
}

interface Unsent {
  bytes: Uint8Array;
  resolve: (taken: number) => void;
  reject: (error: unknown) => void;
}

const BROKEN = { code: "EPIPE" };

/** Without an `end` handler Bun would close the socket at the peer's FIN. */
const EVENTS = {
  binaryType: "uint8array" as const,
  data: (socket: Socket<unknown>, bytes: Uint8Array) =>
    (socket.data as BunConnection).received(bytes),
  drain: (socket: Socket<unknown>) => (socket.data as BunConnection).drained(),
  end: (socket: Socket<unknown>) => (socket.data as BunConnection).ended(),
  close: (socket: Socket<unknown>, error?: Error) =>
    (socket.data as BunConnection).closed(error),
};

const CLIENT = {
  ...EVENTS,
  open(socket: Socket<unknown>) {
    const { address, pending } = socket.data as Dialling;
    const path = typeof address === "string" ? "" : undefined;
    pending.opened(new BunConnection(socket, path, address));
  },
  connectError: (socket: Socket<unknown>, error: Error) =>
    (socket.data as Dialling).pending.failed(error),
};

const SERVER = {
  ...EVENTS,
  open: (socket: Socket<unknown>) =>
    (socket.data as BunListener<unknown>).opened(socket),
};
