/**
 * The calls of a datagram socket, on the state that the socket keeps.
 *
 * @module
 */
import { type Address, checkAddress, resolveAddress } from "./address.ts";
import type { DatagramState } from "./datagram_socket.ts";
import { quiet, refused, Waiter } from "./queues.ts";
import { type Datagram, type Endpoint, open } from "./runtimes/datagram.ts";
import { codeOf, SocketError } from "./socket_error.ts";

type Data = string | Uint8Array;
type Signal = AbortSignal | undefined;

/** See {@linkcode DatagramSocket.bind}. */
export function bind(state: DatagramState, address: Address): Promise<void> {
  return attempt(state, "bind", address, async () => {
    checkAddress(state.family, address, "bind");
    if (state.opening) throw { code: "EINVAL" };
    await named(state, "bind", address);
  });
}

/** See {@linkcode DatagramSocket.connect}. */
export function connect(state: DatagramState, address: Address): Promise<void> {
  const before = state.connecting;
  return state.connecting = attempt(state, "connect", address, async () => {
    checkDestination(state, "connect", address);
    await before?.catch(() => {});
    const [host, port] = await resolveAddress(state.family, address, "connect");
    // To any host is to this one: ip(7). Its answers come from its own address.
    const peer: [string, number] = [THIS_HOST[host] ?? host, Number(port)];
    const endpoint = await (state.opening ?? named(state, "connect"));
    if (forbidden(state, peer)) throw { code: "EACCES" };
    state.peer = undefined;
    await endpoint.connect(peer);
    state.peer = peer;
  });
}

/** See {@linkcode DatagramSocket.send}. */
export function send(
  state: DatagramState,
  data: Data,
  signal: Signal,
): Promise<number> {
  if (!state.peer) return refused(errorOf(state, "EDESTADDRREQ", "send"));
  return transmit(state, "send", data, undefined, signal);
}

/** See {@linkcode DatagramSocket.sendto}. */
export function sendto(
  state: DatagramState,
  data: Data,
  address: Address,
  signal: Signal,
): Promise<number> {
  try {
    checkDestination(state, "sendto", address);
  } catch (error) {
    return refused(error);
  }
  if (state.peer) return refused(errorOf(state, "EISCONN", "sendto", address));
  return transmit(state, "sendto", data, address, signal);
}

/** See {@linkcode DatagramSocket.recvfrom}. */
export function receive(
  state: DatagramState,
  call: "recv" | "recvfrom",
  size: number,
  signal: Signal,
): Promise<Datagram> {
  if (!Number.isInteger(size) || size < 0) {
    return refused(new RangeError(`Cannot receive ${size} bytes`));
  }
  if (!state.endpoint) return refused(errorOf(state, "EINVAL", call));
  return state.endpoint.take(call, size, state.timeout, signal);
}

/** See {@linkcode DatagramSocket.close}. */
export async function close(state: DatagramState): Promise<void> {
  const { endpoint, opening } = state;
  state.endpoint = undefined;
  endpoint?.drop("EBADF");
  await endpoint?.close();
  await opening?.catch(() => {});
}

function transmit(
  state: DatagramState,
  call: "send" | "sendto",
  data: Data,
  to: Address | undefined,
  signal: Signal,
): Promise<number> {
  if (signal?.aborted) return refused(signal.reason);
  const bytes = typeof data === "string" ? encoder.encode(data) : data;
  if (!(bytes instanceof Uint8Array)) {
    return refused(new TypeError(`Cannot ${call}: neither text nor bytes`));
  }
  // Some runtimes would be silent.
  if (bytes.length > (state.family === "AF_INET" ? 65507 : 65527)) {
    return refused(errorOf(state, "EMSGSIZE", call, to));
  }
  const target = !to || to[0] === state.literal
    ? to
    : resolveAddress(state.family, to, call);
  let sent: Promise<number>;
  if (state.endpoint && !(target instanceof Promise)) {
    state.literal = target?.[0];
    sent = sendNow(state, state.endpoint, call, bytes, target);
  } else {
    sent = attempt(state, call, to, async () => {
      const address = await target;
      if (address && address[0] === to![0]) state.literal = to![0];
      const endpoint = await (state.opening ?? named(state, call));
      return await sendNow(state, endpoint, call, bytes, address);
    });
  }
  if (state.timeout === null && !signal) return sent;
  const waiter = new Waiter<number>();
  const late = () => errorOf(state, "ETIMEDOUT", call, to);
  waiter.limit(state.timeout, signal, late, () => {});
  sent.then((length) => waiter.resolve(length), (e) => waiter.reject(e));
  return waiter.promise;
}

function sendNow(
  state: DatagramState,
  endpoint: Endpoint,
  call: string,
  bytes: Uint8Array,
  to: Address | undefined,
): Promise<number> {
  if (to && forbidden(state, to)) {
    return refused(errorOf(state, "EACCES", call, to));
  }
  return endpoint.send(call, bytes, to);
}

/** Whether the socket had to ask for it; Deno would send it all the same. */
function forbidden({ options }: DatagramState, to: Address): boolean {
  return BROADCAST.includes(String(to[0])) && !options.get("SO_BROADCAST");
}

/** Gives the socket this name, or one that the system chooses. */
function named(
  state: DatagramState,
  call: string,
  address?: Address,
): Promise<Endpoint> {
  const { family, options } = state;
  const opening = async () => {
    try {
      const name = address && await resolveAddress(family, address, call);
      const endpoint = await open(family, name, {
        reuseAddr: Boolean(options.get("SO_REUSEADDR")),
        ipv6Only: Boolean(options.get("IPV6_V6ONLY")),
      });
      if (state.closing) {
        await endpoint.close();
        throw errorOf(state, "EBADF", call);
      }
      try {
        for (const [option, value] of options) endpoint.set(option, value);
      } catch (error) {
        await endpoint.close();
        throw error;
      }
      return state.endpoint = endpoint;
    } catch (error) {
      state.opening = undefined;
      throw error;
    }
  };
  return state.opening = quiet(opening());
}

function checkDestination(
  { family }: DatagramState,
  call: string,
  address: Address,
): void {
  checkAddress(family, address, call);
  if (address[1] !== 0) return;
  throw new RangeError(`Cannot ${call}: port 0 is no one's`);
}

/** Does it unless the socket is closed; what fails is the library's own error. */
function attempt<T>(
  state: DatagramState,
  call: string,
  address: Address | undefined,
  work: () => Promise<T>,
): Promise<T> {
  if (state.closing) return refused(errorOf(state, "EBADF", call, address));
  return quiet(
    work().catch((error) => {
      if (
        error instanceof SocketError || error instanceof RangeError
      ) throw error;
      if (error instanceof TypeError) throw error;
      throw errorOf(state, codeOf(error), call, address, error);
    }),
  );
}

/** A closed socket has no other error than that. */
function errorOf(
  { closing, peer }: Pick<DatagramState, "closing" | "peer">,
  code: string,
  call: string,
  address?: Address,
  cause?: unknown,
): SocketError {
  return new SocketError(
    closing ? "EBADF" : code,
    call,
    address ?? peer,
    cause,
  );
}

/** The limited broadcast, and that of the loopback network. */
const BROADCAST = ["255.255.255.255", "127.255.255.255"];

const THIS_HOST: Record<string, string> = {
  "0.0.0.0": "127.0.0.1",
  "::": "::1",
};

const encoder = new TextEncoder();
