/**
 * The error that a failed socket call throws: its POSIX name is the same on
 * every runtime, so that a program can switch on it.
 *
 * @module
 */
import { type Address, displayAddress } from "./address.ts";
import { escapeControls } from "./escape.ts";

/**
 * A socket call that failed, as errno(3) and the call's own man page name it.
 *
 * ```ts
 * import { AF_INET, socket, SOCK_STREAM, SocketError } from "../mod.ts";
 *
 * try {
 *   await socket(AF_INET, SOCK_STREAM).connect(["127.0.0.1", 9]);
 * } catch (error) {
 *   if (!(error instanceof SocketError)) throw error;
 *   error.code; // "ECONNREFUSED"
 *   error.message; // "Cannot connect to 127.0.0.1:9: connection refused"
 * }
 * ```
 */
export class SocketError extends Error {
  override name = "SocketError";
  /** The POSIX name, such as `"ECONNREFUSED"`. */
  readonly code: string;
  /** The call that failed, such as `"connect"`. */
  readonly call: string;
  /** The address that the call was about, if it had one. */
  readonly address: Address | undefined;

  constructor(code: string, call: string, address?: Address, cause?: unknown) {
    const action = ACTIONS[call] ?? call;
    const where = address === undefined || address === ""
      ? action.replace(/ (to|from|on|of)$/, "")
      : `${action} ${displayAddress(address)}`;
    const denied = (cause as Error | undefined)?.name === "NotCapable"
      ? ` (${(cause as Error).message})`
      : "";
    super(
      escapeControls(`Cannot ${where}: ${meaningOf(code, call)}${denied}`),
      cause === undefined ? undefined : { cause },
    );
    this.code = code;
    this.call = call;
    this.address = address;
  }
}

/** What a POSIX name means, in a few words; of a call if that makes a difference. */
export function meaningOf(code: string, call = ""): string {
  return MEANINGS[`${call} ${code}`] ?? MEANINGS[code] ?? code;
}

/** The POSIX name of what a runtime threw, whatever its own name for it is. */
export function codeOf(error: unknown): string {
  const { name, code, message } = error as Error & { code?: unknown };
  // Deno's, of the system and of getaddrinfo(3)
  const words = message?.replace(/^failed to lookup.*: | \(os error.*/g, "");
  const known = KNOWN[typeof code === "string" ? code : name] ?? KNOWN[words];
  if (known) return known;
  // Windows' own names begin with WSA.
  const [, posix] = String(code).match(/^(?:WSA)?(E(?!RR_)[A-Z0-9_]+)$/) ?? [];
  return posix ?? "EIO";
}

/** Names that are not POSIX's, by the runtime that uses them. */
const KNOWN: Record<string, string> = {
  // Deno's classes; its errors of the system carry a code, but for a few
  BadResource: "EBADF",
  NotCapable: "EACCES",
  "No such device": "ENODEV",
  "Name or service not known": "ENOTFOUND",
  "No address associated with hostname": "ENOTFOUND",
  "Temporary failure in name resolution": "EAI_AGAIN",
  "Protocol wrong type for socket": "EPROTOTYPE",
  // Node and Bun
  ERR_STREAM_DESTROYED: "EPIPE",
  ERR_STREAM_WRITE_AFTER_END: "EPIPE",
  ERR_SOCKET_CLOSED: "EPIPE",
  ERR_SOCKET_DGRAM_NOT_RUNNING: "EBADF",
};

const ACTIONS: Record<string, string> = {
  socket: "create a socket",
  bind: "bind to",
  listen: "listen on",
  accept: "accept on",
  connect: "connect to",
  send: "send to",
  sendall: "send to",
  sendto: "send to",
  recv: "receive from",
  recv_into: "receive from",
  recvfrom: "receive from",
  shutdown: "shut down the connection to",
  getsockname: "get the socket name of",
  getpeername: "get the peer name of",
  gethostname: "get the host name",
  getservbyname: "find the service",
  parseAddress: "find the host",
  settimeout: "set the timeout",
  setsockopt: "set the option of",
  getsockopt: "get the option of",
  line: "read a line from",
  until: "read from",
  exactly: "read from",
  some: "read from",
  all: "read from",
};

const MEANINGS: Record<string, string> = {
  EACCES: "permission denied",
  EADDRINUSE: "address already in use",
  EADDRNOTAVAIL: "not an address of this machine",
  "connect EADDRNOTAVAIL": "no free port on this machine",
  EAFNOSUPPORT: "address family not supported by this socket",
  "socket EAFNOSUPPORT": "address family not supported by this system",
  EAGAIN: "resource temporarily unavailable",
  EAI_AGAIN: "no name server answers",
  EALREADY: "already in progress",
  EDESTADDRREQ: "a destination is needed",
  EBADF: "socket is closed",
  EBADMSG: "the stream ended in the middle of a message",
  EBUSY: "another process uses it",
  ECONNABORTED: "connection aborted",
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset by peer",
  EEXIST: "it exists already",
  EHOSTUNREACH: "no route to host",
  EINTR: "interrupted",
  EINVAL: "invalid argument",
  "append to EINVAL": "it is not a log",
  EIO: "unknown error of the runtime",
  EISDIR: "it is a folder",
  EISCONN: "socket is already connected",
  ELOOP: "too many symbolic links",
  EMFILE: "too many open files",
  EMSGSIZE: "message too long",
  ENAMETOOLONG: "name too long",
  ENFILE: "too many open files on this machine",
  ENOBUFS: "no buffer space",
  ENODEV: "no such network interface",
  ENOENT: "no such file",
  ENETUNREACH: "network is unreachable",
  ENOPROTOOPT: "no such option",
  ENOSPC: "no space left on device",
  ENOTCONN: "socket is not connected",
  ENOMEM: "out of memory",
  ENOTDIR: "part of the path is no folder",
  ENOTFOUND: "name not known",
  ENOTSOCK: "not a socket",
  ENXIO: "no such device",
  EOPNOTSUPP: "operation not supported by this socket",
  EPERM: "operation not permitted",
  EPIPE: "the other end no longer reads",
  EPROTO: "no answer that this program can use: is it the right server?",
  EPROTONOSUPPORT: "protocol not supported",
  EPROTOTYPE: "the path is another kind of socket",
  EROFS: "read-only file system",
  ESTALE: "deleted or replaced: start the server again",
  ETIMEDOUT: "timed out",
};
