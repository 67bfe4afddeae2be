/**
 * The stream sockets of Deno: https://docs.deno.com/api/deno/network
 *
 * @module
 */
import type { Address } from "../address.ts";
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
  return new DenoListener(listener, admit);
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
      (conn) => pending.opened(new DenoConnection(conn)),
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
  const host = `${address[0]}:${address[1]}`;
  const { state } = await Deno.permissions.query({ name: "net", host });
  if (state !== "granted") {
    throw new Deno.errors.NotCapable(
      `Requires net access to "${host}", run again with the --allow-net flag`,
    );
  }
  const { failed } = pending;
  pending.failed = (error) => {
    // An address of another machine, which Deno's node:net calls EINVAL.
    const { code } = error as { code: string };
    failed(code === "EINVAL" ? { code: "EADDRNOTAVAIL" } : error);
  };
  (await import("./node.ts")).connect(address, from, pending);
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
  ) {
    super();
    this.#listener = listener;
    this.#admit = admit;
    this.local = nameOf(listener.addr);
  }

  get errorAddress(): Address {
    return this.local;
  }

  /** Deno accepts one at a time; a second request would reject as Busy. */
  want(): void {
    this.#accepting ??= this.#accept();
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
        connection = new DenoConnection(await this.#listener.accept());
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
  #reading = false;
  #writing: Promise<number> | undefined;
  #ahead: Uint8Array | undefined;

  constructor(conn: Deno.Conn) {
    super();
    this.#conn = conn;
  }

  get peer(): Address {
    return nameOf(this.#conn.remoteAddr);
  }

  get errorAddress(): Address {
    return this.peer;
  }

  get local(): Address {
    return nameOf(this.#conn.localAddr);
  }

  /** A read cannot be cancelled: after a timeout it serves the next request. */
  want(size: number): void {
    if (this.#reading) return;
    this.#reading = true;
    const room = size <= SMALL ? cut(size) : this.#roomAhead(size);
    this.#conn.read(room).then(
      (count) => {
        this.#reading = false;
        if (count === null) return this.ended();
        if (size > SMALL) this.#ahead = this.#ahead!.subarray(count);
        this.arrived(room.subarray(0, count));
      },
      (error) => {
        this.#reading = false;
        this.failed(codeOf(error), error);
        this.ended();
      },
    );
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

  /** A large read seldom fills its buffer: the next one goes on in the rest. */
  #roomAhead(size: number): Uint8Array {
    if (!this.#ahead || this.#ahead.length < SMALL) {
      this.#ahead = new Uint8Array(SLAB);
    }
    return this.#ahead.subarray(0, size);
  }
}

// --- buffers ---

const SLAB = 65536;
const SMALL = 4096;
let slab: Uint8Array | undefined;
let used = 0;

/** New room for a small read: a cut of a slab costs a tenth of an allocation. */
function cut(size: number): Uint8Array {
  if (!slab || used + size > SLAB) {
    slab = new Uint8Array(SLAB);
    used = 0;
  }
  return slab.subarray(used, used += size);
}

// --- names ---

function nameOf(address: Deno.Addr): Address {
  return "hostname" in address
    ? [address.hostname, address.port]
    : (address as Deno.UnixAddr).path ?? "";
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
