/**
 * Where a runtime does not do what the suite says, and the library cannot make
 * it. A case that is listed still runs there, and has to fail: once it passes,
 * the runtime has changed, and the row has to go.
 *
 * @module
 */
import type { RuntimeName } from "../support/runtimes.ts";
import type { Result } from "./fixtures.ts";

/** What is seen instead and why, by the name of the case and the runtime. */
type Deviations = Record<string, Partial<Record<RuntimeName, string>>>;

export const deviations: Deviations = {
  "getpeername() is ENOTCONN once the peer has reset the connection": {
    deno: "keeps the address, as the runtime does",
    bun: "keeps the address, as the other runtimes do",
    node: "keeps the address, as the runtime does",
  },
  "accept() tells the address of a client that has reset before it": {
    deno: "passes it over: its accept() fails with ENOTCONN",
    bun: "unknown: Bun asks getpeername(2), which is ENOTCONN after a reset",
    node: "unknown: libuv asks getpeername(2), which is ENOTCONN after a reset",
  },
  "accept() gives what a client has sent before it has reset": {
    deno: "passes it over: its accept() fails with ENOTCONN",
  },
  "connect() waits when backlog + 1 clients wait already": {
    bun: "connects: Bun accepts by itself, and always listens with 512",
    node: "connects: Node accepts by itself, so the queue never fills",
  },
  "accept() is not busy while there is no descriptor": {
    bun: "asks the kernel again at once, and keeps a processor busy",
  },
  "connect() is EMFILE while there is no descriptor": {
    bun: "ECONNREFUSED, whatever the errno",
  },
  "connect() that was given up frees its descriptor": {
    bun: "stays until the kernel gives up: Bun.connect() has no cancel",
  },
  "close() of a socket that connects frees its descriptor": {
    bun: "stays until the kernel gives up: Bun.connect() has no cancel",
  },
  "setsockopt(IPV6_V6ONLY) keeps IPv4 out, and is EINVAL when listening": {
    deno: "bind() fails with ENOPROTOOPT: Deno has no such option",
  },
  "setsockopt(SO_LINGER, 0) makes close() reset the connection": {
    deno: "ENOPROTOOPT: Deno never sends a RST",
  },
  "setsockopt(SO_LINGER) cannot make close() wait": {
    deno: "ENOPROTOOPT: Deno never sends a RST",
  },
  "getsockopt(TCP_NODELAY) is off unless it was set": {
    bun: "on, and told so: Bun sets it; off again costs 2% of the exchanges",
  },
  ...of(["connected", "accepted"], {
    "recv_into() a buffer that is transferred meanwhile takes nothing": {
      deno: "its new owner has the bytes: Deno reads into the buffer itself",
    },
  }),
  "close() with unread bytes resets the connection": {
    deno: "the end: Deno sends a FIN before it closes, and never a RST",
  },
  "getsockname() after connect() is the address that the peer sees": {
    deno: "stays 0.0.0.0: its node:dgram does not connect the descriptor",
  },
  "connect() of datagrams to another peer keeps the port": {
    bun: "another port: disconnect() has to come first, and gives it up",
    node: "another port: disconnect() has to come first, and gives it up",
  },
  "recv() is ECONNREFUSED once where nobody is any more": {
    deno: "silence: its node:dgram does not connect the descriptor",
  },
  "close() leaves a file alone that has replaced the socket": {
    deno: "removes whatever has the path, as the runtime does",
    bun: "removes whatever has the path, as the runtime does",
    node: "removes whatever has the path, as the runtime does",
  },
  "bind() of an AF_UNIX client is the name that the server sees": {
    deno: "EOPNOTSUPP at connect(): the runtime cannot bind such a client",
    bun: "EOPNOTSUPP at connect(): the runtime cannot bind such a client",
    node: "EOPNOTSUPP at connect(): the runtime cannot bind such a client",
  },
  "sendto() to all hosts of a network needs SO_BROADCAST, else EACCES": {
    deno: "ENETUNREACH, as connect(2) over TCP has it: node:dgram says UNKNOWN",
  },
  "setsockopt(IP_DROP_MEMBERSHIP) of no member is EADDRNOTAVAIL": {
    deno: "EINVAL, whatever the errno",
  },
  "a process ends by itself after a sendall() that timed out": {
    deno: "not before the peer reads or goes: unref() is for reads alone",
    node:
      "not before the peer reads or goes: a write counts in uv_loop_alive()",
  },
  "connect() of a client that is bound takes a zone, too": {
    deno: "EINVAL: its node:net, which binds the client, drops the zone",
  },
  "connect() through an interface that is not there fails in words": {
    node: "EADDRNOTAVAIL: libuv goes on without a zone that it does not know",
  },
  "recvfrom() gives the sender's zone, and sendto() answers it": {
    deno: "no zone: its node:dgram drops it",
  },
  "connect() to a host that is silent is ETIMEDOUT when the kernel says so": {
    bun: "ECONNREFUSED, whatever the errno; its node:net says so too",
  },
  "connect() whose server replies and exits at once loses nothing (AF_UNIX)": {
    bun: "ECONNRESET, and the reply is lost; its node:net does so too",
  },
};

/** The same for cases that stand once for each origin: see `casesOfEach`. */
function of(origins: string[], rows: Deviations): Deviations {
  const named = Object.entries(rows).flatMap(([name, row]) =>
    origins.map((origin) => [`${name} (${origin})`, row] as const)
  );
  return Object.fromEntries(named);
}

/** The runtime that executes this. */
export const thisRuntime: RuntimeName = "Deno" in globalThis
  ? "deno"
  : "Bun" in globalThis
  ? "bun"
  : "node";

/** What is wrong with a result, if anything is. */
export function judge(
  { name, ok, error, left }: Result,
  runtime: RuntimeName,
): string | undefined {
  if (left) return `It has left behind: ${left.join(", ")}\n${error ?? ""}`;
  const reason = deviations[name]?.[runtime];
  if (!reason) return ok ? undefined : error;
  return ok ? `The deviation is gone: ${reason}` : undefined;
}
