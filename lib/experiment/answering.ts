/**
 * Decides which senders of datagrams a server answers. Anybody can forge a
 * sender's address: two servers that take each other for clients would answer
 * each other for ever. Such a loop is fast, and ends with one answer that is not
 * sent.
 *
 * @module
 */
import { type Address, displayAddress } from "../sockets/address.ts";

/**
 * Makes the decision for a server with this port: undefined if it answers the
 * sender, else a line that says why not, or an empty one if it has said so. `now`
 * is in ms.
 */
export function answering(
  ownPort: number | undefined,
): (sender: Address, now?: number) => string | undefined {
  /** The last of them, the latest at the end. */
  const senders = new Map<string, Sender>();
  const told = new Set<string>();

  function refusal(sender: Address, now: number): string | undefined {
    const port = Number(sender[1]);
    if (port === ownPort || port < 1024 || SERVER_PORTS.includes(port)) {
      return "has a server's port";
    }
    const key = String(sender);
    let known = senders.get(key);
    if (!known || now - known.last >= PAUSE) {
      known = { since: now, answers: 0, last: now, refused: false };
    } else if (now - known.since >= PAUSE) {
      known.since = now;
      known.answers = 0;
    }
    known.answers++;
    known.last = now;
    known.refused ||= known.answers > MOST;
    remember(senders, key).set(key, known);
    if (known.refused) return `asks more than ${MOST} times a second`;
  }

  return (sender, now = performance.now()) => {
    const why = refusal(sender, now);
    if (!why) return;
    const line = `Not answered: ${displayAddress(sender)} ${why}`;
    if (told.has(line)) return "";
    remember(told, line).add(line);
    return line;
  };
}

interface Sender {
  /** The second that is counted. */
  since: number;
  answers: number;
  last: number;
  /** Until it makes a pause. */
  refused: boolean;
}

/** Makes room for a key, at the end. */
function remember<T extends Map<string, unknown> | Set<string>>(
  keys: T,
  key: string,
): T {
  keys.delete(key);
  const [oldest] = keys.keys();
  if (keys.size >= SENDERS) keys.delete(oldest);
  return keys;
}

/** The ports of the experiments whose servers receive datagrams. */
export const SERVER_PORTS = [1053, 1123, 1514, 1600, 6969, 9000, 27960];
/** So many answers to a sender in so many ms, which its next pause must have. */
export const [MOST, PAUSE] = [1000, 1000];
/** How many senders are remembered. */
const SENDERS = 1024;
