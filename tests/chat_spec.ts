/**
 * The chat: lines out of what nc and telnet send, the room without sockets, the
 * server with members that misbehave, and a person at the client.
 */
import { describe, expect, test } from "bun:test";
import {
  type Address,
  AF_INET,
  Reader,
  SOCK_STREAM,
  socket,
  SocketError,
  type StreamSocket,
} from "../lib/mod.ts";
import { LINE_LIMIT } from "../lib/protocols/chat.ts";
import { TelnetLines } from "../lib/protocols/telnet_lines.ts";
import { openRoom } from "../lib/services/chat_room.ts";
import { command, nextTo, serverOn, testWrongFlags } from "./support/ends.ts";
import { play, serverThat } from "./support/play.ts";
import { run, RUNTIMES, start } from "./support/runtimes.ts";
import { load } from "./support/scripts.ts";
import { CTRL_C, CTRL_D, noTerminal, onTerminal } from "./support/terminal.ts";
import { find } from "./support/runtimes.ts";
import { needing, testOn } from "./support/test_on.ts";

const bytes = (...parts: (string | number)[]) =>
  Uint8Array.from(
    parts.flatMap((part) =>
      typeof part === "string" ? [...new TextEncoder().encode(part)] : [part]
    ),
  );

describe("TelnetLines", () => {
  const linesOf = (input: Uint8Array, piece = input.length) => {
    const decoder = new TelnetLines(10);
    const lines: string[] = [];
    for (let at = 0; at < input.length; at += piece) {
      lines.push(...decoder.push(input.subarray(at, at + piece)));
    }
    const { tooLong } = decoder;
    return { lines, rest: decoder.end(), tooLong, to: decoder.takeReplies() };
  };

  test("end with LF or CR LF, in whatever pieces they come", () => {
    const input = bytes("one\r\ntwö\n\na\rb\nlast");
    for (let piece = 1; piece <= input.length; piece++) {
      const { lines, rest, tooLong } = linesOf(input, piece);
      expect(lines).toEqual(["one", "twö", "", "a\rb"]);
      expect([rest, tooLong]).toEqual([["last"], false]);
    }
  });

  test("have no command of telnet, and each request is declined", () => {
    const [IAC, SE, NOP, SB, WILL, WONT, DO, DONT] = //
      [255, 240, 241, 250, 251, 252, 253, 254];
    const input = bytes(
      ...["a", IAC, DO, 1, "b", IAC, WILL, 10, IAC, WONT, 3, IAC, DONT, 3],
      ...["c", IAC, SB, 24, "\n", IAC, IAC, IAC, SE, "d", IAC, NOP, "e\n"],
    );
    for (let piece = 1; piece <= input.length; piece++) {
      const { lines, to } = linesOf(input, piece);
      expect(lines).toEqual(["abcde"]);
      expect([...to]).toEqual([IAC, WONT, 1, IAC, DONT, 10]);
    }
  });

  test("have at most so many bytes without their end", () => {
    for (const end of ["\n", "\r\n"]) {
      const most = linesOf(bytes(`${"x".repeat(10)}${end}`));
      expect([most.lines, most.tooLong]).toEqual([["x".repeat(10)], false]);
      for (const text of [`${"x".repeat(11)}${end}y\n`, "x".repeat(12)]) {
        const { lines, rest, tooLong } = linesOf(bytes(text));
        expect([lines, rest, tooLong]).toEqual([[], [], true]);
      }
    }
  });
});

