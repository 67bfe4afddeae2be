/**
 * The datagram sockets of every runtime: https://nodejs.org/api/dgram.html
 *
 * Natively they were no faster, and Deno's want an unstable flag.
 *
 * @module
 */
import type { Socket, SocketOptions } from "node:dgram";
import type { Address, Family } from "../address.ts";
import { Inbox, RECEIVE_QUEUE_LIMIT } from "../inbox.ts";
import type { DatagramOption, OptionValue } from "../options.ts";
import { codeOf, SocketError } from "../socket_error.ts";
import { Waiter } from "../waiter.ts";

// Not static, or a bundle of the whole library would load it at once.
const { default: dgram } = await import("node:dgram");

/** A datagram and where it came from. */
export type Datagram = [data: Uint8Array, address: Address];

/** Whether node:dgram is that of Deno, which differs here and there. */
const DENO = "Deno" in globalThis;

/** Opens a socket with a name: this one, or one that the system chooses. */
export function open(
  family: Family,
  name: Address | undefined,
  options: { reuseAddr: boolean; ipv6Only: boolean },
): Promise<Endpoint> {
  const [address, port] = name ?? freeName(family);
  denied(address as string, port as number, "throw");
  const type = family === "AF_INET" ? "udp4" : "udp6";
  const lookup = DENO ? undefined : asItIs; // there it has to come later
  const socket = dgram.createSocket({ type, lookup, ...options });
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      socket.close(); // Node would keep its descriptor
      reject(error);
    };
    socket.once("error", fail);
    const options = { address: address as string, port: Number(port) };
    socket.bind({ ...options, exclusive: true }, () => {
      socket.off("error", fail);
      resolve(new Endpoint(socket));
    });
  });
}

/** Hosts are literals here: the runtime's own look-up would cost a turn. */
const asItIs: SocketOptions["lookup"] = (host, _, done) => done(null, host, 4);

/** Any host, or with `--allow-net=127.0.0.1` the one that may be used. */
function freeName(family: Family): [string, number] {
  const [any, loopback] = family === "AF_INET"
    ? ["0.0.0.0", "127.0.0.1"]
    : ["::", "::1"];
  return denied(any, 0) && !denied(loopback, 0) ? [loopback, 0] : [any, 0];
}

/** Deno's node:dgram throws a denied bind where nobody can catch it. */
function denied(hostname: string, port: number, how?: "throw"): boolean {
  if (!DENO) return false;
  const host = hostname.includes(":")
    ? `[${hostname}]:${port}`
    : `${hostname}:${port}`;
  const { state } = Deno.permissions.querySync({ name: "net", host });
  if (state === "granted") return false;
  if (!how) return true;
  throw new Deno.errors.NotCapable(
    `Requires net access to "${host}", run again with the --allow-net flag`,
  );
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
  readonly #socket: Socket;
  #peer: [string, number] | undefined;
  /**
   * Deno's, in the order of the calls: it would send in another one what is
   * sent at once, and it says nothing of it after close().
   */
  readonly #sending = new Set<Sending>();

  constructor(socket: Socket) {
    super();
    this.#socket = socket;
    socket.on("message", (message, { address, port }) => {
      // Nobody can answer port 0, and no honest sender has it (RFC 768).
      if (this.waiting >= RECEIVE_QUEUE_LIMIT || port === 0) return;
      const [host, its] = this.#peer ?? [address, port];
      if (host !== address || its !== port) return; // Deno does not filter
      // A copy: Deno's message is the start of 64 KiB, which it would keep.
      this.arrived([new Uint8Array(message), [address, port]]);
    });
    // A peer's ICMP error is one of the connection's; without a connection
    // nobody could say whose it is, and without a listener it ends the process.
    socket.on("error", (error) => {
      if (this.#peer) this.failed(codeOf(error), error);
    });
  }

  /** This end's address. */
  get local(): Address {
    const { address, port } = this.#socket.address();
    return [address, port];
  }

  /** The peer's address, where there is one. */
  get errorAddress(): Address | undefined {
    return this.#peer;
  }

  want(): void {}

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

  #transmit(sending: Sending): void {
    const { call, data, to } = sending;
    // Without a callback an error would be lost.
    const done = (error: Error | null) => {
      if (error) {
        // Deno calls EACCES so; what else it might be was checked before.
        const denied = (error as { code?: string }).code === "UNKNOWN";
        const code = denied ? "EACCES" : codeOf(error);
        sending.reject(
          new SocketError(code, call, to ?? this.errorAddress, error),
        );
      } else sending.resolve(data.length);
      if (!DENO) return;
      this.#sending.delete(sending);
      for (const next of this.#sending) return this.#transmit(next);
    };
    try {
      if (to === undefined) this.#socket.send(data, done);
      else this.#socket.send(data, to[1] as number, to[0], done);
    } catch (error) {
      done(error as Error); // it has no peer any more
    }
  }

  /** Sends to and receives from this peer only; again for another one. */
  async connect([host, port]: [string, number]): Promise<void> {
    if (this.#peer) this.#socket.disconnect();
    this.#peer = undefined;
    await new Promise<void>((resolve, reject) => {
      // It is given what went wrong, though its type does not say so.
      const done = (error?: Error) => {
        this.#socket.off("error", reject);
        if (error) reject(error);
        else resolve();
      };
      this.#socket.once("error", reject);
      this.#socket.connect(port, host, done as () => void);
    });
    this.#peer = [host, port];
  }

  /** Sets an option of ip(7), ipv6(7) or socket(7). */
  set(name: DatagramOption, value: OptionValue): void {
    const socket = this.#socket;
    if (name === "SO_REUSEADDR" || name === "IPV6_V6ONLY") return; // see open
    if (name === "SO_BROADCAST") socket.setBroadcast(Boolean(value));
    else if (name === "IP_MULTICAST_LOOP") {
      socket.setMulticastLoopback(Boolean(value));
    } else if (name === "IP_MULTICAST_TTL") {
      socket.setMulticastTTL(Number(value));
    } else if (name === "IP_MULTICAST_IF") {
      socket.setMulticastInterface(String(value));
    } else {
      const [group, own] = value as [group: string, own?: string];
      if (name === "IP_ADD_MEMBERSHIP") socket.addMembership(group, own);
      else socket.dropMembership(group, own);
    }
  }

  /** Resolves when the port is free; what is not sent yet fails with EBADF. */
  close(): Promise<void> {
    for (const sending of this.#sending) {
      const { call, to } = sending;
      sending.reject(new SocketError("EBADF", call, to ?? this.errorAddress));
    }
    this.#sending.clear();
    return new Promise((resolve) => this.#socket.close(resolve));
  }
}
