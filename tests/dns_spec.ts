/**
 * DNS: the bytes of names and messages, what a server answers, what a client
 * believes, and both ends on the three runtimes. `tests/gate/peers_dns.ts` has dig,
 * dnsperf and dnsmasq.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import net from "node:net";
import {
  AF_INET,
  type End,
  Reader,
  SHUT_WR,
  SOCK_DGRAM,
  SOCK_STREAM,
  socket,
  type StreamSocket,
} from "../lib/mod.ts";
import {
  decodeMessage,
  encodeMessage,
  FLAGS,
  type Message,
  type Resource,
} from "../lib/protocols/dns.ts";
import {
  encodeWithin,
  findingIn,
  queryFor,
  requestIn,
} from "../lib/protocols/dns_exchange.ts";
import { isWithin, readName, writeName } from "../lib/protocols/dns_names.ts";
import { queriesOf } from "../lib/services/dns_client.ts";
import { inStream } from "../lib/services/dns_stream.ts";
import { replyTo } from "../lib/services/dns_zone.ts";
import { serveAll } from "../lib/services/serve_all.ts";
import { openBoth } from "../lib/services/open_both.ts";
import {
  clientOn,
  nextTo,
  serverOn,
  testNoServer,
  testWrongFlags,
} from "./support/ends.ts";
import {
  forgeAtClients,
  fuzzDnsMessages,
  fuzzForgedAnswers,
} from "./support/fuzz_dns.ts";
import { play, playToEnd } from "./support/play.ts";
import { RUNTIMES } from "./support/runtimes.ts";
import { load } from "./support/scripts.ts";
import { idlyOn, testOn } from "./support/test_on.ts";

setDefaultTimeout(60_000);

const lookup = await load("dns_lookup");

/** Bytes from hexadecimal digits and, in quotes, text. */
function bytes(text: string): Uint8Array {
  const parts = text.match(/"[^"]*"|[0-9a-f]{2}/g) ?? [];
  return Uint8Array.from(
    parts.flatMap((part) =>
      part.startsWith('"')
        ? [...part.slice(1, -1)].map((one) => one.charCodeAt(0))
        : parseInt(part, 16)
    ),
  );
}

/** A name after a header of 12 zeros, as it is read; undefined if it is none. */
function nameIn(text: string, start = 12): [string, number] | undefined {
  try {
    return readName(
      Uint8Array.of(...new Uint8Array(12), ...bytes(text)),
      start,
    );
  } catch {
    return;
  }
}

