/**
 * Hosts and services by name, which a program with numbers does not load.
 *
 * @module
 */
import type { Address } from "./address.ts";
import { SocketError } from "./socket_error.ts";
import { defaultTimeout, Waiter } from "./waiter.ts";

/**
 * What is not looked up, since it cannot be a name: RFC 3696 (characters, four
 * numbers), RFC 1035 section 2.3.4 (64 in a label), RFC 6761 section 6.4.
 */
const NO_NAME = /[\s[\]/:@]|^\d+(\.\d+){3}$|[^.]{64}|(^|\.)invalid\.?$/i;

/**
 * The address with its host from getaddrinfo(3), or ENOTFOUND; ETIMEDOUT after
 * the default timeout.
 */
export async function lookUp(
  address: [host: string, port: number],
  inet: boolean,
  call: string,
): Promise<Address> {
  const [host, port] = address;
  try {
    if (NO_NAME.test(host)) throw new Error("not a host name");
    const { lookup } = await import("node:dns/promises");
    const looking = lookup(host, { family: inet ? 4 : 6 });
    const waiter = new Waiter<{ address: string }>();
    // A name server that is dead takes 10 s, and getaddrinfo(3) has no limit.
    const late = () => new SocketError("ETIMEDOUT", call, address);
    waiter.limit(defaultTimeout, undefined, late, () => {});
    waiter.follow(looking);
    return [(await waiter.promise).address, port];
  } catch (error) {
    if (error instanceof SocketError) throw error;
    // Deno says EPERM when it may not look up the name.
    const { code = "" } = error as { code?: string };
    const known: Record<string, string> = { EPERM: "EACCES", EAI_AGAIN: code };
    throw new SocketError(known[code] ?? "ENOTFOUND", call, address, error);
  }
}

/** The bytes of an integer in network order, inet_ntoa(3). */
export function dottedQuad(host: number): string {
  if (!Number.isInteger(host) || host < 0 || host > 0xffffffff) {
    throw new RangeError(`Cannot parse host ${host}: not 0 to 4294967295`);
  }
  return [24, 16, 8, 0].map((shift) => (host >>> shift) & 255).join(".");
}

/** A port from its number, its digits or the name of a service. */
export function portOf(port: string | number): number {
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
