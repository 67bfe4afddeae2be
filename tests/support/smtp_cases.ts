/**
 * What clients of SMTP may say, and what a server has to reply: honest sessions,
 * ways to have a mail relayed, and ways to smuggle a second mail into a letter.
 */

/** A session as the client sends it: bytes as latin1. */
export interface SmtpCase {
  readonly name: string;
  readonly say: string;
  /** The codes of the replies behind the greeting. */
  readonly codes: string;
  /** What is in the text of the replies. */
  readonly hear?: RegExp;
}

const HELLO = "EHLO a\r\n";
const FROM = "MAIL FROM:<ann@a.test>\r\n";
const TO = "RCPT TO:<bob@lab.test>\r\n";
const QUIT = "QUIT\r\n";
const BEGIN = `${HELLO}${FROM}${TO}DATA\r\n`;
const LETTER = "To: x\r\n\r\nhi\r\n.\r\n";
const INNER = `${FROM}RCPT TO:<eve@lab.test>\r\nDATA\r\nSmuggled: 1\r\n`;
/** The codes of a whole mail, and those up to its letter. */
const MAIL = "250 250 250 354 250";
const OPEN = "250 250 250 354";

/** A command behind EHLO, and the code of its reply. */
const command = (say: string, code: number): SmtpCase => ({
  name: `command ${JSON.stringify(say.slice(0, 60))}`,
  say: `${HELLO}${say}\r\n${QUIT}`,
  codes: `250 ${code} 221`,
});
const sender = (argument: string, code: number) =>
  command(`MAIL ${argument}`, code);
const recipient = (argument: string, code: number): SmtpCase => ({
  name: `recipient ${JSON.stringify(argument.slice(0, 60))}`,
  say: `${HELLO}${FROM}RCPT TO:${argument}\r\n${QUIT}`,
  codes: `250 250 ${code} 221`,
});
/** A letter that is cut off by a fault: the session ends, and no mail is taken. */
const broken = (name: string, letter: string, code = 500): SmtpCase => ({
  name,
  say: BEGIN + letter,
  codes: `${OPEN} ${code}`,
});
/** A letter in which nothing is an end but the last line. */
const one = (name: string, letter: string): SmtpCase => ({
  name,
  say: `${BEGIN}${letter}\r\n.\r\n${QUIT}`,
  codes: `${MAIL} 221`,
});

const x = (count: number) => "x".repeat(count);

/** Spellings of a way to elsewhere. */
export const RELAYS = [
  ...["<eve@example.com>", "<eve@EXAMPLE.COM>", "<eve@lab.test.example.com>"],
  ...["<eve@sub.lab.test>", "<eve@lab.tes>", "<eve@xlab.test>", "<eve@test>"],
  ...["<@lab.test:eve@example.com>", "<@lab.test,@b.test:eve@example.com>"],
  ...["<@example.com:bob@lab.test>", "<@lab.test:bob@lab.test>"],
  ...["<eve%example.com@lab.test>", "<eve%40example.com@lab.test>"],
  ...["<example.com!eve@lab.test>", "<host!eve@lab.test>", "<a!b!c>"],
  ...['<"eve@example.com"@lab.test>', '<"eve%example.com"@lab.test>'],
  ...['<"example.com!eve"@lab.test>', '<"@a.test:eve@b.test"@lab.test>'],
  ...[
    '<"eve\\@example.com"@lab.test>',
    '<"e\\ve@b"@lab.test>',
    '<""@lab.test>',
  ],
  ...["<eve@[127.0.0.1]>", "<eve@[IPv6:::1]>", "<eve@[lab.test]>"],
  ...['<"bob> <eve"@lab.test>', '<"bob,eve"@lab.test>', "<|cmd@lab.test>"],
  ...[
    "</etc/passwd@lab.test>",
    "<eve/x@lab.test>",
    "<eve>",
    '<"postmaster@b">',
  ],
  ...['<"test:eve"@lab.test>', "<postmasters>"],
].map((path) => recipient(path, 550));

