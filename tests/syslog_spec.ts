/**
 * Syslog messages to records and back, and where each ends in a stream: the
 * RFCs' own examples, and what no RFC foresees.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  escapeBytes,
  FACILITIES,
  formatSyslog,
  parseSyslog,
  SEVERITIES,
  type SyslogData,
  type SyslogMessage,
} from "../lib/protocols/syslog.ts";
import {
  datagramFrame,
  type Frame,
  frameCounted,
  FrameDecoder,
  frameLine,
} from "../lib/protocols/syslog_framing.ts";
import {
  formatTimestamp,
  sentTime,
} from "../lib/protocols/syslog_timestamp.ts";
import {
  eventToJson,
  formatEvent,
  repairLine,
  toEvent,
} from "../lib/services/event_log.ts";
import {
  deframe,
  frameInWords,
  fuzzFrames,
  fuzzMessages,
  fuzzRecords,
  fuzzRepairs,
  fuzzStreams,
} from "./support/fuzz.ts";

setDefaultTimeout(60_000);

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const bytesOf = (text: string) => encoder.encode(text);
const parse = (text: string) => parseSyslog(bytesOf(text));

const DATA = '[exampleSDID@32473 iut="3" eventSource="Application" ' +
  'eventID="1011"]';
const ELEMENT: SyslogData = {
  id: "exampleSDID@32473",
  params: [["iut", "3"], ["eventSource", "Application"], ["eventID", "1011"]],
};

const TIME = "2003-10-11T22:14:15.003Z";
const HOST = "mymachine.example.com";
const HIGH = '[examplePriority@32473 class="high"]';

/** RFC 5424, section 6.5. */
const NEW: [text: string, record: SyslogMessage][] = ([
  [
    `<34>1 ${TIME} ${HOST} su - ID47 - \ufeff`,
    { facility: 4, severity: 2, timestamp: TIME, hostname: HOST },
    { appname: "su", msgid: "ID47" },
    "'su root' failed for lonvick on /dev/pts/8",
  ],
  [
    "<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - ",
    { timestamp: "2003-08-24T05:14:15.000003-07:00", hostname: "192.0.2.1" },
    { appname: "myproc", procid: "8710" },
    "%% It's time to make the do-nuts.",
  ],
  [
    `<165>1 ${TIME} ${HOST} evntslog - ID47 ${DATA} \ufeff`,
    { timestamp: TIME, hostname: HOST, appname: "evntslog", msgid: "ID47" },
    { data: [ELEMENT] },
    "An application event log entry...",
  ],
  [
    `<165>1 ${TIME} ${HOST} evntslog - ID47 ${DATA}${HIGH}`,
    { timestamp: TIME, hostname: HOST, appname: "evntslog", msgid: "ID47" },
    { data: [ELEMENT, { id: HIGH.slice(1, 22), params: [["class", "high"]] }] },
    "",
  ],
] as [string, Partial<SyslogMessage>, Partial<SyslogMessage>, string][])
  .map(([header, one, two, message]) => [
    header + message,
    { format: "rfc5424", facility: 20, severity: 5, ...one, ...two, message },
  ]);

const DONUTS = "%% It's time to make the do-nuts.  %%  Ingredients: Mix=OK, " +
  "Jelly=OK # Devices: Mixer=OK, Jelly_Injector=OK, Frier=OK # Transport: " +
  "Conveyer1=OK, Conveyer2=OK # %%";
const FOLKS = "1990 Oct 22 10:52:01 TZ-6 scapegoat.dmz.example.org 10.1.2.3 " +
  "sched[0]: That's All Folks!";

