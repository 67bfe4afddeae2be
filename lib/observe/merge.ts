/**
 * Puts the traces of two processes, a server and a client, into one order in which
 * nothing comes before its cause. Their clocks differ by a millisecond or so, which
 * is longer than most calls take, so the clock decides only what no cause does.
 *
 * @module
 */
import type { TracedCall } from "./traced.ts";

/** A call among those of both ends; `connection` is the client's number. */
export type MergedCall = TracedCall;

type End = TracedCall["end"];

/** One end of a connection over a stream, as far as that has been merged. */
interface Stream {
  /** The number of the client. */
  readonly connection: number;
  /** How many bytes it has sent; nobody knows after a call that failed. */
  sent: number;
  received: number;
  /** It has ended what it sends. */
  finished: boolean;
  /** It may receive without a cause: the end after SHUT_RD or a reset. */
  free: boolean;
}

type Ends = [own: Stream, peer: Stream];

/** A datagram that was sent, and the sockets that have received it. */
interface Datagram {
  readonly call: TracedCall;
  readonly receivers: Set<string>;
}

/** Whether a call is one that another waits for. */
type Cause = (call: TracedCall) => boolean;

/** The whole traces of both ends in one order. */
export function merge(
  server: readonly TracedCall[],
  client: readonly TracedCall[],
): MergedCall[] {
  const both = new Merge();
  for (const call of server) both.push("server", call);
  for (const call of client) both.push("client", call);
  for (const end of ENDS) both.end(end);
  return both.take();
}

/**
 * Merges two traces while they grow. Each keeps its order. A successful connect()
 * comes after the listen(), an accept() after its connect(), a receive after the
 * call that sent its last byte, the end of a stream after shutdown() or close(), a
 * datagram after it was sent. What has no cause here waits only until the other
 * end has ended or stands before a call, or until both would wait for each other.
 */
