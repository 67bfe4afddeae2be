/**
 * The client's end of an FTP session: it says commands and reads the replies, and
 * receives files, within a bound in time and memory.
 *
 * @module
 */
import {
  endsReply,
  formatCommand,
  parseReplyLine,
  passivePort,
  type Reply,
} from "../../protocols/ftp.ts";
import { Reader } from "../../sockets/reader.ts";
import { SocketError } from "../../sockets/socket_error.ts";
import { innerOf, type StreamSocket } from "../../sockets/stream_socket.ts";
import { FILE_FLAGS } from "../flag_values.ts";
import { paceOf } from "../pace.ts";
import { saveFile, type Saving } from "../save_file.ts";
import { Unexpected } from "../unexpected.ts";

/** The flags of an experiment that speaks FTP. */
export const FTP_FLAGS = {
  ...FILE_FLAGS,
  name: { ...FILE_FLAGS.name, pattern: /^[^\p{Cc}\ufffd]+$/u },
  inbox: {
    ...FILE_FLAGS.root,
    help: "let lab write in this folder, which is in DIR or is it",
  },
  user: {
    value: "NAME",
    takes: "the name of a user",
    pattern: /^[^\s\p{Cc}\ufffd]+$/u,
    help: "log in as this user (lab)",
  },
};

/**
 * The control connection of a client. Each command is printed with its reply. EPROTO
 * for a reply that is none, or that the client cannot go on with.
 */
export class Dialogue {
  readonly #connection: StreamSocket;
  readonly #reader: Reader;
  readonly #print: (line: string) => void;
  /** The addresses of both ends: data comes from there, and goes there. */
  readonly ownHost: string;
  readonly serverHost: string;

  constructor(connection: StreamSocket, print: (line: string) => void) {
    this.#connection = connection;
    this.#reader = new Reader(connection);
    this.#print = print;
    this.ownHost = connection.getsockname()[0];
    this.serverHost = connection.getpeername()[0];
  }

  /** Waits for the server's greeting, and logs in; files are sent as they are. */
  async greet(user: string, password: string): Promise<void> {
    await this.#expect("220", "");
    await this.ask("331", "USER", user);
    await this.ask("230", "PASS", password);
    await this.ask("200", "TYPE", "I");
  }

  /** Sends a command, and gives its reply, whose code must begin so. */
  async ask(code: string, verb: string, argument?: string): Promise<Reply> {
    const line = formatCommand(verb, argument);
    await this.#connection.sendall(line);
    return await this.#expect(code, `${line.trimEnd()} -> `);
  }

  /** The port on which the server listens from now on. */
  async askPort(): Promise<number> {
    const reply = await this.ask("", "EPSV");
    const known = reply.code < 500;
    const port = passivePort(known ? reply : await this.ask("227", "PASV"));
    if (port === undefined) throw this.#failure("EPROTO");
    return port;
  }

  /**
   * Receives a file to the end of a data connection, which `open` gives when the
   * server has said that the file comes. When it resolves, the file is whole.
   */
  async retrieve(
    name: string,
    open: () => StreamSocket | Promise<StreamSocket>,
    { to }: { to?: Saving } = {},
  ): Promise<void> {
    const line = formatCommand("RETR", name);
    await this.#connection.sendall(line);
    const reply = await this.#next();
    if (reply.code >= 200) this.#judge(reply, "1", `${line.trimEnd()} -> `);
    const data = await open();
    const bytes = await receiveFile(data, to);
    await data.close();
    await this.#expect("226", `${line.trimEnd()}: ${bytes} bytes -> `);
  }

  async #expect(code: string, before: string): Promise<Reply> {
    return this.#judge(await this.#next(), code, before);
  }

  /** Prints a reply; throws Unexpected for another code. */
  #judge(reply: Reply, code: string, before: string): Reply {
    this.#print(`${before}${reply.code} ${reply.text}`);
    if (String(reply.code).startsWith(code)) return reply;
    const server = innerOf(this.#connection).peer!;
    throw new Unexpected(server, `${reply.code} ${reply.text}`);
  }

  /**
   * The next reply. The socket's time limit is for all of its lines: ETIMEDOUT.
   * EPROTO for what is none, EMSGSIZE for a line that is too long, EBADMSG if the
   * stream ends.
   */
  async #next(): Promise<Reply> {
    const { timeout } = innerOf(this.#connection);
    let [signal, reply]: [AbortSignal?, ReturnType<typeof parseReplyLine>?] =
      [];
    try {
      for (let lines = 0; lines < MOST_LINES; lines++) {
        const text = await this.#reader.line({ limit: LONGEST_LINE, signal });
        if (text === null) throw this.#failure("EBADMSG");
        const ends = reply && endsReply(text, reply.code);
        reply ??= parseReplyLine(text);
        if (!reply) break;
        if (ends || reply.whole) return { code: reply.code, text: reply.text };
        if (timeout !== null) signal ??= AbortSignal.timeout(timeout);
      }
    } catch (error) {
      throw signal?.aborted ? this.#failure("ETIMEDOUT") : error;
    }
    throw this.#failure("EPROTO");
  }

  #failure(code: string): SocketError {
    return new SocketError(code, "line", innerOf(this.#connection).peer);
  }
}

/**
 * Receives a file to the end of its connection; how many bytes it has. ETIMEDOUT for
 * a sender that drips, EFBIG for one that does not end.
 */
async function receiveFile(
  data: StreamSocket,
  saving: Saving = saveFile(undefined),
): Promise<number> {
  const [buffer, expectPace] = [new Uint8Array(2 ** 18), paceOf(data)];
  let received = 0;
  for (let count; (count = await data.recv_into(buffer)) > 0;) {
    expectPace(received += count);
    if (received > MOST) {
      throw new SocketError("EFBIG", "recv_into", data.getpeername());
    }
    saving.write(buffer.subarray(0, count));
  }
  return received;
}

/** A reply has at most so many lines, and a line so many bytes. */
const [MOST_LINES, LONGEST_LINE] = [100, 1000];
/** The largest file, in bytes. */
const MOST = 2 ** 30;
