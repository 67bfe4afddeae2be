/**
 * The client's part of DNS: a question with a number that nobody can guess, the
 * wait for its answer, and the answer in words.
 *
 * @module
 */
import {
  EDNS_SIZE,
  encodeMessage,
  FLAGS,
  type Message,
} from "../protocols/dns.ts";
import { answerIn, findingIn, queryFor } from "../protocols/dns_exchange.ts";
import type { DatagramSocket } from "../sockets/datagram_socket.ts";
import { SocketError } from "../sockets/socket_error.ts";
import type { StreamSocket } from "../sockets/stream_socket.ts";
import { inStream, messagesOf } from "./dns_stream.ts";
import { replies } from "./replies.ts";

/** How long to wait for an answer before asking again, in ms. */
const WAITS = [2000, 4000, 8000];

/** An alias, a name that is not there, and an answer that needs TCP. */
const QUESTIONS = [
  ["www.lab.test", "A"],
  ["none.lab.test", "A"],
  ["long.lab.test", "TXT"],
];

/**
 * The queries of the experiment, or the one that its flags name, each with a random
 * number: RFC 5452, section 9.2.
 */
export function queriesOf(
  { name, type }: Record<string, string | undefined>,
): Message[] {
  const one = [name ?? "a.lab.test", type ?? "A"];
  const numbers = crypto.getRandomValues(new Uint16Array(QUESTIONS.length));
  return (name ?? type ? [one] : QUESTIONS).map(([name, type], i) =>
    queryFor(numbers[i], name, type)
  );
}

/**
 * Sends a query over a connected socket, once for each wait, until its answer
 * comes; other datagrams change nothing.
 *
 * @throws {SocketError} ETIMEDOUT, and any other error of the socket.
 */
export async function askInDatagram(
  socket: DatagramSocket,
  query: Message,
  print: (line: string) => void,
): Promise<Message> {
  const longest = socket.gettimeout() ?? Infinity;
  for (const wait of WAITS) {
    const ms = Math.min(wait, longest);
    await socket.send(encodeMessage(query));
    for await (
      const data of replies(socket, ms, () => socket.recv(EDNS_SIZE))
    ) {
      const answer = answerIn(data, query);
      if (answer) return answer;
    }
    print(`No answer in ${ms} ms`);
  }
  throw new SocketError("ETIMEDOUT", "recv", socket.getpeername());
}

/**
 * Sends a query over a connection, and receives its answer.
 *
 * @throws {SocketError} EPROTO if the first message is no whole answer, and any
 *   other error of the socket.
 */
export async function askInStream(
  connection: StreamSocket,
  query: Message,
): Promise<Message> {
  await connection.sendall(inStream(encodeMessage(query)));
  for await (const message of messagesOf(connection)) {
    const answer = answerIn(message, query);
    if (answer && !isTruncated(answer)) return answer;
    break;
  }
  throw new SocketError("EPROTO", "recv", connection.getpeername());
}

/** Whether records are missing, so that the answer must not be used. */
export function isTruncated({ flags }: Message): boolean {
  return (flags & FLAGS.TC) !== 0;
}

/** The longest line, in characters, and the most lines. */
const [LINE, LINES] = [68, 20];

/** An answer in lines: other names, each record, or why there is none. */
export function linesOf(answer: Message): string[] {
  const [{ name, type }] = answer.questions;
  const { aliases, records, absent } = findingIn(answer);
  const names = [name, ...aliases];
  const lines = aliases.map((alias, i) => `${names[i]} is ${alias}`);
  const last = names[aliases.length];
  for (const { type, data } of records) {
    const size = data.join("").length;
    const long = type === "TXT" && size > LINE / 2;
    const text = long ? [size, "bytes in", data.length, "strings"] : data;
    lines.push([last, type, ...text].join(" "));
  }
  if (records.length === 0) {
    const none = answer.rcode === "NOERROR" ? `no ${type}` : answer.rcode;
    const kept = absent === undefined ? "" : `, for ${absent} s`;
    lines.push(`${last}: ${none}${kept}`);
  }
  return lines.slice(0, LINES).map((line) =>
    line.length > LINE ? `${line.slice(0, LINE - 3)}...` : line
  );
}
