/**
 * Frames of a WebSocket as they are on the wire, and what an end must find in them:
 * the categories of the Autobahn test suite, RFC 6455, and the limits of
 * lib/protocols/websocket.ts. The bytes are made here, without the library.
 */

/** A frame, which may be wrong. */
export interface RawFrame {
  readonly opcode: number;
  readonly payload?: Uint8Array | string;
  /** Whether it is the last fragment (true). */
  readonly final?: boolean;
  /** The reserved bits, as a number from 0 to 7. */
  readonly reserved?: number;
  /** How many bytes tell the length, if not as few as can: 2 or 8. */
  readonly lengthBytes?: 0 | 2 | 8;
  /** The length that it tells, if not its own. */
  readonly length?: bigint;
  /** The mask, if not that of its sender. */
  readonly mask?: number[] | null;
}

/** What an end finds: a message, a control frame, or a fault with its code. */
export type Found =
  | ["message", string | Uint8Array]
  | ["ping" | "pong", Uint8Array]
  | ["close", code: number, reason: string]
  | ["fault", code: number];

export interface FrameCase {
  readonly name: string;
  readonly frames: RawFrame[];
  readonly found: Found[];
}

export type Sender = "client" | "server";

/** A frame as its sender puts it on the wire. */
export function encode(
  {
    opcode,
    payload = "",
    final = true,
    reserved = 0,
    lengthBytes,
    length,
    mask,
  }: RawFrame,
  from: Sender,
): Uint8Array<ArrayBuffer> {
  const data = typeof payload === "string" ? utf8(payload) : payload;
  const told = length ?? BigInt(data.length);
  const size = lengthBytes ?? (told < 126n ? 0 : told < 65_536n ? 2 : 8);
  const bytes = [(final ? 128 : 0) | reserved << 4 | opcode];
  const key = mask === undefined && from === "client" ? MASK : mask;
  bytes.push(
    (key ? 128 : 0) | (size === 0 ? Number(told) : size === 2 ? 126 : 127),
  );
  for (let i = size - 1; i >= 0; i--) {
    bytes.push(Number((told >> BigInt(8 * i)) & 255n));
  }
  if (key) bytes.push(...key);
  return joined([
    Uint8Array.from(bytes),
    key ? data.map((byte, i) => byte ^ key[i % 4]) : data,
  ]);
}

/** All frames of a case, one behind the other. */
export function encodeAll(frames: readonly RawFrame[], from: Sender) {
  return joined(frames.map((frame) => encode(frame, from)));
}

export function joined(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(parts));
}

const MASK = [0x37, 0xfa, 0x21, 0x3d];
const utf8 = (text: string) => new TextEncoder().encode(text);
const hex = (digits: string) => Uint8Array.fromHex(digits.replaceAll(" ", ""));
const filled = (length: number) => new Uint8Array(length).fill(0xfe);
const X = (length: number) => "*".repeat(length);

const text = (payload: RawFrame["payload"], more: Partial<RawFrame> = {}) => ({
  opcode: 1,
  payload,
  ...more,
});
const binary = (payload: RawFrame["payload"]) => ({ opcode: 2, payload });
const more = (payload: RawFrame["payload"], final = false) => ({
  opcode: 0,
  payload,
  final,
});
const ping = (payload: RawFrame["payload"] = "") => ({ opcode: 9, payload });
const pong = (payload: RawFrame["payload"] = "") => ({ opcode: 10, payload });
const start = (payload: RawFrame["payload"], opcode = 1) => ({
  opcode,
  payload,
  final: false,
});
const closing = (code: number, reason: Uint8Array | string = "") => ({
  opcode: 8,
  payload: joined([
    Uint8Array.of(code >> 8, code & 255),
    typeof reason === "string" ? utf8(reason) : reason,
  ]),
});

