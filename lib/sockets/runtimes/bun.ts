/**
 * The stream sockets of Bun: https://bun.sh/docs/api/tcp
 *
 * @module
 */
// @ts-types="npm:bun-types@1.4.5"
import type { Socket, TCPSocketListener } from "bun";
import { type Address, UNKNOWN, withZone } from "../address.ts";
import { ACCEPT_QUEUE_LIMIT, Inbox } from "../inbox.ts";
import { codeOf } from "../socket_error.ts";
import type {
  Connection,
  Listener,
  ListenOptions,
  PendingConnect,
  StreamOption,
} from "./runtime.ts";

// --- listen and connect ---

/** Bun switches TCP_NODELAY on; off again, it costs 2% of the exchanges. */
export const noDelay = true;
export const aborts = true;

// async, so that what Bun throws at once rejects
export async function listen<Client>(
  options: ListenOptions<Client>,
): Promise<Listener<Client>> {
  return new BunListener(options);
}

export function connect(pending: PendingConnect): void {
  const { target, from } = pending;
  // Bun cannot cancel a connect. On this machine the answer comes at once; for
  // all else the descriptor would stay until the kernel gives up, in minutes.
  const near = typeof target === "string" || /^(127\.|::1$)/.test(target[0]);
  if (from || !near) return void connectFar(pending);
  const options = { data: pending, allowHalfOpen: true, socket: CLIENT };
  Bun.connect<unknown>({ ...options, ...optionsFor(target) });
}

/** By node:net, which can bind a client and cancel a connect. */
async function connectFar(pending: PendingConnect): Promise<void> {
  let cancelled = false;
  pending.cancel = () => cancelled = true;
  const { failed, target } = pending;
  pending.failed = (error) => {
    if (codeOf(error) !== "ECONNREFUSED") return failed(error);
    import("./true_error.ts")
      .then(({ routeByUdp }) => routeByUdp(target[0]))
      .then((code) => failed(code ? { code } : error), () => failed(error));
  };
  const node = await import("./node.ts");
  if (!cancelled) node.connect(pending);
}

function optionsFor(address: Address) {
  if (typeof address === "string") return { unix: address } as never;
  return { hostname: address[0], port: address[1] };
}

// --- keeping the process alive ---

/**
 * Bun's ref() and unref() cost 5% of a round trip: what is released is looked at
 * a millisecond later, when most are held again.
 */
abstract class BunInbox<T> extends Inbox<T> {
  #held = true; // as Bun makes it
  #released = false;

  /** Whether it need not keep the process alive. */
  get idle(): boolean {
    return !this.wanted;
  }

