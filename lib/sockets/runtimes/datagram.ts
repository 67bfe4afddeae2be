/**
 * The datagram sockets of every runtime: https://nodejs.org/api/dgram.html
 *
 * Natively they were no faster, and Deno's want an unstable flag.
 *
 * @module
 */
import type { Socket, SocketOptions } from "node:dgram";
import { type Address, ANY, type Family, withZone } from "../address.ts";
import { Inbox, RECEIVE_QUEUE_LIMIT } from "../inbox.ts";
import { codeOf, SocketError } from "../socket_error.ts";
import { Waiter } from "../waiter.ts";
import { WINDOWS } from "./system.ts";

// Not static, or a bundle of the whole library would load it at once.
const { default: dgram } = await import("node:dgram");

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

/** A datagram and where it came from. */
export type Datagram = [data: Uint8Array, address: Address];

type Name = [host: string, port: number];

/** Whether node:dgram is that of Deno, which differs here and there. */
const DENO = "Deno" in globalThis;

/** Opens a socket with a name: this one, or one that the system chooses. */
export async function open(
  family: Family,
  name: Address | undefined,
  options: { reuseAddr: boolean; ipv6Only: boolean },
): Promise<Endpoint> {
  const own = (name ?? [ANY[family as "AF_INET"], 0]) as Name;
  const [address, port] = DENO ? await permitted(own, name) : own;
  const type = family === "AF_INET" ? "udp4" : "udp6";
  const lookup = DENO ? undefined : asItIs; // there it has to come later
  const socket = dgram.createSocket({ type, lookup, ...options });
  socket.unref(); // until a call waits; for Deno it is too late afterwards
  return await new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      socket.close(); // Node would keep its descriptor
      reject(error);
    };
    socket.once("error", fail);
    socket.bind({ address, port, exclusive: true }, () => {
      socket.off("error", fail);
      resolve(new Endpoint(socket, address));
    });
  });
}

/** Hosts are literals here: the runtime's own look-up would cost a turn. */
const asItIs: SocketOptions["lookup"] = (host, _, done) => done(null, host, 4);

/**
 * The name, if Deno permits it: its node:dgram throws a denied bind where nobody
 * can catch it. A socket that any name suits takes one that is permitted.
 */
async function permitted(own: Name, given: Address | undefined): Promise<Name> {
  const { mayUse, requestNet } = await import("./deno.ts");
  const loopback: Name = [own[0] === ANY.AF_INET ? "127.0.0.1" : "::1", 0];
  if (!given && !mayUse(own) && mayUse(loopback)) return loopback;
  await requestNet(own);
  return own;
}

/** A datagram that the system has not taken yet. */
class Sending extends Waiter<number> {
  readonly call: string;
  readonly data: Uint8Array;
  readonly to: Address | undefined;

  constructor(call: string, data: Uint8Array, to: Address | undefined) {
    super();
    this.call = call;
    this.data = data;
    this.to = to;
  }
}

/** A socket that has a name; what it receives waits in its inbox. */
export class Endpoint extends Inbox<Datagram> {
  readonly source: Socket;
  /** As it was bound: Deno and Bun do not tell its zone. */
  readonly #host: string;
  /** The peer, once it is connected. */
  address: Name | undefined;
  /**
   * Deno's, in the order of the calls: it would send in another one what is
   * sent at once, and it says nothing of it after close().
   */
  readonly #sending = new Set<Sending>();