const said = (data: string | Uint8Array): Found => ["message", data];
const pinged = (data = ""): Found => ["ping", utf8(data)];
const ponged = (data = ""): Found => ["pong", utf8(data)];
const BROKEN: Found = ["fault", 1002];
const NO_TEXT: Found = ["fault", 1007];
const TOO_LONG: Found = ["fault", 1009];
const HELLO = [text("Hello"), said("Hello")] as const;

/** Cases that differ in one thing. */
function each<T>(
  values: readonly T[],
  make: (value: T) => [name: string, frames: RawFrame[], found: Found[]],
): FrameCase[] {
  return values.map((value) => {
    const [name, frames, found] = make(value);
    return { name, frames, found };
  });
}

const one = (name: string, frames: RawFrame[], ...found: Found[]) => ({
  name,
  frames,
  found,
});

const framing: FrameCase[] = [
  ...each([0, 125, 126, 127, 128, 65_535, 65_536], (length) => [
    `1.1 text of ${length} bytes`,
    [text(X(length))],
    [said(X(length))],
  ]),
  ...each([0, 125, 126, 127, 128, 65_535, 65_536], (length) => [
    `1.2 ${length} bytes`,
    [binary(filled(length))],
    [said(filled(length))],
  ]),
  ...each([[0, 2], [125, 2], [0, 8], [126, 8], [65_535, 8]], (
    [length, lengthBytes],
  ) => [
    `1.3 the length ${length} in ${lengthBytes} bytes`,
    [text(X(length), { lengthBytes: lengthBytes as 2 | 8 })],
    [BROKEN],
  ]),
  one("1.4 a negative length", [text("", { length: 2n ** 63n })], BROKEN),
  one(
    "1.4 a length of all bits",
    [text("", { length: 2n ** 64n - 1n })],
    BROKEN,
  ),
  one(
    "1.5 two messages in a row",
    [text("a"), binary("b")],
    said("a"),
    said(
      utf8("b"),
    ),
  ),
];

/** Frames whose mask is not that of their sender are wrong from one of both only. */
export const MASKED: Record<Sender, FrameCase[]> = {
  client: [
    one(
      "1.6 a client's frame without mask",
      [text("a", { mask: null })],
      BROKEN,
    ),
    one("1.6 a mask of zeros", [text("a", { mask: [0, 0, 0, 0] })], said("a")),
    one(
      "1.6 a mask of its own for each frame",
      [
        text("Hello", { mask: [1, 2, 3, 4] }),
        text("you", {
          mask: [255, 254, 253, 252],
        }),
      ],
      said("Hello"),
      said("you"),
    ),
    one(
      "1.6 a ping without mask between fragments",
      [start("a"), { ...ping(), mask: null }],
      BROKEN,
    ),
  ],
  server: [
    one(
      "1.7 a server's frame with a mask",
      [text("a", { mask: MASK })],
      BROKEN,
    ),
    one("1.7 a masked pong", [{ ...pong(), mask: [0, 0, 0, 0] }], BROKEN),
  ],
};

const pings: FrameCase[] = [
  one("2.1 an empty ping", [ping()], pinged()),
  one("2.2 a ping with text", [ping("Hello")], pinged("Hello")),
  one("2.3 a ping with bytes", [ping(hex("00 ff fe fd fc fb 00 ff"))], [
    "ping",
    hex("00 ff fe fd fc fb 00 ff"),
  ]),
  one("2.4 a ping of 125 bytes", [ping(X(125))], pinged(X(125))),
  one("2.5 a ping of 126 bytes", [ping(X(126))], BROKEN),
  one("2.6 a ping of 65,536 bytes", [ping(X(65_536))], BROKEN),
  one("2.7 a pong for nothing", [pong(), HELLO[0]], ponged(), HELLO[1]),
  one("2.8 a pong with payload", [pong("x"), HELLO[0]], ponged("x"), HELLO[1]),
  one(
    "2.9 a pong, and then a ping",
    [pong("x"), ping("y")],
    ponged("x"),
    pinged("y"),
  ),
  one(
    "2.10 ten pings",
    Array(10).fill(ping("p")),
    ...Array(10).fill(pinged("p")),
  ),
  one(
    "2.11 pings of many lengths",
    [0, 1, 2, 3, 4, 5, 124].map((length) => ping(X(length))),
    ...[0, 1, 2, 3, 4, 5, 124].map((length) => pinged(X(length))),
  ),
  one("2.12 a pong of 126 bytes", [pong(X(126))], BROKEN),
  one("2.13 a ping whose length has 2 bytes", [{
    ...ping("x"),
    lengthBytes: 2,
  }], BROKEN),
];