describe("names", () => {
  test("end with a pointer, as in RFC 1035, section 4.1.4", () => {
    const text = '01"F"03"ISI"04"ARPA"00 03"FOO"c00c c012 00';
    expect(nameIn(text)).toEqual(["F.ISI.ARPA", 24]);
    expect(nameIn(text, 24)).toEqual(["FOO.F.ISI.ARPA", 30]);
    expect(nameIn(text, 30)).toEqual(["ARPA", 32]);
    expect(nameIn(text, 32)).toEqual([".", 33]);
    const out = [...new Uint8Array(12)];
    const known = new Map<string, number>();
    const names = ["F.ISI.ARPA", "FOO.F.ISI.ARPA", "ARPA", "."];
    for (const name of names) writeName(out, name, known);
    expect(out.slice(12)).toEqual([...bytes(text)]);
  });

  test("have pointers that point backwards only", () => {
    for (
      const [what, start] of [
        ["c00c", 12], // to itself
        ["c00e 01'a'00", 12], // forwards
        ["c000", 12], // into the header
        ['01"a"c00c', 12], // to the labels that led to it
        ['0301"a"00 c00d', 12], // into them
        ["c00e c00c", 12],
        ['01"a"c010 00 c00c', 17], // backwards, then forwards
        ['01"a"c010 01"b"c00c', 16], // in a circle
        ["c0", 12],
        ["", 12],
      ] as const
    ) expect([what, nameIn(what, start)]).toEqual([what, undefined]);
  });

  test("are not slow to read, however many pointers there are", () => {
    const chain = (count: number) =>
      "00" + Array.from({ length: count }, (_, i) => {
        const target = i === 0 ? 12 : 13 + 2 * (i - 1);
        return (0xc000 + target).toString(16);
      }).join("");
    expect(nameIn(chain(127), 13 + 2 * 126)).toEqual([".", 13 + 2 * 127]);
    expect(nameIn(chain(128), 13 + 2 * 127)).toBeUndefined();
  });

  test("have labels of 63 and 255 bytes in all, at most", () => {
    const label = (size: number) =>
      `${size.toString(16).padStart(2, "0")}"${"a".repeat(size)}"`;
    const long = label(63).repeat(3) + label(61);
    expect(nameIn(`${long}00`)?.[0]).toHaveLength(253);
    expect(nameIn(`${label(63).repeat(3) + label(62)}00`)).toBeUndefined();
    expect(nameIn(`${label(64)}00`)).toBeUndefined();
    expect(nameIn(`80${"00".repeat(99)}`)).toBeUndefined();
    const write = (name: string) => () => writeName([], name);
    for (const name of ["a".repeat(64), "a..b", "", `${"a.".repeat(127)}a`]) {
      expect(write(name)).toThrow(RangeError);
    }
    expect(write(`${"a.".repeat(126)}a`)).not.toThrow();
  });

  test("escape what is no letter, and give it back", () => {
    const text = '08"a.b\\ c"1bff 02"dd"00';
    const [name] = nameIn(text)!;
    expect(name).toBe("a\\.b\\\\\\032c\\027\\255.dd");
    const out: number[] = [];
    writeName(out, name);
    expect(out).toEqual([...bytes(text)]);
  });

  test("are within a zone label by label, in any case", () => {
    for (const name of ["lab.test", "a.LAB.test", "a.b.lab.test"]) {
      expect([name, isWithin(name, "lab.test")]).toEqual([name, true]);
      expect(isWithin(name, ".")).toBe(true);
    }
    for (
      const name of ["alab.test", "test", ".", "a\\.lab.test", "lab.test.x"]
    ) {
      expect([name, isWithin(name, "lab.test")]).toEqual([name, false]);
    }
  });
});

