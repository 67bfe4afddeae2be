/**
 * The stream sockets of Deno: https://docs.deno.com/api/deno/network
 *
 * @module
 */
import { type Address, withZone } from "../address.ts";
import { Inbox } from "../inbox.ts";
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

/** As tcp(7) has it. */
export const noDelay = false;

/** Whether the system may read what is sent after write() has returned. */
export const readsLater = true;

// async, so that what Deno throws at once rejects
export async function listen<Client>(
  address: Address,
  admit: Admit<Client>,
  { backlog, ipv6Only }: ListenOptions,
): Promise<Listener<Client>> {
  if (ipv6Only) throw { code: "ENOPROTOOPT" }; // nor has its node:net
  const listener = typeof address === "string"
    ? Deno.listen({ transport: "unix", path: address })
    : Deno.listen({
      hostname: address[0],
      port: address[1],
      tcpBacklog: backlog,
    });
  return new DenoListener(listener, admit, address);
}

export function connect(
  address: Address,
  from: Address | undefined,
  pending: PendingConnect,
): void {
  if (from) {
    connectFrom(address, from, pending).catch(pending.failed);
  } else {
    dial(address, pending).then(
      (conn) => pending.opened(new DenoConnection(conn, address)),
      pending.failed,
    );
  }
}

function dial(address: Address, pending: PendingConnect): Promise<Deno.Conn> {
  if (typeof address === "string") { // refused or connected at once
    return Deno.connect({ transport: "unix", path: address });
  }
  const [hostname, port] = address;
  const stop = new AbortController();
  pending.cancel = () => stop.abort();
  return Deno.connect({ hostname, port, signal: stop.signal });
}

/** Deno cannot bind a client; its node:net can, but throws past its callers. */
async function connectFrom(
  address: Address,
  from: Address,
  pending: PendingConnect,
): Promise<void> {
  let cancelled = false;
  pending.cancel = () => cancelled = true;
  const { requestNet } = await import("./deno_permission.ts");
  await requestNet(address as [string, number]);
  const node = await import("./node.ts");
  if (!cancelled) node.connect(address, from, pending);
}

// --- the listener ---

class DenoListener<Client> extends Inbox<Client> implements Listener<Client> {
  readonly local: Address;
  readonly #listener: Deno.Listener;
  readonly #admit: Admit<Client>;
  #accepting: Promise<void> | undefined;
  #closed = false;

  constructor(
    listener: Deno.Listener,
    admit: Admit<Client>,
    address: Address,
  ) {
    super();
    this.#listener = listener;
    this.#admit = admit;
    this.local = nameOf(listener.addr, address);
  }

  get errorAddress(): Address {
    return this.local;
  }

  /** Deno accepts one at a time; a second request would reject as Busy. */
  want(): void {
    this.#accepting ??= this.#accept();
  }

  hold(): void {
    if (this.#accepting) this.#listener.ref();
  }

  /** An accept cannot be cancelled: it goes on without keeping the process. */
  release(): void {
    if (this.#accepting) this.#listener.unref();
  }

  /** Deno sends no RST: clients in the kernel's queue see the end. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#listener.close();
    // Deno frees the port only when the pending accept has ended.
    await this.#accepting;
  }

  async #accept(): Promise<void> {
    let connection: Connection | undefined;
    while (!connection && !this.#closed) {
      try {
        const conn = await this.#listener.accept();
        connection = new DenoConnection(conn, this.local);
      } catch (error) {
        // A client that was gone already, or no descriptor left: the next try
        // may do. EMFILE comes again at once, hence the pause.
        const code = (error as { code?: string }).code;
        if (this.#closed) return;
        if (code !== "ENOTCONN" && code !== "ECONNABORTED") await pause(50);
      }
    }
    this.#accepting = undefined;
    if (connection) this.arrived(this.#admit(connection));
  }
}

// --- the connection ---

class DenoConnection extends Inbox<Uint8Array> implements Connection {
  readonly #conn: Deno.Conn;
  /** An address that has the zone, of which Deno tells nothing. */
  readonly #like: Address;
  #reading = false;
  #writing: Promise<number> | undefined;
  /** Room for the next read: what came is copied out of it. */
  #room: Uint8Array | undefined;

  constructor(conn: Deno.Conn, like: Address) {
    super();
    this.#conn = conn;
    this.#like = like;
  }

  get errorAddress(): Address {
    return this.peer;
  }

  get peer(): Address {
    return nameOf(this.#conn.remoteAddr, this.#like);
  }

  get local(): Address {
    return nameOf(this.#conn.localAddr, this.#like);
  }

  /** A read cannot be cancelled: after a timeout it serves the next request. */
  want(size: number, into?: Uint8Array): void {
    if (this.#reading) return;
    this.#reading = true;
    if (!into && !(this.#room && this.#room.length >= size)) {
      this.#room = size > SMALL
        ? new Uint8Array(Math.min(size, SLAB))
        : cut(size);
    }
    const room = this.#room!;
    this.#conn.read(into ?? room).then(
      (count) => {
        this.#reading = false;
        if (count === null) this.ended();
        else if (into) this.filled(count);
        else this.arrived(room.slice(0, count));
      },
      (error) => {
        this.#reading = false;
        this.failed(codeOf(error), error);
        this.ended();
      },
    );
  }

  hold(): void {
    if (this.#reading) (this.#conn as Deno.TcpConn).ref();
  }

  /** A read that nobody waits for does not keep the process alive. */
  release(): void {
    if (this.#reading) (this.#conn as Deno.TcpConn).unref();
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#writing = this.#conn.write(bytes);
  }

  /** Deno throws while a write is under way. */
  set(option: StreamOption, on: boolean): void {
    const conn = this.#conn as Deno.TcpConn;
    const set = () => {
      if (option === "TCP_NODELAY") conn.setNoDelay(on);
      if (option === "SO_KEEPALIVE") conn.setKeepAlive(on);
    };
    try {
      set();
    } catch {
      this.#writing?.then(set).catch(() => {});
    }
  }

  async closeWrite(): Promise<number> {
    await this.#conn.closeWrite();
    return 0;
  }

  close(): void {
    this.#conn.close();
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

// --- names ---

function nameOf(address: Deno.Addr, like: Address): Address {
  if (!("hostname" in address)) return (address as Deno.UnixAddr).path ?? "";
  return [withZone(address.hostname, like[0]), address.port];
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
