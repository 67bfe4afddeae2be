/**
 * Calls whose waits are cut short, by a timeout of the socket or by a signal,
 * and made again: nothing may be lost by it.
 *
 * @module
 */
import { SocketError, type Wait } from "../../lib/mod.ts";
import { pick, type Random } from "./pattern.ts";

/** What has a timeout. */
interface Limited {
  gettimeout(): number | null;
  settimeout(ms: number | null): void;
}

/** One of the tries of a call. */
export interface Try extends Wait {
  /** An earlier one had begun when it was cut short. */
  begun: boolean;
}

/**
 * Makes the call until its wait was not cut short; gives what it gives. One
 * that has to wait for its turn has not begun before that is `free`.
 */
export async function insist<T>(
  socket: Limited,
  random: Random,
  call: (wait: Try) => Promise<T>,
  free = () => true,
): Promise<T> {
  for (let begun = false;;) {
    const ms = 4 * random() - 1;
    const how = pick(random, [toTheEnd, byTimeout, bySignal]);
    try {
      return await how(socket, ms, (wait) => call({ begun, ...wait }));
    } catch (error) {
      const late = error instanceof SocketError && error.code === "ETIMEDOUT";
      if (error !== CUT && !(late && how === byTimeout)) throw error;
      begun ||= free() && (how === byTimeout || ms >= 0);
    }
  }
}

type How = <T>(
  socket: Limited,
  ms: number,
  call: (wait: Wait) => Promise<T>,
) => Promise<T>;

/** Aborts after so many ms; if they are negative, before it begins. */
const bySignal: How = async (_, ms, call) => {
  const stop = new AbortController();
  if (ms < 0) stop.abort(CUT);
  const timer = setTimeout(() => stop.abort(CUT), Math.max(0, ms));
  try {
    return await call({ signal: stop.signal });
  } finally {
    clearTimeout(timer);
  }
};

const byTimeout: How = (socket, ms, call) => {
  const own = socket.gettimeout();
  socket.settimeout(Math.max(1, Math.ceil(ms)));
  const made = call({});
  socket.settimeout(own); // the others keep theirs
  return made;
};

/** With a signal that is never aborted, and must not gather who waited on it. */
const toTheEnd: How = (_, __, call) => call({ signal: NEVER });

const CUT = new Error("cut short");
const NEVER = new AbortController().signal;