describe("messages", () => {
  const message: Message = {
    ...queryFor(0x1234, "x.lab.test", "ANY"),
    flags: FLAGS.QR | FLAGS.AA | FLAGS.RD,
  };
  const record = (type: string, ...data: string[]): Resource => ({
    ...{ name: "x.lab.test", type, class: 1, ttl: 7, data },
  });
  const [SIX, PLAIN] = ["AAAA", "TYPE65280"];

  test("are bytes as RFC 1035, section 4.1, and RFC 6891 have them", () => {
    const answers = [record("MX", "10", "m.lab.test")];
    expect(encodeMessage({ ...message, rcode: "NXDOMAIN", answers })).toEqual(
      bytes(
        '1234 8503 0001 0001 0000 0001 01"x"03"lab"04"test"00 00ff 0001 ' +
          'c00c 000f 0001 00000007 0006 000a 01"m"c00e 00 0029 04d0 00000000 0000',
      ),
    );
  });

  test("have an rcode of 12 bits, and strings of 255 bytes at most", () => {
    const late = encodeMessage({ ...message, rcode: "BADVERS" }); // 16
    expect([late[3] & 0xf, late.at(-6)]).toEqual([0, 1]);
    const answers = [record("TXT", "x".repeat(256))];
    expect(() => encodeMessage({ ...message, answers })).toThrow(RangeError);
  });

  test("give back every type of record", () => {
    const answers = [
      record("A", "165.165.80.80"),
      record("SOA", "n.test", "h.n.test", "4294967295", "1", "2", "3", "4"),
      record("MX", "65535", "."),
      record("TXT", "", 'a b."c\\\\\\000', "x".repeat(255)),
      record("PTR", "\\.\\032.test"),
      record(PLAIN, "\\#", "2", "00ff"),
      record(PLAIN, "\\#", "0"),
    ];
    const all = { ...message, answers, authority: answers };
    expect(decodeMessage(encodeMessage(all))).toEqual(all);
  });

  test("write addresses of IPv6 as RFC 5952 does", () => {
    for (
      const [hex, text] of [
        ["20010db8000000000000000000000001", "2001:db8::1"],
        ["20010db8000000010000000000000001", "2001:db8:0:1::1"],
        ["20010db8000000000001000000000001", "2001:db8::1:0:0:1"],
        ["20010db8000100010001000100000001", "2001:db8:1:1:1:1:0:1"],
        ["00000000000000000000000000000000", "::"],
        ["00000000000000000000000000000001", "::1"],
        ["00100000000000000000000000000000", "10::"],
      ]
    ) {
      const plain = record("TYPE28", "\\#", "16", hex);
      const answers = [{ ...plain, type: SIX, data: [text] }];
      const encoded = encodeMessage({ ...message, answers });
      expect(Buffer.from(encoded).toString("hex")).toContain(`0010${hex}`);
      expect(decodeMessage(encoded)!.answers).toEqual(answers);
    }
  });

  test("have no pointer to what is too far behind, RFC 1035", () => {
    const long = Array(65).fill(record("TXT", "x".repeat(252)));
    const far = Array(2).fill({ ...record("NS", "."), name: "far.test" });
    const all = { ...message, answers: [...long, ...far] };
    const encoded = encodeMessage(all);
    expect(Buffer.from(encoded).indexOf("far")).toBeGreaterThan(0x3fff);
    expect(decodeMessage(encoded)).toEqual(all);
  });

  test("have no time to live with the first bit set, RFC 2181", () => {
    const answers = [{ ...record("A", "1.2.3.4"), ttl: 2 ** 31 }];
    const [read] =
      decodeMessage(encodeMessage({ ...message, answers }))!.answers;
    expect(read.ttl).toBe(0);
  });

  test("are whole, and nothing follows them", () => {
    const answers = [record("TXT", "a", "b"), record("A", "1.2.3.4")];
    const whole = encodeMessage({ ...message, answers });
    for (let size = 0; size < whole.length; size++) {
      expect(decodeMessage(whole.subarray(0, size))).toBeUndefined();
    }
    expect(decodeMessage(Uint8Array.of(...whole, 0))).toBeUndefined();
  });

  test("have data as long as they say, and one OPT of the root", () => {
    const whole = encodeMessage(message);
    const [body, opt] = [whole.slice(0, -11), whole.slice(-11)];
    const twice = Uint8Array.of(...whole, ...opt);
    twice[11] = 2; // additional records
    const named = Uint8Array.of(...body, 0xc0, 12, ...opt.slice(1));
    const answers = [record("A", "1.2.3.4")];
    const address = encodeMessage({ ...message, answers, edns: undefined });
    expect(decodeMessage(address)).toBeDefined();
    address[address.length - 5] = 3;
    for (const bytes of [twice, named, address]) {
      expect(decodeMessage(bytes)).toBeUndefined();
    }
  });

  test("of any kind harm neither end", () => fuzzDnsMessages(5_000));
});

/** The server's reply in a few words: rcode, flags, names of records. */
function replied(message: Uint8Array, protocol?: "TCP"): string | undefined {
  const reply = replyTo(message, protocol);
  if (!reply) return;
  const decoded = decodeMessage(reply.bytes)!;
  const { rcode, flags, answers, authority } = decoded;
  const names = Object.entries(FLAGS).filter(([, bit]) => flags & bit);
  const types = (records: readonly Resource[]) =>
    records.map(({ type }) => type).join("+") || "-";
  const set = names.map(([name]) => name).join("");
  return `${rcode} ${set} ${types(answers)} ${types(authority)}`;
}

