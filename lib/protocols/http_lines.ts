/**
 * The lines of HTTP/1.1: they end with CR LF and have a limit, and a field is one
 * line. Whatever else is accepted, somebody else understands differently.
 *
 * @module
 */

/** Why a message is refused: a status code, RFC 9110 section 15, and a reason. */
export class HttpFault extends Error {
  override name = "HttpFault";
  readonly status: number;

  constructor(status: number, reason: string) {
    super(reason);
    this.status = status;
  }
}

/** Limits of one message, in bytes unless said. */
export interface HttpLimits {
  /** The request line, or the status line. */
  readonly line: number;
  /** That line and the fields; the trailer and chunk extensions. */
  readonly head: number;
  /** How many fields. */
  readonly fields: number;
  readonly body: number;
}

export const HTTP_LIMITS: HttpLimits = {
  line: 8192,
  head: 16_384,
  fields: 100,
  body: 2 ** 20,
};

/** Received bytes that no message has taken yet. */
export class HttpInput {
  #held: Uint8Array = NOTHING;
  #at = 0;
  /** The line that begins at `#at` does not end before. */
  #searched = 0;

  /** How many bytes are held. */
  get length(): number {
    return this.#held.length - this.#at;
  }

  /** Adds bytes; copies them only to those of an incomplete line. */
  push(bytes: Uint8Array): void {
    const { length } = this;
    if (length === 0) this.#held = bytes;
    else {
      const joined = new Uint8Array(length + bytes.length);
      joined.set(this.#held.subarray(this.#at));
      joined.set(bytes, length);
      this.#held = joined;
    }
    this.#searched = length === 0 ? 0 : Math.max(0, this.#searched - this.#at);
    this.#at = 0;
  }

  /**
   * The next line without its CR LF, each byte as one character; undefined until
   * it has come. Throws what `tooLong` makes of the start of a line of more than
   * `limit` bytes, and 400 for a line that ends with LF alone.
   */
  line(
    limit: number,
    tooLong: (start: string) => HttpFault,
  ): string | undefined {
    const [held, at] = [this.#held, this.#at];
    const end = held.indexOf(LF, Math.max(at, this.#searched));
    const size = (end < 0 ? held.length : end) - at - 1; // without the CR
    if (size > limit) throw tooLong(latin1(held.subarray(at, at + limit)));
    if (end < 0) {
      this.#searched = held.length;
      return;
    }
    if (held[end - 1] !== CR || size < 0) {
      throw new HttpFault(400, "a line ends with LF alone");
    }
    this.#at = end + 1;
    return latin1(held.subarray(at, end - 1));
  }

  /** At most `size` of the bytes that are here: a view of them. */
  take(size: number): Uint8Array {
    const from = this.#at;
    this.#at = Math.min(this.#held.length, from + size);
    return this.#held.subarray(from, this.#at);
  }
}

/** Fields by name in lower case; values of one name are joined with `, `. */
export type HttpFields = ReadonlyMap<string, string>;

/** Takes the lines before a body out of the input: a first line, and fields. */
export class HttpHead {
  readonly #limits: HttpLimits;
  readonly #first: (line: string) => void;
  readonly #fields = new Map<string, string>();
  #begun = false;
  #count = 0;
  #left: number;

  /** The first line is given to a function as soon as it has come. */
  constructor(limits: HttpLimits, first: (line: string) => void) {
    this.#limits = limits;
    this.#first = first;
    this.#left = limits.head;
  }

  /** Whether some of it has come. */
  get begun(): boolean {
    return this.#begun;
  }

  /** Takes what is here; the fields, once they are whole. Throws 400, 414, 431. */
  take(input: HttpInput): HttpFields | undefined {
    while (true) {
      const room = this.#left - 2; // for the CR LF
      const line = this.#begun
        ? input.line(room, () => TOO_LONG)
        : input.line(Math.min(room, this.#limits.line), firstTooLong);
      if (line === undefined) return;
      this.#left = room - line.length;
      if (!this.#begun) {
        // One empty line is ignored, RFC 9112 section 2.2; more would be a drip.
        if (line === "" && room + 2 === this.#limits.head) continue;
        this.#begun = true;
        this.#first(line);
      } else if (line === "") return this.#fields;
      else if (++this.#count > this.#limits.fields) throw TOO_MANY;
      else this.#add(line);
    }
  }

  #add(line: string): void {
    const [name, value] = parseField(line);
    const before = this.#fields.get(name);
    const all = before === undefined ? value : `${before}, ${value}`;
    this.#fields.set(name, all);
  }
}

/** Of a request it is the target that is so long, if there is one. */
function firstTooLong(start: string): HttpFault {
  const target = new RegExp(`^${TOKEN} [!-~]`).test(start);
  return new HttpFault(target ? 414 : 400, "the first line is too long");
}

/**
 * A field line, RFC 9112 section 5: its name in lower case, and its value without
 * the spaces around it. Throws 400 for all that is none: a line that continues the
 * one before (obs-fold), a space before the colon, a control character.
 */
export function parseField(line: string): [name: string, value: string] {
  const found = FIELD.exec(line);
  if (found) return [found[1].toLowerCase(), found[2]];
  const reason = /^[ \t]/.test(line)
    ? "a line begins with a space"
    : /(?!\t)\p{Cc}/u.test(line)
    ? "a control character in a field"
    : /^[^:]*[ \t]:/.test(line)
    ? "a space before a colon"
    : "a line that is no field";
  throw new HttpFault(400, reason);
}

/** The members of a list in small letters, RFC 9110 section 5.6.1. */
export function membersOf(value: string): string[] {
  return value.toLowerCase().split(",").map((part) => MEMBER.exec(part)![1]);
}

/** Bytes as text, each as the character with its number (ISO 8859-1). */
function latin1(bytes: Uint8Array): string {
  return String.fromCharCode.apply(null, bytes as unknown as number[]);
}

/** A token, RFC 9110 section 5.6.2. */
export const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const FIELD = new RegExp(
  `^(${TOKEN}):[ \\t]*(?![ \\t])((?:[!-~\\x80-\\xff](?:[ \\t!-~\\x80-\\xff]*[!-~\\x80-\\xff])?)?)[ \\t]*$`,
);
/** `(?![ \t])`: to try each space twice would take 100 ms for a long head. */
const MEMBER = /^[ \t]*(?![ \t])((?:[^ \t](?:.*[^ \t])?)?)/;
const TOO_LONG = new HttpFault(431, "the fields are too long");
const TOO_MANY = new HttpFault(431, "too many fields");
const NOTHING = new Uint8Array(0);
const LF = 10;
const CR = 13;
