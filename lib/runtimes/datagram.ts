/**
 * The datagram sockets of every runtime: https://nodejs.org/api/dgram.html
 *
 * Natively they were no faster, and Deno's want an unstable flag.
 *
 * @module
 */
import dgram from "node:dgram";
import type { Address, Family } from "../address.ts";
import type { DatagramOption, OptionValue } from "../datagram_socket.ts";
import { Inbox, quiet } from "../queues.ts";
import { codeOf, SocketError } from "../socket_error.ts";

/** A datagram and where it came from. */
export type Datagram = [data: Uint8Array, address: Address];

/** More than this many unread datagrams are dropped, the newest first. */
const MOST_UNREAD = 1024;

/** Opens a socket with a name: this one, or one that the system chooses. */
export function open(
  family: Family,
  name: Address | undefined,
  options: { reuseAddr: boolean; ipv6Only: boolean },
): Promise<Endpoint> {
  const [address, port] = name ?? freeName(family);
  denied(address as string, port as number, "throw");
  const type = family === "AF_INET" ? "udp4" : "udp6";
  const socket = dgram.createSocket({ type, ...options });
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    const options = { address: address as string, port: Number(port) };
    socket.bind({ ...options, exclusive: true }, () => {
      socket.off("error", reject);
      resolve(new Endpoint(socket));
    });
  });
}

/** Any host, or with `--allow-net=127.0.0.1` the one that may be used. */
function freeName(family: Family): [string, number] {
  const [any, loopback] = family === "AF_INET"
    ? ["0.0.0.0", "127.0.0.1"]
    : ["::", "::1"];
  return denied(any, 0) && !denied(loopback, 0) ? [loopback, 0] : [any, 0];
}

/** Deno's node:dgram throws a denied bind where nobody can catch it. */
function denied(hostname: string, port: number, how?: "throw"): boolean {
  if (!("Deno" in globalThis)) return false;
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

/** A socket that has a name; what it receives waits in its inbox. */
export class Endpoint extends Inbox<Datagram> {
  readonly #socket: dgram.Socket;
  #peer: [string, number] | undefined;

  constructor(socket: dgram.Socket) {
    super();
    this.#socket = socket;
    socket.on("message", (message, { address, port }) => {
      // Nobody can answer port 0, and no honest sender has it (RFC 768).
      if (this.waiting >= MOST_UNREAD || port === 0) return;
      const [host, its] = this.#peer ?? [address, port];
      if (host !== address || its !== port) return; // Deno does not filter
      const { buffer, byteOffset, byteLength } = message; // a Buffer
      const data = new Uint8Array(buffer, byteOffset, byteLength);
      this.arrived([data, [address, port]]);
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

  /** The peer's, where there is one. */
  get about(): Address {
    return this.#peer ?? this.local;
  }

  want(): void {}

  /** Resolves to the length when the system has taken it. */
  send(
    call: string,
    data: Uint8Array,
    to: Address | undefined,
  ): Promise<number> {
    const promise = new Promise<number>((resolve, reject) => {
      // Without a callback an error would be lost.
      const done = (error: Error | null) => {
        if (!error) return resolve(data.length);
        const address = to ?? this.about;
        quiet(promise);
        // Deno calls EACCES so; what else it might be was checked before.
        const denied = (error as { code?: string }).code === "UNKNOWN";
        const code = denied ? "EACCES" : codeOf(error);
        reject(new SocketError(code, call, address, error));
      };
      if (to === undefined) this.#socket.send(data, done);
      else this.#socket.send(data, to[1] as number, to[0], done);
    });
    return promise;
  }

  /** Sends to and receives from this peer only; again for another one. */
  async connect([host, port]: [string, number]): Promise<void> {
    if (this.#peer) this.#socket.disconnect();
    this.#peer = undefined;
    await new Promise<void>((resolve, reject) => {
      this.#socket.once("error", reject);
      this.#socket.connect(port, host, () => {
        this.#socket.off("error", reject);
        resolve();
      });
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

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(resolve));
  }
}