/** A query as bytes, with something about it changed. */
function query(
  name = "a.lab.test",
  type = "A",
  change: Partial<Message> = {},
): Uint8Array {
  return encodeMessage({ ...queryFor(1, name, type), ...change });
}

describe("the server", () => {
  test("answers for its zone alone", () => {
    for (
      const [name, type, reply] of [
        ["a.lab.test", "A", "NOERROR QRAA A NS"],
        ["A.Lab.TEST", "A", "NOERROR QRAA A NS"],
        ["www.lab.test", "A", "NOERROR QRAA CNAME+A NS"],
        ["www.lab.test", "CNAME", "NOERROR QRAA CNAME NS"],
        ["www.lab.test", "TXT", "NOERROR QRAA CNAME SOA"], // RFC 2308, 2.2
        ["a.lab.test", "AAAA", "NOERROR QRAA - SOA"],
        ["a.lab.test", "TYPE65280", "NOERROR QRAA - SOA"],
        ["a.lab.test", "ANY", "NOERROR QRAA A NS"],
        ["lab.test", "SOA", "NOERROR QRAA SOA NS"],
        ["lab.test", "NS", "NOERROR QRAA NS -"],
        ["lab.test", "A", "NOERROR QRAA - SOA"],
        ["b.lab.test", "A", "NXDOMAIN QRAA - SOA"],
        ["b.a.lab.test", "A", "NXDOMAIN QRAA - SOA"],
        ["constructor.lab.test", "A", "NXDOMAIN QRAA - SOA"],
        ["a\\.lab.test", "A", "REFUSED QR - -"],
        ["example.com", "A", "REFUSED QR - -"],
        [".", "NS", "REFUSED QR - -"],
        ["lab.test", "AXFR", "REFUSED QR - -"],
      ]
    ) {
      expect([name, type, replied(query(name, type))]).toEqual([
        name,
        type,
        reply,
      ]);
    }
    const chaos = [{ name: "a.lab.test", type: "A", class: 3 }];
    expect(replied(query("", "", { questions: chaos }))).toBe("REFUSED QR - -");
  });

  test("repeats the name as it was asked, and RD and CD", () => {
    const flags = FLAGS.RD | FLAGS.CD;
    const { bytes } = replyTo(query("A.lab.TEST", "A", { flags }))!;
    const reply = decodeMessage(bytes)!;
    expect(reply.flags).toBe(flags | FLAGS.QR | FLAGS.AA);
    expect(reply.questions[0].name).toBe("A.lab.TEST");
    const edns = { size: 1232, version: 0, dnssec: true };
    const secure = replyTo(query("a.lab.test", "A", { edns }))!;
    expect(decodeMessage(secure.bytes)!.edns).toEqual(edns);
    const others = { flags: 0x7ff & ~(FLAGS.RD | FLAGS.CD) };
    expect(replied(query("example.com", "A", others))).toBe("REFUSED QR - -");
    expect(reply.answers[0]).toMatchObject({
      ...{ name: "A.lab.TEST", data: ["165.165.80.80"] },
    });
  });

  test("says why it cannot answer, but not to an answer", () => {
    const [question] = queryFor(1, "a.lab.test", "A").questions;
    const edns = { size: 512, version: 1, dnssec: true };
    const many = Array(5000).fill({ ...question, ttl: 1, data: ["1.2.3.4"] });
    for (
      const [message, reply] of [
        [query("a.lab.test", "A", { opcode: 4 }), "NOTIMP QR - -"],
        [query("a.lab.test", "A", { questions: [] }), "FORMERR QR - -"],
        [query("", "", { questions: [question, question] }), "FORMERR QR - -"],
        [
          query("", "", { questions: [question], additional: many }),
          "FORMERR QR - -",
        ],
        [query().subarray(0, 20), "FORMERR QR - -"],
        [Uint8Array.of(...query(), 0), "FORMERR QR - -"],
        [Uint8Array.of(...query().slice(0, -1), 1), "FORMERR QR - -"], // OPT
        [query("a.lab.test", "A", { edns }), "BADVERS QR - -"],
        [query("a.lab.test", "A", { flags: FLAGS.QR }), undefined],
        [query("a.lab.test", "A", { flags: FLAGS.QR, opcode: 4 }), undefined],
        [query().subarray(0, 11), undefined],
        [new Uint8Array(), undefined],
      ] as const
    ) expect(replied(message)).toBe(reply);
  });

  test("sends datagrams as long as the client takes, up to 1232", () => {
    for (
      const [size, limit] of [[0, 512], [512, 512], [700, 700], [1232, 1232], [
        65535,
        1232,
      ]]
    ) {
      const edns = { size, version: 0, dnssec: false };
      const request = query("long.lab.test", "TXT", { edns });
      expect(requestIn(request)!.size).toBe(limit);
      expect(replied(request)).toBe("NOERROR QRAATC - -");
    }
    const small = queryFor(1, "a.lab.test", "A");
    const { length } = encodeMessage(small);
    for (const [size, flags] of [[length, 0], [length - 1, FLAGS.TC]]) {
      expect(decodeMessage(encodeWithin(small, size))!.flags).toBe(flags);
    }
    const plain = query("long.lab.test", "TXT", { edns: undefined });
    expect(requestIn(plain)!.size).toBe(512);
    expect(decodeMessage(replyTo(plain)!.bytes)!.edns).toBeUndefined();
    expect(replied(plain, "TCP")).toBe("NOERROR QRAA TXT NS");
  });

  test("answers several questions on a connection, in any pieces", async () => {
    const asked = [
      query("long.lab.test", "TXT", { id: 1 }),
      query("a.lab.test", "A", { id: 2 }),
      query("a.lab.test", "A", { id: 3, opcode: 2 }),
    ];
    const stream = Uint8Array.from(asked.flatMap((one) => [...inStream(one)]));
    for (const size of [1, 7, stream.length]) {
      await play(lookup, {}, async ({ address }: End) => {
        await using connection = socket(AF_INET, SOCK_STREAM);
        await connection.connect(address);
        for (let at = 0; at < stream.length; at += size) {
          await connection.sendall(stream.subarray(at, at + size));
        }
        await connection.shutdown(SHUT_WR);
        const all = await new Reader(connection).all();
        const expected = asked.flatMap((one) => [
          ...inStream(replyTo(one, "TCP")!.bytes),
        ]);
        expect([...all]).toEqual(expected);
      });
    }
  });

  test("ends a connection that brings an answer or no message", async () => {
    for (
      const message of [
        query("a.lab.test", "A", { flags: FLAGS.QR }),
        new Uint8Array(),
      ]
    ) {
      await play(lookup, {}, async ({ address }: End) => {
        await using connection = socket(AF_INET, SOCK_STREAM);
        await connection.connect(address);
        await connection.sendall(inStream(message));
        expect(await connection.recv(1)).toHaveLength(0);
      });
    }
  });
});

