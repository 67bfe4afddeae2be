/**
 * Seeded random messages for DNS, and forged answers at a client that waits: some
 * thousands in the suite, a hundred thousand in the gate.
 */
import { expect } from "bun:test";
import { AF_INET, SOCK_DGRAM, socket } from "../../lib/mod.ts";
import {
  decodeMessage,
  encodeMessage,
  FLAGS,
  type Message,
  type Resource,
} from "../../lib/protocols/dns.ts";
import {
  answerIn,
  findingIn,
  queryFor,
  requestIn,
} from "../../lib/protocols/dns_exchange.ts";
import {
  askInDatagram,
  linesOf,
  queriesOf,
} from "../../lib/services/dns_client.ts";
import { replyTo } from "../../lib/services/dns_zone.ts";
import { type Numbers, numbers } from "./fuzz.ts";

const SEEDS = [
  ["a.lab.test", "A"],
  ["www.lab.test", "A"],
  ["none.lab.test", "MX"],
  ["lab.test", "SOA"],
].flatMap(([name, type], i) => {
  const question = encodeMessage(queryFor(i, name, type));
  return [question, replyTo(question)!.bytes];
});

/** Bytes of any kind, or a message of which some were changed. */
function randomMessage(next: Numbers): Uint8Array {
  if (next(4) === 0) {
    return Uint8Array.from({ length: next(80) }, () => next(256));
  }
  const bytes = SEEDS[next(SEEDS.length)].slice();
  for (let changes = next(5); changes > 0; changes--) {
    // A pointer now and then: to itself, forwards, or to another pointer.
    bytes[next(bytes.length)] = next(3) > 0 ? next(256) : 0xc0;
  }
  return bytes.subarray(0, next(4) > 0 ? bytes.length : next(bytes.length));
}

/** What is decoded is the same when it has been encoded; the rest is refused. */
export function fuzzDnsMessages(count: number): void {
  const next = numbers(11);
  let good = 0;
  for (let i = 0; i < count; i++) {
    const bytes = randomMessage(next);
    const message = decodeMessage(bytes);
    const request = requestIn(bytes);
    const reply = replyTo(bytes);
    if (bytes.length < 12 || bytes[2] & 0x80) {
      expect([request, reply]).toEqual([undefined, undefined]);
    } else {
      // A reply is a message, fits, and is never answered itself.
      expect(reply!.bytes.length).toBeLessThanOrEqual(request!.size);
      expect(decodeMessage(reply!.bytes)!.id).toBe(bytes[0] << 8 | bytes[1]);
      expect(requestIn(reply!.bytes)).toBeUndefined();
    }
    if (!message) continue;
    good++;
    expect(decodeMessage(encodeMessage(message))).toEqual(message);
    if (message.questions.length !== 1) continue;
    findingIn(message);
    for (const line of linesOf(message)) expect(line).toMatch(/^[ -~]{1,68}$/);
  }
  expect(good).toBeWithin(count / 10, count * 9 / 10);
}

/** An answer with another number, or to another question, is none. */
export function fuzzForgedAnswers(count: number): void {
  const next = numbers(12);
  const query = queryFor(0x5a5a, "a.lab.test", "A");
  for (let i = 0; i < count; i++) {
    const forged = forgedFrom(query, next);
    expect(answerIn(encodeMessage(forged), query)).toBeUndefined();
  }
  expect(answerIn(encodeMessage(answerTo(query)), query)).toBeDefined();
}

/** The answer with a forged address; its other fields are right. */
function answerTo(query: Message, address = "6.6.6.6"): Message {
  const [question] = query.questions;
  const answer: Resource = { ...question, ttl: 9, data: [address] };
  return { ...query, flags: FLAGS.QR | FLAGS.AA, answers: [answer] };
}

function forgedFrom(query: Message, next: Numbers): Message {
  const answer = answerTo(query);
  const [question] = query.questions;
  const asking = (change: Partial<typeof question>) => ({
    ...answer,
    questions: [{ ...question, ...change }],
  });
  return [
    () => asking({ name: "b.lab.test" }),
    () => asking({ name: "a.lab.test.test" }),
    () => asking({ type: "TXT" }),
    () => asking({ class: 3 }),
    () => ({ ...answer, questions: [] }),
    () => ({ ...answer, questions: [question, question] }),
    () => ({ ...answer, flags: FLAGS.AA }),
    () => ({ ...answer, opcode: 4 }),
  ][next(20)]?.() ?? { ...answer, id: query.id + 1 + next(0xffff) & 0xffff };
}

/**
 * Clients that wait for an answer get so many forged ones first, `each` of them
 * 1000: from the server's address with something wrong, and from another address
 * with all that was asked. They believe none.
 */
export async function forgeAtClients(
  count: number,
  each = 1000,
): Promise<void> {
  await using server = socket(AF_INET, SOCK_DGRAM);
  await using other = socket(AF_INET, SOCK_DGRAM);
  await server.bind(["127.0.0.1", 0]);
  await other.bind(["127.0.0.1", 0]);
  const next = numbers(13);
  for (let sent = 0; sent < count; sent += each) {
    await using asking = socket(AF_INET, SOCK_DGRAM);
    await asking.connect(server.getsockname());
    const [query] = queriesOf({ name: "a.lab.test" });
    const answered = askInDatagram(asking, query, () => {});
    const [, client] = await server.recvfrom(512);
    for (let i = 0; i < each; i++) {
      const forged = i % 4 > 0
        ? server.sendto(encodeMessage(forgedFrom(query, next)), client)
        : other.sendto(encodeMessage(answerTo(query)), client);
      // Not more than the client's queue holds, so that it has to judge them.
      if (i % 50 === 0) await Bun.sleep(0);
      await forged;
    }
    const right = encodeMessage(answerTo(query, "165.165.80.80"));
    let answer: Message | undefined;
    answered.then((found) => answer = found, () => {});
    // A datagram may be lost, where a client's queue is full after all.
    while (!answer) {
      await server.sendto(right, client);
      await Bun.sleep(1);
      await Promise.race([answered, Bun.sleep(20)]);
    }
    expect(answer.answers[0].data).toEqual(["165.165.80.80"]);
  }
}
