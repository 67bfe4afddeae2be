/**
 * SMTP as smtp_mail speaks it: sessions on the wire and their replies on three
 * runtimes, fed whole and byte by byte; mails that lead elsewhere, and mails within
 * mails; clients that drip, and servers that are none.
 */
import { describe, expect, test } from "bun:test";
import net from "node:net";
import {
  fieldIn,
  formatCommand,
  formatData,
  formatDate,
  formatLetter,
  parseReplyLine,
} from "../lib/protocols/smtp.ts";
import { socket } from "../lib/mod.ts";
import { SmtpSession } from "../lib/protocols/smtp_session.ts";
import { ReplyReader } from "../lib/services/smtp_client.ts";
import { mailsOf } from "../lib/services/smtp_server.ts";
import { clientOn, command, nextTo, serverOn } from "./support/ends.ts";
import * as fuzz from "./support/fuzz_smtp.ts";
import { run, RUNTIMES } from "./support/runtimes.ts";
import { RELAYS, SMTP_CASES, SMUGGLED } from "./support/smtp_cases.ts";
import { failureOf, idlyOn, testOn } from "./support/test_on.ts";

const { outcomeOf, toBytes } = fuzz;

/** The codes of replies, each once. */
function codesOf(replies: string): string {
  const codes = replies.matchAll(/^(\d{3}) .*\r\n/gm);
  return Array.from(codes, ([, code]) => code).join(" ");
}

/** The replies that bytes get, which come in pieces of so many. */
async function repliesTo(port: string, say: string, piece: number) {
  const socket = net.connect({
    port: Number(port),
    host: "127.0.0.1",
    allowHalfOpen: true,
    noDelay: true,
  });
  let replies = "";
  socket.setEncoding("latin1").on("data", (data: string) => replies += data);
  const ended = new Promise<void>((resolve, reject) => {
    socket.on("end", resolve).on("error", reject);
  });
  const bytes = toBytes(say);
  for (let at = 0; at < bytes.length; at += piece) {
    socket.write(bytes.subarray(at, at + piece));
  }
  socket.end();
  await ended;
  return replies;
}

for (const runtime of RUNTIMES) {
  for (
    const [how, piece] of [["whole", Infinity], ["byte by byte", 1]] as const
  ) {
    testOn(runtime, `${runtime} replies to sessions, fed ${how}`, async () => {
      const { port, server, stop } = await serverOn("smtp_mail", runtime);
      const wrong: string[] = [];
      // Four at a time; a long session comes in larger pieces.
      const cases = [...SMTP_CASES];
      const work = async () => {
        for (let each; (each = cases.shift());) {
          const { name, say, codes, hear = /^/ } = each;
          const size = Math.max(piece, Math.floor(say.length / 500));
          const replies = await repliesTo(port, say, size);
          const fits = codesOf(replies) === `220 ${codes}`.trim();
          if (!fits || !hear.test(replies)) wrong.push(`${name}: ${replies}`);
        }
      };
      await Promise.all([work(), work(), work(), work()]);
      expect(wrong).toEqual([]);
      const printed = await stop();
      expect(printed).not.toMatch(/[^\x20-\x7e\n]/);
      expect(printed).not.toMatch(/For (?!\w+@lab\.test: )/);
      expect((await server.finished).stderr).not.toMatch(/Error/);
    });
  }

  idlyOn(runtime, `${runtime}: a client that drips is closed`, async () => {
    const flags = ["--timeout", "2000"];
    const { port, server, stop } = await serverOn("smtp_mail", runtime, flags);
    for (const begin of ["", `EHLO a\r\n${"MAIL FROM:<>\r\n"}`]) {
      const socket = net.connect(Number(port), "127.0.0.1");
      const closed = new Promise((resolve) => {
        socket.on("error", () => {}).on("close", resolve).resume();
      });
      socket.write(begin);
      const drip = setInterval(() => socket.write("x"), 50);
      // The others do not notice.
      await clientOn("smtp_mail", nextTo(runtime), port);
      await closed;
      clearInterval(drip);
    }
    await stop();
    const { stderr } = await server.finished;
    expect(stderr.match(/timed out/g)).toHaveLength(2);
  });

  testOn(
    runtime,
    `${runtime}: a client stops where a server does`,
    async () => {
      for (const [lie, answer, last, failure] of LIES) {
        const server = net.createServer((socket) => {
          socket.on("error", () => {});
          answer(socket);
        }).listen(0, "127.0.0.1");
        await new Promise((resolve) => server.once("listening", resolve));
        const { port } = server.address() as net.AddressInfo;
        const flags = ["--port", String(port), "--timeout", "2000"];
        const ended = await run(
          command("smtp_mail", runtime, ["client", ...flags]),
        );
        expect([lie, ended.stdout, ended.stderr, ended.code]).toEqual([
          lie,
          expect.stringMatching(last),
          expect.stringContaining(failure),
          1,
        ]);
        expect(ended.stdout.length).toBeLessThan(2000);
        server.close();
      }
    },
  );
}

