/**
 * Random sessions of SMTP, and random letters and replies: the suite tries some
 * thousands, the gate a hundred thousand.
 */
import { expect } from "bun:test";
import {
  fieldIn,
  formatCommand,
  formatData,
  formatLetter,
  parseReplyLine,
} from "../../lib/protocols/smtp.ts";
import { SmtpSession } from "../../lib/protocols/smtp_session.ts";
import { type Numbers, numbers } from "./fuzz.ts";

/** Bytes as latin1, and back. */
export const toBytes = (text: string) =>
  Uint8Array.from(text, (character) => character.charCodeAt(0));
export const toText = (bytes: Uint8Array) =>
  Buffer.from(bytes).toString("latin1");

/** What a session makes of bytes that come in pieces. */
export function outcomeOf(bytes: Uint8Array, sizeOf: () => number) {
  const session = new SmtpSession("lab.test");
  const mails: { sender: string; recipients: string; letter: string }[] = [];
  for (let at = 0; at < bytes.length && !session.closing;) {
    const size = sizeOf();
    session.push(bytes.slice(at, at += size));
    for (let mail; (mail = session.next());) {
      const { sender, recipients, letter } = mail;
      const to = recipients.join();
      mails.push({ sender, recipients: to, letter: toText(letter) });
    }
  }
  const replies = session.replies();
  return { mails, replies, closing: session.closing };
}

/** The parts of which random sessions are made. */
const PARTS = [
  ...["EHLO a\r\n", "MAIL FROM:<a@b.test>", "RCPT TO:<bob@lab.test>\r\n"],
  ...["DATA\r\n", ".\r\n", "\r\n", "\r\n.\r\n", "QUIT\r\n", "RSET\r\n", "NOOP"],
  ...[
    "\r",
    "\n",
    ".",
    "..",
    "\0",
    " ",
    "<",
    ">",
    "@",
    '"',
    "\\",
    "%",
    ":",
    "!",
  ],
  ...["lab.test", "SIZE=", "BODY=7BIT", "1048577", "[127.0.0.1]", "To: x\r\n"],
  ...["MAIL FROM:<>\r\n", "RCPT TO:<", "\xff", "x".repeat(400), "HELO", "VRFY"],
];
const HONEST =
  "EHLO a\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<bob@lab.test>\r\nDATA\r\n";

const pick = <T>(next: Numbers, values: readonly T[]) =>
  values[next(values.length)];

/**
 * A session is the same in whatever pieces it comes, ends each reply, and takes no
 * mail for elsewhere, nor one that is not ended by CR LF . CR LF.
 */
export function fuzzSessions(count: number): void {
  const next = numbers(21);
  for (let i = 0; i < count; i++) {
    const parts = Array.from({ length: 1 + next(30) }, () => pick(next, PARTS));
    const text = (next(2) ? HONEST : "") + parts.join("");
    const bytes = toBytes(text);
    const whole = outcomeOf(bytes, () => bytes.length);
    const most = pick(next, [1, 3, 50]);
    const pieces = outcomeOf(bytes, () => 1 + next(most));
    expect([i, pieces]).toEqual([i, whole]);
    expect(whole.replies).toMatch(/^([2-5]\d\d[ -][ -~]*\r\n)+$/);
    // A letter has at least DATA before it and an end of its own behind.
    const ends = text.split("\r\n.\r\n").length - 1;
    expect(whole.mails.length).toBeLessThanOrEqual(ends);
    for (const { recipients, letter } of whole.mails) {
      expect(recipients).toMatch(/^[^@%!,]+@lab\.test(,[^@%!,]+@lab\.test)*$/);
      expect(letter).not.toMatch(/\r(?!\n)|(?<!\r)\n/);
    }
  }
}

/** Any text arrives as it was, but for its line ends, as one mail. */
export function fuzzLetters(count: number): void {
  const next = numbers(22);
  for (let i = 0; i < count; i++) {
    const parts = Array.from({ length: next(20) }, () => pick(next, PARTS));
    const text = parts.join("");
    if (text.split(/[\r\n]/).some((line) => line.length > 990)) continue;
    const letter = formatLetter({ Subject: `${i}` }, text);
    const bytes = toBytes(`${HONEST}${formatData(letter)}QUIT\r\n`);
    const { mails, replies } = outcomeOf(bytes, () => 1 + next(500));
    expect(replies).toEndWith(
      "354 Send the letter, and a dot on a line\r\n" +
        "250 Taken\r\n221 Bye\r\n",
    );
    const lines = letter.replace(/\r\n|\r|\n/g, "\r\n");
    const whole = lines.endsWith("\r\n") ? lines : `${lines}\r\n`;
    expect(mails).toEqual([
      { sender: "a@b.test", recipients: "bob@lab.test", letter: whole },
    ]);
    expect(fieldIn(mails[0].letter, "subject")).toBe(`${i}`);
  }
}

/** No text becomes a second command or field, and no reply is misread. */
export function fuzzLines(count: number): void {
  const next = numbers(23);
  const characters = [...'ab.@<>\r\n\0 :%!"\\-[]\u00e9\u2028', "lab.test"];
  for (let i = 0; i < count; i++) {
    const parts = Array.from(
      { length: next(12) },
      () => pick(next, characters),
    );
    const text = parts.join("");
    const made = [
      () => formatCommand("RCPT TO:", text),
      () => formatLetter({ Subject: text }, "").slice(0, -2),
      () => formatLetter({ [text]: "x" }, "").slice(0, -2),
    ].map((make) => {
      try {
        return make();
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
      }
    });
    for (const line of made) {
      if (line !== undefined) expect(line).toMatch(/^[ -~]+\r\n$/);
    }
    const line = `${next(700)}${pick(next, [" ", "-", "", "x"])}${text}`;
    const reply = parseReplyLine(line);
    if (reply) {
      const { code, last } = reply;
      expect(line).toStartWith(`${code}`);
      expect(last).toBe(line[3] !== "-");
      expect([code >= 200, code < 600]).toEqual([true, true]);
    }
  }
}
