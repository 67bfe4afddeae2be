/**
 * What an honest client of each experiment sends and receives, as raw bytes.
 * Hostile peers begin such an exchange; after each attack one must succeed.
 */
import { requestFor } from "../support/raw_websocket.ts";
import {
  encodeAll,
  joined,
  type RawFrame,
} from "../support/websocket_cases.ts";

/** On a stream: everything is sent, then FIN, then the answer is received. */
export interface StreamExchange {
  kind: "stream";
  say: string | Uint8Array;
  /** Matches the start of the answer, or all of a short one. */
  hear: RegExp;
  /** The length of the answer, where it matters. */
  size?: number;
  /** An iterative server, as the experiment's subject. */
  serial?: boolean;
  /** How much a flood sends, in MB (0.25), and its content (`x`). */
  flood?: number;
  filling?: string;
  /** How many connections a crowd opens at once, if there is one. */
  crowd?: number;
  /** Messages that are malformed, each for a connection of its own. */
  malformed?: (string | Uint8Array)[];
  /** The exchange of datagrams on the same port. */
  datagrams?: DatagramExchange;
}

/** With datagrams: one is sent again and again until one is answered. */
export interface DatagramExchange {
  kind: "datagram";
  say: string;
  /** Matches the answer as latin1; undefined if there is none. */
  hear?: RegExp;
  malformed?: string[];
  /** The destination, if not 127.0.0.1. */
  to?: string;
}

export type Exchange = StreamExchange | DatagramExchange;

const TIME = /^\d\d\/\d\d\/\d{4} \d\d:\d\d:\d\d$/;
/** What begins a mail. */
const MAIL = "EHLO a\r\nMAIL FROM:<ann@a.test>\r\n" +
  "RCPT TO:<bob@lab.test>\r\nDATA\r\n";
/** What begins a session of FTP. */
const LOGIN = "USER lab\r\nPASS lab\r\n";
/** An SNTP request: LI, version and mode; zeros; its transmit timestamp. */
const sntp = (first: number, length = 48) =>
  (String.fromCharCode(first) + "\0".repeat(39) + "ABCDEFGH")
    .padEnd(length, "\xff").slice(0, length);
const modes = Array.from({ length: 64 }, (_, modes) => modes)
  .filter((first) => !(first % 8 === 3 && first < 40 && first > 8));
const SNTP: DatagramExchange = {
  kind: "datagram",
  say: sntp(0x23), // version 4, mode 3: a client's
  hear: /^\$[^]{23}ABCDEFGH[^]{16}$/, // version 4, mode 4: a server's
  malformed: [
    ...modes.map((first) => sntp(first)),
    ...[1, 40, 47].map((length) => sntp(0x23, length)),
    "\xff".repeat(48),
    sntp(0xe3), // its clock is not synchronized
    sntp(0x23, 65_507), // extension fields that are none
    "#".repeat(48),
  ],
};

const READING = "<134>1 2026-11-20T18:55:12.000Z dev1 sensor - reading " +
  '[timeQuality tzKnown="1" isSynced="1" syncAccuracy="10000"]' +
  '[reading@32473 due="2026-11-20T18:55:12.000Z" celsius="21.5"] 21.5 C\n';
const SYSLOG = [
  ...["<", "<>", "<192>1 - - - - - -", "<013>1", "<99999999999>x", "<13>2 x"],
  ...[
    "<13>1 - - - - - [x",
    '<13>1 - - - - - [x y="\\"',
    "<13>1 - - - - - [] z",
  ],
  ...["<13>1 2026-02-30T25:61:61Z - - - - -", "<13>Feb 31 25:61:61 x y: z"],
  `<13>1 - ${"h".repeat(300)} ${"a".repeat(60)} - - - x`,
  ...["9999999 <13>never so long", "99999999 x", "1 ", "0 x", "3 <1>abc"],
];

/** Requests that are refused, and one that is not whole. */
const HTTP = [
  ...["GET / HTTP/1.1\n\n", "GET / HTTP/1.1\r\n\r\n", "GET /../x HTTP/1.1\r\n"],
  "GET / HTTP/1.1\r\nHost: a\r\n b: c\r\n\r\n",
  `GET /${"x".repeat(9000)}`,
  `GET / HTTP/1.1\r\n${"a: b\r\n".repeat(5000)}`,
  "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\nx",
  "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nx",
  "PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n",
  "PUT /\x1b[2J HTTP/1.1\r\nHost: a\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1000),
];

