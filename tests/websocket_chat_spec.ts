/**
 * The chat over WebSocket: its page, members that misbehave, and a person at the
 * client.
 */
import { describe, expect, test } from "bun:test";
import { AF_INET, SOCK_STREAM, socket } from "../lib/mod.ts";
import type { Address, StreamSocket } from "../lib/mod.ts";
import { type Channel, Closed } from "../lib/services/chat_member.ts";
import { inMessages } from "../lib/services/chat_messages.ts";
import { openWebSocket } from "../lib/services/websocket_client.ts";
import { acceptWebSocket } from "../lib/services/websocket_server.ts";
import { chatSite } from "../lib/services/chat_page.ts";
import { command, nextTo, serverOn, testWrongFlags } from "./support/ends.ts";
import { play, serverThat } from "./support/play.ts";
import { dial, requestFor } from "./support/raw_websocket.ts";
import { find, run, RUNTIMES, start } from "./support/runtimes.ts";
import { load } from "./support/scripts.ts";
import { CTRL_D, noTerminal, onTerminal } from "./support/terminal.ts";
import { failureOf, idlyOn, needing, testOn } from "./support/test_on.ts";
import { encodeAll, type RawFrame } from "./support/websocket_cases.ts";

const text = (payload: string) => ({ opcode: 1, payload });

/** Enters the chat with the lab's own client, and gives its channel. */
async function enter(address: Address, name: string): Promise<Channel> {
  const connection = socket(AF_INET, SOCK_STREAM);
  connection.settimeout(null); // another test may have set a default
  await connection.connect(address);
  const channel = inMessages(await openWebSocket(connection, "/chat"));
  expect(await channel.next()).toBe("* Your name?");
  await channel.say(name);
  expect(await channel.next()).toStartWith(`* Welcome, ${name}: `);
  return channel;
}

/** Sends its own frames, and gives all that is heard up to the end. */
async function hearFrom(port: string, frames: RawFrame[]): Promise<string> {
  const { socket, ended } = dial(port, requestFor("/chat", port));
  socket.write(encodeAll(frames, "client"));
  return Buffer.from(await ended).toString("latin1");
}

/** A Close frame of the server, as latin1. */
const close = (code: number, reason = "") =>
  String.fromCharCode(0x88, 2 + reason.length, code >> 8, code & 255) + reason;

testOn(
  "bun",
  "the page loads its own files, and talks to its own host",
  async () => {
    const { port, stop } = await serverOn("websocket_chat", "bun");
    const url = `http://127.0.0.1:${port}`;
    const get = (path: string, method = "GET") =>
      fetch(url + path, { method, headers: { Connection: "close" } });
    const page = await get("/");
    const policy = page.headers.get("content-security-policy");
    expect(policy).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; " +
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
        `connect-src 'self' ws://127.0.0.1:${port}`,
    );
    const html = await page.text();
    expect(html).not.toMatch(
      /\son\w+=|style=|<style|<script(?! type="module" src="\/chat\.js")/,
    );
    for (const [, path] of html.matchAll(/(?:src|href)="(\/[^"]*)"/g)) {
      const file = await get(path);
      expect([path, file.status]).toEqual([path, 200]);
      expect(file.headers.get("x-content-type-options")).toBe("nosniff");
      const [kind] = path.match(/\w+$/)!;
      const type = { css: "text/css", js: "text/javascript" }[kind];
      expect(file.headers.get("content-type")).toBe(`${type}; charset=utf-8`);
      expect(await file.text()).not.toMatch(/innerHTML|insertAdjacent|eval\(/);
    }
    for (const label of html.matchAll(/<input id="(\w+)"/g)) {
      expect(html).toContain(`<label for="${label[1]}">`);
    }
    expect((await get("/", "HEAD")).status).toBe(200);
    expect((await get("/", "POST")).status).toBe(405);
    for (const path of ["/favicon.ico", "/constructor", "/chat.js/"]) {
      expect((await get(path)).status).toBe(404);
    }
    // A host that could add to the policy does not get into it.
    const request =
      "GET / HTTP/1.1\r\nHost: a;script-src*\r\nConnection: close\r\n\r\n";
    const odd = dial(port, request);
    await odd.ended;
    expect(odd.heard()).toContain("; connect-src 'self'\r\n");
    await stop();
  },
);