/** RFC 3164, section 5.4; the third is valid by the letter, "CST" its host. */
const OLD: [text: string, record: SyslogMessage][] = [
  ...([
    ["<34>", "Oct 11 22:14:15", "mymachine", "su", NEW[0][1].message],
    ["<13>", "Feb  5 17:32:18", "10.0.0.99", undefined, "Use the BFG!"],
    [
      ...["<165>", "Aug 24 05:34:00", "CST", undefined],
      `1987 mymachine myproc[10]: ${DONUTS}`,
    ],
    ["<0>", "Oct 22 10:52:12", "scapegoat", undefined, FOLKS],
  ] as [string, string, string, string | undefined, string][])
    .map(([pri, timestamp, hostname, appname, message]): [
      string,
      SyslogMessage,
    ] => {
      const number = Number(pri.slice(1, -1));
      const [facility, severity] = [number >> 3, number & 7];
      const tag = appname ? `${appname}: ` : "";
      return [
        `${pri}${timestamp} ${hostname} ${tag}${message}`,
        {
          ...{ format: "rfc3164", facility, severity, timestamp, hostname },
          ...(appname ? { appname } : {}),
          message,
        },
      ];
    }),
  ["Use the BFG!", { message: "Use the BFG!", malformed: "no PRI" }],
  [`<0>${FOLKS}`, {
    ...{ format: "rfc3164", facility: 0, severity: 0 },
    ...{ message: `<0>${FOLKS}`, malformed: "no TIMESTAMP" },
  }],
];

