/**
 * Observes the socket calls of a program: replaces the sockets' methods while
 * somebody observes, and only then. Loaded only if somebody does.
 *
 * @module
 */
import { DatagramSocket } from "../sockets/datagram_socket.ts";
import { observeCreation } from "../sockets/socket.ts";
import { SocketError } from "../sockets/socket_error.ts";
import { StreamSocket } from "../sockets/stream_socket.ts";
import { handled } from "../sockets/waiter.ts";
import {
  type AnySocket,
  CallOrder,
  type Hooks,
  type PendingCall,
} from "./call_order.ts";

let order: CallOrder | undefined;
let unobserveCreation: () => void;

/** Calls `listener` with each socket call; returns what stops that. */
export function observe(
  listener: (call: PendingCall) => void,
  hooks: Hooks = {},
): () => void {
  if (!order) watch(order = new CallOrder(hooks));
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

/** Does the work once the calls so far have been reported. */
export function inOrder(work: () => void): void {
  if (order) order.insert(work);
  else work();
}

type Call = Parameters<CallOrder["prepare"]>;
type Method = (this: AnySocket, ...args: unknown[]) => unknown;

/** The original methods. */
const methods: [owner: Record<string, Method>, call: string, Method][] = [];

/** The calls that wait for the other end. */
const BLOCKING = ["accept", "recv", "recv_into", "recvfrom"];
const CALLS = [
  ...["bind", "listen", "connect", "send", "sendall", "sendto", "shutdown"],
  ...["close", "getsockname", "getpeername", "setsockopt", "getsockopt"],
  ...BLOCKING,
];
/** Those that return no promise: they cannot wait. */
const AT_ONCE = ["getsockname", "getpeername", "setsockopt", "getsockopt"];

function watch(order: CallOrder): void {
  for (const { prototype } of [StreamSocket, DatagramSocket]) {
    const owner = prototype as unknown as Record<string, Method>;
    for (const call of CALLS.filter((name) => name in owner)) {
      methods.push([owner, call, owner[call]]);
      owner[call] = watched(order, call, owner[call]);
    }
  }
  unobserveCreation = observeCreation((family, type, made) => {
    const [socket, error] = made instanceof SocketError
      ? [undefined, made]
      : [made, undefined];
    const call: Call = [socket, "socket", [family, type]];
    passing(order, call, () => order.end(order.begin(...call)!, error, socket));
  });
}

/** Reports a call that returns at once, when the gate lets it pass. */
function passing(
  order: CallOrder,
  call: Call,
  report: () => void,
): void {
  const { gate } = order.hooks;
  if (gate) gate(order.prepare(...call), report, true);
  else report();
}

function unwatch(): void {
  for (const [owner, call, method] of methods.splice(0)) owner[call] = method;
  unobserveCreation();
}

/** The method, which also reports each call. */
function watched(order: CallOrder, call: string, method: Method): Method {
  const blocks = BLOCKING.includes(call);
  return function (...args) {
    watchOwn(order, this as unknown as Record<string, Method>);
    if (order.hooks.gate && AT_ONCE.includes(call)) {
      return passLater(
        order,
        [this, call, args],
        () => method.apply(this, args),
      );
    }
    const make = () => {
      const pending = order.begin(this, call, args, blocks);
      if (!pending) return method.apply(this, args);
      const done = (result: unknown) => order.end(pending, undefined, result);
      const failed = (error: unknown = new DOMException(...LEFT)) =>
        order.end(pending, error, undefined);
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
    const { gate } = order.hooks;
    if (!gate || (call === "close" && order.isClosed(this))) return make();
    return handled(
      new Promise((resolve) => {
        const go = () => resolve(new Promise((made) => made(make())));
        gate(order.prepare(this, call, args), go, false);
      }),
    );
  };
}

/** Makes a call that cannot wait, and reports it when the gate lets it pass. */
function passLater(
  order: CallOrder,
  call: Call,
  method: () => unknown,
): unknown {
  let [result, error]: unknown[] = [];
  const report = () => order.end(order.begin(...call)!, error, result);
  try {
    return result = method();
  } catch (thrown) {
    throw error = thrown;
  } finally {
    passing(order, call, report);
  }
}

/** Watches the methods of a lossy socket, which hide those of its class. */
function watchOwn(order: CallOrder, socket: Record<string, Method>): void {
  for (const call of ["recv", "recvfrom", "lose"]) {
    if (!Object.hasOwn(socket, call) || own.has(socket[call])) continue;
    own.add(socket[call] = watched(order, call, socket[call]));
  }
}

const own = new WeakSet<Method>();

/** Why a call of a loop did not end: it rejects without a reason. */
const LEFT = ["the loop was left", "AbortError"] as const;
