/**
 * A stream socket: the states of tcp(7), the same on every runtime, above the
 * few verbs that a runtime gives.
 *
 * @module
 */
import {
  type Address,
  copyAddress,
  type Family,
  unnamedAddress,
} from "./address.ts";
import { bytesOf, Outbox, type Piece } from "./outbox.ts";
import { checkAddress, checkDestination, resolveAddress } from "./resolve.ts";
import { runtime } from "./runtimes/mod.ts";
import type {
  Connection,
  Listener,
  PendingConnect,
  StreamOption,
} from "./runtimes/runtime.ts";
import { codeOf, SocketError } from "./socket_error.ts";
import {
  checkTimeout,
  defaultTimeout,
  handled,
  iterate,
  OwnLimit,
  rejected,
  signalOf,
  type Wait,
  Waiter,
} from "./waiter.ts";

/** The directions that shutdown(2) can end. */
export type How = "SHUT_RD" | "SHUT_WR" | "SHUT_RDWR";

/** An accepted client and its address, as accept(2) gives them. */
export type Client = [client: StreamSocket, address: Address];

/** What the library itself asks of a socket, and no trace shows. */
export let innerOf: (socket: StreamSocket) => {
  timeout: number | null;
  peer: Address | undefined;
  /** Changes whenever data comes or goes. */
  moved: number | undefined;
};

/**
 * As settimeout(), but the limit of a send begins again whenever the system takes
 * some of it: what moves is not silent.
 */
export let limitSilence: (socket: StreamSocket, ms: number | null) => void;

/** The call that waits for data or a client, for who looks for a deadlock. */
export let streamWait: (socket: StreamSocket) => { call: string } | undefined;

/**
 * A socket that carries a stream of bytes, tcp(7).
 *
 * Calls of one kind are served in the order in which they were made. Every
 * call that waits obeys `settimeout` and takes a signal; a wait that is cut
 * short loses nothing, and the socket stays usable. Failures are
 * {@linkcode SocketError}s; after `close`, every call but `close` is EBADF.
 */
export class StreamSocket {
  readonly family: Family;
  #timeout = defaultTimeout;
  /** Whether the timeout is one of silence. */
  #patient = false;
  #bound: Address | undefined;
  /** The same by the name of its host, which Deno may allow alone. */
  #boundName: Address | undefined;
  /** A bind() under way, for which listen() and connect() wait. */
  #binding: Promise<void> | undefined;
  #listener: Listener<Client> | undefined;
  /** Set from listen() on, until it fails. */
  #listening: Promise<void> | undefined;
  #pending: Pending | undefined;
  #connection: Connection | undefined;
  #outbox: Outbox | undefined;
  #finished = false;
  /** What was set; no runtime can be asked. */
  #options: Map<StreamOption, boolean | 0> | undefined;
  #closing: Promise<void> | undefined;