/** Paths that are none. */
const MALFORMED = [
  ...[
    "<eve@lab.test.>",
    "<eve@example.com.>",
    "<eve@.lab.test>",
    "<@lab.test>",
  ],
  ...["<bob@lab.test@example.com>", "<eve@example.com@lab.test>", "<bob@>"],
  ...[
    "<bob@lab..test>",
    "<bob.@lab.test>",
    "<.bob@lab.test>",
    "<b..c@lab.test>",
  ],
  ...["<bob@lab.test", "bob@lab.test>", "bob@lab.test", "<<bob@lab.test>>"],
  ...[
    "<bob@lab.test>x",
    "<bob @lab.test>",
    "< bob@lab.test>",
    "<bob@ lab.test>",
  ],
  ...["<bob@-lab.test>", "<bob@lab_x.test>", '<"bob@lab.test>', "<>", ""],
  ...["<bob@lab.test><eve@b.test>", "<bob@lab.test>,<eve@b.test>", "<bob@[]>"],
  ...[
    `<${x(65)}@lab.test>`,
    `<bob@${x(60)}.${x(60)}.${x(60)}.${x(60)}.${x(60)}>`,
  ],
  ...[
    "<bob@lab.test> A=1 A=2",
    "<bob@lab.test> =1",
    "<bob@lab.test>  A B=\x7f",
  ],
].map((path) => recipient(path, path.endsWith("\x7f") ? 500 : 501));

/** The ways in which other servers have found two mails in one letter. */
export const SMUGGLED = [
  ...["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\n.\r"],
  ...["\r\n.\0\r\n", "\r\n\0.\r\n", "\r\n. \r\n", "\r\n.\t\r\n", "\r\n.\r\r\n"],
  ...["\r\r\n.\r\r\n", "\n\r.\n\r", "\x85.\x85", "\x0b.\x0b", "\x0c.\x0c"],
  ...["\r\n..\r\n", "\r\n.\r\x00\n", "\r\n\x2e\x2e\r\n", "\r\n.\xe2\x80\xa8"],
].map((end): SmtpCase => ({
  name: `smuggled behind ${JSON.stringify(end)}`,
  say: `${BEGIN}one${end}${INNER}\r\n.\r\n${QUIT}`,
  codes: /\r(?!\n)|(?<!\r)\n/.test(end) ? `${OPEN} 500` : `${MAIL} 221`,
}));