describe("the client", () => {
  test("believes only what answers this question", () => {
    fuzzForgedAnswers(5_000);
  });

  test("believes none of the forged answers that it gets", async () => {
    await forgeAtClients(2_000);
  });

  test("takes another number and another port for each question", async () => {
    const ids = new Set<number>();
    const ports = new Set<number>();
    for (let i = 0; i < 64; i++) {
      ids.add(queriesOf({ name: "a.lab.test" })[0].id);
      await using asking = socket(AF_INET, SOCK_DGRAM);
      await asking.connect(["127.0.0.1", 9]);
      ports.add(Number(asking.getsockname()[1]));
    }
    expect(ids.size).toBeGreaterThan(56);
    expect(ports.size).toBeGreaterThan(56);
    const near = [...ports].filter((port) => ports.has(port + 1));
    expect(near.length).toBeLessThan(16); // they are not counted up
  });

  const [asked] = queriesOf({ name: "www.lab.test" });
  const record = (name: string, type: string, ...data: string[]) => ({
    ...{ name, type, class: 1, ttl: 60, data },
  });
  const finding = (change: Partial<Message>) => {
    const { aliases, records, absent } = findingIn({ ...asked, ...change });
    return [aliases, records.map(({ data }) => data[0]), absent];
  };

  test("follows other names, and nothing that it has not asked for", () => {
    const answers = [
      record("b.lab.test", "A", "2.2.2.2"),
      record("www.lab.test", "CNAME", "B.lab.test"),
      record("evil.test", "A", "6.6.6.6"),
      { ...record("b.lab.test", "A", "6.6.6.6"), class: 3 },
      record("b.lab.test", "TXT", "text"),
    ];
    expect(finding({ answers })).toEqual([
      ["B.lab.test"],
      ["2.2.2.2"],
      undefined,
    ]);
  });

  test("follows sixteen other names, also in a circle", () => {
    const alias = (i: number, next = i + 1) =>
      record(`${i || "www"}.lab.test`, "CNAME", `${next || "www"}.lab.test`);
    const follow = (answers: Resource[]) =>
      (finding({ answers })[0] as string[]).map((name) => parseInt(name) || 0);
    const chain = Array.from({ length: 3000 }, (_, i) => alias(i));
    expect(follow(chain)).toEqual(Array.from({ length: 16 }, (_, i) => i + 1));
    expect(follow([alias(0), alias(1, 0)])).toHaveLength(16);
  });

  test("learns how long there is none from the zone alone, RFC 2308", () => {
    const soa = (name: string, minimum: string) =>
      record(name, "SOA", "n.test", "h.test", "1", "2", "3", "4", minimum);
    for (
      const [name, minimum, absent] of [
        ["lab.test", "300", 60],
        ["lab.test", "30", 30],
        [".", "0", 0],
        ["b.test", "30", undefined],
      ] as const
    ) {
      const authority = [soa(name, minimum)];
      expect(finding({ authority })[2]).toBe(absent);
    }
  });
});

