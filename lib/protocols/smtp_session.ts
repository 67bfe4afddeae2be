/**
 * The server's side of an SMTP session, RFC 5321: the bytes of a client become
 * replies and mails, whether they come whole or one by one. CR LF alone ends a
 * line; a CR or LF without the other ends the session, because two programs that
 * read it differently would find different mails in the same bytes.
 *
 * ```ts
 * import { SmtpSession } from "./smtp_session.ts";
 *
 * const session = new SmtpSession("lab.test");
 * session.replies(); // "220 lab.test ESMTP Socket Lab\r\n"
 * session.push(new TextEncoder().encode("NOOP\r\nRCPT TO:<a@lab.test>\r\n"));
 * session.next(); // undefined: there is no whole mail
 * session.replies(); // "250 OK\r\n503 Say MAIL FROM first\r\n"
 * ```
 *
 * @module
 */
import {
  type Command,
  formatPath,
  formatReply,
  ownMailbox,
  parseCommand,
  parseEnvelope,
  SMTP_LIMITS,
} from "./smtp.ts";

/** A mail: an envelope, and a letter that nobody has read. */
export interface Mail {
  /** Of MAIL FROM; empty for a mail that must not be answered. */
  readonly sender: string;
  /** Of RCPT TO: mailboxes of this server, each once. */
  readonly recipients: readonly string[];
  /** Its lines end with CR LF; added dots are taken out. */
  readonly letter: Uint8Array;
}

/**
 * Takes the bytes of one client, and gives the mails in them. Of a mail that was
 * given, the client is told that it is taken when the next one is asked for.
 */
export class SmtpSession {
  readonly #domain: string;
  #replies: string;
  /** What has come and is not a whole line yet; then what has just come. */
  #input: Uint8Array = NOTHING;
  #closing = false;
  #greeted = false;
  #sender: string | undefined;
  readonly #recipients = new Set<string>();
  #letter: Letter | undefined;
  #given = false;
  #errors = 0;
  #commands = 0;

  /** The domain in small letters. */
  constructor(domain: string) {
    this.#domain = domain;
    this.#replies = formatReply(220, `${domain} ESMTP Socket Lab`);
  }

