/**
 * Types of an experiment, its ends and the settings of a run, in a file that no
 * run has to load.
 *
 * @module
 */
import type { Address } from "../sockets/address.ts";
import type { PendingCall } from "../observe/call_order.ts";
import type { DatagramSocket } from "../sockets/datagram_socket.ts";
import type { StreamSocket } from "../sockets/stream_socket.ts";
import type { Watched } from "../slips/slips.ts";

/** What an experiment's server or client is given. */
export interface End {
  /** The address to listen on, or to connect to. */
  readonly address: Address;
  /** The values of the experiment's own flags, if given. */
  readonly flags: Record<string, string | undefined>;
  /** Prints a line; control characters, which a peer may send, are escaped. */
  print(...words: unknown[]): void;
  /** The server listens: the client may start, and a stop closes the sockets. */
  ready(...listeners: (StreamSocket | DatagramSocket)[]): void;
  /**
   * Serves one client concurrently: an accepted socket, or the sender of one
   * datagram. A failure is printed in one line and affects no other client. The
   * socket is closed at the end, or once silent for longer than `limits.idle`.
   * Resolves when the next client may be served: at once, unless
   * `limits.clients` are being served. A sender that may be a server (see
   * answering.ts) is served only if `anyPort` says that it sends no reply; one that
   * sends again may wait `pause` ms before.
   */
  serve(
    client: StreamSocket | Address,
    work: () => Promise<unknown>,
    datagram?: { anyPort?: boolean; pause?: number },
  ): Promise<void>;
  /** Resolves when all clients that are being served now are done. */
  done(): Promise<unknown>;
  /** The terminal, which a client has that runs alone. */
  terminal?(): Promise<Terminal> | false;
}

/** Whoever runs a client, at a terminal or through a pipe. */
export interface Terminal {
  /** Whether somebody reads the output and can answer. */
  interactive(): boolean;
  /** What comes on standard input, up to its end. */
  typed(): AsyncIterable<Uint8Array>;
  /** Takes the whole screen, and gives each key to `onKey`. */
  openScreen(onKey: (key: string) => void): Screen;
}

/** A terminal's screen; close() gives it back as it was. */
export interface Screen {
  size(): [columns: number, rows: number];
  /** Draws lines from the top; control characters in them are escaped. */
  draw(lines: readonly string[]): void;
  close(): void;
}

/** Both ends of an experiment. */
export interface Experiment {
  /** The file, `import.meta.url`. */
  readonly url: string;
  /** The server's default port. */
  readonly port: number;
  /** Flags that only this experiment has, by name. */
  readonly flags?: Record<string, Flag>;
  /** What it shows depends on time limits or pauses: it refuses `--step`. */
  readonly clock?: boolean;
  server(end: End): Promise<unknown>;
  client(end: End): Promise<unknown>;
}

/** A flag with a value: `--NAME VALUE`. */
export interface Flag {
  /** Its description in `--help`. */
  readonly help: string;
  /** What its value is called there; by default the first letter of its name. */
  readonly value?: string;
  /** The values that it takes, for an error message: `a number from 0 to 1`. */
  readonly takes?: string;
  readonly pattern?: RegExp;
  /** `--help` does not show it. */
  readonly hidden?: boolean;
}

/** How to run an experiment: the flags of the command line. */
export interface Settings {
  role: "both" | "server" | "client";
  host: string;
  /** By default the experiment's own, or with both ends a free one. */
  port?: number;
  /** How often to run the client; when to stop a server that runs alone. */
  clients?: number;
  timeout?: number; // of each wait, in ms
  trace?: boolean;
  diagram?: boolean;
  json?: boolean;
  /** All bytes are in the lines of `--trace --json`. */
  bytes?: boolean;
  /** What makes the calls one by one: `--step`. */
  stepper?: Stepper;
  /** The values of the experiment's own flags. */
  flags: Record<string, string | undefined>;
  /** What is kept of the only run of a process, in case that it hangs. */
  watched?: Watched;
}

/** Holds each socket call until the reader lets it go. */
export interface Stepper {
  /** The experiment, whose calls are held. */
  readonly experiment: Experiment;
  /** The end that makes the calls that are made now. */
  whose(): "server" | "client" | undefined;
  /** See Hooks. */
  gate(call: PendingCall, go: () => void, made: boolean): void;
  /** Prints a line of an end when what it has done before has been shown. */
  line(end: "server" | "client", print: () => void): void;
  /** Shows the call before which an end stands. */
  show: (call: PendingCall) => void;
  /** Resolves when everything that has been done has been shown. */
  settled(): Promise<void>;
}