describe("a room", () => {
  const peer: Address = ["127.0.0.1", 1];
  const memberOf = (send: (texts: readonly string[]) => Promise<void>) => ({
    peer,
    send,
  });
  /** A member who reads, and what it has heard. */
  const reader = () => {
    const heard: string[] = [];
    const send = (texts: readonly string[]) =>
      Promise.resolve(void heard.push(...texts));
    return { heard, ...memberOf(send) };
  };
  const deaf = () => memberOf(() => new Promise<void>(() => {}));
  const silent = { print() {} };

  test("passes on to all others, in order, what cannot drive a terminal", async () => {
    const printed: string[] = [];
    const room = openRoom({ print: (line) => printed.push(line) });
    const [ann, bob, eve] = [reader(), reader(), reader()];
    const [annHere, bobHere, eveHere] = [
      room.join("ann", ann),
      room.join("bob", bob),
      room.join("eve", eve),
    ];
    await annHere.say("\x1b[2J\u009b1m\u202e\u2066\0\x7f");
    await annHere.say("two");
    await bobHere.say("three");
    for (const member of [annHere, bobHere, eveHere]) await member.leave();
    const said = "ann: \\x1b[2J\\x9b1m\\u{202e}\\u{2066}\\x00\\x7f";
    expect(ann.heard).toEqual(["* Welcome, ann: 1 here", "bob: three"]);
    expect(bob.heard).toEqual(["* Welcome, bob: 2 here", said, "ann: two"]);
    expect(eve.heard.slice(1)).toEqual([said, "ann: two", "bob: three"]);
    expect(printed).toEqual([
      ...["ann joins: 1 here", "bob joins: 2 here", "eve joins: 3 here"],
      ...["ann leaves: 2 here", "bob leaves: 1 here"],
    ]);
  });

  test("takes a name once, until its member leaves", async () => {
    const room = openRoom(silent);
    const ann = room.join("ann", reader());
    expect(room.problem("ann")).toBe("the name ann is taken");
    await ann.leave();
    expect(room.problem("ann")).toBeUndefined();
    for (const name of ["a", "A-z_09", "x".repeat(16)]) {
      expect(room.problem(name)).toBeUndefined();
    }
    for (const name of ["", "a b", "ä", "a\r", "*", "a:", "x".repeat(17)]) {
      expect(room.problem(name)).toStartWith("a name has 1 to 16 of the");
    }
  });

  test("loses a member whose outbox is full, and no other", async () => {
    const room = openRoom({ ...silent, limit: 1000 });
    const [ann, bob] = [reader(), reader()];
    const [speaker] = [room.join("ann", ann), room.join("bob", bob)];
    const { lost } = room.join("deaf", deaf());
    let said = 0;
    while (!lost.aborted) await speaker.say(`line ${said++}`);
    expect(lost.reason).toBeInstanceOf(SocketError);
    expect(lost.reason.code).toBe("ENOBUFS");
    await speaker.say("line last");
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(bob.heard).toHaveLength(said + 2);
    expect(said).toBeLessThan(100);
  });

  test("lets who speaks much wait for those who read", async () => {
    const room = openRoom({ ...silent, limit: 1000 });
    let most = 0;
    const { lost } = room.join(
      "slow",
      memberOf(async (texts) => {
        most = Math.max(most, texts.join("").length);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }),
    );
    const speakers = ["ann", "bob", "eve"].map((name) =>
      room.join(name, reader())
    );
    await Promise.all(speakers.map(async ({ say }) => {
      for (let i = 0; i < 100; i++) await say("x".repeat(30));
    }));
    expect(lost.aborted).toBe(false);
    expect(most).toBeLessThan(1000);
  });
});

/** Enters the chat, and gives what it hears. */
async function enter(address: Address, name: string) {
  const connection = socket(AF_INET, SOCK_STREAM);
  await connection.connect(address);
  const reader = new Reader(connection);
  await connection.sendall(`${name}\r\n`);
  expect(await reader.line()).toBe("* Your name?");
  const welcome = await reader.line();
  return { connection, welcome, hear: () => reader.line() };
}

