/**
 * Makes the network of a datagram socket lossy, below the socket's own calls: a
 * lost datagram has been sent, and is never received. What is lost depends on the
 * block and its attempt alone, not on when a datagram arrives.
 *
 * Nor do timeouts depend on how busy the machine is: an answer that is only late
 * causes none. When the time is over, the client sends a mark after what is on the
 * way, and its recv() times out when the mark comes back before the answer. (If the
 * mark is lost, too, after a second.) Marks are the network's own: an observer sees
 * a lost datagram as a call of lose(), and no mark.
 *
 * @module
 */
import { parseFrame } from "../protocols/frames.ts";
import type { Address } from "../sockets/address.ts";
import { DatagramSocket } from "../sockets/datagram_socket.ts";
import { RECEIVE_QUEUE_LIMIT } from "../sockets/inbox.ts";
import { SocketError } from "../sockets/socket_error.ts";
import { monotonic } from "./clock.ts";
import { FRACTION, WHOLE_NUMBER } from "./flag_values.ts";
import { random } from "./random.ts";

/** The flags of an experiment on a lossy network. */
export const flags = {
  loss: {
    ...FRACTION,
    help: "lose this share of what this end receives (0.2)",
  },
  seed: { ...WHOLE_NUMBER, help: "choose what is lost (4165)" },
  wait: {
    ...{ value: "MS", takes: "1 to 9999 ms", pattern: /^[1-9]\d{0,3}$/ },
    help: "send again after so many ms without an answer (40)",
  },
};

/** Loses some of the blocks and acknowledgements that the socket receives. */
export function makeLossy(
  socket: DatagramSocket,
  { loss = "0.2", seed = "4165" }: Record<string, string | undefined>,
): void {
  const isLost = (data: Uint8Array) => {
    const { kind, block = 0, attempt = 0 } = parseFrame(data) ?? {};
    if (kind !== "DATA" && kind !== "ACK") return false;
    const index = 100 * block + attempt;
    const number = random(Number(seed), kind === "DATA" ? index : -index);
    return number < Number(loss);
  };
  const lossy: Lossy = Object.assign(socket, { lose() {} });
  lossy.recvfrom = receiverOf(lossy, isLost);
  lossy.recv = answersOf(lossy, isLost);
}

/** A socket with a call that an observer sees when the network loses something. */
interface Lossy extends DatagramSocket {
  lose(data: Uint8Array, sender?: Address): void;
}

type IsLost = (data: Uint8Array) => boolean;

/** recvfrom() of a server, which sends back the marks. */
function receiverOf(socket: Lossy, isLost: IsLost): Recvfrom {
  return async (size, wait) => {
    while (true) {
      const [data, sender] = await recvfrom.call(socket, LONGEST, wait);
      const mark = markIn(data, SENT);
      if (mark !== undefined) {
        const answer = Uint8Array.of(BACK, mark);
        sendto.call(socket, answer, sender).catch(() => {}); // it is lost
      } else if (isLost(data)) socket.lose(data, sender);
      else return [data.slice(0, size), sender];
    }
  };
}

/** recv() of a client, which waits for its mark before it times out. */
function answersOf(socket: Lossy, isLost: IsLost): Recv {
  let marks = 0;
  return async (size, wait) => {
    const timeout = socket.gettimeout();
    const peer = getpeername.call(socket);
    try {
      const data = await next(timeout);
      if (data) return data;
      marks = (marks + 1) % 256;
      await send.call(socket, Uint8Array.of(SENT, marks), wait);
      silence.set(socket, (silence.get(socket) ?? 0) + 1);
      const late = await next(MARK_WAIT, marks);
      if (late) return late;
    } finally {
      socket.settimeout(timeout);
    }
    throw new SocketError("ETIMEDOUT", "recv", peer);

    /** The next that is not lost; undefined at the mark, or after `ms`. */
    async function next(ms: number | null, mark?: number) {
      const end = monotonic() + (ms ?? Infinity);
      // What came in time may be in the queue still; a flood has no end.
      for (let late = 0; late < RECEIVE_QUEUE_LIMIT;) {
        const left = end - monotonic();
        if (left <= 0) late++;
        socket.settimeout(ms && Math.max(1, left));
        const data = await recv.call(socket, LONGEST, wait)
          .catch((error: SocketError) => {
            if (error.code !== "ETIMEDOUT") throw error;
          });
        if (!data) return;
        const back = markIn(data, BACK);
        if (back === undefined && isLost(data)) {
          socket.lose(data);
          continue;
        }
        silence.delete(socket);
        if (back === undefined) return data.slice(0, size);
        if (back === mark) return;
      }
    }
  };
}

/** Whether the other end of a client has not sent back three marks in a row. */
export function isGone(socket: DatagramSocket): boolean {
  return (silence.get(socket) ?? 0) >= 3;
}

/** How many marks have not come back since one did, or data was received. */
const silence = new WeakMap<DatagramSocket, number>();

/** A mark: whether it is sent or comes back, and its number. */
const [SENT, BACK] = [1, 2];

function markIn(data: Uint8Array, kind: number): number | undefined {
  return data.length === 2 && data[0] === kind ? data[1] : undefined;
}

/** More than any datagram has bytes. */
const LONGEST = 65_536;

/** How long a mark may take, in ms. */
const MARK_WAIT = 1000;

type Recv = DatagramSocket["recv"];
type Recvfrom = DatagramSocket["recvfrom"];

/** The methods themselves, which are not observed. */
const { getpeername, recv, recvfrom, send, sendto } = DatagramSocket.prototype;
