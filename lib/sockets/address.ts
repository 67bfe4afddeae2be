/**
 * Socket addresses: what a program passes to bind() and connect(), checked in
 * one place because every runtime checks something else.
 *
 * @module
 */
import { SocketError } from "./socket_error.ts";

/** A host and a port (0 to 65535), or the path of an AF_UNIX socket. */
export type Address = [host: string, port: number] | string;

/** The address families of socket(2). */
export type Family = "AF_INET" | "AF_INET6" | "AF_UNIX";

/**
 * An address as Python prints it.
 *
 * ```ts
 * import { formatAddress } from "../mod.ts";
 *
 * formatAddress(["127.0.0.1", 8000]); // "('127.0.0.1', 8000)"
 * ```
 */
export function formatAddress(address: Address): string {
  return typeof address === "string"
    ? address
    : `('${address[0]}', ${address[1]})`;
}

/**
 * The address that a host and a port stand for. A host is a name, a dotted
 * quad, an IPv6 address, `""` for any, `"<broadcast>"`, or an integer (the four
 * bytes of an IPv4 address); a port is a number, its digits, or the name of a
 * well-known service. ENOTFOUND for a name that is not known.
 *
 * ```ts
 * import { parseAddress } from "../mod.ts";
 *
 * await parseAddress("localhost", "http"); // ["127.0.0.1", 80]
 * await parseAddress(2130706433, "8000"); // ["127.0.0.1", 8000]
 * ```
 */
export async function parseAddress(
  host: string | number,
  port: string | number,
): Promise<Address> {
  return (await import("./names.ts")).parse(host, port);
}

/** This machine's name, gethostname(2). Deno: `--allow-sys=hostname`. */
export async function gethostname(): Promise<string> {
  return (await import("./names.ts")).ownName();
}

/** An address of its own, which its caller may change. */
export function copy(address: Address): Address {
  return typeof address === "string" ? address : [address[0], address[1]];
}

/** The address of a socket that has none yet, as getsockname(2) shows it. */
export function unnamed(family: Family): Address {
  return family === "AF_UNIX" ? "" : [family === "AF_INET" ? ANY4 : ANY6, 0];
}

/**
 * Throws `TypeError` or `RangeError` for what is no address at all, and
 * `SocketError` EAFNOSUPPORT for one of another family.
 */
export function checkAddress(family: Family, address: Address, call: string) {
  if (family === "AF_UNIX") {
    if (typeof address !== "string") {
      throw new TypeError(`Cannot ${call}: an AF_UNIX address is a path`);
    }
    // unix(7): sun_path holds 108 bytes, and a NUL only at its start
    const bytes = new TextEncoder().encode(address).length;
    if (bytes > 0 && bytes < 108 && address.indexOf("\0", 1) < 0) return;
    throw new SocketError("EINVAL", call, address);
  }
  if (!Array.isArray(address) || typeof address[0] !== "string") {
    throw new TypeError(`Cannot ${call}: an address is [host, port]`);
  }
  const [host, port] = address;
  if (typeof port !== "number") {
    throw new TypeError(`Cannot ${call}: the port is not a number`);
  }
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new RangeError(`Cannot ${call}: port ${port} is not 0 to 65535`);
  }
  const other = family === "AF_INET" ? host.includes(":") : isIPv4(host);
  if (other) throw new SocketError("EAFNOSUPPORT", call, address);
}

/**
 * The address with its host as a literal of the family: at once for dotted
 * quads, `""` (any) and `localhost` (RFC 6761 section 6.3), else by `hosts.ts`.
 */
export function resolveAddress(
  family: Family,
  address: Address,
  call: string,
): Address | Promise<Address> {
  if (typeof address === "string") return address;
  const [host, port] = address;
  const inet = family === "AF_INET";
  if (inet && isIPv4(host)) return copy(address);
  if (host === "") return [inet ? ANY4 : ANY6, port];
  if (host === "localhost") return [inet ? "127.0.0.1" : "::1", port];
  return import("./hosts.ts").then(({ resolveHost }) =>
    resolveHost(inet ? 4 : 6, address, call)
  );
}

const ANY4 = "0.0.0.0";
const ANY6 = "::";

/** Four numbers, each as it is written. Most programs have one host to ask. */
function isIPv4(host: string): boolean {
  if (host === lastIPv4) return true;
  const parts = host.split(".");
  const is = parts.length === 4 &&
    parts.every((part) => String(Number(part) & 255) === part);
  if (is) lastIPv4 = host;
  return is;
}

let lastIPv4 = "127.0.0.1";
