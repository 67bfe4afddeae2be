/**
 * What the library asks of a runtime: the few verbs that deno.ts, bun.ts and
 * node.ts give in the same way.
 *
 * @module
 */
import type { Address } from "../address.ts";
import type { StreamOption } from "../options.ts";

/** Items that arrive, and calls that wait for them: see Inbox. */
export interface Source<T> {
  take(
    call: string,
    size: number,
    timeout: number | null,
    signal: AbortSignal | undefined,
  ): Promise<T>;
  cancel(waiting: Promise<T>): void;
  drop(code?: string): T[];
}

/** A connected stream socket. */
export interface Connection extends Source<Uint8Array> {
  /** This end's address. */
  readonly local: Address;
  /** The other end's address. */
  readonly peer: Address;
  takeInto(
    call: string,
    buffer: Uint8Array,
    timeout: number | null,
    signal: AbortSignal | undefined,
  ): Promise<number>;
  /** These three: see Sink. */
  write(bytes: Uint8Array): number | Promise<number>;
  unwrite?(): void;
  /** Sets SO_KEEPALIVE or TCP_NODELAY; no other option needs it. */
  set(option: StreamOption, on: boolean): void;
  closeWrite(): number | Promise<number>;
  /** Ends both directions. */
  close(): void;
}

/** A listening socket, and the clients that no `accept` has taken. */
export interface Listener<Client> extends Source<Client> {
  /** The address on which it listens. */
  readonly local: Address;
  /** Resolves when the port is free. */
  close(): Promise<void>;
}

/** Makes what accept() gives. */
export type Admit<Client> = (connection: Connection) => Client;

export interface ListenOptions {
  readonly backlog: number;
  readonly ipv6Only: boolean;
}

/** A connect() under way; the runtime calls `opened` or `failed`. */
export interface PendingConnect {
  opened(connection: Connection): void;
  failed(error: unknown): void;
  /** Gives it up, where the runtime can; set by the runtime. */
  cancel: (() => void) | undefined;
}

/** What each of the runtime files exports. */
export interface Runtime {
  /** TCP_NODELAY of a new socket. */
  readonly noDelay: boolean;
  /** The system may read what is sent after `write` has returned. */
  readonly readsLater: boolean;
  /** Opens a listener; `admit` makes what accept() gives for a connection. */
  listen<Client>(
    address: Address,
    admit: Admit<Client>,
    options: ListenOptions,
  ): Promise<Listener<Client>>;
  /** Opens a connection and reports to `pending`. */
  connect(
    address: Address,
    from: Address | undefined,
    pending: PendingConnect,
  ): void;
}