const reserved: FrameCase[] = [
  ...each([1, 2, 3, 4, 5, 6, 7], (reserved) => [
    `3.1 reserved bits ${reserved} of a text`,
    [{ ...HELLO[0], reserved }],
    [BROKEN],
  ]),
  ...each([1, 2, 4], (reserved) => [
    `3.2 reserved bits ${reserved} behind a good text`,
    [HELLO[0], { ...binary("x"), reserved }, ping()],
    [HELLO[1], BROKEN],
  ]),
  ...each([1, 2, 4], (reserved) => [
    `3.3 reserved bits ${reserved} of a ping`,
    [{ ...ping(), reserved }],
    [BROKEN],
  ]),
  one("3.4 of a Close frame", [{ ...closing(1000), reserved: 4 }], BROKEN),
  one(
    "3.5 of a fragment",
    [start("a"), { ...more("b", true), reserved: 4 }],
    BROKEN,
  ),
];

const opcodes: FrameCase[] = [
  ...each([3, 4, 5, 6, 7, 11, 12, 13, 14, 15], (opcode) => [
    `4.1 opcode ${opcode}`,
    [{ opcode }],
    [BROKEN],
  ]),
  ...each([3, 4, 5, 6, 7, 11, 12, 13, 14, 15], (opcode) => [
    `4.2 opcode ${opcode} with payload, behind a good text`,
    [HELLO[0], { opcode, payload: "x" }, HELLO[0]],
    [HELLO[1], BROKEN],
  ]),
  one("4.3 opcode 5 between fragments", [start("a"), { opcode: 5 }], BROKEN),
];

const fragments: FrameCase[] = [
  one("5.1 a ping in fragments", [{ ...ping("a"), final: false }], BROKEN),
  one("5.2 a pong in fragments", [{ ...pong("a"), final: false }], BROKEN),
  one(
    "5.3 a Close frame in fragments",
    [{ ...closing(1000), final: false }],
    BROKEN,
  ),
  one("5.4 a text in two", [start("Hel"), more("lo", true)], HELLO[1]),
  one(
    "5.5 a ping between",
    [start("Hel"), ping("p"), more("lo", true)],
    pinged("p"),
    HELLO[1],
  ),
  one(
    "5.6 pings and pongs between",
    [start("H"), ping("1"), more("el"), pong("2"), ping("3"), more("lo", true)],
    ...[pinged("1"), ponged("2"), pinged("3"), HELLO[1]],
  ),
  one("5.7 a last fragment of nothing", [more("x", true)], BROKEN),
  one("5.8 a fragment of nothing", [more("x")], BROKEN),
  one(
    "5.9 a fragment behind a whole text",
    [HELLO[0], more("x")],
    HELLO[1],
    BROKEN,
  ),
  one(
    "5.10 a last fragment behind a last one",
    [start("Hel"), more("lo", true), more("x", true)],
    HELLO[1],
    BROKEN,
  ),
  one("5.11 a text within a text", [start("a"), text("b")], BROKEN),
  one("5.12 bytes within a text", [start("a"), start("b", 2)], BROKEN),
  one("5.13 empty fragments", [start(""), more(""), more("", true)], said("")),
  one(
    "5.14 an empty one between",
    [start("Hel"), more(""), more("lo"), more("", true)],
    HELLO[1],
  ),
  one(
    "5.15 bytes in three",
    [start(hex("00 ff"), 2), more(hex("80")), more(hex("c0 00"), true)],
    said(hex("00 ff 80 c0 00")),
  ),
  one(
    "5.16 two texts in fragments",
    [start("a"), more("b", true), start("c"), more("d", true)],
    ...[said("ab"), said("cd")],
  ),
  one("5.17 a fragment that is written too long", [
    start("a"),
    { ...more("b", true), lengthBytes: 2 },
  ], BROKEN),
  one("5.18 a Close frame between", [start("a"), closing(1001)], [
    "close",
    1001,
    "",
  ]),
  one("5.19 bytes of fragments are no text", [
    start(hex("ff"), 2),
    more(hex("fe"), true),
  ], said(hex("ff fe"))),
];

