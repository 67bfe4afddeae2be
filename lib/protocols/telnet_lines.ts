/**
 * Lines out of the bytes of a person's client: nc, or telnet, which puts commands
 * of its own between them (RFC 854).
 *
 * @module
 */

/**
 * Puts lines together from pieces of a stream. A line ends with LF or CR LF, and
 * is UTF-8. Telnet's commands are no part of it.
 */
export class TelnetLines {
  readonly #line: Uint8Array;
  #size = 0;
  #state: "text" | "command" | "option" | "subnegotiation" | "its command" =
    "text";
  /** DO or WILL, whose option comes next. */
  #verb = 0;
  #replies: number[] = [];
  #tooLong = false;

  /** Lines have at most `limit` bytes without their end. */
  constructor(limit: number) {
    this.#line = new Uint8Array(limit + 1); // and a CR
  }

  /** Whether a line was longer than the limit: it and all after it is dropped. */
  get tooLong(): boolean {
    return this.#tooLong;
  }

  /** The lines that these bytes complete. */
  push(bytes: Uint8Array): string[] {
    const lines: string[] = [];
    for (const byte of bytes) {
      if (this.#tooLong) break;
      // The command was urgent data, which the system keeps out of the stream.
      if (this.#state === "command" && byte < SE) this.#state = "text";
      if (this.#state !== "text") this.#command(byte);
      else if (byte === IAC) this.#state = "command";
      else if (byte === LF) this.#complete(lines);
      else if (this.#size === this.#line.length) this.#tooLong = true;
      else this.#line[this.#size++] = byte;
    }
    return lines;
  }

  /** What has come after the last line, at the end of the stream. */
  end(): string[] {
    const lines: string[] = [];
    if (this.#size > 0 && !this.#tooLong) this.#complete(lines);
    return lines;
  }

  /**
   * The answers to what has been asked for since the last call: no to all. Without
   * them a client waits, such as telnet after Ctrl-C.
   */
  takeReplies(): Uint8Array {
    return Uint8Array.from(this.#replies.splice(0));
  }

  #complete(lines: string[]): void {
    if (this.#line[this.#size - 1] === CR) this.#size--;
    if (this.#size === this.#line.length) this.#tooLong = true;
    else lines.push(decoder.decode(this.#line.subarray(0, this.#size)));
    this.#size = 0;
  }

  #command(byte: number): void {
    if (this.#state === "subnegotiation") {
      if (byte === IAC) this.#state = "its command";
    } else if (this.#state === "its command") {
      this.#state = byte === SE ? "text" : "subnegotiation";
    } else if (this.#state === "option") {
      if (this.#verb === DO) this.#replies.push(IAC, WONT, byte);
      if (this.#verb === WILL) this.#replies.push(IAC, DONT, byte);
      this.#state = "text";
    } else {
      this.#verb = byte;
      if (byte === SB) this.#state = "subnegotiation";
      else this.#state = byte >= WILL && byte <= DONT ? "option" : "text";
    }
  }
}

const [LF, CR] = [10, 13];
/** "Interpret as command": no byte of UTF-8. Then the commands, RFC 854. */
const IAC = 255;
const [SE, SB, WILL, WONT, DO, DONT] = [240, 250, 251, 252, 253, 254];
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
