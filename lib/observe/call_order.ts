/**
 * Puts the socket calls of a program in order, and finds the end that made each
 * and the client that it concerns.
 *
 * @module
 */
import type { Address } from "../sockets/address.ts";
import { DatagramSocket } from "../sockets/datagram_socket.ts";
import { SocketError } from "../sockets/socket_error.ts";
import { type Client, StreamSocket } from "../sockets/stream_socket.ts";

/** A socket call and its result. */
export interface SocketCall {
  /**
   * In ms since observation began: when a call that waits for the other end
   * (accept, recv, recv_into, recvfrom) returned, when any other was made. So
   * bytes are sent before they are received.
   */
  readonly time: number;
  /** The end that made it, inferred from the calls on its socket. */
  readonly end: "server" | "client";
  /** The client that it concerns, by number from 1; 0 if none. */
  readonly connection: number;
  /** The socket, by number from 1; 0 if none was created. */
  readonly socket: number;
  /** The same from 3 at each end, as descriptors; none is used again. */
  readonly descriptor: number;
  /** The descriptor that socket() or accept() gave. */
  readonly made: number | undefined;
  /** Its name, such as `"recv"`. */
  readonly call: string;
  readonly args: readonly unknown[];
  /** What it returned, or its promise resolved to. */
  readonly result: unknown;
  /** What it threw, or its promise rejected with. */
  readonly error: unknown;
  /** How many bytes it sent or received; unless it failed. */
  readonly bytes: number | undefined;
  /** False if observation ended before the call did. */
  readonly done: boolean;
}

/** What an observer may know, and do while calls are made. */
export interface Hooks {
  /**
   * Is asked before each call, and calls `go` when it may be made. One that
   * returns at once cannot wait: it has been made, and is reported then.
   */
  gate?(call: PendingCall, go: () => void, made: boolean): void;
  /** The end that makes the calls that are made now, if it is known. */
  whose?(): SocketCall["end"] | undefined;
  /** A call begins. */
  began?(call: PendingCall): void;
  /** A call has ended, and its data is as it was. */
  ended?(call: PendingCall): void;
}

export type AnySocket = StreamSocket | DatagramSocket;

/** A call that has begun; it is filled in until it is reported. */
export interface PendingCall extends Mutable<SocketCall> {
  readonly on: AnySocket | undefined;
  /** When it was made; `time` is later if it waits. */
  readonly begun: number;
  /** Since when its times are counted, in ms since 1970. */
  readonly epoch: number;
  readonly info: SocketInfo | undefined;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** What the calls so far have shown about a socket. */
class SocketInfo {
  number = 0;
  descriptor = 0;
  end: SocketCall["end"] | undefined;
  bound = false;
  closed = false;
  connection = 0;
  /** Of a client's socket: its name, by which the server knows it. */
  name: string | undefined;
}

/**
 * The order of the calls. Of two calls at different ends, the first is the one
 * that must have been: nothing is received before it was sent.
 */
export class CallOrder {
  readonly listeners = new Set<(call: PendingCall) => void>();
  readonly hooks: Hooks;
  readonly #start = performance.now();
  readonly #sockets = new WeakMap<AnySocket, SocketInfo>();
  #socketCount = 0;
  readonly #descriptors = { server: 3, client: 3 };
  /** Non-blocking calls in call order, blocking ones in completion order. */
  readonly #queue: (PendingCall | (() => void))[] = [];
  readonly #blocked = new Set<PendingCall>();
  #clients = 0;
  /** The clients' numbers by name; of those without a name, in order. */
  readonly #named = new Map<string, number>();
  readonly #unnamed: number[] = [];

  constructor(hooks: Hooks = {}) {
    this.hooks = hooks;
  }

  /** A call begins; undefined for a second close(). */
  begin(
    on: AnySocket | undefined,
    call: string,
    args: readonly unknown[],
    blocks = false,
  ): PendingCall | undefined {
    const pending = this.prepare(on, call, args);
    const { info } = pending;
    if (info && call === "close") {
      if (info.closed) return;
      info.closed = true;
    }
    if (blocks) this.#blocked.add(pending);
    else this.#queue.push(pending);
    this.hooks.began?.(pending);
    return pending;
  }

  /** A call that is not made yet, as far as it is known. */
  prepare(
    on: AnySocket | undefined,
    call: string,
    args: readonly unknown[],
  ): PendingCall {
    const info = on && this.#infoOf(on);
    if (on && info) this.#inferEnd(on, info, call);
    const time = this.#now();
    const epoch = performance.timeOrigin + this.#start;
    const socket = info ? info.number : 0;
    const made = { time, begun: time, epoch, socket, call, args, on, info };
    return { ...BEGUN, ...made };
  }

  /** Whether a close() has begun. */
  isClosed(socket: AnySocket): boolean {
    return this.#infoOf(socket).closed;
  }

