/**
 * Data connections of FTP: who opens the next one, and that nobody else does. They
 * go only to the address of the control connection's other end, and come only from
 * there (RFC 2577): else a server could be made to connect to a third machine, and
 * a stranger could take or give a file.
 *
 * @module
 */
import { FTP_LIMITS, type HostPort } from "../../protocols/ftp.ts";
import { SocketError } from "../../sockets/socket_error.ts";
import {
  innerOf,
  limitSilence,
  type StreamSocket,
} from "../../sockets/stream_socket.ts";
import type { Control } from "./control.ts";

/** The calls that open a data connection. */
export interface Opening {
  /** Passive: a socket that listens on a port of this host. */
  listen(host: string): Promise<StreamSocket>;
  /** Active: a socket of a host that is connected to the client's port. */
  connect(
    ends: [host: string, address: HostPort],
    wait: { signal: AbortSignal },
  ): Promise<StreamSocket>;
}

/** Which end opens the data connection. */
export type Opener = "client" | "server";

/**
 * Accepts a connection from a host; those from elsewhere are closed. The listener's
 * time limit is for all of it: ETIMEDOUT.
 */
export async function acceptFrom(
  listener: StreamSocket,
  host: string,
  ms = innerOf(listener).timeout,
): Promise<StreamSocket> {
  const signal = ms === null ? undefined : AbortSignal.timeout(ms);
  try {
    while (true) {
      const [data, address] = await listener.accept({ signal });
      if (address[0] === host) return data;
      await data.close();
    }
  } catch (error) {
    if (!signal?.aborted) throw error;
    throw new SocketError("ETIMEDOUT", "accept", listener.getsockname());
  }
}

/** How the next data connection of a session is opened: once, and not for long. */
export class DataPort {
  readonly #control: Control;
  readonly #opening: Opening;
  #listener: StreamSocket | undefined;
  #accepting: Promise<StreamSocket | undefined> | undefined;
  #target: HostPort | undefined;

  constructor(control: Control, opening: Opening) {
    this.#control = control;
    this.#opening = opening;
  }

  /** Listens for the client, and gives the address. SocketErrors of listen(). */
  async listen(): Promise<HostPort> {
    await this.close();
    const { own, client } = this.#control.hosts;
    const listener = await this.#listen(own, 5);
    this.#listener = listener;
    // It also ends if the client sends no command that needs it.
    this.#accepting = acceptFrom(listener, client, this.#patience)
      .catch(() => undefined)
      .finally(() => listener.close());
    return listener.getsockname() as HostPort;
  }

  /** Between bind() and listen(), somebody may take the port: then tries again. */
  async #listen(host: string, tries: number): Promise<StreamSocket> {
    try {
      return await this.#opening.listen(host);
    } catch (error) {
      if (tries === 1 || (error as SocketError).code !== "EADDRINUSE") {
        throw error;
      }
      return await this.#listen(host, tries - 1);
    }
  }

  /** Takes the client's port, or says why not: RFC 2577, section 3. */
  async aim([host, port]: HostPort): Promise<string | undefined> {
    await this.close();
    if (host !== this.#control.hosts.client) return "Only to your own address";
    if (port < FTP_LIMITS.port) return "Not to a port of a server";
    this.#target = [host, port];
  }

  /** Who opens the next connection; undefined if nobody was told to. */
  get opener(): Opener | undefined {
    return this.#accepting ? "client" : this.#target && "server";
  }

  /**
   * The connection, or undefined if there is none in time, or until it is stopped.
   * The next one needs a new port.
   */
  async open(stop: AbortSignal): Promise<StreamSocket | undefined> {
    const accepting = this.#accepting;
    const [target, listener] = [this.#target, this.#listener];
    this.#accepting = this.#target = undefined;
    whenStopped(stop, () => listener?.close());
    const late = AbortSignal.timeout(this.#patience);
    const data = target
      ? await this.#connect(target, AbortSignal.any([late, stop]))
      : await accepting;
    if (!data) return;
    limitSilence(data, this.#control.client.gettimeout());
    return data;
  }

  async #connect(target: HostPort, signal: AbortSignal) {
    try {
      const { own } = this.#control.hosts;
      return await this.#opening.connect([own, target], { signal });
    } catch (error) {
      if (!signal.aborted && !(error instanceof SocketError)) throw error;
    }
  }

  /** Listens no more, and closes a connection that nobody has used. */
  async close(): Promise<void> {
    const accepting = this.#accepting;
    this.#accepting = this.#target = undefined;
    if (!accepting) return;
    await this.#listener?.close();
    await (await accepting)?.close();
  }

  get #patience(): number {
    return this.#control.client.gettimeout() ?? PATIENCE;
  }
}

/** Does the work when the signal is given, or has been. */
export function whenStopped(stop: AbortSignal, work: () => unknown): void {
  if (stop.aborted) work();
  else stop.addEventListener("abort", work, { once: true });
}

/** How long a data connection is waited for, in ms. */
const PATIENCE = 30_000;