  override hold(on: boolean): void {
    if (on && !this.#held) super.hold(this.#held = true);
    if (on || this.#released) return;
    this.#released = true;
    if (released.push(this as BunInbox<unknown>) > 1) return;
    setTimeout(letGo, 1).unref(); // what is held keeps the process for it
  }

  letGo(): void {
    this.#released = false;
    if (this.idle && this.#held) super.hold(this.#held = false);
  }
}

const released: BunInbox<unknown>[] = [];

function letGo(): void {
  for (const inbox of released.splice(0)) inbox.letGo();
}

// --- the listener ---

class BunListener<Client> extends BunInbox<Client> implements Listener<Client> {
  readonly address: Address;
  readonly source: TCPSocketListener<unknown>;
  readonly #admit: (connection: Connection) => Client;

  /** Whatever the backlog, Bun asks for 512. */
  constructor({ address, admit, ipv6Only }: ListenOptions<Client>) {
    super();
    this.#admit = admit;
    this.source = Bun.listen<unknown>({
      ...optionsFor(address),
      ...{ ipv6Only }, // not in Bun's types
      allowHalfOpen: true,
      socket: SERVER,
      data: this,
    });
    this.hold(false); // until accept() waits
    this.address = typeof address === "string"
      ? address
      : [address[0], this.source.port];
  }

  /** Bun accepts by itself, so the inbox is the real backlog. */
  opened(socket: Socket<unknown>): void {
    const peer = typeof this.address === "string" ? "" : undefined;
    const connection = new BunConnection(socket, this.address, peer);
    if (this.waiting >= ACCEPT_QUEUE_LIMIT) return void socket.terminate();
    if (!this.wanted) connection.pause();
    this.arrived(this.#admit(connection));
  }

  close(): Promise<void> {
    this.source.stop();
    return Promise.resolve();
  }
}

// --- the connection ---

class BunConnection extends BunInbox<Uint8Array> implements Connection {
  readonly address: Address;
  /** The name of an AF_UNIX socket, or one that has the zone. */
  readonly #own: Address;
  readonly source: Socket<BunConnection>;
  #paused = false;
  #gone: { code: string } | undefined;
  #unsent: Unsent | undefined;

  /** Bun knows no names of AF_UNIX sockets and no zones: these come along. */
  constructor(socket: Socket<unknown>, own: Address, peer?: Address) {
    super();
    this.source = socket as Socket<BunConnection>;
    this.#own = own;
    // Asked for at once: after a reset the system has forgotten it.
    const host = socket.remoteAddress ?? UNKNOWN;
    this.address = peer ?? [withZone(host, own[0]), socket.remotePort ?? 0];
    socket.data = this;
    this.hold(false); // until a call waits
  }

  /** Asked for only when needed; after a reset Bun has lost the host. */
  get local(): Address {
    if (typeof this.#own === "string") return this.#own;
    const { localAddress, localPort } = this.source;
    const any = this.address[0].includes(":") ? "::" : "0.0.0.0";
    return [withZone(localAddress ?? any, this.#own[0]), localPort];
  }

  override want(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.source.resume();
  }

  override get idle(): boolean {
    return super.idle && !this.#unsent;
  }

  pause(): void {
    this.#paused = true;
    this.source.pause();
  }

  get readsLater(): boolean {
    return false;
  }

  /** Bun forgets what it did not take; `drain` says when to go on. */
  write(bytes: Uint8Array): number | Promise<number> {
    const taken = this.#gone ? -1 : this.source.write(bytes);
    if (taken > 0) return taken;
    return new Promise((resolve, reject) => {
      if (taken < 0) return reject(this.#gone ?? BROKEN);
      this.#unsent = { bytes, resolve, reject };
      this.hold(true);
    });
  }

  /** Nothing of it has been taken, and nothing will be. */
  unwrite(): void {
    this.#settle()?.resolve(0);
  }

  set(option: StreamOption, on: boolean): void {
    if (option === "TCP_NODELAY") this.source.setNoDelay(on);
    // With a delay of 0 the system's times hold, tcp(7).
    if (option === "SO_KEEPALIVE") this.source.setKeepAlive(on, 0);
  }

  drained(): void {
    const bytes = this.#unsent?.bytes;
    const taken = bytes ? this.source.write(bytes) : 0;
    // Nobody waits, or there is no room after all; none are left if their buffer
    // has been transferred.
    if (!bytes || (taken === 0 && bytes.length > 0)) return;
    const unsent = this.#settle();
    if (taken >= 0) unsent?.resolve(taken);
    else unsent?.reject(BROKEN);
  }

  received(bytes: Uint8Array): void {
    this.arrived(bytes);
    if (this.waiting > 0 && !this.#paused) this.pause();
  }

  /** Bun tells a reset here, and the peer's FIN too once we have sent ours. */
  closed(error: Error | undefined): void {
    if (error) this.failed(error);
    this.ended();
    this.#gone = BROKEN;
    this.#settle()?.reject(error ?? BROKEN);
  }

  /** Not end(), which is close(2). */
  closeWrite(): number {
    this.source.shutdown();
    return 0;
  }

  close(): void {
    this.source.end();
  }

  abort(): void {
    this.source.terminate();
  }

  /** What waits to be sent, from now on no more. */
  #settle(): Unsent | undefined {
    const unsent = this.#unsent;
    this.#unsent = undefined;
    if (unsent) this.hold(false);
    return unsent;
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
    const { target, opened } = socket.data as PendingConnect;
    const own = typeof target === "string" ? "" : target;
    opened(new BunConnection(socket, own, target));
  },
  connectError(socket: Socket<unknown>, error: Error) {
    const { target, failed } = socket.data as PendingConnect;
    if (typeof target !== "string" || codeOf(error) !== "ECONNREFUSED") {
      return failed(error);
    }
    import("./true_error.ts").then(
      ({ connectCode }) => failed({ code: connectCode(target) }),
      () => failed(error), // no descriptor is left to load it
    );
  },
};

const SERVER = {
  ...EVENTS,
  open: (socket: Socket<unknown>) =>
    (socket.data as BunListener<unknown>).opened(socket),
};
