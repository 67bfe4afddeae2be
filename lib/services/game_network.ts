/**
 * Makes the network of a game lossy and slow, below the socket's own calls. What is
 * lost depends on the number of a state alone, and on whose it is, not on when a
 * datagram arrives.
 *
 * Nor does it depend on how busy the machine is what has come in time: where
 * programs play, a tick lasts until a mark that was sent behind its state has come
 * back, and with it what the player has answered; or until none has come back for
 * three seconds. Marks are the network's own: an observer sees a lost datagram
 * as a call of lose(), and no mark.
 *
 * @module
 */
import { NAME } from "../protocols/chat.ts";
import {
  decodeMessage,
  encodeMessage,
  type Input,
  type Seat,
  type Snapshot,
} from "../protocols/game_messages.ts";
import type { Address } from "../sockets/address.ts";
import { DatagramSocket } from "../sockets/datagram_socket.ts";
import { SocketError } from "../sockets/socket_error.ts";
import { monotonic } from "./clock.ts";
import { WHOLE_NUMBER } from "./flag_values.ts";
import { random } from "./random.ts";

/** The flags of a game. */
export const flags = {
  loss: {
    takes: "a number from 0 to 0.9",
    pattern: /^(0|0?\.([0-8]\d*|90*))$/,
    help: "lose this share of what this end receives (0.33; of people, 0)",
  },
  delay: {
    ...{ value: "MS", takes: "0 to 9999 ms", pattern: /^\d{1,4}$/ },
    help: "send everything so many ms later (0)",
  },
  seed: { ...WHOLE_NUMBER, help: "choose what is lost (27960)" },
  name: { ...NAME, help: "have this name on a terminal (player)" },
};

/** What a server can ask of its network. */
export interface Network {
  /**
   * Resolves when all that is on the way to the player and back has arrived; to
   * false if the player seems not to be there.
   */
  settle(seat: Seat, number: number, address: Address): Promise<boolean>;
}

/** Loses some of the states and moves that a socket receives, and delays what it sends. */
export function makeLossy(
  socket: DatagramSocket,
  { loss, delay = "0", seed = "27960" }: Record<string, string | undefined>,
): Network {
  /** For those marks that are on their way: what to do when they are back. */
  const marks = new Map<string, () => void>();
  let count = 0;
  const lossy: Lossy = Object.assign(socket, { lose() {} });

  /** Whether the datagram is lost, or a mark, of which the network takes care. */
  function isTaken(data: Uint8Array, sender?: Address): boolean {
    const message = decodeMessage(data);
    if (message?.kind === "MARK") {
      later(() =>
        send.call(socket, encodeMessage({ ...message, kind: "BACK" }))
      );
      return true;
    }
    if (message?.kind === "BACK") {
      marks.get(nameOf(message, message.number, sender))?.();
      return true;
    }
    if (message?.kind !== "STATE" && message?.kind !== "MOVES") return false;
    const share = Number(loss ?? (message.isDrill ? 0.33 : 0));
    const index = message.isDrill ? indexOf(message) : ++count;
    if (random(Number(seed), index) >= share) return false;
    lossy.lose(data, sender);
    return true;
  }

  /** Resolves when all that is delayed has been sent. */
  let sent: Promise<unknown> = Promise.resolve();

  /** Sends something after the delay; what cannot be sent is lost. */
  function later(send: () => Promise<number>): void {
    const now = () => send().catch(() => {});
    if (Number(delay) === 0) return void now();
    const due = new Promise((done) => setTimeout(done, Number(delay)));
    sent = due.then(now);
  }

  lossy.recv = async (size, wait) => {
    const timeout = socket.gettimeout();
    const end = monotonic() + (timeout ?? Infinity);
    // What is lost does not start the timeout anew.
    try {
      while (true) {
        const data = await recv.call(socket, size, wait);
        if (!isTaken(data)) return data;
        const left = end - monotonic();
        if (left <= 0) throw new SocketError("ETIMEDOUT", "recv");
        if (timeout !== null) socket.settimeout(Math.ceil(left));
      }
    } finally {
      socket.settimeout(timeout);
    }
  };
  lossy.recvfrom = async (size, wait) => {
    while (true) {
      const [data, sender] = await recvfrom.call(socket, size, wait);
      if (!isTaken(data, sender)) return [data, sender];
    }
  };
  if (Number(delay) > 0) {
    lossy.send = async (data) => {
      later(() => send.call(socket, data));
      return data.length;
    };
    lossy.sendto = async (data, address) => {
      later(() => sendto.call(socket, data, address));
      return data.length;
    };
    lossy.close = () => sent.then(() => close.call(socket));
  }

  return {
    async settle(seat, number, address) {
      const name = nameOf(seat, number, address);
      const mark = encodeMessage({ ...seat, kind: "MARK", number });
      const back = Promise.withResolvers<boolean>();
      marks.set(name, () => back.resolve(true));
      let tries = 0;
      const send = () => {
        if (tries++ === MOST_MARKS) back.resolve(false);
        else later(() => sendto.call(socket, mark, address));
      };
      send();
      const timer = setInterval(send, MARK_WAIT + 2 * Number(delay));
      const isBack = await back.promise;
      clearInterval(timer);
      marks.delete(name);
      return isBack;
    },
  };
}

/** Another one for each state of a drill, and for the moves that answer it. */
function indexOf({ kind, number, side }: Snapshot | Input): number {
  return 4 * number + 2 * side + (kind === "STATE" ? 0 : 1);
}

function nameOf({ key }: Seat, number: number, address?: Address): string {
  return `${key} ${number} ${address}`;
}

/** A socket with a call that an observer sees when the network loses something. */
interface Lossy extends DatagramSocket {
  lose(data: Uint8Array, sender?: Address): void;
}

/** After so many ms a mark is sent again: it may be lost; and so often at most. */
const [MARK_WAIT, MOST_MARKS] = [250, 12];

/** The methods themselves, which are not observed. */
const { close, recv, recvfrom, send, sendto } = DatagramSocket.prototype;
