/**
 * A datagram socket: messages with boundaries, each with its own address, the
 * same on every runtime.
 *
 * @module
 */
import {
  type Address,
  copyAddress,
  type Family,
  unnamedAddress,
} from "./address.ts";
import { bytesOf } from "./outbox.ts";
import { checkAddress, checkDestination, resolveAddress } from "./resolve.ts";
import type {
  Datagram,
  DatagramOption,
  Endpoint,
  OptionValue,
} from "./runtimes/datagram.ts";
import { codeOf, SocketError } from "./socket_error.ts";
import {
  checkTimeout,
  defaultTimeout,
  handled,
  iterate,
  rejected,
  signalOf,
  type Wait,
  Waiter,
} from "./waiter.ts";

/** The same as `streamWait`. */
export let datagramWait: (
  socket: DatagramSocket,
) => { call: string } | undefined;

/**
 * A socket that carries datagrams, udp(7).
 *
 * A datagram arrives whole or not at all, and perhaps in another order. Of
 * unread datagrams 1024 are kept; the next ones are dropped. Failures are
 * {@linkcode SocketError}s; after `close`, every call but `close` is EBADF.
 */
export class DatagramSocket {
  readonly family: Family;
  #timeout = defaultTimeout;
  readonly #options = new Map<DatagramOption, OptionValue>();
  /** What was set before the socket had a name, in order. */
  #early: [DatagramOption, OptionValue][] = [];
  /** Set from the moment on at which the socket gets a name. */
  #opening: Promise<Endpoint> | undefined;
  #endpoint: Endpoint | undefined;
  #peer: Address | undefined;
  /** The last connect(): they are served in turn. */
  #connecting: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  /** The last datagram that waits for its turn: those after it do, too. */
  #lastSend: Promise<unknown> | undefined;
  /** The last host that needed no look-up: most sockets have one peer. */
  #literal: string | undefined;

  static {
    datagramWait = (socket) => socket.#endpoint?.wanted;
  }

  /** For the library; programs call `socket()`. */
  constructor(family: Family) {
    this.family = family;
  }

