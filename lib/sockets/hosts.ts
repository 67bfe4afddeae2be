/**
 * Hosts that are more than an IPv4 literal: IPv6 addresses as the system writes
 * them, and names. Loaded by the first call that has one.
 *
 * @module
 */
import type { Address } from "./address.ts";
import { SocketError } from "./socket_error.ts";

/** The address with its host as a literal of the family, by getaddrinfo(3). */
export async function resolveHost(
  family: 4 | 6,
  address: [host: string, port: number],
  call: string,
): Promise<Address> {
  const [host, port] = address;
  if (family === 6 && isIPv6(host)) return [shortIPv6(host), port];
  try {
    // What can be no name is not asked for (RFC 1035 section 2.3.4, RFC 3696).
    const label = host.split(".").some((part) => part.length > 63);
    if (label || /[\s[\]/:@]/.test(host) || /^\d+(\.\d+){3}$/.test(host)) {
      throw new Error("not a host name");
    }
    const { lookup } = await import("node:dns/promises");
    return [(await lookup(host, { family })).address, port];
  } catch (error) {
    const code = (error as { name: string }).name === "NotCapable"
      ? "EACCES"
      : "ENOTFOUND";
    throw new SocketError(code, call, address, error);
  }
}

/** Whether the URL standard's parser takes it; `[::1]` is no literal here. */
function isIPv6(host: string): boolean {
  return /^[0-9a-f:.]+$/i.test(host) && URL.canParse(`http://[${host}]`);
}

/** As the system writes it, RFC 5952; an IPv4 address in it: its section 5. */
function shortIPv6(host: string): string {
  const short = new URL(`http://[${host}]`).hostname.slice(1, -1);
  return short.replace(
    /^::ffff:([0-9a-f]+):([0-9a-f]+)$/,
    (_, high, low) => {
      const [h, l] = [parseInt(high, 16), parseInt(low, 16)];
      return `::ffff:${h >> 8}.${h & 255}.${l >> 8}.${l & 255}`;
    },
  );
}