const PROTO = "no answer that this program can use";
/** Replies to each line that comes, at first without one. */
const script = (...replies: string[]) => (socket: net.Socket) => {
  socket.write(replies[0]);
  let next = 1;
  socket.on("data", () => {
    if (next < replies.length) socket.write(replies[next++]);
  });
};
/** What a server does, what its client prints at last, and why it fails. */
const LIES: [
  does: string,
  answer: (socket: net.Socket) => void,
  last: RegExp,
  failure: string,
][] = [
  [
    "has no time",
    script("421 Later\r\n"),
    /421 Later\n$/,
    "answers 421 Later\n",
  ],
  [
    "knows no EHLO",
    script("220 x\r\n", "502 No\r\n"),
    /EHLO client\.lab\.test -> 502 No\n$/,
    "answers 502 No\n",
  ],
  [
    "sends a code that drives a terminal",
    script("220 \x1b[2J\u202e\r\n", "25\x1b\r\n"),
    /220 \\x1b\[2J\\u\{202e\}\n$/,
    PROTO,
  ],
  [
    "does not know the recipient",
    script("220 x\r\n", "250 x\r\n", "250 x\r\n", "550 No\r\n"),
    /RCPT TO:<bob@lab\.test> -> 550 No\n$/,
    "answers 550 No\n",
  ],
  [
    "takes the mail, and then does not end it",
    script(
      "220 x\r\n",
      ..."250 250 250 550 354 250 500".split(" ")
        .map((code) => `${code} x\r\n`),
    ),
    /To: carol@lab\.test -> 250 x\nQUIT -> 500 x\n$/,
    "answers 500 x\n",
  ],
  [
    "gives a reply of many lines",
    script("220-x\r\n".repeat(101)),
    /^$/,
    PROTO,
  ],
  [
    "drips lines of a reply",
    (socket) => {
      const drip = setInterval(() => socket.write("220-x\r\n"), 50);
      socket.on("close", () => clearInterval(drip));
    },
    /^$/,
    "timed out",
  ],
  [
    "ends within a reply",
    (socket) => void socket.end("220-x\r\n"),
    /^$/,
    "ended",
  ],
  [
    "gives a line without end",
    script(`220 ${"x".repeat(1100)}`),
    /^$/,
    "message too long",
  ],
];

describe("SmtpSession", () => {
  test("finds the same, whole and byte by byte", () => {
    expect(SMTP_CASES.length).toBeGreaterThan(150);
    for (const { name, say, codes } of SMTP_CASES) {
      const bytes = toBytes(say);
      const whole = outcomeOf(bytes, () => bytes.length);
      for (const size of [1, 7].slice(say.length > 10_000 ? 1 : 0)) {
        const found = outcomeOf(bytes, () => size);
        expect([name, found]).toEqual([name, whole]);
      }
      const all = say ? `220 ${codes}` : "220";
      expect([name, codesOf(whole.replies)]).toEqual([name, all.trim()]);
    }
  });

  test("relays nothing, in any spelling", () => {
    expect(RELAYS.length).toBeGreaterThan(30);
    for (const { say } of RELAYS) {
      const session = say.replace("QUIT\r\n", "DATA\r\nx\r\n.\r\n");
      const { mails } = outcomeOf(toBytes(session), () => 1000);
      expect([say, mails]).toEqual([say, []]);
    }
  });

  test("finds one mail or none, and never two", () => {
    expect(SMUGGLED.length).toBeGreaterThan(10);
    for (const { name, say, codes } of SMUGGLED) {
      const { mails } = outcomeOf(toBytes(say), () => 1000);
      const taken = codes.endsWith("500") ? 0 : 1;
      expect([name, mails.length]).toEqual([name, taken]);
      if (taken) expect(mails[0].letter).toContain("Smuggled: 1\r\n");
    }
  });

  test("says that a mail is taken when the next one is asked for", () => {
    const session = new SmtpSession("lab.test");
    const [{ say }] = SMTP_CASES.filter(({ name }) => name === "a mail");
    session.push(toBytes(say));
    expect(session.next()).toBeDefined();
    expect(codesOf(session.replies())).toBe("220 250 250 250 354");
    expect(session.next()).toBeUndefined();
    expect(codesOf(session.replies())).toBe("250 221");
  });

  test("gives the letter as it was, and each recipient once", () => {
    const say = "EHLO a\r\nMAIL FROM:<Ann@A.test>\r\n" +
      'RCPT TO:<bob@LAB.test>\r\nRCPT TO:<"bob"@lab.test>\r\n' +
      "RCPT TO:<PostMaster>\r\nDATA\r\n..\r\n...x\r\n\xff\0\r\n.\r\n";
    expect(outcomeOf(toBytes(say), () => 1).mails).toEqual([{
      sender: "Ann@A.test",
      recipients: "bob@lab.test,PostMaster@lab.test",
      letter: ".\r\n..x\r\n\xff\0\r\n",
    }]);
  });

  test("gives a long letter as it was", () => {
    const letter = Array.from({ length: 9000 }, (_, i) => `${i}\r\n`).join("");
    const [{ say }] = SMTP_CASES.filter(({ name }) => name === "dots");
    const begin = say.slice(0, say.indexOf("DATA\r\n") + 6);
    const bytes = toBytes(`${begin}${letter}.\r\n`);
    const { mails } = outcomeOf(bytes, () => 1000);
    expect(mails.map(({ letter }) => letter)).toEqual([letter]);
  });
});

test("mailsOf() gives each command a time limit of its own", async () => {
  await using listener = socket();
  await listener.bind(["127.0.0.1", 0]);
  await listener.listen();
  await using client = socket();
  await client.connect(listener.getsockname());
  const [accepted] = await listener.accept();
  await using connection = accepted;
  connection.settimeout(30_000);
  const mails = mailsOf(connection, "lab.test").next();
  const replies = new ReplyReader(client);
  const { now } = performance;
  try {
    for (const [seconds, code] of [[0, 220], [20, 250], [40, 250], [60, 250]]) {
      performance.now = () => now.call(performance) + seconds * 1000;
      if (code === 250) await client.sendall("NOOP\r\n");
      expect((await replies.next()).code).toBe(code);
    }
    performance.now = () => now.call(performance) + 100_000;
    await client.sendall("NOOP\r\n");
    expect(await failureOf(mails)).toMatchObject({ code: "ETIMEDOUT" });
  } finally {
    performance.now = now;
  }
});

// On Bun it is on from the beginning.
testOn("node", "a reply does not wait for the client's ACK", async () => {
  const { stdout } = await run(command("smtp_mail", "node", ["--trace"]));
  expect(stdout).toContain(" setsockopt(4, TCP_NODELAY, true) = 0\n");
});

test("formatCommand() takes a mailbox, and nothing that is more", () => {
  expect(formatCommand("RCPT TO:", "b+c@lab.test")).toBe(
    "RCPT TO:<b+c@lab.test>\r\n",
  );
  for (
    const text of [
      ...[
        "",
        "bob",
        "@lab.test",
        "bob@",
        "bob@lab.test\r\nQUIT",
        "a b@lab.test",
      ],
      ...[
        "bob@lab.test>\r\nRCPT TO:<eve@b.test",
        "bob@lab.test\n",
        "bob\0@a.b",
      ],
      ...["bob@lab.test> SIZE=1", "b\u00f6b@lab.test", `${"x".repeat(65)}@a.b`],
    ]
  ) expect(() => formatCommand("RCPT TO:", text)).toThrow(TypeError);
});

test("formatLetter() lets no value become another field", () => {
  const fields = { To: "a", Subject: "b: c" };
  expect(formatLetter(fields, "x")).toBe("To: a\r\nSubject: b: c\r\n\r\nx");
  for (
    const text of ["a\r\nBcc: x", "a\n", "\r", "\0", "\u00e9", "x".repeat(950)]
  ) {
    expect(() => formatLetter({ Subject: text }, "")).toThrow(TypeError);
  }
  for (const name of ["", "a b", "a:b", "a\r\nb", "\u00e9"]) {
    expect(() => formatLetter({ [name]: "x" }, "")).toThrow(TypeError);
  }
});

test("formatData() ends every line, doubles dots, and ends the letter", () => {
  for (
    const [letter, data] of [
      ["", ".\r\n"],
      ["a", "a\r\n.\r\n"],
      ["a\nb\rc\r\nd", "a\r\nb\r\nc\r\nd\r\n.\r\n"],
      [".\n..\n.a", "..\r\n...\r\n..a\r\n.\r\n"],
      ["\n.\n", "\r\n..\r\n.\r\n"],
      ["a\r.\rQUIT", "a\r\n..\r\nQUIT\r\n.\r\n"],
      ["a\n\n", "a\r\n\r\n.\r\n"],
    ]
  ) expect(formatData(letter)).toBe(data);
});

test("fieldIn() finds a field of the header alone", () => {
  const letter = "Tox: 1\r\nto:  a,\r\n\tb \r\nTo: c\r\n\r\nSubject: x\r\n";
  expect(fieldIn(letter, "To")).toBe("a,\tb");
  expect(fieldIn(letter, "Subject")).toBeUndefined();
});

test("formatDate() always has 31 characters", () => {
  expect(formatDate(new Date(0))).toBe("Thu, 01 Jan 1970 00:00:00 +0000");
});

test("parseReplyLine() takes a code and a text", () => {
  expect(parseReplyLine("250-a b")).toEqual({
    code: 250,
    last: false,
    text: "a b",
  });
  expect(parseReplyLine("221")).toEqual({ code: 221, last: true, text: "" });
  for (const line of ["", "25", "150 x", "650 x", "250x", "2500 x", " 250 x"]) {
    expect(parseReplyLine(line)).toBeUndefined();
  }
});

for (const check of [fuzz.fuzzSessions, fuzz.fuzzLetters, fuzz.fuzzLines]) {
  test(`${check.name}, 5,000 times`, () => check(5000));
}