describe("the server", async () => {
  const chat = await load("tcp_chat");

  test("says in one line what is wrong with a name", async () => {
    const { lines, notes } = await play(chat, {}, async ({ address }) => {
      const ann = await enter(address, "ann");
      for (
        const [name, problem] of [
          ["ann", "the name ann is taken"],
          ["\x1b[2J", /^a name has 1 to 16 of/],
          ["x".repeat(5000), /^a name has 1 to 16 of/],
          ["", /^a name has 1 to 16 of/],
        ] as const
      ) {
        const { connection, welcome, hear } = await enter(address, name);
        expect(welcome).toMatch(/^\* Closed: /);
        expect(welcome!.slice(10)).toMatch(problem);
        expect(await hear()).toBeNull();
        await connection.close();
      }
      await ann.connection.close();
    });
    expect([lines, notes]).toEqual([["server: ann joins: 1 here"], []]);
  });

  test("takes lines of 1,000 bytes, and ends who sends a longer one", async () => {
    await play(chat, {}, async ({ address }) => {
      const [ann, bob] = [
        await enter(address, "ann"),
        await enter(address, "bob"),
      ];
      const longest = "ö".repeat(LINE_LIMIT / 2);
      await ann.connection.sendall(`${longest}\r\n${longest}.\nnever\n`);
      expect(await bob.hear()).toBe(`ann: ${longest}`);
      expect(await ann.hear()).toBe("* Closed: a line has at most 1000 bytes");
      expect(await ann.hear()).toBeNull();
      await ann.connection.close();
      const again = await enter(address, "ann");
      await again.connection.sendall("last words"); // without LF
      await again.connection.shutdown("SHUT_WR");
      expect(await bob.hear()).toBe("ann: last words");
      for (const { connection } of [again, bob]) await connection.close();
    });
  });

  test("ends who sends its name and a longer line at once", async () => {
    await play(chat, {}, async ({ address }) => {
      const long = `ann\n${"x".repeat(1001)}\n`;
      const { connection, welcome, hear } = await enter(address, long);
      expect(welcome).toBe("* Welcome, ann: 1 here");
      expect(await hear()).toBe("* Closed: a line has at most 1000 bytes");
      await connection.close();
    });
  });

  test("closes a member who does not read; the others hear all", async () => {
    const { notes } = await play(chat, {}, async ({ address }) => {
      const [ann, bob, deaf] = [
        await enter(address, "ann"),
        await enter(address, "bob"),
        await enter(address, "deaf"),
      ];
      const line = "x".repeat(1000);
      // The system takes some MB for it before its outbox fills.
      const ended = deafEnds(address);
      let said = 0;
      for (let open = true; open; said += 100) {
        await ann.connection.sendall(`${line}\n`.repeat(100));
        for (let i = 0; i < 100; i++) {
          expect(await bob.hear()).toBe(`ann: ${line}`);
        }
        open = !await ended();
      }
      expect(said).toBeLessThan(50_000);
      for (const { connection } of [ann, bob, deaf]) await connection.close();
    });
    expect(notes).toHaveLength(1);
    expect(notes[0]).toMatch(/^server: Cannot send to 127.*: no buffer space$/);
  }, 90_000);

  /** Whether the name of the deaf member is free again. */
  function deafEnds(address: Address) {
    return async () => {
      const { connection, welcome } = await enter(address, "deaf");
      await connection.close();
      return welcome!.startsWith("* Welcome");
    };
  }
});

describe("the client without a person", async () => {
  const chat = await load("tcp_chat");
  const failureWith = (server: (client: StreamSocket) => Promise<unknown>) =>
    play({ ...chat, server: serverThat(server) }, { timeout: 2000 })
      .then(() => undefined, ({ message }) => message);

  test("ends with what the server says, which is escaped", async () => {
    const message = await failureWith((client) =>
      client.sendall("* Closed: \x1b[2Jfull\n")
    );
    expect(message).toEndWith("has closed the connection: \\x1b[2Jfull");
  });

  test("ends if the server closes, or speaks of other things", async () => {
    expect(await failureWith((client) => client.close()))
      .toMatch(/has closed the connection$|connection reset/);
    const words = "x\n".repeat(10_000);
    expect(await failureWith((client) => client.sendall(words)))
      .toEndWith("is it the right server?");
  });
});

