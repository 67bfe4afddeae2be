/**
 * The lines of SMTP, RFC 5321: commands, replies, mailboxes and letters as text and
 * back. What is formatted contains no line end of its own, so that no value becomes
 * another command, another field, or the end of a letter.
 *
 * ```ts
 * import { formatCommand, formatData, parseCommand } from "./smtp.ts";
 *
 * formatCommand("RCPT TO:", "bob@lab.test"); // "RCPT TO:<bob@lab.test>\r\n"
 * parseCommand("RCPT TO:<Bob@Lab.Test>"); // { verb: "RCPT", ... }
 * formatData("one\n.two"); // "one\r\n..two\r\n.\r\n"
 * ```
 *
 * @module
 */

/** Limits of RFC 5321, section 4.5.3.1, and of this server, in bytes or numbers. */
export const SMTP_LIMITS = {
  /** A line without its CR LF: of a command, which extensions made longer... */
  command: 553,
  /** ... and of a letter, without a dot that was added. */
  line: 998,
  localPart: 64,
  domain: 255,
  recipients: 100,
  /** A letter. */
  size: 2 ** 20,
  /** Commands since the last mail that are wrong or refused, and all of them. */
  errors: 20,
  commands: 1000,
};

/** A mailbox, or what is in the place of one: RFC 5321, section 4.1.2. */
export interface Path {
  /** `@a,@b` of a source route. */
  readonly route?: string;
  /** As it was written; empty for the sender `<>`. */
  readonly local: string;
  /** A domain or an address literal; postmaster alone may have none. */
  readonly domain?: string;
}

/** A command line. */
export interface Command {
  /** In capital letters. */
  readonly verb: string;
  /** What follows it. */
  readonly argument: string;
}

/** The command in a line without its CR LF; undefined for what is none. */
export function parseCommand(line: string): Command | undefined {
  const [, verb, argument = ""] = line.match(COMMAND) ?? [];
  if (verb) return { verb: verb.toUpperCase(), argument };
}

/** The argument of MAIL or RCPT. */
export interface Envelope {
  readonly path: Path;
  /** Their values by their names in capital letters. */
  readonly parameters: ReadonlyMap<string, string>;
}

/**
 * The path and the parameters of `FROM:<...>` or `TO:<...>`; undefined if it is
 * malformed, has a parameter twice, or a part is too long.
 */
export function parseEnvelope(
  argument: string,
  word: "FROM" | "TO",
): Envelope | undefined {
  const found = argument.match(ENVELOPE);
  if (!found || found[1].toUpperCase() !== word) return;
  const [, , route, local = "", domain, rest] = found;
  if (local.length > SMTP_LIMITS.localPart) return;
  if ((domain ?? "").length > SMTP_LIMITS.domain) return;
  const parameters = new Map<string, string>();
  for (const each of rest?.split(/ +/) ?? []) {
    const [, name, value = ""] = each.match(PARAMETER) ?? [];
    const key = name?.toUpperCase();
    if (key === undefined || parameters.has(key)) return;
    parameters.set(key, value);
  }
  return { path: { route, local, domain }, parameters };
}

/**
 * The mailbox of a path if this domain is its own, else undefined. A path that
 * another program could read as a way to elsewhere has none: `@b:a@here`, `a%b@here`,
 * `b!a@here`, `"a@b"@here`. `"a"@HERE` is `a@here`.
 */
export function ownMailbox(path: Path, own: string): string | undefined {
  const local = path.local.replace(/^"(.*)"$/, "$1").replace(/\\(.)/g, "$1");
  if (path.route !== undefined || !PLAIN.test(local)) return;
  if (path.domain?.toLowerCase() === own) return `${local}@${own}`;
  if (!path.domain && /^postmaster$/i.test(local)) return `${local}@${own}`;
}

/** A path in words. */
export function formatPath({ local, domain }: Path): string {
  return domain === undefined ? local : `${local}@${domain}`;
}

/** `MAIL FROM:` or `RCPT TO:` with a mailbox; TypeError for what is none. */
export function formatCommand(
  command: "MAIL FROM:" | "RCPT TO:",
  mailbox: string,
): string {
  if (MAILBOX.test(mailbox)) return `${command}<${mailbox}>\r\n`;
  throw new TypeError(`Cannot write a command: ${mailbox} is no mailbox`);
}