/** The request for a WebSocket, and frames behind it. */
const websocket = (frames: RawFrame[], fields = {}) =>
  joined([
    Buffer.from(requestFor("/chat", "8080", fields)),
    encodeAll(frames, "client"),
  ]);
const text = (payload: string | Uint8Array) => ({ opcode: 1, payload });
const ANN = text("ann");
const WEBSOCKET: RawFrame[][] = [
  ...[[ANN, { opcode: 3 }], [{ ...ANN, mask: null }], [text("x".repeat(17))]],
  ...[[{ opcode: 2, payload: "ann" }], [ANN, text("x".repeat(1001))]],
  [ANN, { opcode: 1, length: 2n ** 62n }],
  [ANN, text(Uint8Array.of(0xff))],
  [ANN, text("\x1b[2J\u202e\u0000")],
  [text("\x1b[2J")],
  [ANN, { opcode: 1, payload: "x", final: false }],
  [ANN, ...Array(1000).fill({ opcode: 0, final: false })],
  Array(10_000).fill({ opcode: 9, payload: "x".repeat(125) }),
  [ANN, { opcode: 8, payload: Uint8Array.of(3, 238) }], // 1006
  [ANN, { opcode: 8 }, ...Array(10_000).fill(text("behind it"))],
];

/** A query: its number, flags, counts, question (a.lab.test A), and more. */
const dns = (
  { flags = "\0\0", counts = "\0\x01\0\0\0\0\0\0", more = "" } = {},
) => `AB${flags}${counts}\x01a\x03lab\x04test\0\0\x01\0\x01${more}`;
const OPT = "\0\0)\x10\0\0\0\0\0\0\0";
const MALFORMED_DNS = [
  ...[dns({ flags: "\x28\0" }), dns({ flags: "\x10\0" }), dns({ more: "x" })],
  dns({ counts: "\0\0\0\0\0\0\0\0" }),
  dns({ counts: "\0\x02\0\0\0\0\0\0", more: "\x01b\0\0\x01\0\x01" }),
  dns({ counts: "\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f" }),
  dns({ counts: "\0\x01\0\0\0\0\0\x02", more: OPT + OPT }),
  dns({
    counts: "\0\x01\0\0\0\0\0\x01",
    more: OPT.replace("\x10\0\0\0", "\x10\0\0\x01"),
  }),
  dns().slice(0, -1),
  dns().replace("\x01a", "\x0ba\x1b[2J\n\x7f\r\t\b\x01"),
  dns().slice(0, 12) + "?".repeat(300), // a long label after the other
];
/** The same over TCP, after its length. */
const framed = (message: string) =>
  `\0${String.fromCharCode(message.length)}${message}`;
/** TFTP requests: a name, a mode, and options with their values. */
const tftp = (opcode: number, ...texts: (string | number)[]) =>
  `\0${String.fromCharCode(opcode)}${
    texts.map((text) => `${text}\0`).join("")
  }`;
const TFTP: DatagramExchange = {
  kind: "datagram",
  say: tftp(1, "notes.bin", "octet"),
  hear: /^\0[^]\0[^]{513}$/, // DATA, with the first block
  malformed: [
    ...[
      "\0\x03\0\x01data",
      "\0\x04\0\0",
      "\0\x05\0\x05no\0",
      "\0\x06tsize\x001\0",
    ],
    ...["\0\x01", "\0\x01notes.bin", "\0\x01\0octet\0", "\0\x09x\0octet\0"],
    ...[0, 7, 65465, "1e9", -1].map((size) =>
      tftp(1, "notes.bin", "octet", "blksize", size)
    ),
    tftp(1, "notes.bin", "octet", "windowsize", 0),
    tftp(1, "notes.bin", "octet", "windowsize", 65535, "blksize", 65464),
    tftp(1, "notes.bin", "octet", "tsize", "9".repeat(200)),
    tftp(1, "notes.bin", "octet", "timeout", 255),
    tftp(1, "notes.bin", "mail"),
    tftp(1, "__proto__", "octet", "constructor", "1"),
    tftp(1, "../../etc/passwd", "netascii"),
    tftp(1, "\x1b[2J\r\n", "octet"),
    tftp(2, "notes.bin", "octet"),
    tftp(2, "../x", "octet"),
    tftp(2, "new", "octet", "tsize", "9".repeat(15)),
    tftp(1, "a".repeat(500), "octet"),
  ],
};

