/**
 * Hosts, ports and services in every form that a program may be given them.
 * Loaded by those who ask.
 *
 * @module
 */
import { hostname } from "node:os";
import { type Address, resolveAddress } from "./address.ts";
import { codeOf, SocketError } from "./socket_error.ts";

/** See `parseAddress` of mod.ts. */
export async function parse(
  host: string | number,
  port: string | number,
): Promise<Address> {
  const number = portOf(port);
  if (host === "<broadcast>") return ["255.255.255.255", number];
  const name = typeof host === "number" ? dottedQuad(host) : host;
  const family = name.includes(":") ? "AF_INET6" : "AF_INET";
  return await resolveAddress(family, [name, number], "parseAddress");
}

/** See `gethostname` of mod.ts. */
export function ownName(): string {
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

/** Of the IANA's registry (RFC 6335), those that a lab meets; services(5). */
const SERVICES = new Map(Object.entries({
  echo: 7,
  discard: 9,
  daytime: 13,
  "ftp-data": 20,
  ftp: 21,
  ssh: 22,
  telnet: 23,
  smtp: 25,
  time: 37,
  domain: 53,
  tftp: 69,
  http: 80,
  pop3: 110,
  ntp: 123,
  imap: 143,
  snmp: 161,
  https: 443,
  syslog: 514,
  imaps: 993,
}));