/** Plays a server that answers over UDP and TCP as it is told. */
function serverThat(
  datagram: (data: Uint8Array) => Uint8Array[],
  stream: (client: StreamSocket) => Promise<unknown> = async () => {},
) {
  return async ({ address, ready, serve, done }: End) => {
    const [listener, receiver] = await openBoth(address);
    ready(listener, receiver);
    const datagrams = async () => {
      for await (const [data, sender] of receiver) {
        for (const answer of datagram(data)) {
          await receiver.sendto(answer, sender);
        }
      }
    };
    const all = [datagrams(), serveAll(listener, { serve, done }, stream)];
    await Promise.all(all);
  };
}

/** The truncated answer to a query. */
function truncated(data: Uint8Array): Uint8Array {
  const { reply } = requestIn(data)!;
  return encodeMessage({ ...reply, flags: reply.flags | FLAGS.TC });
}

describe("the client of another server", () => {
  test("asks again when no answer comes, and then gives up", async () => {
    let asked = 0;
    const silent = serverThat(() => (asked++, []));
    const { error, lines } = await playToEnd(
      { ...lookup, server: silent },
      { timeout: 30 },
    );
    expect(error).toMatchObject({ code: "ETIMEDOUT", call: "recv" });
    expect(lines).toEqual(Array(3).fill("client: No answer in 30 ms"));
    expect(asked).toBeWithin(1, 4);
  });

  test("is not kept by what is no answer", async () => {
    const echo = serverThat((data) => Array(50).fill(data));
    const { error } = await playToEnd(
      { ...lookup, server: echo },
      { timeout: 30 },
    );
    expect(error).toMatchObject({ code: "ETIMEDOUT" });
  });

  for (
    const [what, act, code] of [
      ["ends", async () => {}, "EPROTO"],
      [
        "is cut",
        (client: StreamSocket) => client.sendall("\0\x20abc"),
        "EBADMSG",
      ],
      ["is another", async (client: StreamSocket) => {
        const data = (await client.recv(512)).subarray(2);
        const other = decodeMessage(data)!;
        const id = other.id ^ 1;
        const flags = FLAGS.QR;
        await client.sendall(inStream(encodeMessage({ ...other, id, flags })));
      }, "EPROTO"],
      ["is truncated, too", async (client: StreamSocket) => {
        const data = (await client.recv(512)).subarray(2);
        await client.sendall(inStream(truncated(data)));
      }, "EPROTO"],
    ] as const
  ) {
    test(`says so when the answer over TCP ${what}`, async () => {
      const server = serverThat((data) => [truncated(data)], act);
      const { error, lines } = await playToEnd({ ...lookup, server });
      expect(error).toMatchObject({ code });
      expect(lines).toEqual(["client: Truncated: asking again over TCP"]);
    });
  }

  test("prints nothing raw, and no long line", async () => {
    const evil = "\\027[2J\\010\\.".repeat(8);
    const server = serverThat((data) => {
      const { reply } = requestIn(data)!;
      const [{ name }] = reply.questions;
      const alias = { name, type: "CNAME", class: 1, ttl: 1, data: [evil] };
      const text = {
        ...alias,
        name: evil,
        type: "TXT",
        data: ["\\027[2J\\010x"],
      };
      return [
        encodeMessage({ ...reply, answers: [alias, ...Array(40).fill(text)] }),
      ];
    });
    const flags = { name: "x.test", type: "TXT" };
    const { lines } = await play({ ...lookup, server }, { flags });
    expect(lines).toHaveLength(20);
    for (const line of lines) expect(line).toMatch(/^client: [ -~]{1,68}$/);
  });
});

