/**
 * Finds out why Deno's node:dgram could not send, of which it says "UNKNOWN".
 *
 * @module
 */
import { codeOf } from "../socket_error.ts";

/**
 * The error of the route to a host, which connect(2) over TCP tells at once:
 * ENETUNREACH, EHOSTUNREACH, EACCES. If there is a route, a firewall refuses the
 * datagram: EPERM (all else is checked before).
 */
export async function routeCode(
  [hostname]: [host: string, port: number],
): Promise<string> {
  const stop = new AbortController();
  const { signal } = stop;
  setTimeout(() => stop.abort(), 0);
  try {
    const conn = await Deno.connect({ hostname, port: DISCARD, signal });
    conn.close();
  } catch (error) {
    const code = codeOf(error);
    if (!signal.aborted && code !== "ECONNREFUSED") return code;
  }
  return "EPERM";
}

/** The port of RFC 863. */
const DISCARD = 9;
