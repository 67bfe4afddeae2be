/**
 * Chromium without a window: what a page shows is read from the page, and keys and
 * clicks take the way of a user's.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { within } from "../../scripts/tools/support/processes.ts";
import { DevTools, type Fields } from "./devtools.ts";
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
export class Browser implements AsyncDisposable {
  readonly #running: ReturnType<typeof start>;
  readonly #profile: string;
  readonly #devTools: DevTools;

  private constructor(
    running: ReturnType<typeof start>,
    profile: string,
    devTools: DevTools,
  ) {
    this.#running = running;
    this.#profile = profile;
    this.#devTools = devTools;
  }

  static async start(): Promise<Browser> {
    const profile = mkdtempSync(join(tmpdir(), "socket-lab-browser-"));
    const running = start(
      [PROGRAM!, ...FLAGS, `--user-data-dir=${profile}`, "about:blank"],
      { env: { DBUS_SESSION_BUS_ADDRESS: "disabled:" } },
    );
    const early = running.ended.then(({ code }): never => {
      throw new Error(`chromium ended with ${code}: ${running.written.stderr}`);
    });
    const url = running.said(/^DevTools listening on (ws:\S+)$/m);
    const [, address] = await Promise.race([url, early]);
    const devTools = await DevTools.connect(address);
    await devTools.call("Browser.setDownloadBehavior", {
      behavior: "allowAndName",
      downloadPath: profile,
      eventsEnabled: true,
    });
    return new Browser(running, profile, devTools);
  }

  /** Opens a page in a window of its own, and waits until it is loaded. */
  async open(url: string, size: Size = { width: 900 }): Promise<Page> {
    const page = await Page.open(this.#devTools);
    await page.resize(size);
    await page.load(url);
    return page;
  }

  /** The bytes of the file that is downloaded next, and the name that it gets. */
  async download(
    begin: () => Promise<void>,
  ): Promise<[name: string, bytes: Uint8Array]> {
    const { promise, resolve } = Promise.withResolvers<string>();
    let name = "";
    this.#devTools.hear((method, { guid, state, suggestedFilename }) => {
      if (method === "Browser.downloadWillBegin") name ||= suggestedFilename;
      if (state === "completed") resolve(guid);
    });
    await begin();
    const file = await promise;
    return [name, readFileSync(join(this.#profile, file))];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#devTools.call("Browser.close").catch(() => {}); // it may not answer
    const { ended, signal } = this.#running;
    await within(2000, ended);
    signal("SIGKILL");
    await ended;
    while (having(this.#profile).length > 0) await Bun.sleep(10);
    rmSync(this.#profile, { recursive: true });
  }
}

export interface Size {
  width: number;
  height?: number;
}

/** A control, or another part of the page, as a screen reader gets it. */
export interface Accessible {
  role: string;
  name: string;
}

export class Page {
  /** Exceptions, errors in the console, what its policy forbids, dialogs. */
  readonly faults: string[] = [];
  /** The addresses that it has asked for. */
  readonly requests: string[] = [];
  readonly #devTools: DevTools;
  readonly #target: string;
  readonly #session: string;
  #loaded = Promise.withResolvers<void>();

  private constructor(devTools: DevTools, target: string, session: string) {
    this.#devTools = devTools;
    this.#target = target;
    this.#session = session;
    devTools.hear((method, params) => {
      if (method === "Page.loadEventFired") this.#loaded.resolve();
      if (method === "Network.requestWillBeSent") {
        this.requests.push(params.request.url);
      }
      const fault = faultIn(method, params);
      if (fault) this.faults.push(fault);
    }, session);
  }

  static async open(devTools: DevTools): Promise<Page> {
    const { targetId } = await devTools.call("Target.createTarget", {
      url: "about:blank",
      newWindow: true,
    });
    const { sessionId } = await devTools.call("Target.attachToTarget", {
      targetId,
      flatten: true,
    });
    const page = new Page(devTools, targetId, sessionId);
    for (const domain of ["Page", "Runtime", "Log", "Network"]) {
      await page.#call(`${domain}.enable`);
    }
    await page.#call("Emulation.setFocusEmulationEnabled", { enabled: true });
    return page;
  }

  #call(method: string, params?: Fields): Promise<Fields> {
    return this.#devTools.call(method, params, this.#session);
  }

  async load(url: string): Promise<void> {
    this.#loaded = Promise.withResolvers();
    await this.#call("Page.navigate", { url });
    await this.#loaded.promise;
  }

  async reload(): Promise<void> {
    this.#loaded = Promise.withResolvers();
    await this.#call("Page.reload");
    await this.#loaded.promise;
  }

  async close(): Promise<void> {
    await this.#devTools.call("Target.closeTarget", { targetId: this.#target });
  }

  // --- what it shows ---

  /** The value of a JavaScript expression in the page; a promise is awaited. */
  async evaluate<T = unknown>(expression: string): Promise<T> {
    const how = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails: thrown } = await this.#call(
      "Runtime.evaluate",
      how,
    );
    if (thrown) throw new Error(thrown.exception?.description ?? thrown.text);
    return result.value;
  }

  /** Waits until an expression is true in the page, and gives its value. */
  async until<T = unknown>(expression: string): Promise<T> {
    for (const late = performance.now() + PATIENCE;;) {
      const value = await this.evaluate<T>(expression);
      if (value) return value;
      if (performance.now() > late) {
        throw new Error(`The page is never so: ${expression}`);
      }
      await Bun.sleep(10);
    }
  }

  /** Waits until what has changed is drawn. */
  async frame(): Promise<void> {
    await this.evaluate(`new Promise((drawn) =>
      requestAnimationFrame(() => requestAnimationFrame(() => drawn())))`);
  }

  async accessibility(): Promise<Accessible[]> {
    const { nodes } = await this.#call("Accessibility.getFullAXTree");
    return (nodes as Fields[]).filter(({ ignored }) => !ignored)
      .map(({ role, name }) => ({
        role: role?.value ?? "",
        name: name?.value ?? "",
      }));
  }

  /** Writes a picture of the whole page. */
  async picture(file: string): Promise<void> {
    const options = { format: "png", captureBeyondViewport: true };
    const { data } = await this.#call("Page.captureScreenshot", options);
    writeFileSync(file, Buffer.from(data, "base64"));
  }

  // --- what its reader does ---

  /** Presses keys one after the other: `Tab`, `Enter`, `Shift+Tab`, `n`. */
  async press(...keys: string[]): Promise<void> {
    for (const name of keys) {
      const event = keyEvent(name);
      const type = event.text ? "keyDown" : "rawKeyDown";
      await this.#call("Input.dispatchKeyEvent", { ...event, type });
      const up = { ...event, text: undefined, type: "keyUp" };
      await this.#call("Input.dispatchKeyEvent", up);
    }
  }

  /** Types a text, key by key, where the focus is. */
  async type(text: string): Promise<void> {
    for (const key of text) {
      const down = { type: "keyDown", key, text: key };
      await this.#call("Input.dispatchKeyEvent", down);
      await this.#call("Input.dispatchKeyEvent", { type: "keyUp", key });
    }
  }

  /** Clicks the middle of the first element that a selector finds. */
  async click(selector: string): Promise<void> {
    const { x, y } = await this.until<Fields>(middleOf(selector));
    for (const type of ["mouseMoved", "mousePressed", "mouseReleased"]) {
      const button = type === "mouseMoved" ? "none" : "left";
      const event = { type, button, clickCount: 1, x, y };
      await this.#call("Input.dispatchMouseEvent", event);
    }
  }

  async resize({ width, height = 800 }: Size): Promise<void> {
    const screen = { width, height, deviceScaleFactor: 1, mobile: false };
    await this.#call("Emulation.setDeviceMetricsOverride", screen);
  }

  /** Sets what media queries see, such as `prefers-color-scheme`. */
  async prefer(preferences: Record<string, string>): Promise<void> {
    const features = Object.entries(preferences)
      .map(([name, value]) => ({ name, value }));
    await this.#call("Emulation.setEmulatedMedia", { features });
  }
}

/** What an event says is wrong with the page. */
function faultIn(method: string, params: Fields): string | undefined {
  switch (method) {
    case "Runtime.exceptionThrown": {
      const { text, exception } = params.exceptionDetails;
      return exception?.description ?? text;
    }
    case "Runtime.consoleAPICalled":
      if (!/error|warning|assert/.test(params.type)) return;
      return (params.args as Fields[])
        .map(({ value, description }) => description ?? value).join(" ");
    case "Log.entryAdded": {
      const { level, text, url = "" } = params.entry;
      if (/error|warning/.test(level)) return `${text} ${url}`.trim();
      return;
    }
    case "Page.javascriptDialogOpening":
      return `${params.type}: ${params.message}`;
  }
}

/** An expression that scrolls to an element, and gives its middle if it is there. */
function middleOf(selector: string): string {
  return `(() => {
    const element = document.querySelector(${JSON.stringify(selector)});
    if (!element || element.disabled || element.ariaDisabled === "true") return;
    element.scrollIntoView({ block: "center", behavior: "instant" });
    const { left, top, width, height } = element.getBoundingClientRect();
    const point = { x: left + width / 2, y: top + height / 2 };
    const hit = document.elementFromPoint(point.x, point.y);
    if (element.contains(hit)) return point;
  })()`;
}

/** The keys that have a name, and what they write. */
const KEYS: Record<string, { code: number; text?: string }> = {
  Tab: { code: 9 },
  Enter: { code: 13, text: "\r" },
  Escape: { code: 27 },
  Space: { code: 32, text: " " },
  End: { code: 35 },
  Home: { code: 36 },
  ArrowLeft: { code: 37 },
  ArrowUp: { code: 38 },
  ArrowRight: { code: 39 },
  ArrowDown: { code: 40 },
};

function keyEvent(name: string) {
  const [, shift, key] = name.match(/^(Shift\+)?(.+)$/s)!;
  const named = KEYS[key];
  const letter = shift ? key.toUpperCase() : key;
  return {
    key: key === "Space" ? " " : named ? key : letter,
    code: named ? key : `Key${key.toUpperCase()}`,
    windowsVirtualKeyCode: named?.code ?? key.toUpperCase().charCodeAt(0),
    modifiers: shift ? 8 : 0,
    text: named ? named.text : letter,
  };
}