export const SMTP_CASES: readonly SmtpCase[] = [
  { name: "nothing", say: "", codes: "" },
  { name: "a mail", say: `${BEGIN}${LETTER}${QUIT}`, codes: `${MAIL} 221` },
  {
    name: "two mails on a connection, behind one EHLO",
    say: `${BEGIN}${LETTER}${FROM}${TO}DATA\r\n${LETTER}${QUIT}`,
    codes: `${MAIL} 250 250 354 250 221`,
  },
  {
    name: "HELO",
    say: `HELO a\r\n${FROM}${TO}DATA\r\n${LETTER}${QUIT}`,
    codes: `${MAIL} 221`,
  },
  {
    name: "EHLO lists the extensions",
    say: HELLO,
    codes: "250",
    hear:
      /\r\n250-lab\.test\r\n250-SIZE 1048576\r\n250-8BITMIME\r\n250 PIPELINING\r\n$/,
  },
  { name: "the end within a letter", say: `${BEGIN}To: x\r\n`, codes: OPEN },
  { name: "the end within a command", say: `${HELLO}MAIL FR`, codes: "250" },
  {
    name: "small letters, and spaces at the end",
    say: "ehlo a  \r\nmail from:<a@b.test> \r\nrcpt to:<bob@LAB.Test>\r\n" +
      `data \r\n${LETTER}quit\r\n`,
    codes: `${MAIL} 221`,
  },
  {
    name: "some recipients are refused",
    say:
      `${HELLO}${FROM}RCPT TO:<a@b.test>\r\n${TO}RCPT TO:<x>\r\nDATA\r\n${LETTER}`,
    codes: "250 250 550 250 550 354 250",
  },
  {
    name: "all recipients are refused",
    say: `${HELLO}${FROM}RCPT TO:<a@b.test>\r\nDATA\r\n${QUIT}`,
    codes: "250 250 550 554 221",
  },
  {
    name: "RSET forgets the envelope",
    say: `${HELLO}${FROM}${TO}RSET\r\nDATA\r\n${TO}${FROM}DATA\r\n${QUIT}`,
    codes: "250 250 250 250 503 503 250 554 221",
  },
  {
    name: "EHLO forgets the envelope",
    say: `${HELLO}${FROM}${TO}${HELLO}DATA\r\n${QUIT}`,
    codes: "250 250 250 250 503 221",
  },
  {
    name: "a mail forgets the envelope",
    say: `${BEGIN}${LETTER}DATA\r\n${TO}${QUIT}`,
    codes: `${MAIL} 503 503 221`,
  },
  {
    name: "100 recipients, and more, for whom the client sends it again",
    say: HELLO + FROM +
      Array.from({ length: 130 }, (_, i) => `RCPT TO:<b${i}@lab.test>\r\n`)
        .join("") +
      `DATA\r\n${LETTER}${QUIT}`,
    codes: `250 250${" 250".repeat(100)}${" 452".repeat(30)} 354 250 221`,
  },
  {
    name: "one recipient many times",
    say: `${HELLO}${FROM}${TO.repeat(200)}DATA\r\n${LETTER}`,
    codes: `250 250${" 250".repeat(200)} 354 250`,
  },
  { name: "out of order", say: `${FROM}${TO}DATA\r\n`, codes: "503 503 503" },
  {
    name: "MAIL twice",
    say: `${HELLO}${FROM}${FROM}${QUIT}`,
    codes: "250 250 503 221",
  },
  {
    name: "nothing is obeyed behind QUIT",
    say: `${QUIT}${HELLO}`,
    codes: "221",
  },
  ...["NOOP", "NOOP x", "RSET", "HELO b", "EHLO [127.0.0.1]"].map((say) =>
    command(say, 250)
  ),
  command("HELP", 214),
  command("VRFY bob", 252),
  command("EXPN all", 502),
  ...["STARTTLS", "AUTH PLAIN AGEAYg==", "TURN", "SEND FROM:<a@b.c>", "BDAT 3"]
    .map((say) => command(say, 500)),
  ...["constructor", "__proto__ x", "\0", "\xff", "", " ", " NOOP", "NO OP"]
    .map((say) => command(say, 500)),
  ...["MAIL\tFROM:<a@b.c>", "NOOP \x1b[2J", "EHLO \x9b", "M\u00e4IL x"]
    .map((say) => command(say, 500)),
  ...["EHLO", "EHLO a b", "HELO ", "RSET x", "QUIT now"].map((say) =>
    command(say, 501)
  ),
  ...["FROM:<>", "FROM:<a@b.test>", "FROM: <a@b.test>", 'FROM:<"a b"@[::1]>']
    .map((say) => sender(say, 250)),
  ...["SIZE=1048576", "BODY=8BITMIME", "body=7bit SIZE=0", "SIZE=00001"]
    .map((say) => sender(`FROM:<a@b.test> ${say}`, 250)),
  ...["FROM", "FROM:", "FROM:a@b.test", "FROM:<a>", "TO:<a@b.test>", ""]
    .map((say) => sender(say, 501)),
  ...["SIZE=-1", "SIZE=", "SIZE", "SIZE=1e9", "BODY=BINARY", "SIZE=1 SIZE=1"]
    .map((say) => sender(`FROM:<a@b.test> ${say}`, 501)),
  ...["SIZE=1048577", "SIZE=99999999999999999999"].map((say) =>
    sender(`FROM:<a@b.test> ${say}`, 552)
  ),
  ...["AUTH=<>", "SMTPUTF8", "CONSTRUCTOR=1", "RET=HDRS"].map((say) =>
    sender(`FROM:<a@b.test> ${say}`, 555)
  ),
  ...["<bob@lab.test>", "<Bob@LAB.TEST>", '<"bob"@lab.test>', " <b+c@lab.test>"]
    .map((path) => recipient(path, 250)),
  ...["<Postmaster>", "<postmaster@lab.test>", '<"bo\\b"@lab.test>'].map((
    path,
  ) => recipient(path, 250)),
  recipient("<bob@lab.test> NOTIFY=NEVER", 555),
  ...RELAYS,
  ...MALFORMED,
  ...["GET / HTTP/1.1", "POST / HTTP/1.1", "CONNECT a:25 HTTP/1.1", "PUT /x x"]
    .map((say): SmtpCase => ({
      name: say,
      say: `${say}\r\nHost: a\r\n\r\n${BEGIN}${LETTER}`,
      codes: "500",
    })),
  ...["NOOP\n", "NOOP\nNOOP\r\n", "NOOP\r\r\n", "NO\rOP\r\n", "\n", "\r\r\n"]
    .map((say): SmtpCase => ({
      name: `a line end in ${JSON.stringify(say)}`,
      say: `${HELLO}${say}${QUIT}`,
      codes: "250 500",
    })),
  { name: "much behind the end", say: QUIT + x(900_000), codes: "221" },
  {
    name: "a recipient with another command in it",
    say: `${HELLO}${FROM}RCPT TO:<bob@lab.test>\nDATA\r\n${QUIT}`,
    codes: "250 250 500",
  },
  command(`NOOP ${x(548)}`, 250),
  {
    name: "a command that is too long",
    say: `${HELLO}NOOP ${x(549)}\r\n${QUIT}`,
    codes: "250 500",
  },
  { name: "a line without end", say: HELLO + x(5000), codes: "250 500" },
  {
    name: "twenty errors, and one more",
    say: `${HELLO}${"OOPS\r\n".repeat(30)}`,
    codes: `250${" 500".repeat(21)} 421`,
  },
  {
    name: "commands without end",
    say: HELLO + "NOOP\r\n".repeat(1100),
    codes: `250${" 250".repeat(999)} 421`,
  },
  {
    name: "errors are forgiven with a mail",
    say: `${HELLO}${"OOPS\r\n".repeat(15)}${FROM}${TO}DATA\r\n${LETTER}` +
      `${"OOPS\r\n".repeat(15)}${QUIT}`,
    codes: `250${" 500".repeat(15)} 250 250 354 250${" 500".repeat(15)} 221`,
  },
  {
    name: "an empty letter",
    say: `${BEGIN}.\r\n${QUIT}`,
    codes: `${MAIL} 221`,
  },
  one("dots", "..\r\n...\r\n.x\r\nx.\r\n . "),
  one("commands in a letter", `${FROM}${TO}QUIT\r\nRSET`),
  one("bytes that are no ASCII", "\xff\xfe\0\x80\x1b[2J\u00e9"),
  one("a line of 998 bytes", x(998)),
  one("a line of 998 bytes behind a dot", `.${x(998)}`),
  broken("a line of 999 bytes", `${x(999)}\r\n.\r\n`),
  broken("a line of 999 bytes behind a dot", `.${x(999)}\r\n.\r\n`),
  broken("a line of a letter without end", x(5000)),
  broken("a bare LF in a letter", "one\ntwo\r\n.\r\n"),
  broken("a bare CR in a letter", "one\rtwo\r\n.\r\n"),
  broken("a LF first", "\n.\r\n"),
  one(
    "a letter of the largest size",
    `${x(62)}\r\n`.repeat(16384).slice(0, -2),
  ),
  broken(
    "a letter too long",
    `${x(62)}\r\n`.repeat(16384) + ".x\r\n.\r\n",
    552,
  ),
  ...SMUGGLED,
];
