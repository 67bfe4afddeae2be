/**
 * Timeouts of sockets, in milliseconds; null waits for ever.
 *
 * @module
 */
import { SocketError } from "./socket_error.ts";

let defaultTimeout: number | null = null;

/**
 * Sets the timeout of each socket that is created from now on, in ms, as
 * Python's `socket.setdefaulttimeout()` does; null, the default, waits for ever.
 */
export function setdefaulttimeout(ms: number | null): void {
  checkTimeout(ms);
  defaultTimeout = ms;
}

/** What `setdefaulttimeout` has set. */
export function getdefaulttimeout(): number | null {
  return defaultTimeout;
}

/** Throws for a value that `settimeout` does not take: see StreamSocket. */
export function checkTimeout(ms: number | null): void {
  if (ms === 0) throw new SocketError("EINVAL", "settimeout");
  if (ms !== null && !(Number.isFinite(ms) && ms > 0 && ms <= LONGEST)) {
    throw new RangeError(
      `Cannot set the timeout: ${ms} is not 1 to ${LONGEST}`,
    );
  }
}

/** The longest delay of setTimeout(), about 24 days. */
const LONGEST = 2 ** 31 - 1;