const VALID_TEXTS: Record<string, string> = {
  "Greek": "\u03ba\u1f79\u03c3\u03bc\u03b5",
  "umlauts": "Hello-\u00b5@\u00df\u00f6\u00e4\u00fc\u00e0\u00e1-UTF-8!!",
  "U+0000": "\0",
  "U+007F": "\x7f",
  "U+0080": "\x80",
  "U+07FF": "\u07ff",
  "U+0800": "\u0800",
  "U+D7FF": "\ud7ff",
  "U+E000": "\ue000",
  "U+FFFD": "\ufffd",
  "U+FFFF": "\uffff",
  "U+10000": "\u{10000}",
  "U+1FFFE": "\u{1fffe}",
  "U+10FFFF": "\u{10ffff}",
  "a byte order mark": "\ufeffx",
};
const INVALID_TEXTS: Record<string, string> = {
  "a byte that continues nothing": "80",
  "another one": "bf",
  "two of them": "80 bf",
  "all first bytes of two": "c2 20 c3 20",
  "all first bytes of three": "e1 20 ef 20",
  "all first bytes of four": "f1 20 f4 20",
  "a character of two, cut": "c3",
  "a character of three, cut": "e2 82",
  "a character of four, cut": "f0 9f 98",
  "a cut one before a letter": "e2 82 41",
  "no first byte: c0": "c0 80",
  "no first byte: c1": "c1 bf",
  "no first byte: f5": "f5 80 80 80",
  "no first byte: f8": "f8 88 80 80 80",
  "no first byte: fe": "fe",
  "no first byte: ff": "ff",
  "a slash in two": "c0 af",
  "a slash in three": "e0 80 af",
  "a slash in four": "f0 80 80 af",
  "U+07FF in three": "e0 9f bf",
  "U+FFFF in four": "f0 8f bf bf",
  "zero in two": "c0 80",
  "a high surrogate": "ed a0 80",
  "a low surrogate": "ed bf bf",
  "a pair of surrogates": "ed a0 bd ed b8 80",
  "U+110000": "f4 90 80 80",
  "wrong behind what is right": "ce ba e1 bd b9 cf 83 ce bc ce b5 ed a0 80 65",
};
const SMILE = utf8("\u{1f600}");

const texts: FrameCase[] = [
  ...each(Object.entries(VALID_TEXTS), ([name, valid]) => [
    `6.1 ${name}`,
    [text(valid)],
    [said(valid)],
  ]),
  ...each(Object.entries(INVALID_TEXTS), ([name, digits]) => [
    `6.2 ${name}`,
    [text(hex(digits))],
    [NO_TEXT],
  ]),
  ...each([1, 2, 3], (at) => [
    `6.3 a character cut by a fragment behind byte ${at}`,
    [start(SMILE.subarray(0, at)), ping(), more(SMILE.subarray(at), true)],
    [pinged(), said("\u{1f600}")],
  ]),
  one("6.4 each byte in a fragment", [
    start(SMILE.subarray(0, 1)),
    more(SMILE.subarray(1, 2)),
    more(SMILE.subarray(2, 3)),
    more(SMILE.subarray(3), true),
  ], said("\u{1f600}")),
  one("6.5 wrong only over two fragments", [
    start(hex("ed")),
    more(hex("a0 80"), true),
  ], NO_TEXT),
  one("6.6 wrong before the last fragment", [start(hex("f4 90"))], NO_TEXT),
  one("6.7 wrong before the frame is whole", [
    text(hex("61 ff"), { length: 100n }),
  ], NO_TEXT),
  one("6.8 a cut character at the end of the last fragment", [
    start("a"),
    more(hex("e2 82"), true),
  ], NO_TEXT),
];

