/**
 * Chromium without a window, driven over its DevTools protocol: what a page shows
 * is read from the page, and keys and clicks take the way of a user's.
 * https://chromedevtools.github.io/devtools-protocol/
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { within } from "../../scripts/tools/support/processes.ts";
import { having } from "./proc.ts";
import { start } from "./started.ts";

const PROGRAM = ["chromium", "chromium-browser", "google-chrome"]
  .find((name) => !spawnSync(name, ["--version"]).error);

/** Why there is no browser, if so. */
export const noBrowser = PROGRAM
  ? undefined
  : "chromium is not installed (Debian: chromium)";

/** No window, no network of its own, and no page that waits in the background. */
const FLAGS = [
  "--headless",
  "--no-sandbox", // as root there is none
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--no-first-run",
  "--no-default-browser-check",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-extensions",
  "--disable-breakpad",
  "--metrics-recording-only",
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
  "--disable-renderer-backgrounding",
  "--disable-backgrounding-occluded-windows",
  "--disable-background-timer-throttling",
  "--remote-debugging-port=0",
];

/** How long a page may take to show what a test waits for, in ms. */
const PATIENCE = 60_000;

/** A browser with a profile of its own; it ends with its processes. */
export interface Browser extends AsyncDisposable {
  /** Opens a page in a window of its own, and waits until it is loaded. */
  open(url: string, size?: Size): Promise<Page>;
}

export interface Size {
  width: number;
  height?: number;
}

/** A control, or another part of the page, as a screen reader gets it. */
export interface Accessible {
  role: string;
  name: string;
  description: string;
}

export interface Page {
  /** What the page has complained about: exceptions, errors, what its policy forbids. */
  readonly faults: string[];
  /** The value of a JavaScript expression in the page; a promise is awaited. */
  evaluate<T = unknown>(expression: string): Promise<T>;
  /** Waits until an expression is true in the page, and gives its value. */
  until<T = unknown>(expression: string): Promise<T>;
  /** Loads another address, or the same one anew. */
  load(url: string): Promise<void>;
  reload(): Promise<void>;
  /** Presses keys one after the other: `Tab`, `Enter`, `ArrowDown`, `n`. */
  press(...keys: string[]): Promise<void>;
  /** Clicks the middle of the first element that a selector finds. */
  click(selector: string): Promise<void>;
  resize(size: Size): Promise<void>;
  /** Sets what the page's media queries see, such as `prefers-color-scheme`. */
  prefer(features: Record<string, string>): Promise<void>;
  /** Writes a picture of the whole page. */
  picture(file: string): Promise<void>;
  accessibility(): Promise<Accessible[]>;
  close(): Promise<void>;
}

/** Starts the browser. */
export async function startBrowser(): Promise<Browser> {
  const profile = mkdtempSync(join(tmpdir(), "socket-lab-browser-"));
  const running = start(
    [PROGRAM!, ...FLAGS, `--user-data-dir=${profile}`, "about:blank"],
    { env: { DBUS_SESSION_BUS_ADDRESS: "disabled:" } },
  );
  const [, url] = await Promise.race([
    running.said(/^DevTools listening on (ws:\S+)$/m),
    running.ended.then(({ code }) => {
      throw new Error(`chromium ended with ${code}: ${running.written.stderr}`);
    }),
  ]);
  const protocol = await connect(url);
  return {
    open: (url, size) => open(protocol, url, size),
    async [Symbol.asyncDispose]() {
      protocol.call("Browser.close").catch(() => {}); // it may not answer any more
      await within(2000, running.ended);
      running.signal("SIGKILL");
      await running.ended;
      while (having(profile).length > 0) await Bun.sleep(10);
      rmSync(profile, { recursive: true });
    },
  };
}

// --- the protocol ---

// deno-lint-ignore no-explicit-any
type Fields = Record<string, any>;

/** Calls and events of the browser, or of one page (a session). */
interface Protocol {
  call(method: string, params?: Fields, session?: string): Promise<Fields>;
  /** Is called with each event of a session. */
  hear(session: string, listener: Listener): void;
}

type Listener = (method: string, params: Fields) => void;

async function connect(url: string): Promise<Protocol> {
  const socket = new WebSocket(url);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = reject;
  });
  let last = 0;
  const waiting = new Map<number, PromiseWithResolvers<Fields>>();
  const listeners = new Map<string, Listener>();
  socket.onmessage = ({ data }) => {
    const { id, result, error, sessionId, method, params } = JSON.parse(data);
    if (id === undefined) return listeners.get(sessionId)?.(method, params);
    const { resolve, reject } = waiting.get(id)!;
    waiting.delete(id);
    if (error) reject(new Error(error.message));
    else resolve(result);
  };
  socket.onclose = () => {
    for (const { reject } of waiting.values()) {
      reject(new Error("The browser has ended"));
    }
  };
  return {
    call(method, params = {}, sessionId) {
      const answer = Promise.withResolvers<Fields>();
      waiting.set(++last, answer);
      socket.send(JSON.stringify({ id: last, method, params, sessionId }));
      return answer.promise;
    },
    hear: (session, listener) => void listeners.set(session, listener),
  };
}

// --- a page ---