/**
 * A letter, RFC 5322: header fields and, behind an empty line, the text. TypeError
 * for a name or a value that would not be one field.
 */
export function formatLetter(
  fields: Readonly<Record<string, string>>,
  text: string,
): string {
  const lines = Object.entries(fields).map(([name, value]) => {
    if (FIELD_NAME.test(name) && FIELD_VALUE.test(value)) {
      return `${name}: ${value}\r\n`;
    }
    throw new TypeError(`Cannot write the header field ${name}: ${value}`);
  });
  return `${lines.join("")}\r\n${text}`;
}

/** A date and time, RFC 5322, section 3.3: always 31 characters. */
export function formatDate(date: Date): string {
  return date.toUTCString().replace("GMT", "+0000");
}

/**
 * A letter as it follows DATA: every line ends with CR LF, one that begins with a
 * dot gets another, and a dot alone ends it (RFC 5321, section 4.5.2).
 */
export function formatData(letter: string): string {
  const lines = letter.replace(/\r\n|\r|\n/g, "\r\n").replace(/^\./gm, "..");
  return `${lines}${/(^|\r\n)$/.test(lines) ? "" : "\r\n"}.\r\n`;
}

/** The value of the first header field of that name, on one line. */
export function fieldIn(letter: string, name: string): string | undefined {
  const [head] = letter.split("\r\n\r\n", 1);
  const fields = head.replace(/\r\n(?=[ \t])/g, "").split("\r\n");
  const start = `${name.toLowerCase()}:`;
  return fields.find((field) => field.toLowerCase().startsWith(start))
    ?.slice(start.length).trim();
}

/** One line of a reply, RFC 5321, section 4.2. */
export interface ReplyLine {
  readonly code: number;
  /** Whether it is the last one. */
  readonly last: boolean;
  readonly text: string;
}

/** A reply's line without its CR LF; undefined for what is none. */
export function parseReplyLine(line: string): ReplyLine | undefined {
  const [, code, mark, text = ""] = line.match(REPLY) ?? [];
  if (code) return { code: Number(code), last: mark !== "-", text };
}

/** A reply with a line for each text. */
export function formatReply(code: number, ...texts: string[]): string {
  const last = texts.length - 1;
  return texts.map((text, i) => `${code}${i < last ? "-" : " "}${text}\r\n`)
    .join("");
}

const ATOM = "[\\w!#$%&'*+\\-/=?^`{|}~]+";
const DOT_STRING = `${ATOM}(?:\\.${ATOM})*`;
const QUOTED = '"(?:[ !#-\\[\\]-~]|\\\\[ -~])*"';
const LABEL = "[A-Za-z\\d](?:[A-Za-z\\d-]*[A-Za-z\\d])?";
const DOMAIN = `${LABEL}(?:\\.${LABEL})*`;
const LITERAL = "\\[[!-Z^-~]+\\]";

const COMMAND = /^([A-Za-z]+)(?: +([!-~](?:[ -~]*[!-~])?))? *$/;
const ENVELOPE = new RegExp(
  `^(FROM|TO): ?<(?:(@[^>: "]+):)?(?:(${DOT_STRING}|${QUOTED})` +
    `(?:@(${DOMAIN}|${LITERAL}))?)?>(?: +(.*))?$`,
  "i",
);
const PARAMETER = /^([A-Za-z\d][A-Za-z\d-]*)(?:=([!-<>-~]+))?$/;
/** Of local parts, those that name nothing but a mailbox here. */
const PLAIN = /^[\w#$&'*+=?^`{}~-]+(\.[\w#$&'*+=?^`{}~-]+)*$/;
/** A mailbox to which a client may send: without quotes, and not too long. */
export const MAILBOX = new RegExp(
  `^(?=.{1,254}$)(?=[^@]{1,64}@)${DOT_STRING}@(?:${DOMAIN}|${LITERAL})$`,
);
const FIELD_NAME = /^[!-9;-~]+$/;
/** The text of one line, which needs no encoding (RFC 2047). */
const FIELD_VALUE = /^[ -~]{0,900}$/;
const REPLY = /^([2-5]\d\d)(?:([ -])(.*))?$/s;