/** What the client prints. */
const RESULT = `www.lab.test is a.lab.test
a.lab.test A 165.165.80.80
none.lab.test: NXDOMAIN, for 300 s
Truncated: asking again over TCP
long.lab.test TXT 1600 bytes in 8 strings
`;

for (const runtime of RUNTIMES) {
  idlyOn(runtime, `${runtime}: a client that drips is closed`, async () => {
    const flags = ["--timeout", "1000"];
    const { port, server, stop } = await serverOn("dns_lookup", runtime, flags);
    const dripping = net.connect(Number(port), "127.0.0.1");
    const closed = new Promise((resolve) => {
      dripping.on("error", () => {}).on("close", resolve).resume();
    });
    const drip = setInterval(() => dripping.write("x"), 50);
    // The others do not notice.
    expect(await clientOn("dns_lookup", nextTo(runtime), port)).toBe(RESULT);
    await closed;
    clearInterval(drip);
    await stop();
    const { stderr } = await server.finished;
    expect(stderr.match(/timed out/g)).toHaveLength(1);
  });
}

describe("both ends", () => {
  for (const runtime of RUNTIMES) {
    const other = nextTo(runtime);
    testOn(runtime, `speak: ${runtime} asks ${other}`, async () => {
      const server = await serverOn("dns_lookup", other);
      const { port } = server;
      expect(await clientOn("dns_lookup", runtime, port)).toBe(RESULT);
      const flags = ["--clients", "2"];
      const twice = await clientOn("dns_lookup", runtime, port, flags);
      expect(twice.split("\n").sort().join("\n")).toBe(
        (RESULT + RESULT).split("\n").sort().join("\n"),
      );
      const one = ["--name", "lab.test", "--type", "NS"];
      expect(await clientOn("dns_lookup", runtime, port, one)).toBe(
        "lab.test NS ns.lab.test\n",
      );
      const said = (await server.stop()).trimEnd().split("\n");
      expect(said).toHaveLength(3 * 4 + 1);
    });
  }

  testWrongFlags("dns_lookup", [
    ["--name", "a..b"],
    ["--name", "a b"],
    ["--name", `${"a".repeat(64)}.test`],
    ["--type", "AXFR"],
  ]);
  testNoServer("dns_lookup", /^Cannot (send to|receive from) 127\.0\.0\.1:/);
});
