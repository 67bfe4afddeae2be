/**
 * Picks the runtime's own sockets, and says what the library asks of them: the
 * few verbs that deno.ts, bun.ts and node.ts give in the same way. Only these
 * files may name a runtime.
 *
 * @module
 */
import type { Address } from "../address.ts";
import type { Inbox } from "../queues.ts";
import type { StreamOption } from "../stream_socket.ts";

/** A connected stream socket; what it receives waits in its inbox. */
export interface Connection extends Inbox<Uint8Array> {
  /** The address of this end. */
  readonly local: Address;
  /** The address of the other end. */
  readonly about: Address;
  /**
   * Hands over bytes that nobody changes before they are taken; one at a time.
   * Gives how many the system took, at once where it can; never throws.
   */
  write(bytes: Uint8Array): number | Promise<number>;
  /** Sets SO_KEEPALIVE or TCP_NODELAY; has the others already. */
  set(option: StreamOption, on: boolean): void;
  /** Sends a FIN after what was written; gives 0. */
  closeWrite(): number | Promise<number>;
  /** Ends both directions. */
  close(): void;
}

/** A listening socket; clients that nobody accepted wait in its inbox. */
export interface Listener<Client> extends Inbox<Client> {
  /** The address on which it listens. */
  readonly about: Address;
  /** Resolves when the port is free. */
  close(): Promise<void>;
}

/** Makes what accept() gives. */
export type Admit<Client> = (connection: Connection) => Client;

/** How a listener listens. */
export interface ListenOptions {
  readonly backlog: number;
  readonly ipv6Only: boolean;
}

/** A connect() that is under way: it is told how that ended. */
export interface Attempt {
  opened(connection: Connection): void;
  failed(error: unknown): void;
  /** Ends it, where the runtime can; set by the runtime. */
  cancel: (() => void) | undefined;
}

/** What each of the runtime files exports. */
export interface Runtime {
  /** What to type to run a script with all that an experiment may need. */
  readonly command: string;
  /** The arguments of the command line. */
  args(): string[];
  /** Ends the process. */
  exit(code: number): never;
  /** Lets the process go on when nobody reads its output any more. */
  outliveReaders(): void;
  /** Calls `stop` at SIGINT and SIGTERM, without keeping the process alive. */
  onStop(stop: () => void): void;
  /** What TCP_NODELAY is unless it is set. */
  readonly noDelay: boolean;
  /** Opens a listener; `admit` makes what accept() gives for a connection. */
  listen<Client>(
    address: Address,
    admit: Admit<Client>,
    options: ListenOptions,
  ): Promise<Listener<Client>>;
  /** Opens a connection, and tells the attempt. */
  connect(address: Address, from: Address | undefined, attempt: Attempt): void;
}

/** The runtime that runs this. */
export const runtime: Runtime = "Deno" in globalThis
  ? await import("./deno.ts")
  : "Bun" in globalThis
  ? await import("./bun.ts")
  : await import("./node.ts");
