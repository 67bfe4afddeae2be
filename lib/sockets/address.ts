/**
 * Socket addresses: what they are, and how they are written.
 *
 * @module
 */

/** A host and a port (0 to 65535), or the path of an AF_UNIX socket. */
export type Address = [host: string, port: number] | string;

/** The address families of socket(2). */
export type Family = "AF_INET" | "AF_INET6" | "AF_UNIX";

/** An address as Python prints it: `('127.0.0.1', 8000)`. */
export function formatAddress(address: Address): string {
  if (typeof address === "string") return address;
  return `('${address[0]}', ${address[1]})`;
}

/** An address as error messages write it: `127.0.0.1:80`, `[::1]:80`, `@name`. */
export function displayAddress(address: Address): string {
  if (typeof address === "string") return address.replace(/^\0/, "@");
  const [host, port] = address;
  return host.includes(":") ? `[${host}]:${port}` : `${host || "*"}:${port}`;
}

/** A link-local host with the zone of `like`, if it lacks its own, RFC 4007. */
export function withZone(host: string, like: string): string {
  const zone = like.indexOf("%");
  const lacks = zone > 0 && /^fe[89ab]/i.test(host) && !host.includes("%");
  return lacks ? host + like.slice(zone) : host;
}

/** The host of a client that has reset before anybody asked the system for it. */
export const UNKNOWN = "unknown";

/** A copy, which the caller may change. */
export function copyAddress(address: Address): Address {
  return typeof address === "string" ? address : [address[0], address[1]];
}

/** INADDR_ANY and in6addr_any, ip(7) and ipv6(7). */
export const ANY = { AF_INET: "0.0.0.0", AF_INET6: "::" };

/** The address of a socket that has none yet, as getsockname(2) shows it. */
export function unnamedAddress(family: Family): Address {
  return family === "AF_UNIX" ? "" : [ANY[family], 0];
}