describe("parseSyslog()", () => {
  test("reads the examples of RFC 5424 and RFC 3164", () => {
    for (const [text, record] of [...NEW, ...OLD]) {
      expect(parse(text)).toEqual(record);
    }
  });

  test("takes the timestamps that RFC 5424 calls valid, and no other", () => {
    const faultOf = (time: string) =>
      parse(`<34>1 ${time} host app - - - text`).malformed;
    const date = "2003-08-24";
    for (
      const valid of [
        ...["1985-04-12T23:20:50.52Z", "1985-04-12T19:20:50.52-04:00"],
        ...["2003-10-11T22:14:15.003Z", `${date}T05:14:15.000003-07:00`],
        ...["2000-02-29T23:59:59+23:59", "-"],
      ]
    ) expect([valid, faultOf(valid)]).toEqual([valid, undefined]);
    for (
      const invalid of [
        ...[`${date}T05:14:15.000000003-07:00`, `${date}t05:14:15Z`],
        ...[`${date}T05:14:15z`, `${date}T05:14:60Z`, `${date}T24:14:15Z`],
        ...[`${date}T05:14:15`, `${date}T05:14:15.Z`],
        ...[`${date}T05:14:15+24:00`, "2003-02-29T05:14:15Z"],
        ...["2003-13-01T05:14:15Z", "Oct"],
      ]
    ) expect([invalid, faultOf(invalid)]).toEqual([invalid, "wrong TIMESTAMP"]);
  });

  test("takes the structured data that RFC 5424 calls valid, and no other", () => {
    const read = (data: string) => {
      const { malformed, ...read } = parse(`<34>1 - - - - - ${data}`);
      return malformed ?? read.data;
    };
    const high = '[examplePriority@32473 class="high"]';
    expect(read(DATA)).toEqual([ELEMENT]);
    expect(read(DATA + high)).toHaveLength(2);
    // Section 6.3.5: the second element is text, or the first is none.
    expect(parse(`<34>1 - - - - - ${DATA} ${high}`))
      .toMatchObject({ data: [ELEMENT], message: high });
    expect(read(`[ ${DATA.slice(1)}${high}`)).toBe("wrong SD-ID");
    expect(read('[sigSig ver="1" rsID="1234" signature="..."]')).toEqual([
      {
        id: "sigSig",
        params: [["ver", "1"], ["rsID", "1234"], ["signature", "..."]],
      },
    ]);
    expect(read(String.raw`[a b="\"\\\]\n"][c]`)).toEqual([
      { id: "a", params: [["b", String.raw`"\]\n`]] },
      { id: "c", params: [] },
    ]);
    expect(read('[a b="x" b="y"]')).toEqual([
      { id: "a", params: [["b", "x"], ["b", "y"]] },
    ]);
    for (
      const [data, reason] of [
        ["[a][a]", "SD-ID a twice"],
        ['[a b="]"]', "wrong PARAM-VALUE"],
        ['[a b="', "wrong PARAM-VALUE"],
        [String.raw`[a b="\"]`, "wrong PARAM-VALUE"],
        ['[a =""]', "wrong PARAM-NAME"],
        ['[a b="c"', "no ] after an SD-ELEMENT"],
        [`[${"a".repeat(33)}]`, "wrong SD-ID"],
        ["[a]text", "no space after STRUCTURED-DATA"],
        ["-text", "no space after STRUCTURED-DATA"],
        ["text", "no STRUCTURED-DATA"],
        ["", "no STRUCTURED-DATA"],
      ]
    ) expect([data, read(data)]).toEqual([data, reason]);
  });

  test("keeps what is malformed whole, with the reason and the PRI", () => {
    for (
      const [text, malformed] of [
        ["", "no PRI"],
        ["<>1 - - - - - -", "no PRI"],
        ["<013>1 - - - - - -", "no PRI"],
        ["<1234>1 - - - - - -", "no PRI"],
        ["\ufeff<13>1 - - - - - -", "no PRI"],
        [" <13>Oct 11 22:14:15 host app: text", "no PRI"],
      ]
    ) expect(parse(text)).toEqual({ message: text, malformed });
    expect(parse("<192>1 - - - - - -")).toMatchObject({
      facility: undefined,
      malformed: "PRI 192 is over 191",
    });
    for (
      const [text, malformed] of [
        ["<13>2 - - - - - -", "version 2 is unknown"],
        ["<13>1 ", "no TIMESTAMP"],
        ["<13>1 - -", "nothing after HOSTNAME"],
        ["<13>1 -  - - - -", "no HOSTNAME"],
        ["<13>1 - h\xe9 - - - -", "wrong HOSTNAME"],
        [`<13>1 - ${"h".repeat(256)} - - - -`, "wrong HOSTNAME"],
        [`<13>1 - - ${"a".repeat(49)} - - -`, "wrong APP-NAME"],
        [`<13>1 - - - ${"1".repeat(129)} - -`, "wrong PROCID"],
        [`<13>1 - - - - ${"i".repeat(33)} -`, "wrong MSGID"],
        ["<13>1 - - - - -", "nothing after MSGID"],
        ["<13>Oct 11 22:14:15", "no TIMESTAMP"],
        ["<13>Oct 32 22:14:15 host app: text", "wrong TIMESTAMP"],
        ["<13>Okt 11 22:14:15 host app: text", "wrong TIMESTAMP"],
        ["<13>5 apples", "no TIMESTAMP"],
      ]
    ) {
      expect(parse(text)).toMatchObject({
        facility: 1,
        severity: 5,
        message: text,
        malformed,
      });
    }
  });

  test("reads RFC 3164 as it is sent", () => {
    const read = (text: string) => {
      const { hostname, appname, procid, message, malformed } = parse(
        `<13>${text}`,
      );
      return [hostname, appname, procid, message, malformed].map((one) =>
        one ?? ""
      );
    };
    for (
      const [text, ...parts] of [
        ["Nov 21 02:33:57 vm tag[4716]: hi", "vm", "tag", "4716", "hi", ""],
        ["Nov 01 02:33:57 vm a-b/c.d: hi", "vm", "a-b/c.d", "", "hi", ""],
        ["Nov 21 02:33:57 kernel: oops", "", "kernel", "", "oops", ""],
        ["Nov 21 02:33:57 vm http://a b", "vm", "", "", "http://a b", ""],
        ["Nov 21 02:33:57 vm app:", "vm", "app", "", "", ""],
        ["Nov 21 02:33:57 vm app[]: x", "vm", "", "", "app[]: x", ""],
        ["Nov 21 02:33:57 ::1 app: x", "::1", "app", "", "x", ""],
        ["2003-08-24T05:14:15Z vm app: x", "vm", "app", "", "x", ""],
      ]
    ) expect([text, ...read(text)]).toEqual([text, ...parts]);
  });

  test("keeps the bytes of what is not UTF-8, and of that only", () => {
    const bytes = Uint8Array.of(...bytesOf("<13>1 - - - - - - caf\\"), 0xe9, 7);
    const { message, bytes: kept, malformed } = parseSyslog(bytes);
    expect(malformed).toBeUndefined();
    expect(message).toBe("caf\\\ufffd\x07");
    expect(kept).toBe(String.raw`<13>1 - - - - - - caf\\\xe9\x07`);
    expect(parse("<13>1 - - - - - - \ufffd").bytes).toBeUndefined();
  });
});