for (const runtime of RUNTIMES) {
  testOn(runtime, `${runtime} tells a member why it is closed`, async () => {
    const { port, address, server, stop } = await serverOn(
      "websocket_chat",
      runtime,
    );
    const ann = await enter(address, "ann");
    const bob = await enter(address, "bob");
    const name = "a name has 1 to 16 of the characters A-Z a-z 0-9 _ -";
    const bytes = { opcode: 2, payload: "x" };
    const cut = { opcode: 1, payload: Uint8Array.of(0xed, 0xa0, 0x80) };
    const cases: [reason: string, frames: RawFrame[]][] = [
      [close(1008, "the name ann is taken"), [text("ann")]],
      [close(1008, name), [text("\x1b[2J")]],
      [close(1008, name), [text("")]],
      ["\x88\x00", []], // it leaves before it has a name
      [close(1003, "a message is a text"), [bytes]],
      [close(1003, "a message is a text"), [text("eve"), bytes]],
      [close(1009, "a message has at most 1000 bytes"), [
        text("eve"),
        text("x".repeat(1001)),
      ]],
      [close(1007, "a text is not UTF-8"), [text("eve"), cut]],
      [`* Welcome, eve: 3 here\x88\x00`, [text("eve")]],
    ];
    for (const [reason, frames] of cases) {
      const heard = await hearFrom(port, [...frames, { opcode: 8 }]);
      expect(heard).toStartWith("\x81\x0c* Your name?");
      expect(heard).toEndWith(reason);
    }
    // Others do not notice, and what cannot be shown is escaped.
    await bob.say("\x1b[2J\u202e <b>", "x".repeat(1000));
    expect(await ann.next()).toBe("bob: \\x1b[2J\\u{202e} <b>");
    expect(await ann.next()).toBe(`bob: ${"x".repeat(1000)}`);
    for (const channel of [ann, bob]) {
      await channel.end();
      expect(await failureOf(channel.next())).toBeInstanceOf(Closed);
      await server.said(/^ann leaves: 1 here$/m);
    }
    const printed = await stop();
    expect(printed).toContain("1009: a message has at most 1000 bytes\n");
    expect(printed).not.toMatch(/[^\x20-\x7e\n]/);
  });

  idlyOn(runtime, `${runtime} gives up who is not there`, async () => {
    const flags = ["--timeout", "2000"];
    const { port, address, server, stop } = await serverOn(
      "websocket_chat",
      runtime,
      flags,
    );
    const ann = await enter(address, "ann");
    const bob = await enter(address, "bob");
    // Both only listen: the lab's client answers pings.
    const heard = bob.next();
    const annEnds = ann.next().catch(() => {});

    // One does not tell its name, one does not answer a ping.
    const unnamed = dial(port, requestFor("/chat", port));
    const silent = dial(port, requestFor("/chat", port));
    silent.socket.write(encodeAll([text("silent")], "client"));
    // A message that drips is as a whole too late.
    const drips = dial(port, requestFor("/chat", port));
    drips.socket.write(encodeAll([text("drips")], "client"));
    await drips.hears("Welcome");
    const bytes = encodeAll([text("x".repeat(900))], "client");
    let at = 0;
    const timer = setInterval(() => {
      drips.socket.write(bytes.subarray(at, ++at));
    }, 100);
    for (const { ended } of [unnamed, silent, drips]) await ended;
    clearInterval(timer);
    expect(at).toBeLessThan(500);
    expect(silent.heard()).toEndWith("\x89\x00"); // it was asked
    expect(unnamed.heard()).not.toContain("\x89\x00");

    await ann.say("Still there?");
    expect(await heard).toBe("ann: Still there?");
    for (const channel of [ann, bob]) await channel.end();
    await annEnds;
    await stop();
    const { stdout, stderr } = await server.finished;
    expect(stdout).toMatch(/^silent leaves: /m);
    expect(stdout).toMatch(/^drips leaves: /m);
    expect(stderr.match(/: timed out$/gm)).toHaveLength(3);
  });

  testOn(
    runtime,
    `${runtime} closes who does not read; others hear all`,
    async () => {
      const { port, address, server, stop } = await serverOn(
        "websocket_chat",
        runtime,
      );
      const ann = await enter(address, "ann");
      const bob = await enter(address, "bob");
      const deaf = dial(port, requestFor("/chat", port));
      deaf.socket.write(encodeAll([text("deaf")], "client"));
      await deaf.hears("Welcome");
      deaf.socket.pause();
      let gone = false;
      server.said(/deaf leaves/).then(() => gone = true);
      const lines = Array<string>(100).fill("x".repeat(1000));
      let said = 0;
      for (; !gone && said < 50_000; said += 100) {
        await ann.say(...lines);
        for (let i = 0; i < 100; i++) {
          expect(await bob.next()).toHaveLength(1005);
        }
      }
      expect(said).toBeLessThan(50_000);
      deaf.socket.destroy();
      for (const channel of [ann, bob]) await channel.end();
      await stop();
      const { stderr } = await server.finished;
      expect(stderr).toMatch(/^Cannot send to 127.*: no buffer space$/m);
    },
  );
}

