/**
 * Watches the socket calls of a program. Loaded when somebody observes; the
 * methods of the sockets are replaced only as long as somebody does.
 *
 * @module
 */
import { type AnySocket, CallOrder, type SocketCall } from "./call_order.ts";
import { DatagramSocket } from "../sockets/datagram_socket.ts";
import { observeCreation } from "../sockets/socket.ts";
import { SocketError } from "../sockets/socket_error.ts";
import { StreamSocket } from "../sockets/stream_socket.ts";

let order: CallOrder | undefined;

/** Calls `listener` with each socket call; returns what stops that. */
export function observe(listener: (call: SocketCall) => void): () => void {
  if (!order) watch(order = new CallOrder());
  const { listeners } = order;
  listeners.add(listener);
  return () => {
    if (!listeners.has(listener)) return;
    if (listeners.size === 1) {
      unwatch();
      order?.finish();
      order = undefined;
    }
    listeners.delete(listener);
  };
}

/** Does the work when the calls so far have been told of. */
export function inOrder(work: () => void): void {
  if (order) order.insert(work);
  else work();
}

type Method = (this: AnySocket, ...args: unknown[]) => unknown;

/** The methods that are watched, where each belongs. */
const methods: [owner: Record<string, Method>, call: string, Method][] = [];

/** The calls that the other end lets return. */
const WAITING = ["accept", "recv", "recvfrom"];
const CALLS = [
  ...["bind", "listen", "connect", "send", "sendall", "sendto", "shutdown"],
  ...["close", "getsockname", "getpeername", "setsockopt", "getsockopt"],
  ...WAITING,
];

function watch(order: CallOrder): void {
  for (const { prototype } of [StreamSocket, DatagramSocket]) {
    const owner = prototype as unknown as Record<string, Method>;
    for (const call of CALLS.filter((name) => name in owner)) {
      methods.push([owner, call, owner[call]]);
      owner[call] = watched(order, call, owner[call]);
    }
  }
  observeCreation((family, type, made) => {
    const [socket, error] = made instanceof SocketError
      ? [undefined, made]
      : [made, undefined];
    order.end(order.begin(socket, "socket", [family, type])!, error, socket);
  });
}

function unwatch(): void {
  for (const [owner, call, method] of methods.splice(0)) owner[call] = method;
  observeCreation();
}

/** A method that tells of itself. */
function watched(order: CallOrder, call: string, method: Method): Method {
  const waits = WAITING.includes(call);
  return function (...args) {
    const begun = order.begin(this, call, args, waits);
    if (!begun) return method.apply(this, args);
    const done = (result: unknown) => order.end(begun, undefined, result);
    const failed = (error: unknown) => order.end(begun, error, undefined);
    try {
      const result = method.apply(this, args);
      if (result instanceof Promise) result.then(done, failed);
      else done(result);
      return result;
    } catch (error) {
      failed(error);
      throw error;
    }
  };
}