  /**
   * Names this end, bind(2); with port 0 the system chooses one. EADDRINUSE,
   * EADDRNOTAVAIL, EACCES; EINVAL if it has a name already.
   */
  bind(address: Address): Promise<void> {
    return this.#attempt("bind", address, async () => {
      checkAddress(this.family, address, "bind");
      if (this.#opening) throw { code: "EINVAL" };
      await this.#open("bind", copyAddress(address));
    });
  }

  /**
   * Sends to and receives from this peer only, connect(2); again for another
   * one. Nothing goes over the wire.
   */
  connect(address: Address): Promise<void> {
    const before = this.#connecting;
    return this.#connecting = this.#attempt("connect", address, async () => {
      checkDestination(this.family, address, "connect");
      const target = resolveAddress(this.family, address, "connect");
      await before?.catch(() => {});
      const found = await target;
      // "Any host" as a destination is this host: ip(7). Its answers come from
      // its own address.
      const host = THIS_HOST[found[0]] ?? found[0];
      const peer: [string, number] = [host, Number(found[1])];
      const endpoint = await (this.#opening ?? this.#open("connect"));
      if (this.#isForbidden(peer)) throw { code: "EACCES" };
      this.#peer = undefined;
      await endpoint.connect(peer);
      this.#peer = peer;
    });
  }

  /** Sends one datagram to the peer, send(2). EDESTADDRREQ without `connect`. */
  send(data: string | Uint8Array, wait?: Wait): Promise<number> {
    if (!this.#peer) return rejected(this.#error("EDESTADDRREQ", "send"));
    return this.#transmit("send", data, undefined, signalOf(wait));
  }

  /**
   * Sends one datagram, sendto(2), and resolves to its length; a socket without
   * a name gets one. EMSGSIZE over 65507 bytes (IPv6: 65527), EACCES for a
   * broadcast address without SO_BROADCAST, EISCONN after `connect`.
   */
  sendto(
    data: string | Uint8Array,
    address: Address,
    wait?: Wait,
  ): Promise<number> {
    try {
      checkDestination(this.family, address, "sendto");
    } catch (error) {
      return rejected(error);
    }
    if (this.#peer) return rejected(this.#error("EISCONN", "sendto", address));
    const to = copyAddress(address);
    return this.#transmit("sendto", data, to, signalOf(wait));
  }

  /** Waits for the next datagram, recv(2): see `recvfrom`. */
  recv(size: number, wait?: Wait): Promise<Uint8Array> {
    const datagram = this.#receive("recv", size, wait);
    return handled(datagram.then(([data]) => data));
  }

  /**
   * Waits for the next datagram and its sender, recvfrom(2). Of a longer one
   * than `size` the rest is lost. EINVAL before it has a name; ECONNREFUSED,
   * once, after a connected peer's ICMP port unreachable.
   */
  recvfrom(size: number, wait?: Wait): Promise<Datagram> {
    return this.#receive("recvfrom", size, wait);
  }

  /**
   * Closes the socket, close(2), and may be called again. Calls that wait fail
   * with EBADF; when it resolves, the port is free.
   */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Receives one datagram after the other until the socket is closed. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Datagram, undefined> {
    return iterate(
      () => this.recvfrom(65536),
      (waiting) => this.#endpoint?.cancel(waiting),
      () => this.#closing !== undefined,
      // A bind() that nobody awaited.
      () => this.#endpoint ? undefined : this.#opening,
    );
  }

  /** This end's address, getsockname(2): any host and port 0 before `bind`. */
  getsockname(): Address {
    this.#expectOpen("getsockname");
    return this.#endpoint?.local ?? unnamedAddress(this.family);
  }

  /** The peer's address, getpeername(2); ENOTCONN without `connect`. */
  getpeername(): Address {
    this.#expectOpen("getpeername");
    if (!this.#peer) throw new SocketError("ENOTCONN", "getpeername");
    return copyAddress(this.#peer);
  }

  /**
   * Sets an option, setsockopt(2); it takes effect when the socket has a name.
   * ENOPROTOOPT; EINVAL for SO_REUSEADDR and IPV6_V6ONLY after `bind`.
   */
  setsockopt(name: DatagramOption, value: OptionValue): void {
    this.#expectOption(name, "setsockopt");
    const early = name === "SO_REUSEADDR" || name === "IPV6_V6ONLY";
    if (early && this.#opening) throw new SocketError("EINVAL", "setsockopt");
    try {
      this.#endpoint?.set(name, value);
    } catch (error) {
      const local = this.#endpoint?.local;
      throw new SocketError(codeOf(error), "setsockopt", local, error);
    }
    this.#options.set(name, value);
    if (!this.#endpoint) this.#early.push([name, value]);
  }

  /** The option's value, getsockopt(2). */
  getsockopt(name: DatagramOption): OptionValue {
    this.#expectOption(name, "getsockopt");
    return this.#options.get(name) ?? DEFAULTS[name];
  }

  /** Limits each later wait, in ms: see StreamSocket. */
  settimeout(ms: number | null): void {
    this.#expectOpen("settimeout");
    checkTimeout(ms);
    this.#timeout = ms;
  }

  /** The timeout in milliseconds, or null. */
  gettimeout(): number | null {
    this.#expectOpen("gettimeout");
    return this.#timeout;
  }

  #expectOpen(call: string): void {
    if (this.#closing) throw new SocketError("EBADF", call);
  }

  #expectOption(name: string, call: string): void {
    this.#expectOpen(call);
    if (Object.hasOwn(DEFAULTS, name)) return;
    throw new SocketError("ENOPROTOOPT", call);
  }

  #receive(
    call: "recv" | "recvfrom",
    size: number,
    wait: Wait | undefined,
  ): Promise<Datagram> {
    if (!Number.isInteger(size) || size < 0) {
      return rejected(new RangeError(`Cannot receive ${size} bytes`));
    }
    if (this.#endpoint) {
      return this.#endpoint.take(call, size, this.#timeout, wait);
    }
    const opening = this.#opening; // a bind() that nobody awaited
    if (!opening || this.#closing) return rejected(this.#error("EINVAL", call));
    return handled(
      opening.then((endpoint) =>
        endpoint.take(call, size, this.#timeout, wait)
      ),
    );
  }

  #transmit(
    call: "send" | "sendto",
    data: string | Uint8Array,
    to: Address | undefined,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    if (signal?.aborted) return rejected(signal.reason);
    let bytes = bytesOf(data, call);
    if (bytes instanceof TypeError) return rejected(bytes);
    // Some runtimes would drop it in silence.
    if (bytes.length > (this.family === "AF_INET" ? 65507 : 65527)) {
      return rejected(this.#error("EMSGSIZE", call, to));
    }
    if (bytes === data) bytes = new Uint8Array(bytes); // the caller's own
    const target = !to || to[0] === this.#literal
      ? to
      : resolveAddress(this.family, to, call);
    let now: Promise<number> | undefined;
    if (this.#endpoint && !this.#lastSend && !(target instanceof Promise)) {
      this.#literal = target?.[0];
      now = this.#sendNow(this.#endpoint, call, bytes, target);
      if (this.#timeout === null && !signal) return now;
    }
    const waiter = new Waiter<number>();
    let left = false;
    const late = () => this.#error("ETIMEDOUT", call, to);
    waiter.limit(this.#timeout, signal, late, () => left = true);
    if (now) {
      waiter.follow(now);
      return waiter.promise;
    }
    // In the order of the calls, whatever has to be looked up.
    const before = this.#lastSend;
    const sent = this.#attempt(call, to, async () => {
      await before;
      const address = await target;
      const endpoint = this.#endpoint ??
        await (this.#opening ?? this.#open(call));
      if (left) return;
      if (this.#closing) throw { code: "EBADF" };
      waiter.follow(this.#sendNow(endpoint, call, bytes, address));
    });
    sent.catch((error) => waiter.reject(error));
    const turn = sent.catch(() => {}).then(() => {
      if (this.#lastSend === turn) this.#lastSend = undefined;
    });
    this.#lastSend = turn;
    return waiter.promise;
  }

  #sendNow(
    endpoint: Endpoint,
    call: string,
    bytes: Uint8Array,
    to: Address | undefined,
  ): Promise<number> {
    if (to && this.#isForbidden(to)) {
      return rejected(this.#error("EACCES", call, to));
    }
    return endpoint.send(call, bytes, to);
  }

  /** A broadcast without SO_BROADCAST: Deno would send it all the same. */
  #isForbidden(to: Address): boolean {
    return BROADCAST.includes(to[0]) && !this.#options.get("SO_BROADCAST");
  }

  /** Gives the socket this name, or one that the system chooses. */
  #open(call: string, address?: Address): Promise<Endpoint> {
    const opening = async () => {
      try {
        const name = address &&
          await resolveAddress(this.family, address, call);
        // Loaded here, since most experiments have no datagrams.
        const { open } = await import("./runtimes/datagram.ts");
        const endpoint = await open(this.family, name, {
          reuseAddr: Boolean(this.#options.get("SO_REUSEADDR")),
          ipv6Only: Boolean(this.#options.get("IPV6_V6ONLY")),
        });
        try {
          if (this.#closing) throw this.#error("EBADF", call);
          for (const [name, value] of this.#early) endpoint.set(name, value);
        } catch (error) {
          await endpoint.close();
          throw error;
        }
        return this.#endpoint = endpoint;
      } catch (error) {
        this.#opening = undefined;
        throw error;
      }
    };
    return this.#opening = handled(opening());
  }

  async #close(): Promise<void> {
    const endpoint = this.#endpoint;
    this.#endpoint = undefined;
    endpoint?.drop("EBADF");
    await endpoint?.close();
    await this.#opening?.catch(() => {});
  }

  /** Works unless the socket is closed; failures become SocketErrors. */
  #attempt<T>(
    call: string,
    address: Address | undefined,
    work: () => Promise<T>,
  ): Promise<T> {
    if (this.#closing) return rejected(this.#error("EBADF", call, address));
    return handled(
      work().catch((error) => {
        const own = [SocketError, TypeError, RangeError];
        if (own.some((kind) => error instanceof kind)) throw error;
        throw this.#error(codeOf(error), call, address, error);
      }),
    );
  }

  /** Once the socket is closed, every error is EBADF. */
  #error(code: string, call: string, address?: Address, cause?: unknown) {
    return new SocketError(
      this.#closing ? "EBADF" : code,
      call,
      address ?? this.#peer,
      cause,
    );
  }
}

/** The options, with what they are until they are set. */
const DEFAULTS: Record<DatagramOption, OptionValue> = {
  SO_REUSEADDR: false,
  SO_BROADCAST: false,
  IPV6_V6ONLY: false,
  IP_ADD_MEMBERSHIP: false,
  IP_DROP_MEMBERSHIP: false,
  IP_MULTICAST_IF: "",
  IP_MULTICAST_LOOP: true,
  IP_MULTICAST_TTL: 1,
};

/** The limited broadcast, and that of the loopback network. */
const BROADCAST = ["255.255.255.255", "127.255.255.255"];

const THIS_HOST: Record<string, string> = {
  "0.0.0.0": "127.0.0.1",
  "::": "::1",
};
