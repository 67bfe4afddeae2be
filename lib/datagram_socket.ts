/**
 * A datagram socket: messages with bounds, each with its own address, the same
 * on every runtime. What sends them is loaded with the first one's name.
 *
 * @module
 */
import {
  type Address,
  checkAddress,
  copy,
  type Family,
  resolveAddress,
  unnamed,
} from "./address.ts";
import {
  checkTimeout,
  defaults,
  quiet,
  refused,
  type Wait,
  Waiter,
} from "./queues.ts";
import type { Datagram, Endpoint } from "./runtimes/datagram.ts";
import { codeOf, SocketError } from "./socket_error.ts";

/** The options of a datagram socket: socket(7), ip(7), ipv6(7). */
export type DatagramOption =
  | "SO_REUSEADDR"
  | "SO_BROADCAST"
  | "IPV6_V6ONLY"
  | "IP_ADD_MEMBERSHIP"
  | "IP_DROP_MEMBERSHIP"
  | "IP_MULTICAST_IF"
  | "IP_MULTICAST_LOOP"
  | "IP_MULTICAST_TTL";

/** On or off, a number, an address, or `[group, own address]`. */
export type OptionValue = boolean | number | string | [string, string?];

/**
 * A socket that carries datagrams, udp(7).
 *
 * A datagram arrives whole or not at all, and perhaps in another order. Of
 * those that nobody receives, 1024 are kept and the newest are dropped.
 * Failures are {@linkcode SocketError}s; after `close`, every call but `close`
 * is EBADF.
 */
export class DatagramSocket {
  readonly family: Family;
  #timeout = defaults.timeout;
  #options = new Map<DatagramOption, OptionValue>();
  #opening: Promise<Endpoint> | undefined;
  #endpoint: Endpoint | undefined;
  #peer: Address | undefined;
  /** The last host that needed no look-up: most sockets have one peer. */
  #literal: string | undefined;
  #closing: Promise<void> | undefined;

  /** For the library; programs call `socket()`. */
  constructor(family: Family) {
    this.family = family;
  }