const ONES = "\xff\xff\xff\xff";
/** A datagram of a game that runs: version, kind, side, a key of none, and more. */
const game = (kind: number, more = "", side = 2) =>
  `\x01${String.fromCharCode(kind, side)}${"k".repeat(8)}${more}`;
/** Numbers of four bytes: of a state, its tick, the first move. */
const NEWEST = "\0\0\0\x01".repeat(3);
const GAME: DatagramExchange = {
  kind: "datagram",
  say: `${ONES}getchallenge ${"0".repeat(24)}`,
  hear: /^\xff{4}challengeResponse [0-9a-f]{16}$/,
  malformed: [
    ...["getinfo\n", "getstatus", "getstatus \x1b[2J", "getstatus", "rcon a b"],
    ...["getchallenge", "challengeResponse x", "statusResponse\n\\a\\b\n"],
    ...["", "connect", 'connect "', "connect \\name", "connect \\name\\\n"],
    'connect "\\challenge\\0123456789abcdef\\name\\eve\\match\\"',
    `connect \\challenge\\0123456789abcdef\\name\\eve\\match\\${
      "0".repeat(16)
    }`,
    "connect \\__proto__\\x\\constructor\\y\\challenge\\",
    `connect ${"\\".repeat(400)}`,
  ].map((words) => `${ONES}${words}`).concat(
    [0, 1, 2, 3, 4, 5, 6, 255].map((kind) => game(kind, NEWEST)),
    [game(1, `${NEWEST}\0`), game(1, `${NEWEST}\0`, 0), game(1, "\xff")],
    [game(1, `${NEWEST}\xff${"\x01".repeat(160)}`), game(2), game(2, "", 1)],
    [game(4, "\0\0\0\x01"), game(5, "\0\0\0\x01"), "\x02", "\x01\x01"],
  ),
};

const LINES = Array.from({ length: 10 }, (_, i) => `message ${i}\n`).join("");

/** A mark, answers, which are not answered, and frames that are none. */
const FRAMES = [
  ...["\x01", "\x01\x07", "\x02\x07", "\x01\x07\x07"],
  ...["ACK bit 1.1 0", "FINACK bit 0.1 -", "ACK selective 1.1 0"],
  ...["DATA constructor 1.1 0 x", "DATA bit 1.1 65536 x", "DATA bit 1.1"],
  ...["DATA __proto__ 1.1 0 x", `DATA bit 1.1 0 ${"x".repeat(200)}`],
];