  constructor(socket: Socket, host: string) {
    super();
    this.source = socket;
    this.#host = host;
    socket.on("message", (message, { address: sender, port }) => {
      // Deno tells no zone: it is that of the peer, or of this end.
      const address = withZone(sender, this.address?.[0] ?? this.#host);
      // Nobody can answer port 0, and no honest sender has it (RFC 768).
      if (this.waiting >= RECEIVE_QUEUE_LIMIT || port === 0) return;
      if (!this.#isPeer(address, port)) return; // Deno does not filter
      // A copy: Deno's message is the start of 64 KiB, which it would keep.
      this.arrived([new Uint8Array(message), [address, port]]);
    });
    // An ICMP error is the connected peer's. An unconnected socket hears of none,
    // udp(7); without a listener it would end the process.
    socket.on("error", (error) => {
      if (this.address) this.failed(isReset(error) ? REFUSED : error);
    });
  }

  /** This end's address. */
  get local(): Address {
    const { address, port } = this.source.address();
    return [withZone(address, this.#host), port];
  }

  override hold(on: boolean): void {
    if (DENO) holdDeno(on ? 1 : -1);
    else super.hold(on);
  }

  /** Resolves to the length when the system has taken it. */
  send(
    call: string,
    data: Uint8Array,
    to: Address | undefined,
  ): Promise<number> {
    const sending = new Sending(call, data, to);
    if (DENO) this.#sending.add(sending);
    if (!DENO || this.#sending.size === 1) this.#transmit(sending);
    return sending.promise;
  }

  #transmit(sending: Sending, again = AGAIN): void {
    const { data, to } = sending;
    // Without a callback an error would be lost.
    const done = (error: Error | null) => {
      const code = error ? codeOf(error) : "";
      // On Bun an unconnected socket hears of another peer's ICMP error instead.
      if (to && code === "ECONNREFUSED" && again > 0) {
        return this.#transmit(sending, again - 1);
      }
      if (error) this.#failedTo(sending, code, error);
      else sending.resolve(data.length);
      if (!DENO) return;
      this.#sending.delete(sending);
      for (const next of this.#sending) return this.#transmit(next);
    };
    try {
      if (to === undefined) this.source.send(data, done);
      else this.source.send(data, to[1] as number, to[0], done);
    } catch (error) {
      done(error as Error); // it has no peer any more
    }
  }

  async #failedTo(sending: Sending, code: string, error: Error): Promise<void> {
    const { call, to } = sending;
    const address = to ?? this.address;
    // Deno does not say why: for a route, TCP does.
    const why = !to && isReset(error)
      ? REFUSED.code
      : (error as { code?: string }).code === "UNKNOWN" && address
      ? await (await import("./true_error.ts")).routeByTcp(address[0])
      : code;
    sending.reject(new SocketError(why, call, address, error));
  }

  /** Sends to and receives from this peer only; again for another one. */
  async connect([host, port]: Name): Promise<void> {
    if (this.address) this.source.disconnect();
    this.address = undefined;
    await new Promise<void>((resolve, reject) => {
      // It is given what went wrong, though its type does not say so.
      const done = async (error?: Error) => {
        this.source.off("error", reject);
        if (!error) return resolve();
        // Bun does not say why.
        const why = codeOf(error) === "EIO" && "Bun" in globalThis
          ? await (await import("./true_error.ts")).routeByUdp(host)
          : undefined;
        reject(why ? { code: why } : error);
      };
      this.source.once("error", reject);
      this.source.connect(port, host, done as () => void);
    });
    this.address = [host, port];
    // What came from others, and the errors of the peer before, are not its.
    this.filter(([, from]) => this.#isPeer(...from as Name));
  }

  /** Sets an option of ip(7), ipv6(7) or socket(7). */
  set(name: DatagramOption, value: OptionValue): void {
    const socket = this.source;
    const on = Boolean(value);
    const text = String(value);
    const [group, own] = Array.isArray(value) ? value : [text];
    // SO_REUSEADDR and IPV6_V6ONLY: see open
    if (name === "SO_BROADCAST") socket.setBroadcast(on);
    if (name === "IP_MULTICAST_LOOP") socket.setMulticastLoopback(on);
    if (name === "IP_MULTICAST_TTL") socket.setMulticastTTL(Number(value));
    if (name === "IP_MULTICAST_IF") socket.setMulticastInterface(text);
    if (name === "IP_ADD_MEMBERSHIP") socket.addMembership(group, own);
    if (name === "IP_DROP_MEMBERSHIP") socket.dropMembership(group, own);
  }

  /** Resolves when the port is free, and what send() was given is sent. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#sending].map((one) => one.promise));
    await new Promise<void>((resolve) => this.source.close(resolve));
  }

  #isPeer(address: string, port: number): boolean {
    const [host, its] = this.address ?? [address, port];
    return host === address && its === port;
  }
}

/** Windows reports a closed port as a reset, which Deno calls UNKNOWN. */
function isReset(error: Error & { code?: string }): boolean {
  return WINDOWS && /^(ECONNRESET|UNKNOWN)$/.test(error.code ?? "");
}

const REFUSED = { code: "ECONNREFUSED" };

/** So many ICMP errors of others may wait before a datagram is sent, on Bun. */
const AGAIN = 64;

/** How many calls wait on Deno, where ref() has no effect on a receive. */
let holds = 0;
let keeper: number | undefined;

function holdDeno(more: number): void {
  holds += more;
  keeper ??= setInterval(() => {}, 2 ** 31 - 1) as unknown as number;
  if (holds > 0) Deno.refTimer(keeper);
  else Deno.unrefTimer(keeper);
}
