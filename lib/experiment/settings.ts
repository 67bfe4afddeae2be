/**
 * What an experiment is, how a run is set up, and the limits of every server:
 * types and defaults that the files of this room share.
 *
 * @module
 */
import type { DatagramSocket } from "../sockets/datagram_socket.ts";
import type { Address } from "../sockets/address.ts";
import type { StreamSocket } from "../sockets/stream_socket.ts";

/** What an experiment's server or client is given. */
export interface End {
  /** Where to listen, or what to connect to. */
  readonly address: Address;
  /** The values of the experiment's own flags, where they were given. */
  readonly flags: Record<string, string | undefined>;
  /** Prints a line; control characters, which a peer may send, are escaped. */
  print(...words: unknown[]): void;
  /** Says that the server listens: lets the client start, and a stop end it. */
  ready(...listeners: (StreamSocket | DatagramSocket)[]): void;
  /**
   * Serves one client concurrently: the accepted socket, or the sender of one
   * datagram. A failure is printed in one line and ends nothing else. The socket
   * is closed afterwards, and when it is silent for longer than `limits.idle`.
   * Resolves when one more client may be served: at once, unless
   * `limits.clients` are being served.
   */
  serve(
    client: StreamSocket | Address,
    work: () => Promise<unknown>,
  ): Promise<void>;
  /** Resolves when all clients that are being served now are done. */
  done(): Promise<unknown>;
}

/** An experiment: both ends, and the port on which the server listens. */
export interface Experiment {
  /** The file, `import.meta.url`. */
  readonly url: string;
  readonly port: number;
  /** Flags that only this experiment has, by name. */
  readonly flags?: Record<string, Flag>;
  server(end: End): Promise<unknown>;
  client(end: End): Promise<unknown>;
}

/** A flag of an experiment's own: `--NAME VALUE`. */
export interface Flag {
  /** What `--help` says. */
  readonly about: string;
  /** What a value is, for an error message: `a number from 0 to 1`. */
  readonly takes: string;
  readonly pattern: RegExp;
}

/** How to run an experiment: the command line's flags. */
export interface Settings {
  role: "both" | "server" | "client";
  host: string;
  /** `undefined`: the experiment's own, or with both ends a free one. */
  port: number | undefined;
  /** How often to run the client; how many clients a server alone serves. */
  clients: number | undefined;
  /** The limit of each wait, in ms. */
  timeout: number | undefined;
  /** Print each socket call, or draw them all at the end. */
  trace: boolean;
  diagram: boolean;
  json: boolean;
  /** The experiment's own flags. */
  flags: Record<string, string | undefined>;
}

export const DEFAULTS: Settings = {
  role: "both",
  host: "127.0.0.1",
  port: undefined,
  clients: undefined,
  timeout: undefined,
  trace: false,
  diagram: false,
  json: false,
  flags: {},
};

/** Server limits, the same in every experiment. */
export const limits = {
  /** A client may be silent for this long, in ms. */
  idle: 30_000,
  /** Clients served at the same time; more wait in the accept queue. */
  clients: 1024,
  /** Running exchanges may go on for this long after a stop, in ms. */
  grace: 5_000,
};

/** A script that leads through both ends at once: study, quiz. */
export interface Guide {
  /** The file, `import.meta.url`. */
  readonly url: string;
  /** What `--help` says of it. */
  readonly about: string;
  /** Its flags that take a value, by name. */
  readonly flags?: Record<string, Flag>;
  /** Its flags that take none, and what `--help` says of each. */
  readonly switches?: Record<string, string>;
  run(reader: Reading): Promise<void>;
}

/** What the command line gave a guided script. */
export interface Given {
  readonly flags: Record<string, string | undefined>;
  /** The switches that are on. */
  readonly on: readonly string[];
}

/** What a guided script is given: its flags, and whoever reads it. */
export interface Reading extends Given {
  /** Whether somebody is there to answer. */
  readonly interactive: boolean;
  /** Prints a line; control characters, which a peer may send, are escaped. */
  print(...words: unknown[]): void;
  /** Prints text in lines of 68 columns, beside the label. */
  say(label: string, text: string): void;
  /** Waits for Enter where somebody is; Ctrl-D ends the script. */
  pause(): Promise<void>;
  /**
   * The letter, from a, of the choice that is made; null where nobody is, or
   * at the end (Ctrl-D).
   */
  pick(choices: string[]): Promise<string | null>;
}
