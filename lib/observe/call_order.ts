/**
 * Puts the socket calls of a program in order, and finds out which end made
 * each and which client it concerns.
 *
 * @module
 */
import type { Address } from "../sockets/address.ts";
import { DatagramSocket } from "../sockets/datagram_socket.ts";
import { type Client, StreamSocket } from "../sockets/stream_socket.ts";

/** A socket call and what came of it. */
export interface SocketCall {
  /**
   * In ms since the first listener came: of a call that waits for the other
   * end (accept, recv, recvfrom) when it returned, of any other when it was
   * made. So what was sent comes before what was received.
   */
  readonly time: number;
  /** Which end made it, judged by what its socket did. */
  readonly end: "server" | "client";
  /** The client whom it concerns, by number from 1; 0 if none. */
  readonly connection: number;
  /** The socket, by number from 1; 0 if none was made. */
  readonly socket: number;
  /** Its name, such as `"recv"`. */
  readonly call: string;
  readonly args: readonly unknown[];
  /** What it returned, or its promise resolved to. */
  readonly result: unknown;
  /** What it failed with. */
  readonly error: unknown;
  /** How many bytes it sent or received. */
  readonly bytes: number | undefined;
  /** False if observation ended before the call did. */
  readonly done: boolean;
}

/** What calls are made on. */
export type AnySocket = StreamSocket | DatagramSocket;

/** A call that was begun, and that becomes what is told of it. */
export interface Begun extends Mutable<SocketCall> {
  readonly on: AnySocket | undefined;
  readonly known: Known | undefined;
  /** Its place among those that wait; its place in the order is where it ends. */
  waits: number;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** What is known of a socket. */
interface Known {
  readonly number: number;
  end: SocketCall["end"] | undefined;
  bound: boolean;
  closed: boolean;
  connection: number;
  /** Of a client: what the server will know it by. */
  name: string | undefined;
}

/**
 * The order in which calls happened. Which of two ends' calls came first is
 * told by what is certain: nothing arrives before it was sent.
 */
export class CallOrder {
  readonly listeners = new Set<(call: SocketCall) => void>();
  readonly #start = performance.now();
  readonly #sockets = new WeakMap<AnySocket, Known>();
  #seen = 0;
  /** Calls that wait for nobody, from when they were made; others when done. */
  readonly #line: (Begun | (() => void))[] = [];
  readonly #waiting: Begun[] = [];
  #clients = 0;
  /** The clients' numbers by their names; those without one, in order. */
  readonly #named = new Map<string, number>();
  readonly #unnamed: number[] = [];

  /** A call begins; nothing if it is to close a socket again. */
  begin(
    on: AnySocket | undefined,
    call: string,
    args: readonly unknown[],
    waits = false,
  ): Begun | undefined {
    let known: Known | undefined;
    if (on) {
      known = this.#know(on);
      if (call === "close") {
        if (known.closed) return;
        known.closed = true;
      }
      if (!known.end) this.#judge(on, known, call);
    }
    const begun: Begun = {
      time: waits ? 0 : this.#now(),
      end: "client",
      connection: 0,
      socket: known ? known.number : 0,
      call,
      args,
      result: undefined,
      error: undefined,
      bytes: undefined,
      done: false,
      on,
      known,
      waits: -1,
    };
    if (waits) this.#wait(begun);
    else this.#line.push(begun);
    return begun;
  }