  /** Adds bytes of the stream, which must not change any more. */
  push(bytes: Uint8Array): void {
    if (this.#input.length === 0) this.#input = bytes;
    else {
      const joined = new Uint8Array(this.#input.length + bytes.length);
      joined.set(this.#input);
      joined.set(bytes, this.#input.length);
      this.#input = joined;
    }
  }

  /** The next mail; undefined when more bytes are needed, or the session ends. */
  next(): Mail | undefined {
    if (this.#given) this.#taken();
    let at = 0;
    let mail: Mail | undefined;
    while (!mail && !this.#closing) {
      const input = this.#input;
      const limit = this.#letter ? SMTP_LIMITS.line + 1 : SMTP_LIMITS.command;
      const end = input.indexOf(LF, at);
      const size = (end < 0 ? input.length : end) - at;
      if (size > limit + 1) this.#close(500, "The line is too long");
      if (end < 0 || this.#closing) break;
      const line = input.subarray(at, end - 1);
      if (input[end - 1] !== CR || line.includes(CR)) {
        this.#close(500, "CR LF ends a line, and neither stands alone");
        break;
      }
      at = end + 1;
      if (!this.#letter) this.#obey(line);
      else mail = this.#read(line, this.#letter);
    }
    this.#input = this.#closing ? NOTHING : this.#input.subarray(at);
    return mail;
  }

  /** What is to be sent now. */
  replies(): string {
    const replies = this.#replies;
    this.#replies = "";
    return replies;
  }

  /** Whether the connection is to be closed once the replies are sent. */
  get closing(): boolean {
    return this.#closing;
  }

  #say(code: number, ...texts: string[]): void {
    this.#replies += formatReply(code, ...texts);
    if (code >= 500) this.#errors++;
  }

  #close(code: number, text: string): void {
    this.#replies += formatReply(code, text);
    this.#closing = true;
  }

  #taken(): void {
    this.#given = false;
    [this.#errors, this.#commands] = [0, 0];
    this.#say(250, "Taken");
  }

  /** Takes a line of a letter: the mail, if it is the last one. */
  #read(line: Uint8Array, letter: Letter): Mail | undefined {
    const dot = line[0] === DOT;
    if (dot && line.length === 1) {
      const [sender, recipients] = [this.#sender!, [...this.#recipients]];
      this.#reset();
      this.#given = true;
      return { sender, recipients, letter: letter.bytes };
    }
    const content = dot ? line.subarray(1) : line;
    if (content.length > SMTP_LIMITS.line) {
      this.#close(500, "The line is too long");
    } else if (!letter.add(content)) {
      this.#close(552, `A letter has at most ${SMTP_LIMITS.size} bytes`);
    }
  }

  #obey(line: Uint8Array): void {
    const command = parseCommand(latin1.decode(line));
    if (++this.#commands > SMTP_LIMITS.commands) {
      return this.#close(421, "Too many commands without a mail");
    }
    if (!command) this.#say(500, "This is no command");
    else if (WEB.includes(command.verb)) {
      // A web page can make a browser send commands behind such a line.
      this.#close(500, "This is SMTP, not HTTP");
    } else this.#perform(command);
    if (this.#errors > SMTP_LIMITS.errors && !this.#closing) {
      this.#close(421, "Too many errors");
    }
  }

  #perform({ verb, argument }: Command): void {
    switch (verb) {
      case "EHLO":
      case "HELO":
        return this.#greet(verb, argument);
      case "MAIL":
        return this.#mail(argument);
      case "RCPT":
        return this.#recipient(argument);
      case "NOOP":
        return this.#say(250, "OK");
      case "HELP":
        return this.#say(214, "EHLO, MAIL, RCPT, DATA, RSET, NOOP, QUIT");
      case "VRFY":
        return this.#say(252, "Send a mail to find out");
      case "EXPN":
        return this.#say(502, "There are no lists");
    }
    if (!["DATA", "RSET", "QUIT"].includes(verb)) {
      return this.#say(500, "The command is unknown");
    }
    if (argument !== "") return this.#say(501, `${verb} has no argument`);
    if (verb === "QUIT") return this.#close(221, "Bye");
    if (verb === "DATA") return this.#data();
    this.#reset();
    this.#say(250, "OK");
  }

  #greet(verb: string, name: string): void {
    if (!/^\S+$/.test(name)) return this.#say(501, `${verb} needs your name`);
    this.#greeted = true;
    this.#reset();
    if (verb === "HELO") return this.#say(250, this.#domain);
    this.#say(250, this.#domain, `SIZE ${SMTP_LIMITS.size}`, ...EXTENSIONS);
  }

  #mail(argument: string): void {
    if (!this.#greeted) return this.#say(503, "Say EHLO first");
    if (this.#sender !== undefined) return this.#say(503, "RSET, or DATA");
    const envelope = parseEnvelope(argument, "FROM");
    const { path, parameters = new Map<string, string>() } = envelope ?? {};
    if (!path || (path.local && !path.domain)) {
      return this.#say(501, "Say MAIL FROM:<you@your.domain>");
    }
    for (const [name, value] of parameters) {
      const pattern = PARAMETERS[name];
      if (!pattern) return this.#say(555, "A parameter is unknown");
      if (!pattern.test(value)) return this.#say(501, `${name} is malformed`);
    }
    if (Number(parameters.get("SIZE") ?? 0) > SMTP_LIMITS.size) {
      return this.#say(552, `A letter has at most ${SMTP_LIMITS.size} bytes`);
    }
    this.#sender = formatPath(path);
    this.#say(250, "OK");
  }

  #recipient(argument: string): void {
    if (this.#sender === undefined) {
      return this.#say(503, "Say MAIL FROM first");
    }
    const envelope = parseEnvelope(argument, "TO");
    if (!envelope?.path.local) return this.#say(501, "Say RCPT TO:<to@whom>");
    if (envelope.parameters.size > 0) {
      return this.#say(555, "A parameter is unknown");
    }
    const mailbox = ownMailbox(envelope.path, this.#domain);
    if (mailbox === undefined) {
      return this.#say(550, `Only ${this.#domain} is here`);
    }
    if (this.#recipients.size === SMTP_LIMITS.recipients) {
      return this.#say(452, `At most ${SMTP_LIMITS.recipients} recipients`);
    }
    this.#recipients.add(mailbox);
    this.#say(250, "OK");
  }

  #data(): void {
    if (this.#sender === undefined) {
      return this.#say(503, "Say MAIL FROM first");
    }
    if (this.#recipients.size === 0) {
      return this.#say(554, "There is no recipient");
    }
    this.#letter = new Letter();
    this.#say(354, "Send the letter, and a dot on a line");
  }

  /** Forgets the mail that was begun. */
  #reset(): void {
    this.#sender = this.#letter = undefined;
    this.#recipients.clear();
  }
}

/** The lines of a letter, in a buffer that grows. */
class Letter {
  #buffer = new Uint8Array(4096);
  #size = 0;

  /** Adds a line and its CR LF; false if the letter is too long. */
  add(line: Uint8Array): boolean {
    const size = this.#size + line.length + 2;
    if (size > SMTP_LIMITS.size) return false;
    if (size > this.#buffer.length) {
      const larger = new Uint8Array(2 * size);
      larger.set(this.bytes);
      this.#buffer = larger;
    }
    this.#buffer.set(line, this.#size);
    this.#buffer[size - 2] = CR;
    this.#buffer[size - 1] = LF;
    this.#size = size;
    return true;
  }

  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#size);
  }
}

/** Beside SIZE (RFC 1870): RFC 6152, RFC 2920. */
const EXTENSIONS = ["8BITMIME", "PIPELINING"];
const PARAMETERS: Record<string, RegExp | undefined> = {
  SIZE: /^\d{1,20}$/,
  BODY: /^(7BIT|8BITMIME)$/i,
};
/** The methods of HTTP. */
const WEB = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"];
const NOTHING = new Uint8Array(0);
const [CR, LF, DOT] = [13, 10, 46];
const latin1 = new TextDecoder("latin1");
