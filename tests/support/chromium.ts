/**
 * Chromium as a person would use it, over its DevTools protocol, which the lab's own
 * WebSocket client speaks.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { AF_INET, SOCK_STREAM, socket } from "../../lib/mod.ts";
import { openWebSocket } from "../../lib/services/websocket_client.ts";
import { start } from "./runtimes.ts";

const program = ["chromium", "chromium-browser", "google-chrome"]
  .find((name) => !spawnSync(name, ["--version"]).error);

/** Why there is no browser, if so. */
export const noChromium = program
  ? undefined
  : "chromium is not installed (Debian: chromium)";

/** What a command of the protocol is given, or gives. */
export type Json = Record<string, unknown>;

/** How a page is shown. */
export interface Look {
  width?: number;
  height?: number;
  dark?: boolean;
  /** As a phone shows it. */
  mobile?: boolean;
}

export interface Browser {
  open(url: string, look?: Look): Promise<Page>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface Page {
  /** A command of the protocol, to this page. */
  send(method: string, params?: Json): Promise<Json>;
  /** The value of an expression; a promise is awaited. */
  evaluate<T = unknown>(expression: string): Promise<T>;
  /** Waits until an expression is true. */
  until(expression: string): Promise<void>;
  /** Types a text, key by key, where the focus is. */
  type(text: string): Promise<void>;
  /** Presses a key by its name, such as `Enter`. */
  press(key: string): Promise<void>;
  look(look: Look): Promise<void>;
  screenshot(file: string): Promise<void>;
  /** What its console has said, and which errors there were. */
  readonly console: string[];
  close(): Promise<void>;
}

/** Starts a browser without a window. */
export async function startChromium(): Promise<Browser> {
  const folder = mkdtempSync(`${tmpdir()}/chromium-`);
  const running = start([
    ...[program!, "--headless", "--no-sandbox", "--disable-gpu"],
    ...["--no-first-run", "--disable-background-networking"],
    ...["--disable-component-update", "--disable-sync", "--hide-scrollbars"],
    ...["--remote-debugging-port=0", `--user-data-dir=${folder}`],
  ], { limit: 240_000 });
  const [, port, path] = await running
    .said(/DevTools listening on ws:\/\/127\.0\.0\.1:(\d+)(\/\S+)/);
  const connection = socket(AF_INET, SOCK_STREAM);
  connection.settimeout(null); // a page may be silent
  await connection.connect(["127.0.0.1", Number(port)]);
  const limit = 64 * 2 ** 20; // a picture is one message
  const channel = await openWebSocket(connection, path, { limit });

  let last = 0;
  const waiting = new Map<unknown, PromiseWithResolvers<Json>>();
  const listeners = new Map<unknown, (method: string, params: Json) => void>();
  const reading = (async () => {
    for (let text; (text = await channel.receive());) {
      const { id, method, params, result, error, sessionId } = JSON.parse(
        String(text),
      );
      if (method) listeners.get(sessionId)?.(method, params);
      const asked = waiting.get(id);
      waiting.delete(id);
      if (error) asked?.reject(new Error(error.message));
      else asked?.resolve(result);
    }
  })().catch(() => {}).finally(() => {
    const gone = new Error("Chromium has closed its connection");
    for (const { reject } of waiting.values()) reject(gone);
  });

  async function send(method: string, params: Json = {}, sessionId?: string) {
    const id = ++last;
    const answer = Promise.withResolvers<Json>();
    waiting.set(id, answer);
    await channel.send(JSON.stringify({ id, method, params, sessionId }));
    return await answer.promise;
  }

  async function close(): Promise<void> {
    if (!channel.closed) await send("Browser.close").catch(() => {});
    await reading;
    await channel.close();
    await running.finished;
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }

  return {
    async open(url, look = {}) {
      const { targetId } = await send("Target.createTarget", {
        url: "about:blank",
      });
      const { sessionId } = await send("Target.attachToTarget", {
        targetId,
        flatten: true,
      });
      const id = String(sessionId);
      const page = pageOf(
        (method, params) => send(method, params, id),
        (listener) => listeners.set(id, listener),
        async () => void await send("Target.closeTarget", { targetId }),
      );
      await page.look(look);
      for (const domain of ["Page", "Runtime", "Log"]) {
        await page.send(`${domain}.enable`);
      }
      await page.send("Page.navigate", { url });
      await page.until("document.readyState === 'complete'");
      return page;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function pageOf(
  send: Page["send"],
  listen: (on: (method: string, params: Json) => void) => unknown,
  close: Page["close"],
): Page {
  const lines: string[] = [];
  listen((method, params) => {
    if (/consoleAPICalled|exceptionThrown|entryAdded/.test(method)) {
      lines.push(JSON.stringify(params));
    }
  });
  const page: Page = {
    send,
    close,
    console: lines,
    async evaluate<T>(expression: string) {
      const { result, exceptionDetails } = await send("Runtime.evaluate", {
        expression,
        awaitPromise: true,
        returnByValue: true,
        userGesture: true,
      });
      if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
      return (result as Json).value as T;
    },
    async until(expression) {
      for (let left = 600; left > 0; left--) {
        // While a page is being loaded, there may be nothing to ask.
        if (await page.evaluate(expression).catch(() => false)) return;
        await Bun.sleep(25);
      }
      throw new Error(`It has not become true: ${expression}`);
    },
    async type(text) {
      for (const key of text) {
        await send("Input.dispatchKeyEvent", {
          type: "keyDown",
          key,
          text: key,
        });
        await send("Input.dispatchKeyEvent", { type: "keyUp", key });
      }
    },
    async press(key) {
      const code = KEYS[key] ?? 0;
      const event = { key, code: key, windowsVirtualKeyCode: code };
      const text = key === "Enter" ? { text: "\r" } : {};
      const type = "text" in text ? "keyDown" : "rawKeyDown";
      await send("Input.dispatchKeyEvent", { type, ...event, ...text });
      await send("Input.dispatchKeyEvent", { type: "keyUp", ...event });
    },
    async look({ width = 1280, height = 800, dark = false, mobile = false }) {
      const size = { width, height, deviceScaleFactor: 1, mobile };
      await send("Emulation.setDeviceMetricsOverride", size);
      const value = dark ? "dark" : "light";
      const features = [{ name: "prefers-color-scheme", value }];
      await send("Emulation.setEmulatedMedia", { features });
    },
    async screenshot(file) {
      const { data } = await send("Page.captureScreenshot");
      writeFileSync(file, String(data), "base64");
    },
  };
  return page;
}

/** Virtual key codes, by the key's name. */
const KEYS: Record<string, number> = {
  Enter: 13,
  Tab: 9,
  Escape: 27,
  Backspace: 8,
  ArrowDown: 40,
  ArrowUp: 38,
};