describe("sentTime()", () => {
  const now = Date.parse("2026-11-21T12:00:00Z");

  test("is the instant that RFC 3339 names", () => {
    const ms = (time: string) => sentTime({ timestamp: time }, now);
    expect(ms("1985-04-12T19:20:50.52-04:00")).toBe(482196050520);
    expect(ms("2003-08-24T05:14:15.000003-07:00")).toBe(1061727255000);
    expect(ms("0000-01-01T00:00:00Z")).toBe(-62167219200000);
    expect(sentTime({}, now)).toBeUndefined();
  });

  test("takes the year in which an old time is nearest to now", () => {
    const date = (text: string, now: string) =>
      new Date(
        sentTime({ timestamp: text }, Date.parse(now))!,
      ).getFullYear();
    expect(date("Dec 31 23:59:59", "2026-01-01T12:00:00Z")).toBe(2025);
    expect(date("Jan  2 00:00:00", "2025-12-31T12:00:00Z")).toBe(2026);
    expect(date("Jul  1 00:00:00", "2025-11-21T12:00:00Z")).toBe(2025);
  });

  test("undoes formatTimestamp(), to the second for RFC 3164", () => {
    for (const format of ["rfc5424", "rfc3164"] as const) {
      const timestamp = formatTimestamp(new Date(now), format);
      expect(sentTime({ timestamp }, now + 1e9)).toBe(now);
    }
  });
});

describe("formatSyslog()", () => {
  test("writes the examples of RFC 5424 and RFC 3164", () => {
    for (const [text, record] of [...NEW, ...OLD]) {
      if (record.malformed) continue;
      // The BOM is for what is not ASCII.
      const ascii = text.replace("\ufeff", "");
      expect(decoder.decode(formatSyslog(record))).toBe(ascii);
    }
  });

  test("writes random records that are read back the same", () => {
    fuzzRecords(5_000);
  });

  test("writes <13> where neither facility nor severity is said", () => {
    const text = decoder.decode(formatSyslog({ message: "text" }));
    expect(text).toBe("<13>1 - - - - - - text");
  });

  test("refuses what would be read as something else", () => {
    const old = { format: "rfc3164", timestamp: "Oct 11 22:14:15" } as const;
    for (
      const record of [
        { facility: 24 },
        { severity: -1 },
        { severity: 1.5 },
        { hostname: "two words" },
        { hostname: "" },
        { appname: "é" },
        { timestamp: "2003-02-30T00:00:00Z" },
        { timestamp: "now" },
        { msgid: "a\nb" },
        { data: [{ id: "a b", params: [] }] },
        { data: [{ id: "a", params: [["b=", ""]] }] satisfies SyslogData[] },
        { format: "rfc3164" },
        { ...old, hostname: "two words", appname: "app" },
        { ...old, hostname: "host:", appname: "app" },
        { ...old, hostname: "host", appname: "an app" },
        { ...old, hostname: "host", message: "app: text" },
        { ...old, message: "host text" },
      ] as Partial<SyslogMessage>[]
    ) {
      const write = () => formatSyslog({ message: "text", ...record });
      expect(write).toThrow(RangeError);
    }
  });

  test("knows 24 facilities and 8 severities", () => {
    expect([FACILITIES.length, SEVERITIES.length]).toEqual([24, 8]);
    expect([FACILITIES[4], FACILITIES[20], SEVERITIES[2]])
      .toEqual(["auth", "local4", "crit"]);
  });
});

test("random messages become one line each, and none loses a byte", () => {
  fuzzMessages(5_000);
});

const split = (text: string, limit?: number) =>
  deframe([bytesOf(text)], limit).map(frameInWords);