/** By the experiment's name. */
export const EXCHANGES: Record<string, Exchange> = {
  tcp_hello: { kind: "stream", say: "", hear: /^Hello World!$/ },
  tcp_time: {
    kind: "stream",
    say: "Time received successfully.",
    hear: TIME,
    flood: 100,
    crowd: 5000,
  },
  tcp_client_details: { kind: "stream", say: "127.0.0.1", hear: TIME },
  tcp_address_lookup: {
    kind: "stream",
    say: "165.165.80.80",
    hear: /^6A:08:AA:C2$/,
    flood: 10, // of which the server prints each KiB
  },
  tcp_thank_you: {
    kind: "stream",
    say: "",
    hear: /^Thank you for connecting\r\n$/,
  },
  tcp_half_close: {
    kind: "stream",
    say: "one\ntwo\nthree\n",
    hear: /^\0/,
    size: 16 * 1024 * 1024,
    flood: 100,
  },
  tcp_stream: { kind: "stream", say: LINES, hear: new RegExp(`^${LINES}$`) },
  tcp_backlog: {
    kind: "stream",
    say: "",
    hear: /^Your turn\r\n$/,
    serial: true,
  },
  tcp_echo: {
    kind: "stream",
    say: "Hello, echo!\n",
    hear: /^Hello, echo!\n$/,
    flood: 100, // of which it takes little: the peer does not read
  },
  tcp_chat: {
    kind: "stream",
    say: "ann\nIs it raining?\n",
    hear:
      /^\* Your name\?\n\* (Welcome, ann: \d+ here|Closed: the name ann is taken)\n/,
    flood: 40,
    filling: "Hello\n",
    malformed: [
      ...["\n", "a b\n", "ann\r\r\n", "\x1b[2J\n", `${"a".repeat(17)}\n`],
      ...[
        "x".repeat(1001),
        "\r\n".repeat(5000),
        "ann\n\x1b]0;x\x07\u202e\x9b\n",
      ],
      ...[`ann\n${"x".repeat(1001)}\n`, `ann\n${"\n".repeat(100_000)}`],
    ],
  },
  tcp_nodelay: {
    kind: "stream",
    say: "name=value\n",
    hear: /^OK\n$/,
    flood: 20,
    filling: "name=value\n",
  },
  tcp_file: {
    kind: "stream",
    say: "send notes.bin\nhalf notes.txt\n",
    hear: /^file 20000\n/,
    size: 11 + 20_000 + 72 + 10 + 1386,
    flood: 20,
    filling: "send notes.txt\n",
    malformed: [
      ...["send\n", "send \n", "\n", "Send notes.txt\n", "half\n", "send"],
      ...[
        "send ../../etc/passwd\n",
        "send /etc/passwd\n",
        "send notes.txt\0\n",
      ],
      ...["send __proto__\n", `send ${"../".repeat(300)}etc/passwd\n`],
      "GET /notes.txt HTTP/1.1\r\nHost: 127.0.0.1:5555\r\n\r\n",
      "send no\u202e.txt\nsend \x1b[2Jserver: forged\n".repeat(50),
    ],
  },
  smtp_mail: {
    kind: "stream",
    say: `${MAIL}To: x\r\n\r\nhi\r\n.\r\nQUIT\r\n`,
    hear: /^220 lab\.test [^]*\r\n354 [^]*\r\n250 Taken\r\n221 Bye\r\n$/,
    flood: 20,
    filling: "NOOP\r\n",
    malformed: [
      ...[MAIL, `${MAIL}\n.\n${MAIL}`, `${MAIL}${"x".repeat(5000)}`, "\r\n"],
      ...["MAIL\r\n".repeat(1000), "RCPT TO:<\x1b[2J@lab.test>\r\n"],
      `${MAIL}To: \x1b[2J\u202e\r\n\r\n.\r\n`,
      `${MAIL}${"a line of a letter\r\n".repeat(100_000)}`,
      "GET / HTTP/1.1\r\nHost: 127.0.0.1:2525\r\n\r\n",
    ],
  },
  ftp_files: {
    kind: "stream",
    say: `${LOGIN}SIZE notes.txt\r\nTYPE I\r\nSIZE notes.txt\r\nQUIT\r\n`,
    hear: /^220 [^]*\r\n550 [^]*\r\n213 2773\r\n221 Bye\r\n$/,
    flood: 20,
    filling: `${LOGIN}NOOP\r\nPASV\r\n`,
    malformed: [
      ...[LOGIN, "\r\n".repeat(1000), "USER lab\r\nPASS x\r\n".repeat(10)],
      ...["USER \x1b[2J\r\n", `USER ${"x".repeat(5000)}`, "\xff\xf4\xff\xf2"],
      `${LOGIN}${"PASV\r\n".repeat(500)}`,
      `${LOGIN}PORT 127,0,0,1,0,22\r\nPORT 192,0,2,1,9,9\r\nRETR notes.txt\r\n`,
      `${LOGIN}EPRT |1|127.0.0.1|65535|\r\nSTOR x\u202e\r\n`,
      `${LOGIN}PASV\r\nRETR ../../etc/passwd\r\nRETR notes.txt\r\n`,
      `${LOGIN}CWD __proto__\r\nSIZE constructor\r\nREST 99999999999999999\r\n`,
      `${LOGIN}${"MKD x/../\x01\r\n".repeat(100)}`,
      `\xff\xfd${"\x01\xff\xfd".repeat(10_000)}`,
      "GET / HTTP/1.1\r\nHost: 127.0.0.1:2121\r\n\r\n",
    ],
  },
  // After the first of these requests the server is concurrent.
  tcp_concurrent: { kind: "stream", say: "Side by side\r\n", hear: /^OK\r\n$/ },
  names: { kind: "stream", say: '"localhost"', hear: /^$/ },
  unix_echo: {
    kind: "stream",
    say: LINES,
    hear: new RegExp(`^${LINES}$`),
    flood: 100, // of which it takes little: the peer does not read
  },
  http_pages: {
    kind: "stream",
    say: "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    hear: /^HTTP\/1\.1 200 OK\r\n[^]*<\/html>\n$/,
    flood: 20,
    filling: "PUT /page HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n" +
      "x".repeat(10_000),
    malformed: HTTP,
  },
  http_endings: {
    kind: "stream",
    say: "GET /chunks HTTP/1.1\r\nHost: a\r\n\r\n",
    hear: /^HTTP\/1\.1 200 OK\r\n[^]*\r\n3c\r\nWho reads .* is\.\r\n0\r\n\r\n$/,
    malformed: HTTP,
  },
  websocket_chat: {
    kind: "stream",
    say: websocket([ANN, text("Is it raining?")]),
    hear:
      /^HTTP\/1\.1 101 [^]*\* Your name\?[^]*(Welcome, ann: \d+ here|the name ann is taken)/,
    flood: 20,
    filling: "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    malformed: [
      ...WEBSOCKET.map((frames) => websocket(frames)),
      websocket([ANN], { Origin: "http://evil.test" }),
      ...HTTP.map((request) => request.replace(" / ", " /chat ")),
    ],
  },
  udp_echo: { kind: "datagram", say: "Hello, UDP!", hear: /^Hello, UDP!$/ },
  udp_datagrams: { kind: "datagram", say: "one", hear: /^one$/ },
  udp_stop_and_wait: {
    kind: "datagram",
    say: "DATA bit 1.1 0 block 1",
    hear: /^ACK bit 1\.1 0$/,
    malformed: [...FRAMES, "DATA bit 1.1 7 x", "FIN bit 0.1 -"],
  },
  udp_window: {
    kind: "datagram",
    say: "DATA selective 1.1 0 block 1",
    hear: /^ACK selective 1\.1 0$/,
    malformed: [
      ...FRAMES,
      ...Array.from({ length: 200 }, (_, i) => `DATA selective ${i}.9 ${i} x`),
      ...["DATA selective 1.9 65535 x", "DATA go-back-N 1.9 - x"],
      ...["FIN all 0.1 -", "FIN all 0.1 -"],
    ],
  },
  game_snapshots: GAME,
  udp_broadcast: {
    kind: "datagram",
    say: "Is anybody there?",
    hear: /^Receiver [12]$/,
    to: "127.255.255.255",
  },
  time_sync: SNTP,
  dns_lookup: {
    kind: "stream",
    say: framed(dns()),
    hear: /^\0=AB/,
    size: 63,
    flood: 20,
    filling: framed(dns()),
    malformed: [
      ...MALFORMED_DNS.filter(({ length }) => length < 128).map(framed),
      ...["\0\0", "\0\x0c", "\x7f\x7f", framed(dns()).repeat(100)],
      "GET / HTTP/1.1\r\nHost: 127.0.0.1:1053\r\n\r\n",
    ],
    datagrams: {
      kind: "datagram",
      say: dns(),
      hear: /^AB\x84\0\0[^]\0[^]\0/,
      malformed: [...MALFORMED_DNS, dns({ flags: "\x80\0" })],
    },
  },
  tftp_files: TFTP,
  event_log: {
    kind: "stream",
    say: "<13>1 - door bell - - - rings\n",
    hear: /^$/,
    flood: 20,
    malformed: SYSLOG,
    datagrams: {
      kind: "datagram",
      say: "<13>1 - door bell - - - rings",
      malformed: SYSLOG,
    },
  },
  iot_devices: {
    kind: "stream",
    say: READING,
    hear: /^$/,
    flood: 40,
    filling: READING.replace("\n", `${"x".repeat(7000)}\n`),
    malformed: [
      ...SYSLOG,
      READING.replace("134", "99"),
      READING.replace("dev1", "-"),
      READING.replace("dev1", "constructor"),
      READING.replace('due="2026', 'due="+292026'),
      READING.replace(/celsius="[^"]*"/, ""),
      READING.replace("21.5", "9".repeat(6000)),
    ],
    datagrams: SNTP,
  },
  job_schedule: {
    kind: "stream",
    say: "jobs\n",
    hear: /^(\S+Z \d+ \w+\n){3}\nkept 0\n$/,
    malformed: [
      ...["jobs \n", "jobs x\n", `jobs ${"x".repeat(33)}\n`, "job\n"],
      "jobs\r\n2026-11-20T18:55:12.000Z 2026-11-20T18:55:12.000Z early x\n",
      "jobs\nlate\n",
      `jobs\n${"2026-11-20T18:55:12.000Z ".repeat(2)}late backup\n`.repeat(2),
      "jobs\n+292026-11-20T18:55:12.000Z - late backup\n",
    ],
    datagrams: SNTP,
  },
};
