/**
 * Socket calls as text, as strace(1) prints system calls.
 *
 * @module
 */
import { type Address, formatAddress } from "../sockets/address.ts";
import { escapeControls } from "../sockets/escape.ts";
import { meaningOf, SocketError } from "../sockets/socket_error.ts";
import type { SocketCall } from "./call_order.ts";

/** A call in words, for `--json`, diagrams and reports. */
export interface CallInWords {
  /** In ms, to the microsecond; see SocketCall for it and the next five. */
  time: number;
  end: "server" | "client";
  connection: number;
  socket: number;
  descriptor: number;
  call: string;
  /** As a program writes them: `1024`, `"hello"`, `('127.0.0.1', 8000)`. */
  args: string[];
  /** Its result, `"0"` for none; absent if it failed or did not end. */
  result?: string;
  /** The POSIX name of its error, and the meaning of that. */
  error?: string;
  reason?: string;
  bytes?: number;
}

/** Puts a call in words. */
export function inWords(call: SocketCall): CallInWords {
  const { time, end, connection, socket, descriptor, bytes, error } = call;
  const words: CallInWords = {
    time: Math.round(time * 1000) / 1000,
    end,
    connection,
    socket,
    descriptor,
    call: call.call,
    args: call.args.flatMap((value, i) => wordOf(call, value, i) ?? []),
  };
  if (error !== undefined) [words.error, words.reason] = failureOf(error);
  else if (call.done) words.result = resultOf(call);
  if (bytes !== undefined) words.bytes = bytes;
  return words;
}

/**
 * A line of a trace: seconds since the start, the end, the call, and its
 * result; `?` for a call that did not end.
 *
 * `0.0021 client recv(3, 1024) = "20/11/2026 18:55:12"`
 */
export function lineOf(words: CallInWords): string {
  const ticks = Math.round(words.time * 10);
  const places = String(ticks % 10_000 + 10_000).slice(1);
  const seconds = `${Math.trunc(ticks / 10_000)}.${places}`;
  return `${seconds} ${speakerOf(words)} ${textOf(words)}`;
}

/** The end, with the number of the client from the second on: `server 2`. */
export function speakerOf(
  { end, connection }: Pick<CallInWords, "end" | "connection">,
): string {
  return connection > 1 ? `${end} ${connection}` : end;
}

/** The call itself, in C's form with the descriptor first: `recv(3, 1024) = "hello"`. */
export function textOf(words: CallInWords): string {
  const { result = "?", error, reason } = words;
  const outcome = error ? `-1 ${error} (${reason ?? ""})` : result;
  return `${callOf(words)} = ${outcome}`;
}

/** The same of a call that has no result yet: `recv(3, 1024)`. */
export function callOf({ call, descriptor, args }: CallInWords): string {
  const all = call !== "socket" && descriptor ? [descriptor, ...args] : args;
  return `${call}(${all.join(", ")})`;
}

/** The name and the meaning of an error. */
function failureOf(error: unknown): [name: string, meaning: string] {
  if (error instanceof SocketError) {
    return [error.code, meaningOf(error.code, error.call)];
  }
  const { name = "", message = "" } = error as Partial<Error> ?? {};
  return [escapeControls(name || String(error)), escapeControls(message)];
}

/** An argument as a program writes it; undefined for one that is not shown. */
function wordOf(
  { call }: SocketCall,
  value: unknown,
  index: number,
): string | undefined {
  if (index === 0 && /^(send|lose)/.test(call)) {
    return quote(value as Uint8Array);
  }
  // The buffer of recv_into: it holds nothing yet.
  if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
  // Options, such as a signal, are no argument of the man page.
  const hidden = typeof value === "object" && !Array.isArray(value);
  if (value !== undefined && !hidden) return plain(value);
}

function resultOf({ result, made }: SocketCall): string {
  if (result === undefined) return "0";
  if (typeof result === "string") return plain(result);
  if (result instanceof Uint8Array) return quote(result);
  if (!Array.isArray(result)) {
    return typeof result === "object" ? String(made) : plain(result);
  }
  const [first, address] = result; // of accept, recvfrom; or an address
  if (typeof first === "string") return plain(result);
  const what = first instanceof Uint8Array ? quote(first) : made;
  return `${what}, ${plain(address)}`;
}

/** A constant is bare, an address in parentheses, a path quoted. */
function plain(value: unknown): string {
  if (typeof value === "number") return String(value);
  if (Array.isArray(value) && typeof value[1] === "number") {
    return escapeControls(formatAddress(value as Address));
  }
  if (typeof value !== "string") return escapeControls(String(value));
  return /^(AF|SOCK|SHUT|SO|TCP|IP|IPV6)_/.test(value) ? value : quote(value);
}

/** Bytes in quotes; of many only the first, and their number. */
function quote(data: string | Uint8Array): string {
  const bytes = typeof data === "string" ? encoder.encode(data) : data;
  if (!ArrayBuffer.isView(bytes)) { // a mistake
    return escapeControls(String(data).slice(0, MOST_SHOWN));
  }
  let shown = bytes.subarray(0, MOST_SHOWN);
  if (shown.every((byte) => byte === 0) && bytes.length > MOST_SHOWN) {
    shown = shown.subarray(0, 1);
  }
  // Most data is plain text; a decoder takes a third of the time for it.
  const text = shown.every((byte) => BYTES[byte].length === 1)
    ? decoder.decode(shown)
    : Array.from(shown, (byte) => BYTES[byte]).join("");
  return bytes.length > MOST_SHOWN
    ? `"${text}"... (${bytes.length} bytes)`
    : `"${text}"`;
}

/** How many bytes of data are shown, as in strace; zeros alone say nothing. */
const MOST_SHOWN = 32;

/** Each byte as it is shown. */
const BYTES = Array.from({ length: 256 }, (_, byte) => {
  const short = { 9: "\\t", 10: "\\n", 13: "\\r", 34: '\\"', 92: "\\\\" }[byte];
  if (short) return short;
  const plain = byte >= 0x20 && byte < 0x7f;
  const hex = byte.toString(16).padStart(2, "0");
  return plain ? String.fromCharCode(byte) : `\\x${hex}`;
});

const encoder = new TextEncoder();
const decoder = new TextDecoder();