describe("FrameDecoder", () => {
  test("tells both ways of framing apart for each message", () => {
    expect(split("5 <1>ab<2>c\n<3>d\r\n6 <4>\ne\nf <5>\n10 <6>7890123"))
      .toEqual(
        [
          "<1>ab | counted",
          "<2>c | line",
          "<3>d | line",
          "<4>\ne\n | counted",
          "f <5> | line",
          "<6>7890123 | counted",
        ],
      );
  });

  test("takes for a line what begins with a number that is no length", () => {
    expect(split("0 <1>\n12<2>\n7\n20261121 <3>\n1234567\n")).toEqual([
      "0 <1> | line",
      "12<2> | line",
      "7 | line",
      "20261121 <3> | line",
      "1234567 | line",
    ]);
  });

  test("takes a number for a length only where a < follows", () => {
    expect(split("5 opens\n<1>a\n999 lines\n<2>b\n7 <3>89\n<4>c\n12 ")).toEqual(
      [
        "5 opens | line",
        "<1>a | line",
        "999 lines | line",
        "<2>b | line",
        "<3>89\n< | counted",
        "4>c | line",
        "12  | line | the stream ended before the LF",
      ],
    );
  });

  test("ends lines where the first one ends: at LF or at NUL", () => {
    // Python's SysLogHandler, with a traceback in the second message.
    expect(split("<1>a\0<2>b\n  c\0<3>d\r\n\0<4>")).toEqual([
      "<1>a | line",
      "<2>b\n  c | line",
      "<3>d\r\n | line",
      "<4> | line | the stream ended before the NUL",
    ]);
    expect(split("<1>a\n<2>b\0c\n<3>\0")).toEqual([
      "<1>a | line",
      "<2>b\0c | line",
      "<3>\0 | line | the stream ended before the LF",
    ]);
    // A counted message decides nothing.
    expect(split("5 <1>\na<2>b\x005 <3>\0a<4>\nc\0")).toEqual([
      "<1>\na | counted",
      "<2>b | line",
      "<3>\0a | counted",
      "<4>\nc | line",
    ]);
  });

  test("takes NUL or LF for text where the next line has no PRI", () => {
    expect(split("<1>a\0b\n<2>c\0d\n")).toEqual([
      "<1>a | line",
      "b | line",
      "<2>c\0d | line",
    ]);
    expect(split("a\0b\n<2>c\0d\n")).toEqual([
      "a\0b | line",
      "<2>c\0d | line",
    ]);
    // A traceback in the first message: its lines are split, the next ones not.
    expect(split("<1>a\n  b\n  c\0<2>d\n  e\0")).toEqual([
      "<1>a | line",
      "  b | line",
      "  c | line",
      "<2>d\n  e | line",
    ]);
  });

  test("ignores LF and NUL between messages", () => {
    expect(split("\0\n<1>a\n\0<2>b\n\0")).toEqual([
      "<1>a | line",
      "<2>b | line",
    ]);
    expect(split("3 <1>\0" + "3 <2>\n\0<3>\0\n<4>\0")).toEqual([
      "<1> | counted",
      "<2> | counted",
      "<3> | line",
      "<4> | line",
    ]);
  });

  test("finds each of 500 messages that end with a NUL", () => {
    const texts = Array.from({ length: 500 }, (_, i) => `<14>message ${i}`);
    const frames = deframe(texts.map((text) => bytesOf(`${text}\0`)));
    expect(frames.map(frameInWords)).toEqual(
      texts.map((one) => `${one} | line`),
    );
  });

  test("passes over empty lines, such as those behind counted messages", () => {
    expect(split("3 <1>\n\r\n\n<2>\n\n")).toEqual([
      "<1> | counted",
      "<2> | line",
    ]);
  });

  test("keeps what the end of the stream leaves unfinished, and says so", () => {
    expect(split("<1>\n<2>")).toEqual([
      "<1> | line",
      "<2> | line | the stream ended before the LF",
    ]);
    expect(split("9 <1>")).toEqual([
      "<1> | counted | the stream ended after 3 of 9 bytes",
    ]);
    expect(split("9 <")).toEqual([
      "< | counted | the stream ended after 1 of 9 bytes",
    ]);
    expect(split("12")).toEqual(["12 | line | the stream ended before the LF"]);
    expect(split("")).toEqual([]);
  });

  test("cuts what is too long, and goes on behind it", () => {
    const long = "<1>" + "x".repeat(97);
    expect(split(`100 ${long}3 <2>${long}\n<3>\n`, 10)).toEqual([
      "<1>xxxxxxx | counted | 10 of 100 bytes kept",
      "<2> | counted",
      "<1>xxxxxxx | line | 10 of 100 bytes kept",
      "<3> | line",
    ]);
    expect(split(`${"x".repeat(20)}`, 10)).toEqual([
      "xxxxxxxxxx | line | the stream ended before the LF; 10 of 20 bytes kept",
    ]);
  });

  test("cuts between two characters", () => {
    expect(split("aé€😀\n", 9)).toEqual(["aé€ | line | 6 of 10 bytes kept"]);
    expect(split("aé€😀\n", 5)).toEqual(["aé | line | 3 of 10 bytes kept"]);
    expect(split("aé€😀\n", 3)).toEqual(["aé | line | 3 of 10 bytes kept"]);
    expect(split("aé€😀\n", 2)).toEqual(["a | line | 1 of 10 bytes kept"]);
  });

  test("keeps 8192 bytes of a line of 100 MB, in whatever pieces", () => {
    const decoder = new FrameDecoder();
    const piece = new Uint8Array(65536).fill(97);
    for (let i = 0; i < 1600; i++) expect(decoder.push(piece)).toEqual([]);
    const [frame] = decoder.push(Uint8Array.of(10));
    expect(frame.bytes.length).toBe(8192);
    expect(frame.bytes.buffer.byteLength).toBe(8192);
    expect(frame.fault).toBe("8192 of 104857600 bytes kept");
  });

  test("gives the same for random streams in random pieces", () => {
    fuzzStreams(5_000);
  });

  test("gives back what was framed, in random pieces", () => {
    fuzzFrames(1_000);
  });

  test("finds no message in HTTP, however TCP has split it", () => {
    const head = "POST /log HTTP/1.1\r\nHost: x\r\n\r\n";
    const bytes = bytesOf(`${head}<13>forged\n5 <13>x`);
    for (let at = 0; at < head.length; at++) {
      const decoder = new FrameDecoder();
      const frames = [bytes.subarray(0, at), bytes.subarray(at)]
        .flatMap((piece) => decoder.push(piece));
      expect([...frames, ...decoder.end()]).toEqual([]);
      expect(decoder.isHttp).toBe(true);
    }
  });

  test("takes a request for text behind a message, or in one", () => {
    for (const text of ["<13>GET / HTTP/1.1\n", "<13>x\nGET / HTTP/1.1\n"]) {
      const decoder = new FrameDecoder();
      expect(decoder.push(bytesOf(text))).not.toBeEmpty();
      expect(decoder.isHttp).toBe(false);
    }
  });
});

