/**
 * What a trace says of a call so that two processes can be put on one axis: the
 * absolute time, the addresses of both ends, and when a call that waits began.
 * Used only for `--trace --json`.
 *
 * @module
 */
import { type Address, formatAddress } from "../sockets/address.ts";
import { escapeControls } from "../sockets/escape.ts";
import { DatagramSocket } from "../sockets/datagram_socket.ts";
import { StreamSocket } from "../sockets/stream_socket.ts";
import {
  type AnySocket,
  nameOf,
  type PendingCall,
  placed,
} from "./call_order.ts";
import { type CallInWords, inWords } from "./strace.ts";

/** A line of `--trace --json`. */
export interface TracedCall extends CallInWords {
  /**
   * `time` in ms since 1970, to the microsecond: `performance.timeOrigin` and
   * what has passed since. Two processes on one machine agree to a millisecond
   * or so, and less if its clock was set after the first had started.
   */
  at: number;
  /** When it was made, of a call that has waited. */
  begun?: number;
  /** The socket's own address, as `('127.0.0.1', 34894)`, once it has one. */
  name?: string;
  /** The other end's: of accept, connect, sendto and recvfrom. */
  peer?: string;
  /** The descriptor that socket() or accept() gave. */
  made?: number;
  /** What was sent or received, in base64: at most the first 65,536 bytes. */
  data?: string;
  /** It waits, and its result follows. */
  begins?: true;
  /** It is not made yet: `--step`. */
  held?: true;
}

/** Notes what is gone when a call is reported; `bytes`: its data, too. */
export function noting(bytes = false) {
  const names = new WeakMap<AnySocket, string>();
  const notes = new WeakMap<PendingCall, Note>();

  function nameNow(call: PendingCall): string | undefined {
    const { on } = call;
    if (!on) return;
    const renamed = /^(bind|connect|listen)$/.test(call.call);
    if (renamed || !names.has(on)) {
      const name = wordsOf(nameOf(on));
      if (name !== undefined) names.set(on, name);
    }
    return names.get(on);
  }

  return {
    /** A call has ended. */
    ended(call: PendingCall): void {
      const note: Note = { name: nameNow(call), peer: wordsOf(peerOf(call)) };
      if (bytes) note.data = dataOf(call);
      notes.set(call, note);
    },

    /** The call as it is printed. */
    inWords(call: PendingCall): TracedCall {
      const { made, begun, time, epoch, done } = call;
      const words: TracedCall = { ...inWords(call), at: rounded(epoch + time) };
      if (begun < time && done) words.begun = rounded(epoch + begun);
      if (made !== undefined && done) words.made = made;
      return Object.assign(words, notes.get(call));
    },
  };
}

/** A call that has no result yet: one that waits, or is held. */
export function unfinished(
  call: PendingCall,
  how: "begins" | "held",
): TracedCall {
  const { begun, epoch } = call;
  const words = inWords({ ...placed(call), time: begun });
  return { ...words, at: rounded(epoch + begun), [how]: true };
}

type Note = Pick<TracedCall, "name" | "peer" | "data">;

/** The address of the other end, of a call that says it. */
function peerOf({ call, on, args, result, error }: PendingCall) {
  if (call === "sendto") return args[1] as Address;
  if (call === "connect") {
    return error === undefined && on ? peerName(on) : args[0] as Address;
  }
  if (call === "accept" || call === "recvfrom") {
    return (result as [unknown, Address] | undefined)?.[1];
  }
}

/** The methods themselves, taken before they are watched. */
const { getpeername } = StreamSocket.prototype;
const datagramPeer = DatagramSocket.prototype.getpeername;

function peerName(socket: AnySocket): Address | undefined {
  try {
    return socket instanceof StreamSocket
      ? getpeername.call(socket)
      : datagramPeer.call(socket);
  } catch {
    return; // it has been closed
  }
}

/** An address that is one: not port 0, nor that of an AF_UNIX client. */
function wordsOf(address: Address | undefined): string | undefined {
  if (!address || (Array.isArray(address) && !address[1])) return;
  return escapeControls(formatAddress(address));
}

/** A copy of the bytes that a call has sent or received. */
function dataOf({ call, args, result, error }: PendingCall) {
  if (error !== undefined || !/^(send|recv)/.test(call)) return;
  const data = call.startsWith("send")
    ? args[0]
    : call === "recvfrom"
    ? (result as [Uint8Array])[0]
    : call === "recv_into"
    ? (args[0] as Uint8Array).subarray(0, result as number)
    : result;
  const all = typeof data === "string" ? encoder.encode(data) : data;
  const size = call === "send" ? result as number : MOST; // what was taken
  const bytes = (all as Uint8Array).subarray(0, Math.min(size, MOST));
  let text = "";
  for (let at = 0; at < bytes.length; at += PIECE) {
    text += String.fromCharCode(...bytes.subarray(at, at + PIECE));
  }
  return btoa(text);
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

/** How many bytes of a call are kept, and turned into text at once. */
const [MOST, PIECE] = [65_536, 8_192];

const encoder = new TextEncoder();