  /** A call ends. */
  end(pending: PendingCall, error: unknown, result: unknown): void {
    const { on, info, call } = pending;
    pending.error = error;
    pending.result = result;
    pending.done = true;
    if (error === undefined && on && info) {
      if (call === "accept") {
        const made = this.#infoOf((result as Client)[0]);
        made.end = info.end ?? "server";
        if (this.hooks.whose) this.#descriptorOf(made);
      } else if (
        info.name === undefined && info.end === "client" && SPEAKS.test(call)
      ) {
        this.#learnName(on, info);
      }
      // A call that is held is shown before this one is reported.
      if (this.hooks.whose && info.end) this.#descriptorOf(info);
    }
    this.hooks.ended?.(pending);
    if (this.#blocked.delete(pending)) {
      pending.time = this.#now();
      // The runner has closed the socket: that is no part of the program.
      const code = error instanceof SocketError && error.code;
      if (code === "EBADF" && info && !info.closed) return;
      if (this.#queue.length === 0) return this.#report(pending);
      this.#queue.push(pending);
    }
    this.#drain();
  }

  /** Does the work once the calls so far have been reported. */
  insert(work: () => void): void {
    this.#queue.push(work);
    this.#drain();
  }

  /** Reports the remaining calls, done or not. */
  finish(): void {
    for (const pending of this.#blocked) pending.time = this.#now();
    for (const step of [...this.#queue, ...this.#blocked]) this.#report(step);
  }

  #now(): number {
    return performance.now() - this.#start;
  }

  /** Reports the calls before the first that is not done or has no end yet. */
  #drain(): void {
    while (this.#queue.length > 0) {
      const [first] = this.#queue;
      const ready = typeof first === "function" ||
        (first.done && (!first.info || first.info.end));
      if (!ready && this.#queue.length <= QUEUE_LIMIT) return;
      this.#queue.shift();
      if (typeof first === "function" || first.done) this.#report(first);
      else this.#blocked.add(first);
    }
  }

  #report(step: PendingCall | (() => void)): void {
    if (typeof step === "function") return step();
    const { info, call, args, result } = step;
    if (info) {
      step.end = info.end ?? "client";
      step.connection = this.#clientOf(info, call, args, result);
      step.descriptor = this.#descriptorOf(info);
      if (call === "socket") step.made = step.descriptor;
      else if (call === "accept" && result) {
        step.made = this.#descriptorOf(this.#infoOf((result as Client)[0]));
      }
    }
    step.bytes = bytesOf(step);
    for (const listener of this.listeners) listener(step);
  }

  #descriptorOf(info: SocketInfo): number {
    return info.descriptor ||= this.#descriptors[info.end ?? "client"]++;
  }

  #infoOf(socket: AnySocket): SocketInfo {
    let info = this.#sockets.get(socket);
    if (!info) {
      info = new SocketInfo();
      info.number = ++this.#socketCount;
      this.#sockets.set(socket, info);
    }
    return info;
  }

  /**
   * Finds the end that a socket belongs to: unless it is known, from the first
   * call that shows it.
   */
  #inferEnd(socket: AnySocket, info: SocketInfo, call: string): void {
    const stream = socket instanceof StreamSocket;
    if (call === "bind") info.bound = true;
    const speaks = SPEAKS.test(call);
    info.end ??= this.hooks.whose?.();
    if (!info.end) {
      if (call === "listen" || (call === "bind" && !stream)) {
        info.end = "server";
      } else if (speaks) info.end = "client";
      else if (call === "close") info.end = info.bound ? "server" : "client";
    }
    if (speaks && info.end === "client") info.connection ||= ++this.#clients;
  }

  /** Remembers a client's name, once it has one. */
  #learnName(socket: AnySocket, info: SocketInfo): void {
    const address = nameOf(socket);
    if (address === undefined) return;
    const stream = socket instanceof StreamSocket;
    info.name = stream ? String(address) : portOf(address);
    if (info.name) this.#named.set(info.name, info.connection);
    else this.#unnamed.push(info.connection);
  }

  /** The number of the client that a call concerns. */
  #clientOf(
    info: SocketInfo,
    call: string,
    args: readonly unknown[],
    result: unknown,
  ): number {
    if (info.end !== "server") return info.connection;
    if (call === "sendto" || call === "lose") {
      return this.#named.get(portOf(args[1] as Address)) ?? 0;
    }
    if (call === "recvfrom" && result) {
      return this.#numberOf(portOf((result as [unknown, Address])[1]));
    }
    if (call !== "accept" || !result) return info.connection;
    const [client, address] = result as Client;
    const name = String(address);
    const number = this.#numberOf(name);
    this.#named.delete(name); // the next client may have the same port
    return this.#infoOf(client).connection = number;
  }

  #numberOf(name: string): number {
    if (name === "") return this.#unnamed.shift() ?? ++this.#clients;
    const number = this.#named.get(name) ?? ++this.#clients;
    this.#named.set(name, number);
    return number;
  }
}

/** A call that has not ended, with what is known of its socket by now. */
export function placed(call: PendingCall): PendingCall {
  const { end = "client", connection = 0, descriptor = 0 } = call.info ?? {};
  return { ...call, end, connection, descriptor };
}

// The methods themselves, taken before they are watched.
const streamName = StreamSocket.prototype.getsockname;
const datagramName = DatagramSocket.prototype.getsockname;

/** The name of a socket; undefined once it has been closed. */
export function nameOf(socket: AnySocket): Address | undefined {
  try {
    return socket instanceof StreamSocket
      ? streamName.call(socket)
      : datagramName.call(socket);
  } catch {
    return;
  }
}

/** A datagram socket may be bound to any host; its peers see one of them. */
function portOf(address: Address): string {
  return `:${address[1]}`;
}

function bytesOf({ call, args, result, error, done }: SocketCall) {
  if (!done || error || !/^(send|recv)/.test(call)) return;
  const value = call === "sendall" ? args[0] : result;
  if (typeof value === "string") return encoder.encode(value).length;
  const data = call === "recvfrom" ? (result as [Uint8Array])[0] : value;
  return ArrayBuffer.isView(data) ? data.byteLength : data as number;
}

/** What is not known of a call before it ends. */
const BEGUN = {
  ...{ end: "client" as "client" | "server", connection: 0, descriptor: 0 },
  ...{ made: undefined },
  ...{ result: undefined, error: undefined, bytes: undefined, done: false },
};

/** The calls by which a client begins to speak; it has a name then. */
const SPEAKS = /^(connect|sendto)$/;

/** So many calls may queue behind one that blocks; it then goes after them. */
const QUEUE_LIMIT = 256;

const encoder = new TextEncoder();