describe("a person", () => {
  for (const runtime of RUNTIMES) {
    /** What a shell gives to the client on its standard input. */
    const piped = (words: string, port: string, flags: string[]) =>
      run([
        ...["sh", "-c", 'words=$1; shift; printf "$words" | "$@"', "sh", words],
        ...command("tcp_chat", runtime, ["client", "--port", port, ...flags]),
      ]);

    testOn(runtime, `speaks through a pipe on ${runtime}`, async () => {
      const { port, address, stop } = await serverOn(
        "tcp_chat",
        nextTo(runtime),
      );
      const bob = await enter(address, "bob");
      const said = `Hello.\\n${"x".repeat(1000)}\\nNo newline`;
      const { code, stdout, stderr } = await piped(said, port, [
        ...["--name", "ann"],
      ]);
      expect([code, stderr]).toEqual([0, ""]);
      expect(stdout).toBe("* Your name?\n* Welcome, ann: 2 here\n");
      expect(await bob.hear()).toBe("ann: Hello.");
      expect(await bob.hear()).toBe(`ann: ${"x".repeat(1000)}`);
      expect(await bob.hear()).toBe("ann: No newline");

      const refused = await piped("Hello\\n", port, ["--name", "bob"]);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toMatch(
        /^127\.0\.0\.1:\d+ has closed the connection: the name bob is taken\n$/,
      );
      await bob.connection.close();
      expect(await stop()).toBe(
        "bob joins: 1 here\nann joins: 2 here\nann leaves: 1 here\n",
      );
    });

    const reason = noTerminal ?? find(runtime).reason;
    needing(
      reason,
      `types and listens on a terminal of ${runtime}`,
      async () => {
        const { port, address, server, stop } = await serverOn(
          "tcp_chat",
          nextTo(runtime),
        );
        const bob = await enter(address, "bob");
        const client = command("tcp_chat", runtime, ["client", "--port", port]);
        const long = `${"x".repeat(989)} to the end`; // cut by print(): 1,005
        const talking = onTerminal(client, [
          ["* Your name?", "ann\n"],
          ["* Welcome, ann: 2 here", "Hello?\n"],
          ["bob: two in a row", CTRL_D],
        ]);
        expect(await bob.hear()).toBe("ann: Hello?");
        await bob.connection.sendall(`\x1b[2J\n${long}\ntwo in a row\n`);
        const { code, stdout } = await talking;
        expect(stdout).toContain("bob: \\x1b[2J\n");
        expect(stdout.replaceAll("\n    ", "")).toContain(`bob: ${long}\n`);
        expect([code, stdout]).toEqual([
          0,
          expect.stringContaining("Hello?\n"),
        ]);
        await server.said(/ann leaves: 1 here/);

        const left = await onTerminal(client, [["Your name?", `eve\n`], [
          "Welcome, eve",
          CTRL_C,
        ]]);
        expect(left.code).not.toBe(0);
        await server.said(/eve leaves: 1 here/);
        await bob.connection.close();
        await stop();
      },
    );

    testOn(
      runtime,
      `is told when the server goes away, on ${runtime}`,
      async () => {
        const { port, server } = await serverOn("tcp_chat", nextTo(runtime));
        const client = start([
          ...["sh", "-c", 'sleep 60 | "$@"', "sh"],
          ...command("tcp_chat", runtime, [
            ...["client", "--port", port, "--name", "ann"],
          ]),
        ]);
        await client.said(/Welcome, ann/);
        server.kill("SIGKILL");
        await server.finished;
        const [line] = await client.said(/^.*closed.*$|^.*reset.*$/m);
        expect(line).toMatch(
          /^127\.0\.0\.1:\d+ has closed the connection$|reset/,
        );
        client.kill("SIGKILL");
      },
    );
  }
  testWrongFlags("tcp_chat", [["--name", "a b"], ["--name", "x".repeat(17)]]);
});
