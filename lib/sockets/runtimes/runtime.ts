/**
 * What the library asks of a runtime: the few verbs that deno.ts, bun.ts and
 * node.ts give in the same way.
 *
 * @module
 */
import type { Address } from "../address.ts";
import type { Inbox } from "../inbox.ts";
import type { Sink } from "../outbox.ts";

/** The options of a stream socket: socket(7), tcp(7), ipv6(7). */
export type StreamOption =
  | "SO_REUSEADDR"
  | "SO_KEEPALIVE"
  | "SO_LINGER"
  | "TCP_NODELAY"
  | "IPV6_V6ONLY";

/** A connected stream socket; its `address` is the other end's. */
export interface Connection extends Inbox<Uint8Array>, Sink {
  readonly address: Address;
  /** This end's address. */
  readonly local: Address;
  /** Sets SO_KEEPALIVE or TCP_NODELAY; no other option needs it. */
  set(option: StreamOption, on: boolean): void;
  /** Ends both directions. */
  close(): void;
  /** The same by a RST; what is not sent yet is discarded. Deno cannot. */
  abort?(): void;
}

/** A listening socket, and the clients that no `accept` has taken. */
export interface Listener<Client> extends Inbox<Client> {
  readonly address: Address;
  /** Resolves when the port is free. */
  close(): Promise<void>;
}

export interface ListenOptions<Client> {
  readonly address: Address;
  readonly backlog: number;
  readonly ipv6Only: boolean;
  /** Makes what accept() gives. */
  admit(connection: Connection): Client;
}

/** A connect() under way; the runtime calls `opened` or `failed`. */
export interface PendingConnect {
  readonly target: Address;
  /** This end's name, if it was bound. */
  readonly from: Address | undefined;
  opened(connection: Connection): void;
  failed(error: unknown): void;
  /** Gives it up, where the runtime can; set by the runtime. */
  cancel: (() => void) | undefined;
}

/** What each of the runtime files exports. */
export interface Runtime {
  /** TCP_NODELAY of a new socket. */
  readonly noDelay: boolean;
  /** Whether its connections have `abort`. */
  readonly aborts: boolean;
  listen<Client>(options: ListenOptions<Client>): Promise<Listener<Client>>;
  /** Opens a connection and reports to `pending`. */
  connect(pending: PendingConnect): void;
}