  /** A call has come to its end. */
  end(begun: Begun, error: unknown, result: unknown): void {
    const { on, known, call } = begun;
    begun.error = error;
    begun.result = result;
    begun.done = true;
    if (error === undefined && on && known) {
      if (call === "accept") this.#know((result as Client)[0]).end = "server";
      else if (known.name === undefined && known.end === "client") {
        this.#meet(on, known);
      }
    }
    if (begun.waits >= 0) {
      begun.time = this.#now();
      const last = this.#waiting.pop()!;
      if (last !== begun) {
        this.#waiting[begun.waits] = last;
        last.waits = begun.waits;
      }
      if (this.#line.length === 0) return this.#tell(begun);
      this.#line.push(begun);
    }
    this.#advance();
  }

  /** Does the work after the calls so far have been told of. */
  insert(work: () => void): void {
    this.#line.push(work);
    this.#advance();
  }

  /** Tells of what is left, done or not. */
  finish(): void {
    for (const begun of this.#waiting) begun.time = this.#now();
    for (const step of [...this.#line, ...this.#waiting]) this.#tell(step);
  }

  #now(): number {
    return performance.now() - this.#start;
  }

  #wait(begun: Begun): void {
    begun.waits = this.#waiting.push(begun) - 1;
  }

  /** Tells of all up to the first of which not everything is known. */
  #advance(): void {
    while (this.#line.length > 0) {
      const [first] = this.#line;
      const ready = typeof first === "function" ||
        (first.done && (!first.known || first.known.end));
      if (!ready && this.#line.length <= MOST_HELD) return;
      this.#line.shift();
      if (typeof first === "function" || first.done) this.#tell(first);
      else this.#wait(first); // it blocks the others
    }
  }

  #tell(step: Begun | (() => void)): void {
    if (typeof step === "function") return step();
    const { known, call, args, result } = step;
    if (known) {
      step.end = known.end ?? "client";
      step.connection = this.#clientOf(known, call, args, result);
    }
    step.bytes = bytesOf(call, args, result);
    for (const listener of this.listeners) listener(step);
  }

  #know(socket: AnySocket): Known {
    let known = this.#sockets.get(socket);
    if (!known) {
      known = {
        number: ++this.#seen,
        end: undefined,
        bound: false,
        closed: false,
        connection: 0,
        name: undefined,
      };
      this.#sockets.set(socket, known);
    }
    return known;
  }

  /** Finds the end that a socket belongs to, by the first call that tells. */
  #judge(socket: AnySocket, known: Known, call: string): void {
    const stream = socket instanceof StreamSocket;
    if (call === "bind") known.bound = true;
    if (call === "listen" || (call === "bind" && !stream)) known.end = "server";
    else if (call === "connect" || call === "sendto") {
      known.end = "client";
      known.connection = ++this.#clients;
    } else if (call === "close") known.end = known.bound ? "server" : "client";
  }

  /** Remembers a client by its name, if it has one by now. */
  #meet(socket: AnySocket, known: Known): void {
    const address = nameOf(socket);
    if (address === undefined) return;
    const stream = socket instanceof StreamSocket;
    known.name = stream ? String(address) : portOf(address);
    if (known.name) this.#named.set(known.name, known.connection);
    else this.#unnamed.push(known.connection);
  }

  /** The number of the client whom a call concerns. */
  #clientOf(
    known: Known,
    call: string,
    args: readonly unknown[],
    result: unknown,
  ): number {
    if (known.end !== "server") return known.connection;
    if (call === "sendto") {
      return this.#named.get(portOf(args[1] as Address)) ?? 0;
    }
    if (call === "recvfrom" && result) {
      return this.#numberOf(portOf((result as [unknown, Address])[1]));
    }
    if (call !== "accept" || !result) return known.connection;
    const [client, address] = result as Client;
    return this.#know(client).connection = this.#numberOf(String(address));
  }

  #numberOf(name: string): number {
    if (name === "") return this.#unnamed.shift() ?? ++this.#clients;
    const number = this.#named.get(name) ?? ++this.#clients;
    this.#named.set(name, number);
    return number;
  }
}

// The methods themselves, taken before they are watched.
const streamName = StreamSocket.prototype.getsockname;
const datagramName = DatagramSocket.prototype.getsockname;

function nameOf(socket: AnySocket): Address | undefined {
  try {
    return socket instanceof StreamSocket
      ? streamName.call(socket)
      : datagramName.call(socket);
  } catch {
    return; // it was closed meanwhile
  }
}

/** A datagram socket may have any host, and its peers see one of them. */
function portOf(address: Address): string {
  return `:${address[1]}`;
}

function bytesOf(
  call: string,
  args: readonly unknown[],
  result: unknown,
): number | undefined {
  if (typeof result === "number") return result; // of send, sendto
  if (result instanceof Uint8Array) return result.length;
  if (call === "recvfrom") {
    return (result as [Uint8Array] | undefined)?.[0].length;
  }
  if (call !== "sendall") return;
  const [data] = args as [string | Uint8Array];
  return typeof data === "string" ? encoder.encode(data).length : data?.length;
}

/** So many may wait for a call that blocks before they are told of. */
const MOST_HELD = 256;

const encoder = new TextEncoder();
