/**
 * WebSocket with programs that others have written: clients of websocket_chat's
 * server, and servers for its client.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { afterAll, expect, test } from "bun:test";
import { Browser, noBrowser, type Page } from "../support/browser.ts";
import { clientOn, command, nextTo, serverOn } from "../support/ends.ts";
import { fuzzWebSocket } from "../support/fuzz_websocket.ts";
import { TOO_WIDE } from "../support/page_looks.ts";
import {
  commandFor,
  find,
  python,
  run,
  type RuntimeName,
  RUNTIMES,
  start,
} from "../support/runtimes.ts";
import { ROOT } from "../support/scripts.ts";
import { CTRL_D, noTerminal, onTerminal } from "../support/terminal.ts";
import { needing } from "../support/test_on.ts";

test(
  "100,000 random streams harm no parser",
  () => fuzzWebSocket(100_000),
  300_000,
);

/** The package ws, in a folder of its own. */
const folder = mkdtempSync(`${tmpdir()}/ws-`);
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const noWs = spawnSync("npm", ["install", "--prefix", folder, "ws@8"], {
    timeout: 60_000,
  }).status === 0
  ? undefined
  : "the package ws could not be installed (npm)";

/** A Python that has websockets: Debian's own, where another one is used. */
const withWebsockets = [python().path, "/usr/bin/python3"].find((path) =>
  path && spawnSync(path, ["-c", "import websockets"]).status === 0
);
const noWebsockets = withWebsockets
  ? undefined
  : "websockets is not installed (Debian: python3-websockets)";

/** Runs a command, which must succeed. */
async function succeed(command: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(command, { cwd: ROOT });
  expect([code, stderr]).toEqual([0, ""]);
  return stdout;
}

/** Starts a program of the tests that prints its port. */
async function serving(command: string[]) {
  const server = start(command, { cwd: ROOT });
  const [, port] = await server.said(/port (\d+)/);
  const stop = async () => {
    server.kill();
    await server.finished;
  };
  return { port, stop };
}

/** Both servers on a runtime: the chat, and an echo. */
async function both(runtime: RuntimeName) {
  const chat = await serverOn("websocket_chat", runtime);
  const program = commandFor(runtime, ["--allow-net"]);
  const echo = await serving([...program, "tests/peers/websocket_echo.ts"]);
  const stop = async () => {
    await echo.stop();
    const printed = await chat.stop();
    expect(printed).toContain("\nann: requests 1, messages to it 3\n");
  };
  return { ports: [chat.port, echo.port], stop };
}

/** What every client hears. */
const HEARD = `* Your name?
* Welcome, ann: 1 here
* Welcome, bob: 2 here
bob: Hell\u00f6 \u{1f600}, ann.
closed 1008 the name ann is taken true
closed 1009 a message has at most 1000 bytes true
closed 3001  true
0 true 0
1 true 1
125 true 125
126 true 126
65535 true 65535
65536 true 65536
closed 1009 a message has at most 65536 bytes true
`;

/** What the lab's client prints. */
const TALK = `bob hears: ann: Is it raining?
bob hears: ann: Here it is.
ann hears: bob: No.
`;

