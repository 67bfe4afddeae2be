/**
 * Hosts, ports and service names in each form that a program may meet.
 *
 * @module
 */
import type { Address } from "./address.ts";
import { resolveAddress } from "./resolve.ts";
import { codeOf, SocketError } from "./socket_error.ts";

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
export async function parseAddress(
  host: string | number,
  port: string | number,
): Promise<Address> {
  const number = portOf(port);
  if (host === "<broadcast>") return ["255.255.255.255", number];
  const name = typeof host === "number" ? dottedQuad(host) : host;
  const family = name.includes(":") ? "AF_INET6" : "AF_INET";
  return await resolveAddress(family, [name, number], "parseAddress");
}

/** This machine's name, gethostname(2). Deno: `--allow-sys=hostname`. */
export async function gethostname(): Promise<string> {
  const { hostname } = await import("node:os");
  try {
    return hostname();
  } catch (error) {
    throw new SocketError(codeOf(error), "gethostname", undefined, error);
  }
}

/** The bytes of an integer in network order, inet_ntoa(3). */
function dottedQuad(host: number): string {
  if (!Number.isInteger(host) || host < 0 || host > 0xffffffff) {
    throw new RangeError(`Cannot parse host ${host}: not 0 to 4294967295`);
  }
  return [24, 16, 8, 0].map((shift) => (host >>> shift) & 255).join(".");
}

function portOf(port: string | number): number {
  const digits = /^\d+$/.test(String(port));
  const number = digits ? Number(port) : SERVICES.get(String(port));
  if (number === undefined && typeof port === "string") {
    throw new SocketError("ENOTFOUND", "getservbyname", port);
  }
  if (number === undefined || number > 65535) {
    throw new RangeError(`Cannot parse port ${port}: not 0 to 65535`);
  }
  return number;
}

/** The services of IANA's registry (RFC 6335) that a lab meets; services(5). */
const SERVICES = new Map<string, number>(
  ("echo 7,discard 9,daytime 13,ftp-data 20,ftp 21,ssh 22,telnet 23,smtp 25," +
    "time 37,domain 53,tftp 69,http 80,pop3 110,ntp 123,imap 143,snmp 161," +
    "https 443,syslog 514,imaps 993")
    .split(",").map((service) => {
      const [name, port] = service.split(" ");
      return [name, Number(port)];
    }),
);
