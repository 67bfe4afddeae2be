/**
 * Which answer belongs to a question, and what a server may answer at all: anybody
 * can send a datagram, and forge its sender.
 *
 * @module
 */
import {
  decodeMessage,
  EDNS_SIZE,
  encodeMessage,
  FLAGS,
  IN,
  type Message,
  PLAIN_SIZE,
  type Resource,
} from "./dns.ts";
import { isSameName, isWithin } from "./dns_names.ts";

const EDNS = { size: EDNS_SIZE, version: 0, dnssec: false };
/** A query has one or two records, as OPT; thousands would take long to read. */
const RECORDS = 4;
/** How many aliases a client follows. */
const ALIASES = 16;
/** Nothing but a header. */
const EMPTY = { questions: [], answers: [], authority: [], additional: [] };

/** A query for the records of a type. It asks for no recursion. */
export function queryFor(id: number, name: string, type: string): Message {
  const questions = [{ name, type, class: IN }];
  const header = { id, flags: 0, opcode: 0, rcode: "NOERROR" };
  return { ...EMPTY, ...header, questions, edns: EDNS };
}

/**
 * The answer to this query in a message from its server; undefined for anything
 * else: another number (ID) or another question, RFC 5452, section 9.1.
 */
export function answerIn(
  bytes: Uint8Array,
  { id, questions: [asked] }: Message,
): Message | undefined {
  if (bytes[0] << 8 !== (id & 0xff00) || bytes[1] !== (id & 0xff)) return;
  const answer = decodeMessage(bytes);
  if (!answer || !(answer.flags & FLAGS.QR) || answer.opcode !== 0) return;
  const [question, ...more] = answer.questions;
  const same = question && more.length === 0 &&
    isSameName(question.name, asked.name) && question.type === asked.type &&
    question.class === asked.class;
  return same ? answer : undefined;
}

/** What a server is asked. */
export interface Request {
  /** The reply, as yet without records. Its rcode says whether it needs any. */
  readonly reply: Message;
  /** The longest datagram that the client takes, in bytes. */
  readonly size: number;
}

/**
 * What a server replies to a message; undefined for what is no message, and for an
 * answer, or two servers could answer each other for ever. NOTIMP for another
 * operation than a query, FORMERR for a malformed query or more than one question
 * (RFC 9619), BADVERS for a later EDNS.
 */
export function requestIn(bytes: Uint8Array): Request | undefined {
  const [high, low, bits = FLAGS.QR >> 8, more] = bytes;
  if (bytes.length < 12 || bits & FLAGS.QR >> 8) return;
  const [id, opcode] = [high << 8 | low, bits >> 3 & 0xf];
  const flags = FLAGS.QR | (bits << 8 | more) & (FLAGS.RD | FLAGS.CD);
  const refusal = (rcode: string) => ({
    reply: { ...EMPTY, id, flags, opcode, rcode, edns: undefined },
    size: PLAIN_SIZE,
  });
  if (opcode !== 0) return refusal("NOTIMP");
  const records = [6, 8, 10].map((at) => bytes[at] << 8 | bytes[at + 1]);
  const few = records.reduce((sum, count) => sum + count) <= RECORDS;
  const message = few ? decodeMessage(bytes) : undefined;
  if (message?.questions.length !== 1) return refusal("FORMERR");
  const { questions, edns } = message;
  const rcode = edns && edns.version > 0 ? "BADVERS" : "NOERROR";
  const own = edns && { ...EDNS, dnssec: edns.dnssec };
  const size = Math.min(Math.max(edns?.size ?? 0, PLAIN_SIZE), EDNS_SIZE);
  const reply = { ...refusal(rcode).reply, questions, edns: own };
  return { reply, size };
}

/**
 * A message as bytes, at most so many: a longer one without its records, and
 * marked as truncated. The client asks for it again over TCP: RFC 2181, section 9.
 */
export function encodeWithin(message: Message, size: number): Uint8Array {
  const bytes = encodeMessage(message);
  if (bytes.length <= size) return bytes;
  const { questions, flags } = message;
  const marked = { ...message, ...EMPTY, questions, flags: flags | FLAGS.TC };
  return encodeMessage(marked);
}

/** What an answer says about a question. */
export interface Finding {
  /** The names that the name is another name of, each of the one before. */
  readonly aliases: readonly string[];
  /** The records of the last of them. */
  readonly records: readonly Resource[];
  /** How long it is certain that there are none, in s: RFC 2308, section 5. */
  readonly absent: number | undefined;
}

/** Finds what answers the question; other records do not matter. */
export function findingIn(answer: Message): Finding {
  const [question] = answer.questions;
  const aliases: string[] = [];
  const here = (type: string) =>
    answer.answers.filter((record) =>
      isSameName(record.name, aliases.at(-1) ?? question.name) &&
      record.class === question.class &&
      (record.type === type || type === "ANY")
    );
  let records = here(question.type);
  // So many steps at most: aliases may form a circle, or a chain of thousands.
  for (let left = ALIASES; left > 0; left--) {
    const [alias] = here("CNAME");
    if (records.length > 0 || !alias) break;
    aliases.push(alias.data[0]);
    records = here(question.type);
  }
  const zone = answer.authority.find(({ name, type }) =>
    type === "SOA" && isWithin(question.name, name)
  );
  const absent = zone && records.length === 0
    ? Math.min(zone.ttl, Number(zone.data[6]))
    : undefined;
  return { aliases, records, absent };
}
