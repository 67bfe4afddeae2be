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
import { STREAM_OPTIONS, type StreamOption } from "./options.ts";
import { Outbox } from "./outbox.ts";
import { checkAddress, checkDestination, resolveAddress } from "./resolve.ts";
import { runtime } from "./runtimes/mod.ts";
import type {
  Connection,
  Listener,
  PendingConnect,
} from "./runtimes/runtime.ts";
import { codeOf, SocketError } from "./socket_error.ts";
import { checkTimeout, getdefaulttimeout } from "./timeout.ts";
import { handled, rejected, type Wait, Waiter } from "./waiter.ts";

/** The directions that shutdown(2) can end. */
export type How = "SHUT_RD" | "SHUT_WR" | "SHUT_RDWR";

/** An accepted client and its address, as accept(2) gives them. */
export type Client = [client: StreamSocket, address: Address];

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
  #timeout = getdefaulttimeout();
  #bound: Address | undefined;
  #listener: Listener<Client> | undefined;
  /** Set from listen() on, until it fails. */
  #listening: Promise<void> | undefined;
  #pending: Pending | undefined;
  #connection: Connection | undefined;
  #outbox: Outbox | undefined;
  #finished = false;
  /** What was set; no runtime can be asked. */
  #options: Map<StreamOption, boolean> | undefined;
  #closing: Promise<void> | undefined;

  /** For the library; programs call `socket()`. */
  constructor(family: Family, connection?: Connection) {
    this.family = family;
    this.#connection = connection;
  }

  /**
   * Names this end, bind(2). The name is checked here and opened by `listen`,
   * which is where EADDRINUSE shows; with port 0 the system chooses one.
   * EINVAL if it has a name already, EAFNOSUPPORT, ENOTFOUND.
   */
  bind(address: Address): Promise<void> {
    return handled(this.#bind(address));
  }

  /**
   * Lets clients connect, listen(2), and up to `backlog` of them wait for
   * `accept`. A short backlog costs a crowd connections: once it overflows,
   * Linux sends SYN cookies (tcp(7), tcp_syncookies), and may reset or forget
   * clients whose `connect` has succeeded. EADDRINUSE, EADDRNOTAVAIL, EACCES;
   * EINVAL once connected.
   */
  listen(backlog = 4096): Promise<void> {
    const address = this.#bound ?? unnamedAddress(this.family);
    if (!Number.isInteger(backlog)) {
      return rejected(new RangeError(`Cannot listen: a backlog of ${backlog}`));
    }
    if (this.#listening && !this.#closing) return this.#listening;
    if (this.#inUse() || address === "") {
      return rejected(this.#error("EINVAL", "listen", address));
    }
    return this.#listening = handled(this.#listen(address, backlog));
  }

  /** Waits for the next client, accept(2). EINVAL before `listen`. */
  accept({ signal }: Wait = {}): Promise<Client> {
    if (!this.#listener) return rejected(this.#error("EINVAL", "accept"));
    return this.#listener.take("accept", 1, this.#timeout, signal);
  }

  /**
   * Connects to a server, connect(2). ECONNREFUSED, ETIMEDOUT, ENETUNREACH,
   * ENOTFOUND; EALREADY while connecting, EISCONN once connected; EOPNOTSUPP
   * for an AF_UNIX socket that has a name.
   */
  connect(address: Address, { signal }: Wait = {}): Promise<void> {
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
    const pending: Pending = {
      waiter: new Waiter(),
      cancel: undefined,
      opened: (connection) => this.#opened(pending, connection),
      failed: (error) => this.#failed(pending, address, error),
    };
    if (this.#timeout !== null || signal) {
      const late = () => this.#error("ETIMEDOUT", "connect", address);
      pending.waiter.limit(this.#timeout, signal, late, () => {
        this.#pending = undefined;
        pending.cancel?.();
      });
    }
    this.#pending = pending;
    const target = resolveAddress(this.family, address, "connect");
    if (target instanceof Promise) {
      target.then((found) => this.#dial(pending, found), pending.failed);
    } else this.#dial(pending, target);
    return pending.waiter.promise;
  }

  /** Sends what the system takes now, send(2); resolves to how many bytes. */
  send(data: string | Uint8Array, { signal }: Wait = {}): Promise<number> {
    return this.#send("send", data, signal) as Promise<number>;
  }

  /** Sends all of it; resolves when the system has taken the last byte. */
  sendall(data: string | Uint8Array, { signal }: Wait = {}): Promise<void> {
    return this.#send("sendall", data, signal) as Promise<void>;
  }

  /**
   * Resolves to 1 to `size` bytes as soon as any are there, recv(2); what is
   * left is for the next call. Empty at the end of the stream, and from then
   * on. A connection that was reset is ECONNRESET once, and then at its end.
   */
  recv(size: number, { signal }: Wait = {}): Promise<Uint8Array> {
    if (!Number.isInteger(size) || size < 0) {
      return rejected(new RangeError(`Cannot receive ${size} bytes`));
    }
    if (!this.#connection) return rejected(this.#error("ENOTCONN", "recv"));
    if (size === 0) return Promise.resolve(new Uint8Array(0));
    return this.#connection.take("recv", size, this.#timeout, signal);
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
  async *[Symbol.asyncIterator](): AsyncIterator<Client, undefined> {
    try {
      while (!this.#closing) yield await this.accept();
    } catch (error) {
      if (!this.#closing) throw error;
    }
  }

  /** This end's address, getsockname(2): any host and port 0 before it has one. */
  getsockname(): Address {
    if (this.#closing) throw this.#error("EBADF", "getsockname");
    const name = this.#connection?.local ?? this.#listener?.local;
    return copyAddress(name ?? this.#bound ?? unnamedAddress(this.family));
  }

  /** The other end's address, getpeername(2); ENOTCONN if there is none. */
  getpeername(): Address {
    if (!this.#connection) throw this.#error("ENOTCONN", "getpeername");
    return copyAddress(this.#connection.peer);
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
   * has it. ENOPROTOOPT; EINVAL for IPV6_V6ONLY after `listen`.
   */
  setsockopt(name: StreamOption, value: boolean): void {
    this.#expectOption(name, "setsockopt");
    if (name === "IPV6_V6ONLY" && this.#inUse()) {
      throw this.#error("EINVAL", "setsockopt");
    }
    (this.#options ??= new Map()).set(name, Boolean(value));
    this.#connection?.set(name, Boolean(value));
  }

  /**
   * The option's value, getsockopt(2): off unless it was set, but for
   * TCP_NODELAY, which is on under Bun. ENOPROTOOPT.
   */
  getsockopt(name: StreamOption): boolean {
    this.#expectOption(name, "getsockopt");
    const own = name === "TCP_NODELAY" && runtime.noDelay;
    return this.#options?.get(name) ?? own;
  }

  #expectOption(name: StreamOption, call: string): void {
    if (this.#closing || !STREAM_OPTIONS.includes(name)) {
      throw this.#error("ENOPROTOOPT", call);
    }
  }

  /** Sets on a connection what was set before there was one. */
  #apply(options: Map<StreamOption, boolean> | undefined): void {
    if (!options) return;
    this.#options = new Map(options);
    for (const [name, value] of options) this.#connection?.set(name, value);
  }

  async #bind(address: Address): Promise<void> {
    checkAddress(this.family, address, "bind");
    if (this.#bound || this.#inUse()) {
      throw this.#error("EINVAL", "bind", address);
    }
    this.#bound = address;
    try {
      this.#bound = await resolveAddress(this.family, address, "bind");
    } catch (error) {
      this.#bound = undefined;
      throw error;
    }
  }

  async #listen(address: Address, backlog: number): Promise<void> {
    try {
      const admit = (connection: Connection): Client => {
        if (this.#closing) connection.close(); // nobody will accept it
        const client = new StreamSocket(this.family, connection);
        client.#apply(this.#options);
        return [client, copyAddress(connection.peer)];
      };
      const listener = await runtime.listen(address, admit, {
        backlog: Math.max(0, backlog),
        ipv6Only: this.#options?.get("IPV6_V6ONLY") ?? false,
      });
      if (!this.#closing) return void (this.#listener = listener);
      await listener.close();
    } catch (error) {
      this.#listening = undefined;
      throw this.#error(codeOf(error), "listen", address, error);
    }
    throw this.#error("EBADF", "listen", address);
  }

  #dial(pending: Pending, target: Address): void {
    if (this.#pending !== pending) return; // given up meanwhile
    try {
      runtime.connect(target, this.#bound, pending);
    } catch (error) {
      pending.failed(error);
    }
  }

  #opened(pending: Pending, connection: Connection): void {
    if (this.#pending !== pending) return connection.close();
    this.#pending = undefined;
    this.#connection = connection;
    this.#apply(this.#options);
    pending.waiter.resolve();
  }

  #failed(pending: Pending, address: Address, error: unknown): void {
    if (this.#pending !== pending) return; // its caller knows why
    this.#pending = undefined;
    pending.waiter.reject(
      error instanceof SocketError
        ? error
        : this.#error(codeOf(error), "connect", address, error),
    );
  }

  #send(
    call: "send" | "sendall" | "shutdown",
    data: string | Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<number | void> {
    const bytes = typeof data === "string" ? encoder.encode(data) : data;
    if (!(bytes instanceof Uint8Array)) {
      return rejected(new TypeError(`Cannot ${call}: neither text nor bytes`));
    }
    if (!this.#connection) return rejected(this.#error("ENOTCONN", call));
    if (this.#finished) return rejected(this.#error("EPIPE", call));
    this.#outbox ??= new Outbox(this.#connection);
    return this.#outbox.send({ call, bytes }, this.#timeout, signal);
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
      this.#connection.close();
      this.#connection = undefined;
    }
    const listener = this.#listener;
    if (!listener) return Promise.resolve();
    this.#listener = undefined;
    for (const [client] of listener.drop("EBADF")) client.close();
    return listener.close();
  }

  /** Whether it is too late to bind, to listen and to connect. */
  #inUse(): boolean {
    const use = this.#connection ?? this.#pending ?? this.#listening;
    return Boolean(use ?? this.#closing);
  }

  /** A closed socket has no other error than that. */
  #error(code: string, call: string, address?: Address, cause?: unknown) {
    return new SocketError(
      this.#closing ? "EBADF" : code,
      call,
      address ?? this.#connection?.peer ?? this.#bound,
      cause,
    );
  }
}

interface Pending extends PendingConnect {
  waiter: Waiter<void>;
}

const encoder = new TextEncoder();
