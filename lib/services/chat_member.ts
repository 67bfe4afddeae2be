/**
 * A member of the chat at the client: it enters with its name, and a person speaks
 * and listens side by side.
 *
 * @module
 */
import { closedReason, isWelcome, NAME } from "../protocols/chat.ts";
import { type Address, displayAddress } from "../sockets/address.ts";
import { escapeControls } from "../sockets/escape.ts";
import { Reader } from "../sockets/reader.ts";
import { SocketError } from "../sockets/socket_error.ts";
import type { StreamSocket } from "../sockets/stream_socket.ts";

/** The flag of a client that is a person. */
export const CHAT_FLAGS = { name: NAME };

/** The server has closed the connection; it may say why. */
export class Closed extends SocketError {
  readonly reason: string;

  constructor(server: Address, reason = "") {
    super("EPROTO", "recv", server);
    this.reason = reason;
    const why = reason && `: ${reason.slice(0, 200)}`;
    this.message = escapeControls(
      `${displayAddress(server)} has closed the connection${why}`,
    );
  }
}

/** What carries texts between a member and the server. */
export interface Channel {
  readonly connection: StreamSocket;
  /** The next text of the server; throws `Closed` when there is none. */
  next(): Promise<string>;
  /** Sends one text or several, without a pause. */
  say(...texts: string[]): Promise<void>;
  /** Sends what a person types, as it comes. */
  type(bytes: Uint8Array): Promise<void>;
  /** Says that this is all; the server closes then. */
  end(): Promise<void>;
}

/** A channel in which each text is a line. */
export function inLines(connection: StreamSocket): Channel {
  const reader = new Reader(connection);
  const server = connection.getpeername();
  return {
    connection,
    async next() {
      const line = await reader.line();
      const reason = line === null ? "" : closedReason(line);
      if (reason !== undefined) throw new Closed(server, reason);
      return line!;
    },
    say: (...texts) => connection.sendall(`${texts.join("\n")}\n`),
    type: (bytes) => connection.sendall(bytes),
    end: () => connection.shutdown("SHUT_WR"),
  };
}

/** Somebody who takes part by a program. */
export interface Member {
  /** Says one text or several, without a pause. */
  say(...texts: string[]): Promise<void>;
  /**
   * Prints what it hears until these lines have come, in this order; others may
   * speak meanwhile. EPROTO if they say too much.
   */
  hear(lines: readonly string[], print: (line: string) => void): Promise<void>;
  /** Ends its stream, and resolves when the server has noticed. */
  leave(): Promise<void>;
}

/** Sends the name as the first text, and waits for the welcome. */
export async function enter(channel: Channel, name: string): Promise<Member> {
  const { connection } = channel;
  const server = connection.getpeername();

  /** Waits for a line that fits; other members may speak before it. */
  async function expectLine(
    fits: (line: string) => boolean,
    onLine?: (line: string) => void,
  ): Promise<void> {
    for (let others = 0; others < PATIENCE; others++) {
      const line = await channel.next();
      onLine?.(line);
      if (fits(line)) return;
    }
    throw new SocketError("EPROTO", "recv", server);
  }

  await channel.say(name);
  await expectLine((line) => isWelcome(line, name));
  return {
    say: channel.say,
    async hear(lines, print) {
      const onLine = (line: string) => print(`${name} hears: ${line}`);
      for (const wanted of lines) {
        await expectLine((line) => line === wanted, onLine);
      }
    },
    async leave() {
      await channel.end();
      try {
        for (let others = 0; others < PATIENCE; others++) await channel.next();
      } catch (error) {
        if (!isEnd(error)) throw error;
      }
      await connection.close();
    },
  };
}

/** Somebody at a terminal, or at the end of a pipe. */
export interface Person {
  /** Sent as the first text, if it is given. */
  readonly name: string | undefined;
  readonly person: {
    /** What is typed, as it comes, to its end. */
    typed(): AsyncIterable<Uint8Array>;
  };
  print(line: string): void;
}

/**
 * Sends what a person types, and prints each line that comes, side by side. It ends
 * at the end of what is typed; if the server ends it, it throws.
 */
export async function converse(
  channel: Channel,
  { name, person, print }: Person,
): Promise<void> {
  const { connection } = channel;
  connection.settimeout(null); // a person may think, and others may be silent
  let [leaving, patience]: [boolean, Timer?] = [false];

  async function listen(): Promise<void> {
    try {
      while (true) {
        for (const part of partsOf(await channel.next())) print(part);
      }
    } catch (error) {
      if (!leaving || !isEnd(error)) throw error;
    }
  }

  async function speak(): Promise<void> {
    if (name) await channel.say(name);
    for await (const bytes of person.typed()) await channel.type(bytes);
    leaving = true;
    await channel.end();
    // The server closes then. Another kind of server may go on.
    patience = setTimeout(() => connection.close(), LAST_WORDS);
  }

  await Promise.all([listen(), speak()]);
  clearTimeout(patience);
  await connection.close();
}

/**
 * A line in parts of at most 1000 characters, which is what print() takes. The
 * blanks before a later part tell it from a line of its own.
 */
function partsOf(line: string): string[] {
  const [first = "", ...others] = line.match(/^.{1,1000}|.{1,990}/gsu) ?? [];
  return [first, ...others.map((other) => `    ${other}`)];
}

type Timer = ReturnType<typeof setTimeout>;

/** Whether the server has closed without a reason, or nobody waited for that. */
function isEnd(error: unknown): boolean {
  return error instanceof Closed
    ? error.reason === ""
    : (error as SocketError).code === "EBADF";
}

/** How many other lines may come before the one that is waited for. */
const PATIENCE = 20;

/** How long to listen after having left, in ms. */
const LAST_WORDS = 1000;