export class Merge {
  readonly #waiting = {
    server: [] as TracedCall[],
    client: [] as TracedCall[],
  };
  readonly #ended = new Set<End>();
  /** They stand before a call: all that they have made is here. */
  readonly #held = new Set<End>();
  /** The ports on which somebody listens, and paths. */
  readonly #listening = new Set<string>();
  /** Connections that have not been accepted, by `keyOf`. */
  readonly #connected = new Map<string, Ends[]>();
  readonly #streams = new Map<string, Ends>();
  readonly #datagrams: Datagram[] = [];
  /** The peers of datagram sockets after connect(), and the sockets themselves. */
  readonly #peers = new Map<string, string | undefined>();
  /** The numbers of clients by the ports of their datagram sockets. */
  readonly #clients = new Map<string, number>();

  /** Adds the next call of an end; those that are not done are not drawn. */
  push(end: End, call: TracedCall): void {
    if (call.held) this.#held.add(end);
    if (call.begins || call.held) return;
    this.#waiting[end].push({ ...call, end });
  }

  /** The call before which an end stands may be made from now on. */
  letGo(end: End): void {
    this.#held.delete(end);
  }

  /** No more calls of this end will come. */
  end(end: End): void {
    this.#ended.add(end);
  }

  /** The calls whose places are known since the last time. */
  take(): MergedCall[] {
    const taken: MergedCall[] = [];
    for (let next; (next = this.#next());) {
      this.#waiting[next.end].shift();
      taken.push(this.#place(next));
    }
    return taken;
  }

  #next(): TracedCall | undefined {
    const firsts = ENDS.flatMap((end) => {
      const call = this.#waiting[end][0];
      return call ? [{ call, cause: this.#causeOf(call) }] : [];
    }).sort((a, b) => a.call.at - b.call.at);
    const ready = firsts.find(({ cause }) => !cause);
    if (ready || firsts.length === 0) return ready?.call;
    // Its cause may be foreign, or be missing from the trace.
    const lone = firsts.find(({ call: { end }, cause }) => {
      const other = this.#waiting[OTHER[end]];
      const hopeless = firsts.length === 2 || this.#ended.has(OTHER[end]) ||
        this.#held.has(OTHER[end]);
      return (hopeless && !other.some(cause!)) ||
        this.#waiting[end].some(cause!);
    });
    return (lone ?? (firsts.length === 2 ? firsts[0] : undefined))?.call;
  }

  /** What a call waits for; undefined if that has been placed, or it needs none. */
  #causeOf(call: TracedCall): Cause | undefined {
    const { end, error, result, bytes = 0 } = call;
    if (error !== undefined || result === undefined) return;
    const name = call.call;
    if (name === "connect" && !this.#isDatagram(call)) {
      const port = portOf(call.peer);
      if (!port || this.#listening.has(port)) return;
      return (other) => other.call === "listen" && portOf(other.name) === port;
    }
    if (name === "accept") {
      const key = keyOf(call.peer, call.name);
      if (this.#connected.get(key)?.length) return;
      return (other) =>
        other.call === "connect" && keyOf(other.name, other.peer) === key;
    }
    if (!/^(recv|lose)/.test(name)) return;
    if (this.#isDatagram(call)) {
      return this.#datagramFor(call)
        ? undefined
        : (other) => this.#hasSent(other, call);
    }
    const [own, peer] = this.#streams.get(socketOf(end, call.descriptor)) ?? [];
    if (!own || !peer || peer.sent >= own.received + bytes && bytes > 0) return;
    if (bytes === 0 && (peer.finished || own.free)) return;
    return (other) =>
      other.end !== end && /^(send|shutdown|close)/.test(other.call);
  }

  /** Notes what a call causes, and gives it the client's number. */
  #place(call: TracedCall): MergedCall {
    const { call: name, end, error, args, bytes = 0 } = call;
    const socket = socketOf(end, call.descriptor);
    if (name === "socket" && args[1] === "SOCK_DGRAM") {
      this.#peers.set(socket, undefined);
    }
    if (this.#isDatagram(call)) return this.#placeDatagram(call, socket);
    const failed = error !== undefined || call.result === undefined;
    if (name === "listen" && !failed) this.#listening.add(portOf(call.name));
    if (name === "connect" && !failed) this.#connect(call, socket);
    if (name === "accept" && !failed) return this.#accept(call);
    const [own] = this.#streams.get(socket) ?? [];
    if (!own) return call;
    if (name.startsWith("send")) own.sent += failed ? Infinity : bytes;
    if (name.startsWith("recv")) own.received += bytes;
    if (name.startsWith("recv") && failed || /_RD(WR)?$/.test(args[0])) {
      own.free = true;
    }
    if (name === "close" || /_(RD)?WR$/.test(args[0])) own.finished = true;
    return { ...call, connection: own.connection };
  }

  #connect(call: TracedCall, socket: string): void {
    const { connection } = call;
    const ends: Ends = [{ ...NEW, connection }, { ...NEW, connection }];
    const key = keyOf(call.name, call.peer);
    this.#connected.set(key, [...this.#connected.get(key) ?? [], ends]);
    this.#streams.set(socket, ends);
  }

  #accept(call: TracedCall): MergedCall {
    const ends = this.#connected.get(keyOf(call.peer, call.name))?.shift();
    if (!ends) return call; // of a client that has no trace
    const [peer, own] = ends;
    this.#streams.set(socketOf(call.end, call.made ?? 0), [own, peer]);
    return { ...call, connection: own.connection };
  }

  #isDatagram({ call, end, descriptor }: TracedCall): boolean {
    return /^(sendto|recvfrom|lose)$/.test(call) ||
      this.#peers.has(socketOf(end, descriptor));
  }

  #placeDatagram(call: TracedCall, socket: string): MergedCall {
    const { call: name, end, error, connection } = call;
    const peer = call.peer ?? this.#peers.get(socket);
    if (name === "connect" && !error) this.#peers.set(socket, peer);
    if (end === "client" && connection > 0 && call.name) {
      this.#clients.set(portOf(call.name), connection);
    }
    if (name.startsWith("send") && !error) {
      this.#datagrams.push({ call: { ...call, peer }, receivers: new Set() });
    }
    if (/^(recv|lose)/.test(name)) {
      this.#datagramFor(call)?.receivers.add(socket);
    }
    const number = end === "server" && this.#clients.get(portOf(call.peer));
    return number ? { ...call, connection: number } : call;
  }

  /** The datagram that a call receives, if it has been sent. */
  #datagramFor(receive: TracedCall): Datagram | undefined {
    const socket = socketOf(receive.end, receive.descriptor);
    return this.#datagrams.find(({ call, receivers }) =>
      !receivers.has(socket) && this.#hasSent(call, receive)
    );
  }

  /** Whether the one call sends what the other receives, as far as is known. */
  #hasSent(send: TracedCall, receive: TracedCall): boolean {
    if (!send.call.startsWith("send") || send.error) return false;
    const peerOf = (call: TracedCall) =>
      call.peer ?? this.#peers.get(socketOf(call.end, call.descriptor));
    const [sent, received] = [
      send.args[0],
      receive.call === "lose" ? receive.args[0] : receive.result ?? "",
    ].map(contentOf);
    // A socket without a host of its own has one for its peers: ports are enough.
    return portOf(send.name) === portOf(peerOf(receive) ?? receive.args[1]) &&
      portOf(peerOf(send)) === portOf(receive.name) &&
      (sent.startsWith(received) || received.startsWith(sent));
  }
}

const NEW = { sent: 0, received: 0, finished: false, free: false };

/** Tells sockets apart; descriptors are not used again. */
function socketOf(end: End, descriptor: number): string {
  return `${end} ${descriptor}`;
}

/** Tells connections apart that are not accepted: by the client's address. */
function keyOf(client: string | undefined, server: string | undefined) {
  return `${(client ?? "").replace("::ffff:", "")} ${portOf(server)}`;
}

/** The port of an address, or a path. */
function portOf(address = ""): string {
  return address.match(/, (\d+)\)$/)?.[1] ?? address;
}

/** The bytes of a datagram, as many as a trace shows. */
function contentOf(words: string): string {
  return words.match(/^"((?:[^"\\]|\\.)*)"/)?.[1] ?? words;
}

const ENDS = ["server", "client"] as const;
const OTHER = { server: "client", client: "server" } as const;