async function open(
  protocol: Protocol,
  url: string,
  size: Size = { width: 900 },
): Promise<Page> {
  const { targetId } = await protocol.call("Target.createTarget", {
    url: "about:blank",
    newWindow: true,
  });
  const { sessionId } = await protocol.call("Target.attachToTarget", {
    targetId,
    flatten: true,
  });
  const call = (method: string, params?: Fields) =>
    protocol.call(method, params, sessionId);
  const faults: string[] = [];
  let loaded = Promise.withResolvers<void>();
  protocol.hear(sessionId, (method, params) => {
    if (method === "Page.loadEventFired") loaded.resolve();
    const fault = faultIn(method, params);
    if (fault) faults.push(fault);
  });
  const loading = async (work: () => Promise<unknown>) => {
    loaded = Promise.withResolvers();
    await work();
    await loaded.promise;
  };
  for (const domain of ["Page", "Runtime", "Log"]) {
    await call(`${domain}.enable`);
  }
  await call("Emulation.setFocusEmulationEnabled", { enabled: true });

  const page: Page = {
    faults,
    async evaluate<T>(expression: string) {
      const { result, exceptionDetails: thrown } = await call(
        "Runtime.evaluate",
        { expression, awaitPromise: true, returnByValue: true },
      );
      if (thrown) {
        throw new Error(thrown.exception?.description ?? thrown.text);
      }
      return result.value as T;
    },
    async until<T>(expression: string) {
      for (const late = performance.now() + PATIENCE;;) {
        const value = await page.evaluate<T>(expression);
        if (value) return value;
        if (performance.now() > late) {
          throw new Error(`The page is never so: ${expression}`);
        }
        await Bun.sleep(10);
      }
    },
    load: (url) => loading(() => call("Page.navigate", { url })),
    reload: () => loading(() => call("Page.reload")),
    async press(...keys) {
      for (const key of keys) await press(call, key);
    },
    async click(selector) {
      const point = await page.until<Fields>(middleOf(selector));
      for (const type of ["mouseMoved", "mousePressed", "mouseReleased"]) {
        const button = type === "mouseMoved" ? "none" : "left";
        await call("Input.dispatchMouseEvent", {
          ...{ type, button, clickCount: 1 },
          ...{ x: point.x, y: point.y },
        });
      }
    },
    resize: ({ width, height = 800 }) =>
      call("Emulation.setDeviceMetricsOverride", {
        ...{ width, height, deviceScaleFactor: 1, mobile: false },
      }).then(() => {}),
    prefer: (features) =>
      call("Emulation.setEmulatedMedia", {
        features: Object.entries(features)
          .map(([name, value]) => ({ name, value })),
      }).then(() => {}),
    async picture(file) {
      const options = { format: "png", captureBeyondViewport: true };
      const { data } = await call("Page.captureScreenshot", options);
      writeFileSync(file, Buffer.from(data, "base64"));
    },
    async accessibility() {
      const { nodes } = await call("Accessibility.getFullAXTree");
      return (nodes as Fields[]).filter(({ ignored }) => !ignored)
        .map(({ role, name, description }) => ({
          role: role?.value ?? "",
          name: name?.value ?? "",
          description: description?.value ?? "",
        }));
    },
    close: () =>
      protocol.call("Target.closeTarget", { targetId }).then(() => {}),
  };
  await page.resize(size);
  await page.load(url);
  return page;
}

/** What an event says is wrong with the page. */
function faultIn(method: string, params: Fields): string | undefined {
  switch (method) {
    case "Runtime.exceptionThrown": {
      const { text, exception } = params.exceptionDetails;
      return exception?.description ?? text;
    }
    case "Runtime.consoleAPICalled":
      if (!["error", "warning", "assert"].includes(params.type)) return;
      return (params.args as Fields[])
        .map(({ value, description }) => description ?? value).join(" ");
    case "Log.entryAdded": {
      const { level, text, url = "" } = params.entry;
      return level === "error" || level === "warning"
        ? `${text} ${url}`.trim()
        : undefined;
    }
  }
}

/** An expression that scrolls to an element, and gives its middle once it is there. */
function middleOf(selector: string): string {
  return `(() => {
    const element = document.querySelector(${JSON.stringify(selector)});
    if (!element || element.disabled) return;
    element.scrollIntoView({ block: "center", behavior: "instant" });
    const { left, top, width, height } = element.getBoundingClientRect();
    const point = { x: left + width / 2, y: top + height / 2 };
    const hit = document.elementFromPoint(point.x, point.y);
    if (element.contains(hit) || hit?.contains(element)) return point;
  })()`;
}

/** The keys that write no letter, and what they write. */
const KEYS: Record<string, { code: number; text?: string }> = {
  Tab: { code: 9 },
  Enter: { code: 13, text: "\r" },
  Escape: { code: 27 },
  " ": { code: 32, text: " " },
  End: { code: 35 },
  Home: { code: 36 },
  ArrowLeft: { code: 37 },
  ArrowUp: { code: 38 },
  ArrowRight: { code: 39 },
  ArrowDown: { code: 40 },
};

/** Presses a key and lets it go; `Shift+Tab` with Shift held. */
async function press(
  call: (method: string, params: Fields) => Promise<unknown>,
  name: string,
): Promise<void> {
  const [, shift, key] = name.match(/^(Shift\+)?(.+)$/s)!;
  const { code, text } = KEYS[key] ??
    { code: key.toUpperCase().charCodeAt(0), text: key };
  const event = {
    key,
    code: /^[a-z]$/i.test(key) ? `Key${key.toUpperCase()}` : key,
    windowsVirtualKeyCode: code,
    modifiers: shift ? 8 : 0,
  };
  const type = text ? "keyDown" : "rawKeyDown";
  await call("Input.dispatchKeyEvent", { ...event, type, text });
  await call("Input.dispatchKeyEvent", { ...event, type: "keyUp" });
}
