/**
 * nc and telnet as members of tcp_chat, and its client as a member of another
 * chat: each on a terminal of its own, as a person would use it.
 */
import { spawnSync } from "node:child_process";
import { describe, expect } from "bun:test";
import {
  type Address,
  AF_INET,
  Reader,
  SOCK_STREAM,
  socket,
} from "../../lib/mod.ts";
import { freePort } from "../../scripts/tools/support/free_port.ts";
import { noNetcat } from "../peers/netcat.ts";
import { command, nextTo, serverOn } from "../support/ends.ts";
import { find, RUNTIMES, start } from "../support/runtimes.ts";
import { CTRL_D, noTerminal, onTerminal } from "../support/terminal.ts";
import { needing } from "../support/test_on.ts";

const noTelnet = spawnSync("telnet", ["--version"]).error
  ? "telnet is not installed (Debian: inetutils-telnet)"
  : undefined;
const noNcat = spawnSync("ncat", ["--version"]).error
  ? "ncat is not installed (Debian: ncat)"
  : undefined;

/** What makes telnet take commands, instead of text for the server. */
const ESCAPE = "\x1d";

async function connected(address: Address) {
  const connection = socket(AF_INET, SOCK_STREAM);
  // The server may not be listening yet.
  while (await connection.connect(address).then(() => false, () => true));
  return connection;
}

describe("tcp_chat", () => {
  for (const runtime of RUNTIMES) {
    const reason = noTerminal ?? find(runtime).reason;

    const title = `nc, telnet and a client on ${runtime} talk to each other`;
    needing(reason ?? noNetcat ?? noTelnet, title, async () => {
      const { server, port, address, stop } = await serverOn(
        "tcp_chat",
        nextTo(runtime),
      );
      const host = "127.0.0.1";
      const nick = onTerminal(["nc", "-N", host, port], [
        ["* Your name?", "nick\n"],
        ["ann: Hello, both.", "Hello from nc.\n"],
        ["ann: Bye.", CTRL_D],
      ]);
      await server.said(/nick joins/);
      // While telnet takes commands it shows nothing, so what it shows after
      // one is the sign that it takes text again.
      const tel = onTerminal(["telnet", host, port], [
        ["* Your name?", "tel\n"],
        ["nick: Hello from nc.", ESCAPE],
        ["telnet> ", "send do echo\n"],
        ["clock: tick", ESCAPE],
        ["telnet> ", "send ip\n"],
        ["clock: tick", "Hello from telnet.\n"],
        ["ann: Bye.", ESCAPE],
        ["telnet> ", "quit\n"],
      ]);
      await server.said(/tel joins/);
      const clock = await connected(address);
      await clock.sendall("clock\n");
      const ticks = setInterval(() => void clock.sendall("tick\n"), 100);
      await server.said(/clock joins/);
      const client = command("tcp_chat", runtime, ["client", "--port", port]);
      const ann = onTerminal(client, [
        ["* Your name?", "ann\n"],
        ["* Welcome, ann: 4 here", "Hello, both.\n"],
        ["tel: Hello from telnet.", "Bye.\n"],
        ["Bye.", CTRL_D],
      ]);

      const [annSaw, nickSaw, telSaw] = await Promise.all([ann, nick, tel]);
      clearInterval(ticks);
      await clock.close();
      expect([annSaw.code, nickSaw.code]).toEqual([0, 0]);
      expect(linesIn(annSaw.stdout)).toEqual([
        ...["* Your name?", "ann", "* Welcome, ann: 4 here", "Hello, both."],
        ...["nick: Hello from nc.", "tel: Hello from telnet.", "Bye."],
      ]);
      expect(linesIn(nickSaw.stdout)).toEqual([
        ...["* Your name?", "nick", "* Welcome, nick: 1 here"],
        ...["ann: Hello, both.", "Hello from nc.", "tel: Hello from telnet."],
        "ann: Bye.",
      ]);
      expect(linesIn(telSaw.stdout)).toContainValues([
        ...["* Welcome, tel: 2 here", "ann: Hello, both."],
        ...["nick: Hello from nc.", "ann: Bye."],
      ]);
      expect((await stop()).split("\n").slice(0, 4)).toEqual([
        ...["nick joins: 1 here", "tel joins: 2 here"],
        ...["clock joins: 3 here", "ann joins: 4 here"],
      ]);
    });

    const other = `a client on ${runtime} takes part in the chat of ncat`;
    needing(reason ?? noNcat, other, async () => {
      const port = await freePort();
      const server = start(["ncat", "-l", "--chat", "127.0.0.1", String(port)]);
      const bob = await connected(["127.0.0.1", port]);
      const reader = new Reader(bob);
      const client = command("tcp_chat", runtime, [
        ...["client", "--port", String(port)],
      ]);
      const ann = onTerminal(client, [
        ["<announce> already connected", "Hello?\n"],
        ["Two in\r\na row.\r\n", CTRL_D], // the terminal's ends of lines
      ]);
      let line;
      while ((line = await reader.line())?.startsWith("<announce>"));
      expect(line).toMatch(/^<user\d+> Hello\?$/);
      await bob.sendall("Two in\na row.\n");
      const { code, stdout } = await ann;
      expect(stdout).toMatch(/^<user\d+> Two in\na row\.$/m);
      expect(code).toBe(0);
      await bob.close();
      server.kill();
      await server.finished;
    });
  }
});

/** The lines on a terminal, but for those of the clock. */
function linesIn(shown: string): string[] {
  return shown.split("\n")
    .filter((line) => line !== "clock: tick" && line.trim() !== "");
}