  static {
    innerOf = (socket) => ({
      timeout: socket.#timeout,
      peer: socket.#connection?.address,
      moved: socket.#connection?.moved,
    });
    limitSilence = (socket, ms) => {
      socket.#timeout = ms;
      socket.#patient = true;
    };
    streamWait = (socket) => (socket.#listener ?? socket.#connection)?.wanted;
  }

  /** For the library; programs call `socket()`. */
  constructor(family: Family, connection?: Connection) {
    this.family = family;
    this.#connection = connection;
  }

  /**
   * Names this end, bind(2); with port 0 the system chooses the port. EADDRINUSE,
   * EADDRNOTAVAIL, EACCES, EAFNOSUPPORT, ENOTFOUND; EINVAL if it has a name.
   */
  bind(address: Address): Promise<void> {
    if (this.#bound !== undefined || this.#binding || this.#inUse()) {
      return rejected(this.#error("EINVAL", "bind", address));
    }
    return this.#binding = handled(this.#bind(address));
  }

  /**
   * Lets clients connect, listen(2), and up to `backlog` of them wait for
   * `accept`. A short backlog costs a crowd connections: once it overflows,
   * Linux sends SYN cookies (tcp(7), tcp_syncookies), and may reset or forget
   * clients whose `connect` has succeeded. EADDRINUSE; EINVAL once connected.
   */
  listen(backlog = 4096): Promise<void> {
    if (!Number.isInteger(backlog)) {
      return rejected(new RangeError(`Cannot listen: a backlog of ${backlog}`));
    }
    if (this.#listening && !this.#closing) return this.#listening;
    if (this.#inUse()) return rejected(this.#error("EINVAL", "listen"));
    return this.#listening = handled(this.#listen(backlog));
  }

  /**
   * Waits for the next client, accept(2). EINVAL before `listen`. One that has
   * reset already is `["unknown", 0]` on Bun and Node, and passed over on Deno.
   */
  accept(wait?: Wait): Promise<Client> {
    if (!this.#listener) return rejected(this.#error("EINVAL", "accept"));
    return this.#listener.take("accept", 1, this.#timeout, wait);
  }

  /**
   * Connects to a server, connect(2). ECONNREFUSED, ETIMEDOUT, ENETUNREACH,
   * ENOTFOUND; EALREADY while connecting, EISCONN once connected; EOPNOTSUPP
   * for an AF_UNIX socket that has a name.
   */
  connect(address: Address, wait?: Wait): Promise<void> {
    const signal = signalOf(wait);
    if (signal?.aborted) return rejected(signal.reason);
    try {
      checkDestination(this.family, address, "connect");
    } catch (error) {
      return rejected(error);
    }
    if (this.#pending) return rejected(this.#error("EALREADY", "connect"));
    if (this.#inUse()) {
      return rejected(this.#error("EISCONN", "connect", address));
    }
    if (this.#bound && this.family === "AF_UNIX") { // no runtime can do it
      return rejected(this.#error("EOPNOTSUPP", "connect", address));
    }
    const given = copyAddress(address);
    const pending: Pending = {
      waiter: new Waiter(),
      target: "",
      from: undefined,
      byName: false,
      cancel: undefined,
      opened: (connection) => this.#opened(pending, connection),
      failed: (error) => this.#failed(pending, given, error),
    };
    if (this.#timeout !== null || signal) {
      const late = () => this.#error("ETIMEDOUT", "connect", given);
      pending.waiter.limit(this.#timeout, signal, late, () => {
        this.#pending = undefined;
        pending.cancel?.();
      });
    }
    this.#pending = pending;
    const target = resolveAddress(this.family, given, "connect");
    if (!this.#binding && !(target instanceof Promise)) {
      this.#dial(pending, target);
    } else this.#dialLater(pending, target);
    return pending.waiter.promise;
  }

  /** Sends what the system takes now, send(2); resolves to how many bytes. */
  send(data: string | Uint8Array, wait?: Wait): Promise<number> {
    return this.#send("send", data, wait) as Promise<number>;
  }

  /**
   * Sends all of it; resolves when the system has taken the last byte. Of one that
   * is given up, Deno and Node still send up to 64 KiB that they have taken.
   */
  sendall(data: string | Uint8Array, wait?: Wait): Promise<void> {
    return this.#send("sendall", data, wait) as Promise<void>;
  }

  /**
   * Resolves to 1 to `size` bytes as soon as any are there, recv(2); what is
   * left is for the next call. Empty at the end of the stream, and from then
   * on. A connection that was reset is ECONNRESET once, and then at its end.
   */
  recv(size: number, wait?: Wait): Promise<Uint8Array> {
    if (!Number.isInteger(size) || size < 0) {
      return rejected(
        new RangeError(`Cannot receive: size ${size} is not 0 or more`),
      );
    }
    if (!this.#connection) return rejected(this.#error("ENOTCONN", "recv"));
    if (size === 0) return Promise.resolve(new Uint8Array(0));
    const timeout = wait instanceof OwnLimit ? null : this.#timeout;
    return this.#connection.take("recv", size, timeout, wait);
  }

  /**
   * As `recv`, into the caller's buffer, `socket.recv_into()` of Python: fills it
   * with 1 to all of its bytes and resolves to how many; 0 at the end. The buffer
   * is the caller's again when the promise is settled.
   */
  recv_into(buffer: Uint8Array, wait?: Wait): Promise<number> {
    const call = "recv_into";
    const into = bytesOf(buffer, call);
    if (into instanceof TypeError) return rejected(into);
    if (typeof buffer === "string") {
      return rejected(new TypeError("Cannot recv_into: text is no buffer"));
    }
    if (!this.#connection) return rejected(this.#error("ENOTCONN", call));
    const { length } = into;
    if (length === 0) return Promise.resolve(0);
    const count: Promise<unknown> = this.#connection
      .take(call, length, this.#timeout, wait, into);
    return count as Promise<number>;
  }

  /**
   * Ends one direction, shutdown(2): SHUT_WR sends what is pending and then a
   * FIN, and receiving goes on; SHUT_RD makes `recv` give the end.
   */
  shutdown(how: How): Promise<void> {
    if (!["SHUT_RD", "SHUT_WR", "SHUT_RDWR"].includes(how)) {
      return rejected(new RangeError(`Cannot shut down ${how}`));
    }
    if (!this.#connection) return rejected(this.#error("ENOTCONN", "shutdown"));
    if (how !== "SHUT_WR") this.#connection.drop();
    if (how === "SHUT_RD" || this.#finished) return Promise.resolve();
    const fin = this.#send("shutdown", "", undefined);
    this.#finished = true;
    return fin as Promise<void>;
  }

  /**
   * Ends both directions, close(2), and may be called again. What still waits
   * fails with EBADF; when it resolves, the port of a listener is free.
   */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Accepts one client after the other, until the socket is closed. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Client, undefined> {
    return iterate(
      () => this.accept(),
      (waiting) => this.#listener?.cancel(waiting),
      () => this.#closing !== undefined,
    );
  }

  /** This end's address, getsockname(2): any host and port 0 before it has one. */
  getsockname(): Address {
    if (this.#closing) throw this.#error("EBADF", "getsockname");
    const name = this.#connection?.local ?? this.#listener?.address;
    return copyAddress(name ?? this.#bound ?? unnamedAddress(this.family));
  }

  /** The other end's address, getpeername(2); ENOTCONN if there is none. */
  getpeername(): Address {
    if (!this.#connection) throw this.#error("ENOTCONN", "getpeername");
    return copyAddress(this.#connection.address);
  }

  /**
   * Limits each later wait to `ms` milliseconds, after which it fails with
   * ETIMEDOUT; `null`, the default, waits for ever. EINVAL for 0, since a
   * socket here cannot be asked without waiting.
   */
  settimeout(ms: number | null): void {
    if (this.#closing) throw this.#error("EBADF", "settimeout");
    checkTimeout(ms);
    this.#timeout = ms;
  }

  /** The timeout in milliseconds, or null. */
  gettimeout(): number | null {
    if (this.#closing) throw this.#error("EBADF", "gettimeout");
    return this.#timeout;
  }

  /**
   * Sets an option, setsockopt(2), now or once the socket is connected; what is
   * accepted inherits it. SO_REUSEADDR changes nothing, since every listener
   * has it. With SO_LINGER 0, `close` aborts, socket(7): the peer gets a RST, and
   * what the system has not sent is discarded. ENOPROTOOPT; EINVAL for
   * IPV6_V6ONLY after `listen`, and for any SO_LINGER but 0 and false.
   */
  setsockopt(name: StreamOption, value: boolean | 0): void {
    this.#expectOption(name, "setsockopt");
    const late = name === "IPV6_V6ONLY" && this.#inUse();
    const lingers = name === "SO_LINGER" && value;
    if (late || lingers) throw this.#error("EINVAL", "setsockopt");
    const set = name === "SO_LINGER" ? value : Boolean(value);
    (this.#options ??= new Map()).set(name, set);
    this.#connection?.set(name, Boolean(value));
  }

  /**
   * The option's value, getsockopt(2): off unless it was set, but for
   * TCP_NODELAY, which is on under Bun. ENOPROTOOPT.
   */
  getsockopt(name: StreamOption): boolean | 0 {
    this.#expectOption(name, "getsockopt");
    const own = name === "TCP_NODELAY" && runtime.noDelay;
    return this.#options?.get(name) ?? own;
  }

  #expectOption(name: StreamOption, call: string): void {
    const known = OPTIONS.includes(name) ||
      (name === "SO_LINGER" && runtime.aborts);
    if (!this.#closing && known) return;
    throw this.#error("ENOPROTOOPT", call);
  }

  /** Sets on a connection what was set before there was one. */
  #apply(options: Map<StreamOption, boolean | 0> | undefined): void {
    if (!options) return;
    this.#options = new Map(options);
    for (const [name, value] of options) {
      this.#connection?.set(name, Boolean(value));
    }
  }

  async #bind(given: Address): Promise<void> {
    try {
      checkAddress(this.family, given, "bind");
      const address = this.#bound = copyAddress(given);
      const found = resolveAddress(this.family, address, "bind");
      // No runtime can hold a name without listening: it is tried out, and let
      // go again.
      const listener = await this.#open(address, found, REFUSE, 0);
      this.#bound = this.#boundName = listener.address;
      if (typeof address !== "string") {
        this.#boundName = [address[0], Number(this.#bound[1])];
      }
      await listener.close();
    } catch (error) {
      await undefined; // a listen() that follows at once fails like this
      this.#bound = undefined;
      throw this.#known(error, "bind", given);
    } finally {
      this.#binding = undefined;
    }
    if (this.#closing) throw this.#error("EBADF", "bind", given);
  }

  async #listen(backlog: number): Promise<void> {
    try {
      await this.#binding;
      const address = this.#bound ?? unnamedAddress(this.family);
      if (address === "") throw { code: "EINVAL" };
      const admit = (connection: Connection): Client => {
        if (this.#closing) connection.close(); // nobody will accept it
        const client = new StreamSocket(this.family, connection);
        client.#apply(this.#options);
        return [client, copyAddress(connection.address)];
      };
      const given = this.#boundName ?? address;
      const listener = await this.#open(given, address, admit, backlog);
      if (!this.#closing) return void (this.#listener = listener);
      await listener.close();
    } catch (error) {
      this.#listening = undefined;
      throw this.#known(error, "listen", this.#bound);
    }
    throw this.#error("EBADF", "listen");
  }

  /** Listens at the address, which was `found` for the `given` one. */
  async #open<C>(
    given: Address,
    found: Address | Promise<Address>,
    admit: (connection: Connection) => C,
    backlog: number,
  ): Promise<Listener<C>> {
    const options = {
      admit,
      backlog: Math.min(Math.max(0, backlog), 2 ** 31 - 1),
      ipv6Only: Boolean(this.#options?.get("IPV6_V6ONLY")),
    };
    try {
      return await runtime.listen({ ...options, address: await found });
    } catch (error) {
      const number = await Promise.resolve(found).catch(() => undefined);
      if (!isDenied(error) || isSame(number, given)) throw error;
      // Deno may allow the name and not the number: then it has to look it up.
      const listener = await runtime.listen({ ...options, address: given });
      if (isOf(this.family, listener.address)) return listener;
      await listener.close();
      throw error;
    }
  }

  async #dialLater(
    pending: Pending,
    target: Address | Promise<Address>,
  ): Promise<void> {
    try {
      await this.#binding;
      this.#dial(pending, await target);
    } catch (error) {
      pending.failed(error);
    }
  }

  #dial(pending: Pending, target: Address): void {
    if (this.#pending !== pending) return; // given up meanwhile
    pending.target = target;
    pending.from = this.#bound;
    try {
      runtime.connect(pending);
    } catch (error) {
      pending.failed(error);
    }
  }

  #opened(pending: Pending, connection: Connection): void {
    if (this.#pending !== pending) return connection.close();
    if (pending.byName && !isOf(this.family, connection.address)) {
      connection.close();
      return pending.failed({ code: "EAFNOSUPPORT" });
    }
    this.#pending = undefined;
    this.#connection = connection;
    this.#apply(this.#options);
    pending.waiter.resolve();
  }

  #failed(pending: Pending, given: Address, error: unknown): void {
    if (this.#pending !== pending) return; // its caller knows why
    if (typeof given === "string" && codeOf(error) === "EAGAIN") {
      // The backlog is full: a blocking socket waits for room, unix(7).
      setTimeout(() => this.#dial(pending, given), FULL);
      return;
    }
    if (isDenied(error) && !this.#bound && !isSame(pending.target, given)) {
      // Deno may allow the name and not the number: then it has to look it up.
      pending.byName = true;
      return this.#dial(pending, given);
    }
    this.#pending = undefined;
    pending.waiter.reject(this.#known(error, "connect", given));
  }

  #send(
    call: Piece["call"],
    data: string | Uint8Array,
    wait: Wait | undefined,
  ): Promise<number | void> {
    const bytes = bytesOf(data, call);
    if (bytes instanceof TypeError) return rejected(bytes);
    if (!this.#connection) return rejected(this.#error("ENOTCONN", call));
    if (this.#finished) return rejected(this.#error("EPIPE", call));
    this.#outbox ??= new Outbox(this.#connection);
    const lasting = typeof data === "string";
    this.#outbox.patient = this.#patient;
    return this.#outbox.send({ call, bytes, lasting }, this.#timeout, wait);
  }

  #close(): Promise<void> {
    if (this.#pending) {
      const { waiter, cancel } = this.#pending;
      this.#pending = undefined;
      waiter.reject(this.#error("EBADF", "connect"));
      cancel?.();
    }
    if (this.#connection) {
      this.#outbox?.close();
      this.#connection.drop("EBADF");
      const aborts = this.#options?.get("SO_LINGER") === 0;
      if (aborts) this.#connection.abort?.();
      else this.#connection.close();
      this.#connection = undefined;
    }
    if (this.#binding || this.#listening) return this.#closeListener();
    return Promise.resolve();
  }

  async #closeListener(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    for (const [client] of listener?.drop("EBADF") ?? []) client.close();
    await listener?.close();
    // What is under way notices that the socket is closed, and frees the port.
    await this.#binding?.catch(() => {});
    await this.#listening?.catch(() => {});
  }

  /** Whether it is too late to bind, to listen and to connect. */
  #inUse(): boolean {
    const use = this.#connection ?? this.#pending ?? this.#listening;
    return Boolean(use ?? this.#closing);
  }

  /** What a runtime threw, as an error of the call. */
  #known(error: unknown, call: string, address: Address | undefined): unknown {
    const own = [SocketError, TypeError, RangeError];
    if (own.some((kind) => error instanceof kind)) return error;
    return this.#error(codeOf(error), call, address, error);
  }

  /** Once the socket is closed, every error is EBADF. */
  #error(code: string, call: string, address?: Address, cause?: unknown) {
    return new SocketError(
      this.#closing ? "EBADF" : code,
      call,
      address ?? this.#connection?.address ?? this.#bound,
      cause,
    );
  }
}

const OPTIONS = ["SO_REUSEADDR", "SO_KEEPALIVE", "TCP_NODELAY", "IPV6_V6ONLY"];

interface Pending extends PendingConnect {
  readonly waiter: Waiter<void>;
  /** What was dialled last; by its name it may be of either family. */
  target: Address;
  from: Address | undefined;
  byName: boolean;
}

/** A client that comes before listen(2) is refused. */
const REFUSE = (connection: Connection) => connection.close();

/** How long to wait before a full AF_UNIX backlog is tried again, in ms. */
const FULL = 10;

/** Whether a permission of the runtime is missing. */
function isDenied(error: unknown): boolean {
  const { name, code, call } = error as SocketError;
  return name === "NotCapable" || (code === "EACCES" && call !== undefined);
}

function isSame(one: Address | undefined, other: Address): boolean {
  return String(one) === String(other);
}

function isOf(family: Family, address: Address): boolean {
  return typeof address === "string" ||
    address[0].includes(":") === (family === "AF_INET6");
}