const closings: FrameCase[] = [
  one("7.1 a Close frame without a code", [{ opcode: 8 }], ["close", 1005, ""]),
  one("7.2 with half a code", [{ opcode: 8, payload: hex("03") }], BROKEN),
  one("7.3 with a reason", [closing(1000, "Bye")], ["close", 1000, "Bye"]),
  one("7.4 with a reason of 123 bytes", [closing(1000, X(123))], [
    "close",
    1000,
    X(123),
  ]),
  one("7.5 with a reason of 124 bytes", [closing(1000, X(124))], BROKEN),
  one(
    "7.6 with a reason that is no text",
    [closing(1000, hex("ce ff"))],
    NO_TEXT,
  ),
  one("7.6 with a reason that is cut", [closing(1000, hex("ce"))], NO_TEXT),
  ...each(
    [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014]
      .concat([3000, 3999, 4000, 4999]),
    (code) => [
      `7.7 the code ${code}`,
      [closing(code)],
      [["close", code, ""]],
    ],
  ),
  ...each(
    [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535],
    (code) => [`7.8 the code ${code}`, [closing(code)], [BROKEN]],
  ),
  one("7.9 a text behind it", [closing(1000), HELLO[0]], ["close", 1000, ""]),
  one("7.10 a ping behind it", [closing(1000), ping()], ["close", 1000, ""]),
  one("7.11 nonsense behind it", [closing(1000), { opcode: 15 }], [
    "close",
    1000,
    "",
  ]),
  one("7.12 behind a text", [HELLO[0], closing(1000)], HELLO[1], [
    "close",
    1000,
    "",
  ]),
  one("7.13 two of them", [closing(1000), closing(1001)], ["close", 1000, ""]),
];

/** 64 KiB in fragments of so many bytes. */
const chopped = (size: number): RawFrame[] => {
  const frames: RawFrame[] = [];
  for (let left = 65_536; left > 0; left -= size) {
    const payload = X(Math.min(size, left));
    frames.push(frames.length ? more(payload, left <= size) : start(payload));
  }
  return frames;
};

const limits: FrameCase[] = [
  one("9.1 one byte too many", [text("", { length: 65_537n })], TOO_LONG),
  one("9.2 4 GiB are announced", [text("", { length: 2n ** 32n })], TOO_LONG),
  one(
    "9.3 2^62 bytes are announced",
    [text("", { length: 2n ** 62n })],
    TOO_LONG,
  ),
  one("9.4 the first of two fragments is too long", [
    { ...start(""), length: 65_537n },
  ], TOO_LONG),
  one("9.5 two fragments are too long", [
    start(X(65_536)),
    more("", false),
    { ...more("", true), length: 1n },
  ], TOO_LONG),
  one("9.6 many fragments are too long", [
    ...chopped(4096).slice(0, -1),
    more(X(4096)),
    { ...more("", true), length: 1n },
  ], TOO_LONG),
  one("9.7 as long as it may be, twice", [
    text(X(65_536)),
    binary(filled(65_536)),
  ], ...[said(X(65_536)), said(filled(65_536))]),
];

const chopping: FrameCase[] = each(
  [64, 256, 1300, 4096, 65_535],
  (size) => [
    `10.1 64 KiB in fragments of ${size}`,
    chopped(size),
    [said(X(65_536))],
  ],
);

/** The cases of both senders. */
export const FRAME_CASES: FrameCase[] = [
  ...[framing, pings, reserved, opcodes, fragments],
  ...[texts, closings, limits, chopping],
].flat();
