/**
 * Where a runtime does not do what the suite says, and the library cannot make
 * it. A case that is listed still runs there, and has to fail: once it passes,
 * the runtime has changed, and the row has to go.
 *
 * @module
 */
import type { RuntimeName } from "../support/runtimes.ts";
import type { Result } from "./suite.ts";

export interface Deviation {
  /** The name of the case. */
  case: string;
  runtime: RuntimeName;
  /** What is seen instead, and why. */
  reason: string;
}

export const deviations: readonly Deviation[] = [
  {
    case: "getpeername() is ENOTCONN once the peer has reset the connection",
    runtime: "deno",
    reason: "keeps the address, as the runtime does",
  },
  {
    case: "getpeername() is ENOTCONN once the peer has reset the connection",
    runtime: "bun",
    reason: "keeps the address, as the other runtimes do",
  },
  {
    case: "getpeername() is ENOTCONN once the peer has reset the connection",
    runtime: "node",
    reason: "keeps the address, as the runtime does",
  },
  {
    case: "connect() waits when backlog + 1 clients wait already",
    runtime: "bun",
    reason: "connects: Bun accepts by itself, and always listens with 512",
  },
  {
    case: "connect() waits when backlog + 1 clients wait already",
    runtime: "node",
    reason: "connects: Node accepts by itself, so the queue never fills",
  },
  {
    case: "accept() is not busy while there is no descriptor",
    runtime: "bun",
    reason: "asks the kernel again at once, and keeps a processor busy",
  },
  {
    case: "connect() is EMFILE while there is no descriptor",
    runtime: "bun",
    reason: "ECONNREFUSED, whatever the errno",
  },
  {
    case: "connect() to 255.255.255.255 is ENETUNREACH",
    runtime: "bun",
    reason: "ECONNREFUSED, whatever the errno; its node:net says so too",
  },
  {
    case: "connect() that was given up frees its descriptor",
    runtime: "bun",
    reason: "stays until the kernel gives up: Bun.connect() has no cancel",
  },
  {
    case: "close() of a socket that connects frees its descriptor",
    runtime: "bun",
    reason: "stays until the kernel gives up: Bun.connect() has no cancel",
  },
  {
    case:
      "setsockopt(IPV6_V6ONLY) keeps IPv4 out, and is EINVAL when listening",
    runtime: "deno",
    reason: "listen() fails with ENOPROTOOPT: Deno has no such option",
  },
  {
    case: "getsockopt(TCP_NODELAY) is off unless it was set",
    runtime: "bun",
    reason: "on, and told so: Bun sets it; off again costs 2% of the exchanges",
  },
  {
    case: "close() with unread bytes resets the connection",
    runtime: "deno",
    reason: "the end: Deno sends a FIN before it closes, and never a RST",
  },
  {
    case: "getsockname() after connect() is the address that the peer sees",
    runtime: "deno",
    reason: "stays 0.0.0.0: its node:dgram does not connect the descriptor",
  },
  {
    case: "connect() of datagrams to another peer keeps the port",
    runtime: "bun",
    reason: "another port: disconnect() has to come first, and gives it up",
  },
  {
    case: "connect() of datagrams to another peer keeps the port",
    runtime: "node",
    reason: "another port: disconnect() has to come first, and gives it up",
  },
  {
    case: "recv() is ECONNREFUSED once where nobody is any more",
    runtime: "deno",
    reason: "silence: its node:dgram does not connect the descriptor",
  },
  {
    case: "close() leaves a file alone that has replaced the socket",
    runtime: "deno",
    reason: "removes whatever has the path, as the runtime does",
  },
  {
    case: "close() leaves a file alone that has replaced the socket",
    runtime: "bun",
    reason: "removes whatever has the path, as the runtime does",
  },
  {
    case: "close() leaves a file alone that has replaced the socket",
    runtime: "node",
    reason: "removes whatever has the path, as the runtime does",
  },
  {
    case: "listen() in a folder that is not there is ENOENT",
    runtime: "node",
    reason: "EACCES: libuv makes one of the other, see uv_pipe_bind2()",
  },
  {
    case: "bind() of an AF_UNIX client is the name that the server sees",
    runtime: "deno",
    reason: "EOPNOTSUPP at connect(): the runtime cannot bind such a client",
  },
  {
    case: "bind() of an AF_UNIX client is the name that the server sees",
    runtime: "bun",
    reason: "EOPNOTSUPP at connect(): the runtime cannot bind such a client",
  },
  {
    case: "bind() of an AF_UNIX client is the name that the server sees",
    runtime: "node",
    reason: "EOPNOTSUPP at connect(): the runtime cannot bind such a client",
  },
  {
    case: "setsockopt(IP_DROP_MEMBERSHIP) of no member is EADDRNOTAVAIL",
    runtime: "deno",
    reason: "EINVAL, whatever the errno",
  },
];

/** The runtime that executes this. */
export const thisRuntime: RuntimeName = "Deno" in globalThis
  ? "deno"
  : "Bun" in globalThis
  ? "bun"
  : "node";

/** The deviation that a case has on a runtime. */
export function deviationOf(
  name: string,
  runtime: RuntimeName,
): Deviation | undefined {
  return deviations.find((one) => one.case === name && one.runtime === runtime);
}

/** What is wrong with a result, if anything is. */
export function judge(
  { name, ok, error }: Result,
  runtime: RuntimeName,
): string | undefined {
  const deviation = deviationOf(name, runtime);
  if (!deviation) return ok ? undefined : error;
  return ok ? `The deviation is gone: ${deviation.reason}` : undefined;
}