describe("datagramFrame()", () => {
  const read = (text: string, limit?: number) =>
    frameInWords(datagramFrame(bytesOf(text), limit));

  test("takes off what senders append to a datagram, once", () => {
    for (const end of ["", "\n", "\r\n", "\0"]) {
      expect(read(`<1>a${end}`)).toBe("<1>a | datagram");
    }
    expect(read("<1>a\n\n")).toBe("<1>a\n | datagram");
    expect(read("<1>a\r")).toBe("<1>a\r | datagram");
    expect(read("")).toBe(" | datagram");
  });

  test("takes off a length in front where it is that of the rest", () => {
    expect(read("4 <1>a")).toBe("<1>a | datagram");
    expect(read("4 <1>ab")).toBe("4 <1>ab | datagram");
    expect(read("04 <1>a")).toBe("04 <1>a | datagram");
    expect(read("5 opens")).toBe("5 opens | datagram");
    expect(read(`${"9".repeat(7)} <1>`)).toBe("9999999 <1> | datagram");
  });

  test("cuts what is too long", () => {
    expect(read("<1>abc", 4)).toBe("<1>a | datagram | 4 of 6 bytes kept");
    expect(read("<1>a\n", 4)).toBe("<1>a | datagram");
  });
});

describe("frameCounted() and frameLine()", () => {
  test("write what RFC 6587 says", () => {
    const message = bytesOf("<1>é");
    expect(decoder.decode(frameCounted(message))).toBe("5 <1>é");
    expect(decoder.decode(frameLine(message))).toBe("<1>é\n");
  });

  test("refuse what would not come back as it was", () => {
    expect(() => frameCounted(bytesOf(""))).toThrow(RangeError);
    expect(() => frameCounted(new Uint8Array(10_000_000))).toThrow(RangeError);
    for (const text of ["", "<1>\n", "<1>\0", "<1>\r", "1", "9 <1>"]) {
      expect(() => frameLine(bytesOf(text))).toThrow(RangeError);
    }
  });
});

