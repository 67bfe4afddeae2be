/**
 * A datagram socket: messages with bounds, each with its own address, the same
 * on every runtime. What does the work is loaded with the first call of the
 * first socket, since most experiments have none.
 *
 * @module
 */
import { type Address, copy, type Family, unnamed } from "./address.ts";
import type * as Calls from "./datagram_calls.ts";
import { checkTimeout, defaults, quiet, type Wait } from "./queues.ts";
import type { Datagram, Endpoint } from "./runtimes/datagram.ts";
import { codeOf, SocketError } from "./socket_error.ts";

/** The options of a datagram socket: socket(7), ip(7), ipv6(7). */
export type DatagramOption = keyof typeof OPTIONS;

/** On or off, a number, an address, or `[group, own address]`. */
export type OptionValue = boolean | number | string | [string, string?];

/** What a socket knows of itself; `datagram_calls.ts` works on it. */
export interface DatagramState {
  readonly family: Family;
  timeout: number | null;
  options: Map<DatagramOption, OptionValue>;
  /** Set from the moment on at which it gets a name. */
  opening: Promise<Endpoint> | undefined;
  endpoint: Endpoint | undefined;
  peer: Address | undefined;
  /** The last connect(): they are served in turn. */
  connecting: Promise<void> | undefined;
  closing: Promise<void> | undefined;
  /** The last host that needed no look-up: most sockets have one peer. */
  literal: string | undefined;
}

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
  readonly #state: DatagramState;

  /** For the library; programs call `socket()`. */
  constructor(family: Family) {
    this.family = family;
    this.#state = {
      family,
      timeout: defaults.timeout,
      options: new Map(),
      opening: undefined,
      endpoint: undefined,
      peer: undefined,
      connecting: undefined,
      closing: undefined,
      literal: undefined,
    };
  }

  /**
   * Names this end, bind(2); with port 0 the system chooses one. EADDRINUSE,
   * EADDRNOTAVAIL, EACCES; EINVAL if it has a name already.
   */
  bind(address: Address): Promise<void> {
    return load((calls) => calls.bind(this.#state, address));
  }

  /**
   * Sends to and receives from this peer only, connect(2); again for another
   * one. Nothing goes over the wire.
   */
  connect(address: Address): Promise<void> {
    return load((calls) => calls.connect(this.#state, address));
  }

  /** Sends one datagram to the peer, send(2). EDESTADDRREQ without `connect`. */
  send(data: string | Uint8Array, { signal }: Wait = {}): Promise<number> {
    return load((calls) => calls.send(this.#state, data, signal));
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
    return load((calls) => calls.sendto(this.#state, data, address, signal));
  }

  /** Waits for the next datagram, recv(2): see `recvfrom`. */
  recv(size: number, { signal }: Wait = {}): Promise<Uint8Array> {
    return load((calls) =>
      quiet(
        calls.receive(this.#state, "recv", size, signal).then(([data]) => data),
      )
    );
  }

  /**
   * Waits for the next datagram and its sender, recvfrom(2). Of a longer one
   * than `size` the rest is lost. EINVAL before it has a name; ECONNREFUSED,
   * once, where a connected peer's machine said that nobody is there.
   */
  recvfrom(size: number, { signal }: Wait = {}): Promise<Datagram> {
    return load((calls) =>
      calls.receive(this.#state, "recvfrom", size, signal)
    );
  }

  /**
   * Closes the socket, close(2), and may be called again. What still waits
   * fails with EBADF; when it resolves, the port is free.
   */
  close(): Promise<void> {
    const state = this.#state;
    return state.closing ??= load((calls) => calls.close(state));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Receives one datagram after the other until the socket is closed. */
  async *[Symbol.asyncIterator](): AsyncIterator<Datagram, undefined> {
    try {
      while (!this.#state.closing) yield await this.recvfrom(65536);
    } catch (error) {
      if (!this.#state.closing) throw error;
    }
  }

  /** This end's address, getsockname(2): any host and port 0 before it has one. */
  getsockname(): Address {
    this.#expectOpen("getsockname");
    return this.#state.endpoint?.local ?? unnamed(this.family);
  }

  /** The peer's address, getpeername(2); ENOTCONN without `connect`. */
  getpeername(): Address {
    this.#expectOpen("getpeername");
    const { peer } = this.#state;
    if (!peer) throw new SocketError("ENOTCONN", "getpeername");
    return copy(peer);
  }

  /**
   * Sets an option, setsockopt(2), which takes effect when the socket has a
   * name. ENOPROTOOPT; EINVAL for one that comes after `bind` and too late.
   */
  setsockopt(name: DatagramOption, value: OptionValue): void {
    this.#expectOpen("setsockopt");
    const { options, opening, endpoint } = this.#state;
    expectOption(name, "setsockopt");
    const early = name === "SO_REUSEADDR" || name === "IPV6_V6ONLY";
    if (early && opening) throw new SocketError("EINVAL", "setsockopt");
    try {
      endpoint?.set(name, value);
    } catch (error) {
      const about = endpoint?.local;
      throw new SocketError(codeOf(error), "setsockopt", about, error);
    }
    options.set(name, value);
  }

  /** The option's value, getsockopt(2). */
  getsockopt(name: DatagramOption): OptionValue {
    this.#expectOpen("getsockopt");
    expectOption(name, "getsockopt");
    return this.#state.options.get(name) ?? OPTIONS[name];
  }

  /** Limits each later wait, in ms: see StreamSocket. */
  settimeout(ms: number | null): void {
    this.#expectOpen("settimeout");
    checkTimeout(ms);
    this.#state.timeout = ms;
  }

  /** The timeout in milliseconds, or null. */
  gettimeout(): number | null {
    this.#expectOpen("gettimeout");
    return this.#state.timeout;
  }

  #expectOpen(call: string): void {
    if (this.#state.closing) throw new SocketError("EBADF", call);
  }
}

/** The options, with what they are unless they are set. */
const OPTIONS = {
  SO_REUSEADDR: false,
  SO_BROADCAST: false,
  IPV6_V6ONLY: false,
  IP_ADD_MEMBERSHIP: false,
  IP_DROP_MEMBERSHIP: false,
  IP_MULTICAST_IF: "",
  IP_MULTICAST_LOOP: true,
  IP_MULTICAST_TTL: 1,
};

function expectOption(name: string, call: string): void {
  if (!Object.hasOwn(OPTIONS, name)) throw new SocketError("ENOPROTOOPT", call);
}

let calls: typeof Calls | undefined;

/** Makes a call, in order with those that wait for the module to be loaded. */
function load<T>(call: (loaded: typeof Calls) => Promise<T>): Promise<T> {
  if (calls) return call(calls);
  return quiet(
    import("./datagram_calls.ts").then((loaded) => {
      calls = loaded;
      return call(loaded);
    }),
  );
}