  /**
   * Names this end, bind(2); with port 0 the system chooses one. EADDRINUSE,
   * EADDRNOTAVAIL, EACCES; EINVAL if it has a name already.
   */
  bind(address: Address): Promise<void> {
    return quiet(this.#bind(address));
  }

  /**
   * Sends to and receives from this peer only, connect(2); again for another
   * one. Nothing goes over the wire.
   */
  connect(address: Address): Promise<void> {
    return quiet(this.#connect(address));
  }

  /** Sends one datagram to the peer, send(2). EDESTADDRREQ without `connect`. */
  send(data: string | Uint8Array, { signal }: Wait = {}): Promise<number> {
    if (!this.#peer) return refused(this.#error("EDESTADDRREQ", "send"));
    return this.#send("send", data, undefined, signal);
  }

  /**
   * Sends one datagram, sendto(2), and resolves to its length; a socket without
   * a name gets one. EMSGSIZE over 65507 bytes (IPv6: 65527), EACCES for a
   * broadcast address without SO_BROADCAST, EISCONN after `connect`.
   */
  sendto(
    data: string | Uint8Array,
    address: Address,
    { signal }: Wait = {},
  ): Promise<number> {
    try {
      checkAddress(this.family, address, "sendto");
      if (address[1] === 0) {
        throw new RangeError("Cannot sendto: port 0 is no one's");
      }
      if (this.#peer) throw this.#error("EISCONN", "sendto", address);
    } catch (error) {
      return refused(this.#closing ? this.#error("EBADF", "sendto") : error);
    }
    return this.#send("sendto", data, address, signal);
  }

  /** Waits for the next datagram, recv(2): see `recvfrom`. */
  recv(size: number, { signal }: Wait = {}): Promise<Uint8Array> {
    return quiet(this.#recv("recv", size, signal).then(([data]) => data));
  }

  /**
   * Waits for the next datagram and its sender, recvfrom(2). Of a longer one
   * than `size` the rest is lost. EINVAL before it has a name; ECONNREFUSED,
   * once, where a connected peer's machine said that nobody is there.
   */
  recvfrom(size: number, { signal }: Wait = {}): Promise<Datagram> {
    return this.#recv("recvfrom", size, signal);
  }

  /**
   * Closes the socket, close(2), and may be called again. What still waits
   * fails with EBADF; when it resolves, the port is free.
   */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Receives one datagram after the other until the socket is closed. */
  [Symbol.asyncIterator](): AsyncIterator<Datagram, undefined> {
    const end = { done: true, value: undefined } as const;
    return {
      next: async () => {
        if (this.#closing) return end;
        try {
          return { done: false, value: await this.recvfrom(65536) };
        } catch (error) {
          if (this.#closing) return end;
          throw error;
        }
      },
    };
  }

  /** This end's address, getsockname(2): any host and port 0 before it has one. */
  getsockname(): Address {
    if (this.#closing) throw this.#error("EBADF", "getsockname");
    return this.#endpoint?.local ?? unnamed(this.family);
  }

  /** The peer's address, getpeername(2); ENOTCONN without `connect`. */
  getpeername(): Address {
    if (!this.#peer || this.#closing) {
      throw this.#error("ENOTCONN", "getpeername");
    }
    return copy(this.#peer);
  }

  /** Sets an option, setsockopt(2), now or when the socket has a name. */
  setsockopt(name: DatagramOption, value: OptionValue): void {
    if (this.#closing || !OPTIONS.has(name)) {
      throw this.#error("ENOPROTOOPT", "setsockopt");
    }
    if (OPTIONS.get(name) === "early" && this.#opening) {
      throw this.#error("EINVAL", "setsockopt"); // bind() has happened
    }
    this.#options.set(name, value);
    if (this.#endpoint) this.#apply(this.#endpoint, name, value);
  }

  /** The option's value, getsockopt(2). */
  getsockopt(name: DatagramOption): OptionValue {
    if (this.#closing || !OPTIONS.has(name)) {
      throw this.#error("ENOPROTOOPT", "getsockopt");
    }
    return this.#options.get(name) ?? DEFAULTS[name] ?? false;
  }

  /** Limits each later wait, in ms: see StreamSocket. */
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

  async #bind(address: Address): Promise<void> {
    checkAddress(this.family, address, "bind");
    if (this.#opening || this.#closing) {
      throw this.#error("EINVAL", "bind", address);
    }
    await this.#open("bind", address);
  }

  async #connect(address: Address): Promise<void> {
    checkAddress(this.family, address, "connect");
    if (address[1] === 0) {
      throw new RangeError("Cannot connect: port 0 is no one's");
    }
    if (this.#closing) throw this.#error("EBADF", "connect");
    try {
      const peer = await resolveAddress(this.family, address, "connect");
      const endpoint = await (this.#opening ?? this.#open("connect"));
      await endpoint.connect(peer as [string, number]);
      this.#peer = peer;
    } catch (error) {
      throw this.#failure("connect", error, address);
    }
  }

  /** Gets a name from the system, or this one. */
  #open(call: string, address?: Address): Promise<Endpoint> {
    return this.#opening = this.#opened(call, address);
  }

  async #opened(call: string, address?: Address): Promise<Endpoint> {
    try {
      const name = address && await resolveAddress(this.family, address, call);
      const { open } = await import("./runtimes/datagram.ts");
      const endpoint = await open(this.family, name, {
        reuseAddr: Boolean(this.#options.get("SO_REUSEADDR")),
        ipv6Only: Boolean(this.#options.get("IPV6_V6ONLY")),
      });
      if (this.#closing) await endpoint.close();
      else this.#endpoint = endpoint;
      for (const [option, value] of this.#options) {
        if (this.#endpoint) this.#apply(endpoint, option, value);
      }
    } catch (error) {
      this.#opening = undefined;
      throw this.#failure(call, error, address);
    }
    if (!this.#endpoint) throw this.#error("EBADF", call);
    return this.#endpoint;
  }

  #send(
    call: string,
    data: string | Uint8Array,
    to: Address | undefined,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    if (signal?.aborted) return refused(signal.reason);
    const bytes = typeof data === "string" ? encoder.encode(data) : data;
    if (!(bytes instanceof Uint8Array)) {
      return refused(new TypeError(`Cannot ${call}: neither text nor bytes`));
    }
    // node:dgram would split it under some runtimes, and be silent under others.
    if (bytes.length > (this.family === "AF_INET" ? 65507 : 65527)) {
      return refused(this.#error("EMSGSIZE", call, to));
    }
    const target = !to || to[0] === this.#literal
      ? to
      : resolveAddress(this.family, to, call);
    if (target && !(target instanceof Promise)) this.#literal = target[0];
    const ready = this.#endpoint && !(target instanceof Promise);
    const sent = ready
      ? this.#sendNow(this.#endpoint!, call, bytes, target)
      : quiet(this.#sendSoon(call, bytes, target));
    if (this.#timeout === null && !signal) return sent;
    const waiter = new Waiter<number>();
    const late = () => this.#error("ETIMEDOUT", call, to);
    waiter.limit(this.#timeout, signal, late, () => {});
    sent.then((length) => waiter.resolve(length), (e) => waiter.reject(e));
    return waiter.promise;
  }

  #sendNow(
    endpoint: Endpoint,
    call: string,
    bytes: Uint8Array,
    to: Address | undefined,
  ): Promise<number> {
    // Deno's would go out.
    if (BROADCAST.includes(to?.[0]) && !this.#options.get("SO_BROADCAST")) {
      return refused(this.#error("EACCES", call, to));
    }
    return endpoint.send(call, bytes, to);
  }

  async #sendSoon(
    call: string,
    bytes: Uint8Array,
    to: Address | Promise<Address> | undefined,
  ): Promise<number> {
    if (this.#closing) throw this.#error("EBADF", call);
    const target = await to;
    const endpoint = await (this.#opening ?? this.#open(call));
    return this.#sendNow(endpoint, call, bytes, target);
  }

  #recv(
    call: string,
    size: number,
    signal: AbortSignal | undefined,
  ): Promise<Datagram> {
    if (!Number.isInteger(size) || size < 0) {
      return refused(new RangeError(`Cannot receive ${size} bytes`));
    }
    const endpoint = this.#endpoint;
    if (!endpoint) return refused(this.#error("EINVAL", call));
    return endpoint.take(call, size, this.#timeout, signal);
  }

  async #close(): Promise<void> {
    const endpoint = this.#endpoint;
    this.#endpoint = undefined;
    endpoint?.drop("EBADF");
    await endpoint?.close();
    await this.#opening?.catch(() => {});
  }

  #apply(endpoint: Endpoint, name: DatagramOption, value: OptionValue): void {
    if (OPTIONS.get(name) === "early") return; // went into its making
    try {
      endpoint.set(name, value);
    } catch (error) {
      throw this.#failure("setsockopt", error);
    }
  }

  /** What a runtime threw, as the library's own. */
  #failure(call: string, error: unknown, address?: Address): unknown {
    const own = error instanceof SocketError || error instanceof RangeError;
    return own ? error : this.#error(codeOf(error), call, address, error);
  }

  /** A closed socket has no other error than that. */
  #error(code: string, call: string, address?: Address, cause?: unknown) {
    return new SocketError(
      this.#closing ? "EBADF" : code,
      call,
      address ?? this.#peer,
      cause,
    );
  }
}

/** When an option takes effect: as the socket gets its name, or at any time. */
const OPTIONS = new Map<DatagramOption, "early" | "late">([
  ["SO_REUSEADDR", "early"],
  ["IPV6_V6ONLY", "early"],
  ["SO_BROADCAST", "late"],
  ["IP_ADD_MEMBERSHIP", "late"],
  ["IP_DROP_MEMBERSHIP", "late"],
  ["IP_MULTICAST_IF", "late"],
  ["IP_MULTICAST_LOOP", "late"],
  ["IP_MULTICAST_TTL", "late"],
]);

/** As ip(7) has them. */
const DEFAULTS: { [name in DatagramOption]?: OptionValue } = {
  IP_MULTICAST_LOOP: true,
  IP_MULTICAST_TTL: 1,
};

/** The limited broadcast, and that of the loopback network. */
const BROADCAST: unknown[] = ["255.255.255.255", "127.255.255.255"];

const encoder = new TextEncoder();