for (const runtime of RUNTIMES) {
  const without = find(runtime).reason;

  for (const other of RUNTIMES) {
    const reason = without ?? find(other).reason;
    needing(reason, `${runtime}: WebSocket of ${other}`, async () => {
      const { ports, stop } = await both(runtime);
      const client = commandFor(other, ["--allow-net"]);
      const script = [...client, "tests/peers/websocket_native.ts"];
      expect(await succeed([...script, ...ports])).toBe(HEARD);
      await stop();
    });

    if (other === "node") continue; // it has no server of its own
    needing(reason, `${runtime}: the server of ${other}`, async () => {
      const program = commandFor(other, ["--allow-net"]);
      const script = [...program, "tests/peers/websocket_serve.ts"];
      const { port, stop } = await serving(script);
      expect(await clientOn("websocket_chat", runtime, port)).toBe(TALK);
      await stop();
    });
  }

  const node = without ?? find("node").reason ?? noWs;
  needing(node, `${runtime}: ws`, async () => {
    const { ports, stop } = await both(runtime);
    const client = commandFor("node", []);
    const script = [...client, "tests/peers/websocket_native.ts"];
    expect(await succeed([...script, ...ports, folder])).toBe(HEARD);
    await stop();
    const served = [...client, "tests/peers/websocket_serve.ts", folder];
    const server = await serving(served);
    expect(await clientOn("websocket_chat", runtime, server.port)).toBe(TALK);
    await server.stop();
  });

  needing(
    without ?? noWebsockets,
    `${runtime}: Python's websockets`,
    async () => {
      const { ports, stop } = await both(runtime);
      const script = [withWebsockets!, "tests/peers/websocket.py"];
      expect(await succeed([...script, "ask", ...ports])).toBe(
        HEARD.replace(/^(closed .*) true$/gm, "$1")
          .replace(/^(\d+ true) \d+$/gm, "$1")
          .replace("closed 1008", "pong\nclosed 1008") + "403\nTrue\n",
      );
      await stop();
      const server = await serving([...script, "serve"]);
      expect(await clientOn("websocket_chat", runtime, server.port)).toBe(TALK);
      await server.stop();
    },
  );

  const reason = without ?? find(nextTo(runtime)).reason ?? noBrowser ??
    noTerminal;
  needing(reason, `${runtime}: Chromium and a terminal`, async () => {
    const { port, server } = await serverOn("websocket_chat", runtime);
    await using browser = await Browser.start();
    const url = `http://127.0.0.1:${port}/`;
    const page = await browser.open(url);
    await page.type("ann");
    await page.press("Enter");
    await server.said(/ann joins: 1 here/);

    const client = command("websocket_chat", nextTo(runtime), [
      ...["client", "--port", port],
    ]);
    const bob = onTerminal(client, [
      ["* Your name?", "bob\n"],
      [
        "* Welcome, bob: 2 here",
        "<b>Hell\u00f6</b> <img src=x onerror=alert(1)>\n",
      ],
      ["ann: Hello, bob!", "\x1b[2J\x16\x03: \u{1f600}\n"],
      ["ann: Bye", CTRL_D],
    ]);
    // It is told without having asked, and what it is told is text.
    await page.until(
      said("other", "<b>Hell\u00f6</b> <img src=x onerror=alert(1)>"),
    );
    expect(await page.evaluate("document.images.length")).toBe(0);
    await page.type("Hello, bob!");
    await page.press("Enter");
    await page.until(said("other", "\u{1f600}"));
    await page.type("Bye");
    await page.press("Enter");
    const { code, stdout } = await bob;
    expect([code, stdout]).toEqual([0, expect.stringContaining("ann: Bye")]);

    // One more window: the name is taken, and it says so.
    const second = await browser.open(url);
    await second.type("ann");
    await second.press("Enter");
    await second.until("problem.textContent.includes('the name ann is taken')");
    await second.resize({ width: 320 });
    expect(await second.evaluate(TOO_WIDE)).toEqual([]);
    for (const each of [page, second]) expect(await nameless(each)).toEqual([]);
    await foreign(browser, port, url);

    // By the keys alone: out, and in again with the same name.
    await page.evaluate("document.activeElement.blur()");
    await page.press("Tab");
    while (await page.evaluate("document.activeElement.id") !== "leave") {
      await page.press("Tab");
    }
    await page.press("Enter");
    await page.until("document.activeElement.id === 'name'");
    await page.press("Enter");
    await page.until("document.activeElement.id === 'text'");
    server.kill("SIGKILL");
    await page.until("problem.textContent.startsWith('Closed')");
    expect(page.faults).toEqual([]);
    expect((await server.finished).stdout)
      .toMatch(/^ann: requests 1, messages to it 4$/m);
  }, 240_000);
}

/** Whether the page shows that somebody has said this. */
function said(kind: string, words: string): string {
  return `[...document.querySelectorAll(".${kind} p")]` +
    `.some(({ textContent }) => textContent.includes(${
      JSON.stringify(words)
    }))`;
}

/** The roles of controls that have no name for a screen reader. */
async function nameless(page: Page): Promise<string[]> {
  return (await page.accessibility())
    .filter(({ role, name }) => /^(button|textbox|log)$/.test(role) && !name)
    .map(({ role }) => role);
}

/** A page of another host gets no WebSocket, and the page can reach no other. */
async function foreign(
  browser: Browser,
  port: string,
  url: string,
): Promise<void> {
  const tried = (address: string) =>
    `new Promise((resolve) => {
      const socket = new WebSocket("${address}");
      socket.onopen = () => resolve("open");
      socket.onerror = () => resolve("refused");
    })`;
  await using other = await pageElsewhere();
  const page = await browser.open(`http://127.0.0.1:${other.port}/`);
  const chat = `ws://127.0.0.1:${port}/chat`;
  expect(await page.evaluate(tried(chat))).toBe("refused");
  const own = await browser.open(url);
  expect(await own.evaluate(tried(chat))).toBe("open");
  const elsewhere = `ws://127.0.0.1:${other.port}/chat`;
  expect(await own.evaluate(tried(elsewhere))).toBe("refused");
  expect(own.faults.join()).toContain("Content Security Policy");
}

/** A server of another origin, which would agree to each WebSocket. */
function pageElsewhere() {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request, server) =>
      server.upgrade(request) ? undefined : new Response("<p>elsewhere</p>", {
        headers: { "Content-Type": "text/html" },
      }),
    websocket: { message() {} },
  });
  return Promise.resolve({
    port: server.port,
    [Symbol.asyncDispose]: () => server.stop(true),
  });
}
