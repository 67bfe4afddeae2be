/**
 * What the user can do about a socket call that failed; loaded by `printFailure`.
 *
 * @module
 */
import type { Address } from "../sockets/address.ts";
import { WINDOWS } from "../sockets/runtimes/system.ts";
import { socket } from "../sockets/socket.ts";
import type { SocketError } from "../sockets/socket_error.ts";
import { command, mayUse } from "../process/process.ts";
import type { Experiment, Settings } from "./settings.ts";

/** The advice, in one line; undefined if the message says all there is. */
export async function adviceFor(
  { code, call, address, cause }: SocketError,
  script: Pick<Experiment, "url" | "port">,
  { timeout, flags }: Pick<Settings, "flags" | "timeout">,
): Promise<string | undefined> {
  const path = typeof address === "string";
  const kind = KINDS[call] ?? call;
  // A permission of Deno, which says EPERM for the look-up of a name.
  const why = (cause ?? {}) as Partial<SocketError>;
  if (why.name === "NotCapable" || code === "EACCES" && why.code === "EPERM") {
    const [flag = "--allow-net"] = why.message?.match(/--allow-\w+/) ?? [];
    return `Add ${flag} before the name of the script`;
  }
  if (code === "ECONNREFUSED" || (code === "ENOENT" && call === "connect")) {
    const [file] = script.url.match(/(scripts\/)?[^/]+$/)!;
    const port = path ? script.port : address?.[1];
    const local = call === "connect" && address?.[0] === "127.0.0.1";
    if (local && await isTaken([DEBIAN, Number(port)])) {
      return `A server has this port at ${DEBIAN} (a machine's own name on ` +
        `Debian): add --host ${DEBIAN}`;
    }
    let options = port === script.port ? "" : ` --port ${port}`;
    for (const [name, value] of Object.entries(flags)) {
      if (path && value !== undefined) options += ` --${name} ${value}`;
    }
    return `Start the server first: ${command} ${file} server${options}`;
  }
  const found = !["bind", "connect", "parseAddress"].includes(kind);
  if (code === "ETIMEDOUT" && found && timeout !== undefined) {
    return call.startsWith("send")
      ? `The other end read nothing in ${timeout} ms (--timeout)`
      : `Nothing came in ${timeout} ms: is it the right server? (--timeout)`;
  }
  const low = Number(address?.[1]) < 1024 && !WINDOWS;
  if (code === "EACCES" && kind === "bind" && low) {
    return "Ports below 1024 are for root: choose another with --port";
  }
  const advice = path ? FOR_PATHS : FOR_HOSTS;
  return advice[`${kind} ${code}`] ?? advice[code] ??
    FOR_BOTH[`${kind} ${code}`] ?? FOR_BOTH[code];
}

/** Debian's address for the name of a machine, to which Python's servers bind. */
const DEBIAN = "127.0.1.1";

/** Whether a server has the address. Asking it to connect might disturb it. */
async function isTaken(address: Address): Promise<boolean> {
  if (!mayUse(DEBIAN)) return false;
  await using probe = socket();
  return await probe.bind(address)
    .then(() => false, ({ code }: SocketError) => code === "EADDRINUSE");
}

/** Calls that fail for the same reasons as another one. */
const KINDS: Record<string, string> = { listen: "bind", send: "sendto" };

// By the code, or by the call and the code. There is no advice where the message
// says enough (EPROTO), where it must not be loaded (EMFILE: see print.ts), where
// the program is wrong (EINVAL of a host), or where nobody knows the cause (EIO).

const FOR_HOSTS: Record<string, string> = {
  "bind EADDRINUSE":
    "Another server has this port: stop it, or choose another with --port",
  "bind EADDRNOTAVAIL":
    "A server listens on an address of its own machine: see --host",
  "connect EADDRNOTAVAIL": "All ephemeral ports are taken: wait a minute",
  "bind EACCES": "This system reserves the port: choose another with --port",
  "socket EAFNOSUPPORT": "Run it in WSL, or tcp_hello, which is alike over TCP",
  EACCES: "A firewall or a route prohibits it, or it is a broadcast address",
  "connect EPERM": "A firewall prohibits it",
  "sendto EPERM": "A firewall prohibits it",
  EAFNOSUPPORT:
    "This experiment uses IPv4: give --host an IPv4 address or a name",
  ENOTFOUND: "Check the name after --host",
  EAI_AGAIN: "Check this machine's network and its name server",
  ENODEV: "Check the network interface after the % of --host",
  ENETUNREACH: "Check the address after --host, and this machine's network",
  EHOSTUNREACH: "Check the address after --host, and that its machine is on",
  "line ETIMEDOUT":
    "The server is there, but silent for too long: run it again",
  "bind ETIMEDOUT": "Check this machine's network and its name server",
  "parseAddress ETIMEDOUT": "Check this machine's network and its name server",
  ETIMEDOUT: "Nothing answered: check --host, --port, and that a server runs",
};

const FOR_PATHS: Record<string, string> = {
  "bind EACCES": "Check that this user may write in its folder",
  EACCES: "Check that this user may write to it",
  EEXIST: "Choose another name: nothing is overwritten",
  EPERM: "Its file system or its attributes prohibit it: choose another path",
  EINVAL: "The path of a socket has 1 to 107 bytes",
  "append to EINVAL": "Choose a new file, or one that event_log has created",
  EISDIR: "Choose a path that is not a folder",
  ELOOP: "Check the path: its symbolic links lead in a circle",
  ENAMETOOLONG: "Choose a shorter path",
  ENOENT: "Check that its folder exists",
  ENOSPC: "Make room on its disk, or choose another path",
  ENOTSOCK: "Another file has this path: choose another",
  ENXIO: "Choose a file, not a device",
  ENOTDIR: "Check the path: a part of it is a file, not a folder",
  EPROTOTYPE: "A datagram socket has this path: choose another",
  EROFS: "Choose a path on a file system that can be written",
};

const FOR_BOTH: Record<string, string> = {
  "sendto EMSGSIZE": "A datagram has at most 65507 bytes, over IPv6 65527",
  ENFILE: "Close other programs: this machine has no more open files",
  ENOBUFS: "Close other programs: the system has no more memory for sockets",
  ENOMEM: "Close other programs: the system has no more memory",
  EMSGSIZE: "The message has no end, or is too long: is it the right server?",
  EBADMSG: "The other end closed too early: run it again",
  ECONNABORTED: "The other end reset the connection: run it again",
  ECONNRESET: "The other end reset the connection: run it again",
  EPIPE: "The other end reset the connection: run it again",
};
