/**
 * The zone lab.test: its records, and what a server with authority for it answers.
 *
 * @module
 */
import { FLAGS, IN, type Message, type Resource } from "../protocols/dns.ts";
import { encodeWithin, requestIn } from "../protocols/dns_exchange.ts";
import { isWithin } from "../protocols/dns_names.ts";
import type { StreamSocket } from "../sockets/stream_socket.ts";
import { inStream, messagesOf } from "./dns_stream.ts";

/** The records of a zone: a name, a type, and the data. */
type Zone = readonly (readonly [name: string, type: string, ...string[]])[];

export const ZONE = "lab.test";
/** How long a record may be kept, and that there is none, in s. */
const TTL = 300;
/** The strings of a TXT record have up to 255 bytes each: 1,600 in all. */
const LONG = Array.from(
  { length: 8 },
  (_, i) => `${i + 1} of 8: this line does not fit`.padEnd(200, "."),
);
export const RECORDS: Zone = [
  [
    ...[ZONE, "SOA", "ns.lab.test", "hostmaster.lab.test"] as const,
    ...["1", "3600", "600", "86400", String(TTL)],
  ],
  [ZONE, "NS", "ns.lab.test"],
  ["ns.lab.test", "A", "127.0.0.1"],
  ["a.lab.test", "A", "165.165.80.80"],
  ["www.lab.test", "CNAME", "a.lab.test"],
  ["long.lab.test", "TXT", ...LONG],
];

/** A reply that is ready to be sent, and what it says in words. */
export interface Reply {
  readonly bytes: Uint8Array;
  readonly words: string;
  /** There was a question that could be read. */
  readonly answers: boolean;
}

/** The replies to the messages that a client sends over a connection. */
export async function* repliesOver(
  client: StreamSocket,
): AsyncGenerator<Reply, void> {
  for await (const message of messagesOf(client)) {
    const reply = replyTo(message, "TCP");
    if (!reply) return;
    yield { ...reply, bytes: inStream(reply.bytes) };
  }
}

/** The server's reply to a message, if it gets one. */
export function replyTo(
  message: Uint8Array,
  protocol: "UDP" | "TCP" = "UDP",
): Reply | undefined {
  const request = requestIn(message);
  if (!request) return;
  const reply = inZone(request.reply);
  const size = protocol === "UDP" ? request.size : 65_535;
  const bytes = encodeWithin(reply, size);
  const [question] = reply.questions;
  const asked = question ? `${question.name} ${question.type}` : "no question";
  const outcome = bytes[2] << 8 & FLAGS.TC ? "truncated" : reply.rcode;
  const words = `${asked} over ${protocol}: ${outcome}, ${bytes.length} bytes`;
  return { bytes, words, answers: question !== undefined };
}

/** Adds the records, or the reason why there are none: RFC 1034, section 4.3.2. */
function inZone(reply: Message): Message {
  const [question] = reply.questions;
  if (!question || reply.rcode !== "NOERROR") return reply;
  const { type, class: group } = question;
  const whole = type === "AXFR" || type === "IXFR";
  if (!isWithin(question.name, ZONE) || group !== IN || whole) {
    return { ...reply, rcode: "REFUSED" };
  }
  const answers: Resource[] = [];
  let { name } = question;
  let here = recordsOf(name);
  while (here[0]?.type === "CNAME" && type !== "CNAME" && type !== "ANY") {
    answers.push(here[0]);
    name = here[0].data[0];
    here = recordsOf(name);
  }
  // Of all types, one is enough: RFC 8482, section 4.1.
  const wanted = type === "ANY" ? here[0]?.type : type;
  const found = here.filter((record) => record.type === wanted);
  answers.push(...found);

  const exists = here.length > 0 ||
    RECORDS.some(([other]) => isWithin(other, name));
  const why = found.length > 0 ? "NS" : "SOA";
  const authority = answers.some((record) => record.type === why)
    ? []
    : recordsOf(ZONE).filter((record) => record.type === why);
  const flags = reply.flags | FLAGS.AA;
  const rcode = exists ? "NOERROR" : "NXDOMAIN";
  return { ...reply, flags, rcode, answers, authority };
}

/** The records of a name, as it is spelled here. */
function recordsOf(name: string): Resource[] {
  const known = BY_NAME.get(name.toLowerCase()) ?? [];
  return known.map((record) => ({ ...record, name }));
}

const BY_NAME = Map.groupBy(
  RECORDS.map(([name, type, ...data]) => {
    return { name, type, class: IN, ttl: TTL, data };
  }),
  ({ name }) => name,
);
