/**
 * Addresses from what a program gives: checked in one place, because every
 * runtime checks something else, and resolved by name.
 *
 * @module
 */
import { type Address, ANY, copyAddress, type Family } from "./address.ts";
import { WINDOWS } from "./runtimes/system.ts";
import { codeOf, SocketError } from "./socket_error.ts";
import { handled } from "./waiter.ts";

/**
 * Throws `TypeError` or `RangeError` for what is no address at all, and
 * `SocketError` EAFNOSUPPORT for an address of another family.
 */
export function checkAddress(family: Family, address: Address, call: string) {
  if (family === "AF_UNIX") {
    if (typeof address !== "string") {
      throw new TypeError(`Cannot ${call}: an AF_UNIX address is a path`);
    }
    // unix(7): sun_path holds 108 bytes, and a NUL only at its start.
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

/** As `checkAddress`; also throws `RangeError` for port 0, which nobody has. */
export function checkDestination(
  family: Family,
  address: Address,
  call: string,
): void {
  checkAddress(family, address, call);
  if (typeof address === "string" || address[1] !== 0) return;
  throw new RangeError(`Cannot ${call}: port 0 is not a destination`);
}

/**
 * The address with its host as a literal of the family: at once for literals,
 * `""` (any) and `localhost` (RFC 6761 section 6.3), else by getaddrinfo(3).
 */
export function resolveAddress(
  family: Family,
  address: Address,
  call: string,
): Address | Promise<Address> {
  if (typeof address === "string") return address;
  const [host, port] = address;
  const inet = family === "AF_INET";
  // "Any host" as a destination is this host: ip(7), but not on Windows.
  if (WINDOWS && /^(0\.0\.0\.0|::|)$/.test(host) && /^(con|send)/.test(call)) {
    return [inet ? "127.0.0.1" : "::1", port];
  }
  if (inet && isIPv4(host)) return copyAddress(address);
  if (host === "") return [inet ? ANY.AF_INET : ANY.AF_INET6, port];
  if (host === "localhost") return [inet ? "127.0.0.1" : "::1", port];
  if (!inet && isIPv6(host)) return [shortIPv6(host), port];
  const names = import("./names.ts");
  return handled(names.then(({ lookUp }) => lookUp([host, port], inet, call)));
}

/**
 * The address that a host and a port stand for. A host is a name, a dotted
 * quad, an IPv6 address, `""` for any, `"<broadcast>"`, or an integer (the four
 * bytes of an IPv4 address); a port is a number, its digits, or the name of a
 * well-known service. ENOTFOUND for an unknown name.
 *
 * ```ts
 * import { parseAddress } from "./mod.ts";
 *
 * await parseAddress("localhost", "http"); // ["127.0.0.1", 80]
 * await parseAddress(2130706433, "8000"); // ["127.0.0.1", 8000]
 * ```
 */
export function parseAddress(
  host: string | number,
  port: string | number,
): Promise<Address> {
  return handled(
    import("./names.ts").then(({ dottedQuad, portOf }) => {
      const number = portOf(port);
      if (host === "<broadcast>") return ["255.255.255.255", number];
      const name = typeof host === "number" ? dottedQuad(host) : host;
      const family = name.includes(":") ? "AF_INET6" : "AF_INET";
      return resolveAddress(family, [name, number], "parseAddress");
    }),
  );
}

/** This machine's name, gethostname(2). Deno: `--allow-sys=hostname`. */
export function gethostname(): Promise<string> {
  return handled(
    import("node:os").then(({ hostname }) => hostname()).catch((error) => {
      throw new SocketError(codeOf(error), "gethostname", undefined, error);
    }),
  );
}

/** Four numbers, each as it is written. Most programs use one host. */
function isIPv4(host: string): boolean {
  if (host === lastIPv4) return true;
  const parts = host.split(".");
  const is = parts.length === 4 &&
    parts.every((part) => String(Number(part) & 255) === part);
  if (is) lastIPv4 = host;
  return is;
}

let lastIPv4 = "127.0.0.1";

/**
 * Whether the URL standard's parser takes it, with a zone behind it or without
 * (RFC 4007 section 11); `[::1]` is not a literal here.
 */
function isIPv6(host: string): boolean {
  const [address] = host.split(/%[\w.-]+$/);
  return /^[0-9a-f:.]+$/i.test(address) && URL.canParse(`http://[${address}]`);
}

/** As the system writes it, RFC 5952; an IPv4 address in it: its section 5. */
function shortIPv6(host: string): string {
  const [address, zone] = host.split("%");
  const short = new URL(`http://[${address}]`).hostname.slice(1, -1);
  return (zone ? `${short}%${zone}` : short).replace(
    /^::ffff:([0-9a-f]+):([0-9a-f]+)$/,
    (_, high, low) => {
      const [h, l] = [parseInt(high, 16), parseInt(low, 16)];
      return `::ffff:${h >> 8}.${h & 255}.${l >> 8}.${l & 255}`;
    },
  );
}