describe("an event", () => {
  const received = new Date("2026-11-21T18:55:12.001Z");
  const event = (text: string, fault?: string) => {
    const frame: Frame = { bytes: bytesOf(text), framing: "line" };
    return toEvent(
      fault ? { ...frame, fault } : frame,
      ["10.0.0.9", 514],
      received,
    );
  };
  const words = (text: string, fault?: string) =>
    formatEvent(event(text, fault));

  test("is told by the server's time, then the sender's", () => {
    expect(words("<28>1 2026-11-21T19:00:12.5Z door bell 7 - - rings")).toBe(
      "18:55:12.001 19:00:12.500 door bell[7] warning: rings",
    );
    expect(words("<28>1 1970-01-01T00:00:07Z door - - - - rings")).toBe(
      "18:55:12.001 1970-01-01T00:00:07 door - warning: rings",
    );
    expect(words("<28>1 - - bell - - - rings")).toBe(
      "18:55:12.001 - 10.0.0.9 bell warning: rings",
    );
  });

  test("says what is wrong with the message, and with its end", () => {
    expect(words("rings")).toBe(
      "18:55:12.001 - 10.0.0.9 malformed (no PRI): rings",
    );
    expect(words("rings", "cut")).toContain("malformed (cut; no PRI): rings");
    expect(words("<28>1 - door - - - - rings", "cut")).toBe(
      "18:55:12.001 - door malformed (cut): rings",
    );
  });

  test("leaves out the LF that some senders count, and no other", () => {
    const message = (text: string, framing: Frame["framing"]) => {
      const bytes = bytesOf(`<28>1 - - - - - - ${text}`);
      return toEvent({ bytes, framing }, ["10.0.0.9", 514]).message;
    };
    expect(message("rings\n", "counted")).toBe("rings");
    expect(message("rings\n\r\n", "counted")).toBe("rings\n");
    expect(message("rings\n", "datagram")).toBe("rings\n");
  });

  test("is a line of JSON, the text last", () => {
    expect(eventToJson(event("<28>1 - door - - - - é\u2028\u0085\n\x1b"))).toBe(
      '{"received":"2026-11-21T18:55:12.001Z","from":["10.0.0.9",514],' +
        '"framing":"line","format":"rfc5424","facility":3,"severity":4,' +
        '"hostname":"door","message":"é' +
        String.raw`\u2028\u0085\n\u001b"}` + "\n",
    );
  });

  test("escapes in JSON what print() escapes, in the way of JSON", () => {
    const message = "\x7f\u061c\u200e\u200f\u2066\ufffe\u{1ffff}\ud800😀";
    const line = eventToJson({ ...event("text"), message });
    expect(line).toEndWith(
      String.raw`"message":"\u007f\u061c\u200e\u200f\u2066\ufffe` +
        String.raw`\ud83f\udfff\ud800` + '😀"}\n',
    );
    expect(JSON.parse(line).message).toBe(message);
  });
});

describe("repairLine()", () => {
  test("ends a line that only lacks its LF", () => {
    const line = '{"received":1}';
    expect(repairLine(bytesOf(line))).toBe(`${line}\n`);
  });

  test("keeps the bytes of any other, and is no shorter", () => {
    fuzzRepairs(1_000);
    expect(repairLine(bytesOf('{"torn":"\\'))).toBe(
      '{"torn":"{\\"torn\\":\\"\\\\\\\\"}\n',
    );
    expect(repairLine(bytesOf("{"))).toBe('{"torn":"{"}\n');
    expect(escapeBytes(bytesOf("\\é\n"))).toBe(String.raw`\\\xc3\xa9\x0a`);
  });

  test("repairs nothing that no log begins with", () => {
    const others = ["my thesis", '{"a":1}', '{"rec":', " ", "\0\0", "12"];
    expect(others.filter((text) => repairLine(bytesOf(text)) !== undefined))
      .toEqual([]);
  });
});