describe("a person", () => {
  for (const runtime of RUNTIMES) {
    /** What a shell gives to the client on its standard input. */
    const piped = (words: string, port: string, flags: string[]) =>
      run([
        ...["sh", "-c", 'words=$1; shift; printf "$words" | "$@"', "sh", words],
        ...command("websocket_chat", runtime, [
          ...["client", "--port", port],
          ...flags,
        ]),
      ]);

    testOn(runtime, `speaks through a pipe on ${runtime}`, async () => {
      const { port, address, stop } = await serverOn(
        "websocket_chat",
        nextTo(runtime),
      );
      const bob = await enter(address, "bob");
      const said = "Hell\\303\\266.\\r\\n\\nNo newline";
      const ann = await piped(said, port, ["--name", "ann"]);
      expect([ann.code, ann.stderr]).toEqual([0, ""]);
      expect(ann.stdout).toBe("* Your name?\n* Welcome, ann: 2 here\n");
      expect(await bob.next()).toBe("ann: Hell\u00f6.");
      expect(await bob.next()).toBe("ann: ");
      expect(await bob.next()).toBe("ann: No newline");

      const refused = await piped("Hello\\n", port, ["--name", "bob"]);
      expect([refused.code, refused.stderr]).toEqual([
        1,
        expect.stringMatching(
          /^127\.0\.0\.1:\d+ has closed the connection: the name bob is taken\n$/,
        ),
      ]);
      const long = await piped(`${"x".repeat(1001)}`, port, ["--name", "ann"]);
      expect([long.code, long.stderr]).toEqual([
        1,
        expect.stringContaining(": a message has at most 1000 bytes\n"),
      ]);
      await bob.end();
      await failureOf(bob.next());
      await stop();
    });

    const reason = noTerminal ?? find(runtime).reason;
    needing(
      reason,
      `types and listens on a terminal of ${runtime}`,
      async () => {
        const { port, address, server, stop } = await serverOn(
          "websocket_chat",
          nextTo(runtime),
        );
        const bob = await enter(address, "bob");
        const client = command("websocket_chat", runtime, [
          ...["client", "--port", port],
        ]);
        const talking = onTerminal(client, [
          ["* Your name?", "ann\n"],
          ["* Welcome, ann: 2 here", "Hello?\n"],
          ["bob: two in a row", CTRL_D],
        ]);
        expect(await bob.next()).toBe("ann: Hello?");
        await bob.say("\x1b[2J", "two in a row");
        const { code, stdout } = await talking;
        expect([code, stdout]).toEqual([
          0,
          expect.stringContaining("bob: \\x1b[2J\nbob: two in a row"),
        ]);
        await server.said(
          /ann leaves: 1 here\nann: requests 1, messages to it 4/,
        );
        await bob.end();
        await stop();
      },
    );

    testOn(
      runtime,
      `is told when the server goes away, on ${runtime}`,
      async () => {
        const { port, server } = await serverOn(
          "websocket_chat",
          nextTo(runtime),
        );
        const client = start([
          ...["sh", "-c", 'sleep 9 | "$@"', "sh"],
          ...command("websocket_chat", runtime, [
            ...["client", "--port", port, "--name", "ann"],
          ]),
        ]);
        await client.said(/Welcome/);
        server.kill("SIGKILL");
        await client.said(
          /has closed the connection|connection reset|other end no longer reads/,
        );
        client.kill("SIGKILL");
      },
    );
  }

  testWrongFlags("websocket_chat", [["--name", "a b"], ["--name", ""]]);
});

describe("the client without a person", async () => {
  const chat = await load("websocket_chat");
  const failureWith = (act: (client: StreamSocket) => Promise<unknown>) =>
    play({ ...chat, server: serverThat(act) }, { timeout: 500 })
      .then(() => undefined, ({ message }) => message);
  const accepting = (
    act: (websocket: NonNullable<Accepted["websocket"]>) => Promise<unknown>,
  ) =>
  async (client: StreamSocket) => {
    const site = chatSite("/chat", () => {});
    const { websocket } = await acceptWebSocket(client, site);
    await act(websocket!);
  };
  type Accepted = Awaited<ReturnType<typeof acceptWebSocket>>;

  test("ends with what the server says, which is escaped", async () => {
    const closing = accepting((websocket) => websocket.close(4000, "\x1b[2J"));
    expect(await failureWith(closing))
      .toEndWith("has closed the connection: \\x1b[2J");
  });

  test("ends if the server closes, or speaks of other things", async () => {
    expect(await failureWith(accepting(({ socket }) => socket.close())))
      .toMatch(/has closed the connection$/);
    const words = Array<string>(1000).fill("x");
    expect(
      await failureWith(accepting((websocket) => websocket.send(...words))),
    )
      .toEndWith("is it the right server?");
    expect(
      await failureWith(
        accepting((websocket) => websocket.send(new Uint8Array(3))),
      ),
    ).toEndWith("is it the right server?");
  });

  test("is bounded in time by a server that says too little", async () => {
    // Pings are no messages.
    const pinging = accepting(async ({ socket }) => {
      for (let i = 0; i < 40; i++) {
        await socket.sendall(Uint8Array.of(0x89, 0));
        await Bun.sleep(50);
      }
    });
    expect(await failureWith(pinging)).toEndWith("timed out");
  });
});
