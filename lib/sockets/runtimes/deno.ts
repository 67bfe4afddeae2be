/**
 * The stream sockets of Deno: https://docs.deno.com/api/deno/network
 *
 * @module
 */
import { type Address, withZone } from "../address.ts";
import { Inbox } from "../inbox.ts";
import type {
  Connection,
  Listener,
  ListenOptions,
  PendingConnect,
  StreamOption,
} from "./runtime.ts";

// --- listen and connect ---

export const noDelay = false; // as tcp(7) has it
export const aborts = false; // Deno never sends a RST

// async, so that what Deno throws at once rejects
export async function listen<Client>(
  options: ListenOptions<Client>,
): Promise<Listener<Client>> {
  const { address, backlog: tcpBacklog } = options;
  if (options.ipv6Only) throw { code: "ENOPROTOOPT" }; // nor has its node:net
  const [hostname, port] = address as Name;
  const listener = typeof address === "string"
    ? Deno.listen({ transport: "unix", path: address })
    : Deno.listen({ hostname, port, tcpBacklog });
  return new DenoListener(listener, options);
}

export function connect(pending: PendingConnect): void {
  const { target, from, failed } = pending;
  if (from) return void connectFrom(pending).catch(failed);
  dial(pending).then(
    (conn) => pending.opened(new DenoConnection(conn, target)),
    failed,
  );
}

function dial(pending: PendingConnect): Promise<Deno.Conn> {
  const { target } = pending;
  if (typeof target === "string") { // refused or connected at once
    return Deno.connect({ transport: "unix", path: target });
  }
  const [hostname, port] = target;
  const stop = new AbortController();
  pending.cancel = () => stop.abort();
  return Deno.connect({ hostname, port, signal: stop.signal });
}

/** Deno cannot bind a client; its node:net can, but throws past its callers. */
async function connectFrom(pending: PendingConnect): Promise<void> {
  let cancelled = false;
  pending.cancel = () => cancelled = true;
  await requestNet(pending.target as Name);
  const node = await import("./node.ts");
  if (!cancelled) node.connect(pending);
}

// --- the listener ---

class DenoListener<Client> extends Inbox<Client> implements Listener<Client> {
  readonly address: Address;
  readonly source: Deno.Listener;
  readonly #admit: (connection: Connection) => Client;
  #accepting: Promise<void> | undefined;
  #closed = false;

  constructor(listener: Deno.Listener, options: ListenOptions<Client>) {
    super();
    this.source = listener;
    this.#admit = options.admit;
    this.address = nameOf(listener.addr, options.address);
  }

  /** Deno accepts one at a time; a second request would reject as Busy. */
  override want(): void {
    this.#accepting ??= this.#accept();
  }

  /** An accept cannot be cancelled: it goes on without keeping the process. */
  override hold(on: boolean): void {
    if (this.#accepting) super.hold(on);
  }

  /** Deno sends no RST: clients in the kernel's queue see the end. */
  async close(): Promise<void> {
    this.#closed = true;
    this.source.close();
    // Deno frees the port only when the pending accept has ended.
    await this.#accepting;
  }

  async #accept(): Promise<void> {
    let connection: Connection | undefined;
    while (!connection && !this.#closed) {
      try {
        const conn = await this.source.accept();
        connection = new DenoConnection(conn, this.address);
      } catch (error) {
        // A client that was gone already, or no descriptor left: the next try
        // may do. EMFILE comes again at once, hence the pause.
        const code = (error as { code?: string }).code;
        if (this.#closed) return;
        if (code === "ENOTCONN" || code === "ECONNABORTED") continue;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    this.#accepting = undefined;
    if (connection) this.arrived(this.#admit(connection));
  }
}

// --- the connection ---

class DenoConnection extends Inbox<Uint8Array> implements Connection {
  readonly source: Deno.TcpConn;
  /** An address that has the zone, of which Deno tells nothing. */
  readonly #like: Address;
  #reading = false;
  #writing: Promise<number> | undefined;
  /** Room for the next read: what came is copied out of it. */
  #room: Uint8Array | undefined;

  constructor(conn: Deno.Conn, like: Address) {
    super();
    this.source = conn as Deno.TcpConn; // or a UnixConn, which has no options
    this.#like = like;
  }

  get address(): Address {
    return nameOf(this.source.remoteAddr, this.#like);
  }

  get local(): Address {
    return nameOf(this.source.localAddr, this.#like);
  }

  /** A read cannot be cancelled: after a timeout it serves the next request. */
  override want(size: number, into?: Uint8Array): void {
    if (this.#reading) return;
    this.#reading = true;
    if (!into && !(this.#room && this.#room.length >= size)) {
      this.#room = size > SMALL
        ? new Uint8Array(Math.min(size, SLAB))
        : cut(size);
    }
    const room = this.#room!;
    this.source.read(into ?? room).then(
      (count) => {
        this.#reading = false;
        if (count === null) this.ended();
        else if (into) this.filled(count);
        else this.arrived(room.slice(0, count));
      },
      (error) => {
        this.#reading = false;
        this.failed(error);
        this.ended();
      },
    );
  }

  /** A read that nobody waits for does not keep the process alive. */
  override hold(on: boolean): void {
    if (this.#reading) super.hold(on);
  }

  get readsLater(): boolean {
    return true;
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#writing = this.source.write(bytes);
  }

  /** Deno throws while a write is under way: it is set after the last one. */
  set(option: StreamOption, on: boolean, after?: Promise<number>): void {
    try {
      if (option === "TCP_NODELAY") this.source.setNoDelay(on);
      if (option === "SO_KEEPALIVE") this.source.setKeepAlive(on);
    } catch {
      const writing = this.#writing;
      if (writing === after) return; // closed, then
      writing?.then(() => this.set(option, on, writing), () => {});
    }
  }

  async closeWrite(): Promise<number> {
    await this.source.closeWrite();
    return 0;
  }

  close(): void {
    this.source.close();
  }
}

// --- rooms ---

const SLAB = 65536;
const SMALL = 4096;
let slab: Uint8Array | undefined;
let used = 0;

/** Room for small reads: a cut of a slab costs a tenth of an allocation. */
function cut(size: number): Uint8Array {
  if (!slab || used + size > SLAB) {
    slab = new Uint8Array(SLAB);
    used = 0;
  }
  return slab.subarray(used, used += size);
}

// --- permissions, where node:net and node:dgram would throw past callers ---

/** Whether the address may be used; does not prompt. */
export function mayUse(address: Name): boolean {
  const host = hostOf(address);
  return Deno.permissions.querySync({ name: "net", host }).state === "granted";
}

/** Prompts where the user can answer; throws NotCapable if it is denied. */
export async function requestNet(address: Name): Promise<void> {
  const host = hostOf(address);
  const { state } = await Deno.permissions.request({ name: "net", host });
  if (state === "granted") return;
  throw new Deno.errors.NotCapable(
    `Requires net access to "${host}", run again with the --allow-net flag`,
  );
}

/** How `--allow-net` writes it. */
function hostOf([host, port]: Name): string {
  return host.includes(":")
    ? `[${host.split("%")[0]}]:${port}`
    : `${host}:${port}`;
}

type Name = [host: string, port: number];

// --- names ---

function nameOf(address: Deno.Addr, like: Address): Address {
  if (!("hostname" in address)) return (address as Deno.UnixAddr).path ?? "";
  return [withZone(address.hostname, like[0]), address.port];
}
