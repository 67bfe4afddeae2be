/**
 * The board in a real browser: what its reader sees of every experiment, by mouse
 * and by keyboard, on narrow and on wide screens, and what is left of a run when
 * its page goes.
 */
import { expect } from "bun:test";
import net from "node:net";
import process from "node:process";
import {
  allNames,
  hasTwoEnds,
  sourceOf,
} from "../../scripts/tools/support/experiments.ts";
import {
  contradiction,
  difference,
  readHeader,
} from "../../scripts/tools/support/header.ts";
import { backwards } from "../support/arrows.ts";
import { Board } from "../support/board.ts";
import { BoardPage, PAIRS } from "../support/board_page.ts";
import { Browser, noBrowser } from "../support/browser.ts";
import { LOW_CONTRAST, TOO_WIDE } from "../support/page_looks.ts";
import { noProc } from "../support/proc.ts";
import { find, type RuntimeName, RUNTIMES } from "../support/runtimes.ts";
import { TIMED } from "../support/scripts.ts";
import { needing } from "../support/test_on.ts";

const missing = noBrowser ?? noProc ??
  RUNTIMES.map((name) => find(name).reason).find(Boolean);

const LIMIT = 200_000; // ms, of a board and of a test

/** A test with a board and a browser of its own. */
function onBoard(
  title: string,
  runtime: RuntimeName,
  body: (board: Board, browser: Browser) => Promise<void>,
): void {
  needing(missing, title, async () => {
    await using board = await Board.start(runtime, LIMIT);
    await using browser = await Browser.start();
    await body(board, browser);
    expect(await board.stop()).toEqual([130, ""]);
  }, LIMIT);
}

// --- every experiment ---

const NAMES = allNames().filter((name) => hasTwoEnds(sourceOf(name)));

const ALONE = [
  ...TIMED.map((name) => name.replace(".ts", "")),
  "tcp_half_close",
];

PAIRS.forEach(([server, client], i) => {
  const runtime = RUNTIMES[(i + 2) % 3];
  onBoard(
    `${server} to ${client}, board on ${runtime}: every experiment`,
    runtime,
    async (board, browser) => {
      const wrong: string[] = [];
      const work = async (names: string[]) => {
        const shown = await BoardPage.open(browser, board);
        for (let name; (name = names.shift());) {
          await shown.start({ experiment: name, server, client });
          const faults = await faultsOf(shown, name)
            .catch(({ message }) => [message]);
          wrong.push(...faults.map((fault) => `${name}: ${fault}`));
        }
        wrong.push(...shown.page.faults);
      };
      // Those that tell delays, or make many calls, run alone.
      const names = NAMES.filter((name) => !ALONE.includes(name));
      await Promise.all([work(names), work(names)]);
      await work([...ALONE]);
      expect(wrong).toEqual([]);
    },
  );
});

/** What the page shows of a run that has no fault. */
async function faultsOf(shown: BoardPage, name: string): Promise<string[]> {
  const found: (string | null)[] = [];
  const status = await shown.done();
  const header = readHeader(sourceOf(name));
  const printed = await shown.printed();
  found.push(difference(header.output, printed));
  // On a busy machine a run may contradict the fact, and the page says so.
  const as = contradiction(header, printed) === null
    ? "is what"
    : "is not what";
  if (!status.includes(`The output ${as} the header`)) found.push(status);

  await shown.page.click("#calls [data-id]"); // tells the number of the run
  await shown.page.until(`document.querySelector("dialog").open`);
  await shown.page.press("Escape");
  const drawn = await shown.calls();
  const traced = await shown.traced();
  if (drawn.length !== traced.length) {
    found.push(`${drawn.length} of ${traced.length} calls are drawn`);
  }
  for (const [i, { end, call }] of traced.entries()) {
    const { end: side, text } = drawn[i] ?? {};
    if (side !== end || !text?.includes(`${call}(`)) {
      found.push(`${i}: ${end} ${call}, drawn: ${side} ${text}`);
      break;
    }
  }
  found.push(...backwards(traced).slice(0, 3));
  if (backwards(traced.toReversed()).length === 0) found.push("no arrows");
  return found.filter((each) => each !== null);
}

// --- step by step ---

onBoard(
  "step by step: the client first is refused",
  "bun",
  async (board, browser) => {
    const shown = await BoardPage.open(browser, board);
    await shown.start({ experiment: "tcp_time", step: true });
    await shown.upTo("client", /^connect\(/);
    await shown.next("client");
    const refused = await shown.page.until<string>(
      `document.querySelector("#calls .client .failed")?.textContent`,
    );
    expect(refused).toMatch(/connect\(.*ECONNREFUSED/);
    await shown.page.until(
      `document.querySelector(".part.client pre").textContent.includes("refused")`,
    );
    expect(await shown.printed()).toEqual([
      expect.stringMatching(
        /^client: Cannot connect to 127.0.0.1:\d+: connection refused/,
      ),
    ].concat((await shown.printed()).slice(1)));
    // The server, which had not begun, may go on.
    await shown.next("server", true);
    await shown.page.until(
      `/accept/.test(document.querySelector(".end.server").textContent)`,
    );
    await shown.page.click("#stop");
    await board.quiet();
    expect(shown.page.faults).toEqual([]);
  },
);

onBoard(
  "step by step: bytes wait for accept()",
  "node",
  async (board, browser) => {
    const shown = await BoardPage.open(browser, board);
    await shown.start({ experiment: "tcp_echo", step: true, server: "deno" });
    await shown.upTo("server", /^accept\(/);
    await shown.upTo("client", /^recv\(/);
    const calls = async () =>
      (await shown.calls()).map(({ end, text, arrived }) =>
        `${arrived && `${arrived}: `}${end} ${text}`
      );
    const before = await calls();
    expect(before.findIndex((line) => /^client sendall\(/.test(line)))
      .toBeGreaterThan(
        before.findIndex((line) => /^client connect\(/.test(line)),
      );
    expect(before.join("\n")).not.toMatch(/accept|recv/);

    await shown.upTo("server", /^recv\(/);
    await shown.next("server");
    await shown.page.until(
      `/recv\\(/.test(document.querySelector("#calls > tr:last-child").textContent)`,
    );
    const after = (await calls()).slice(before.length);
    expect(after[0]).toMatch(/^connection: server accept\(/);
    expect(after.at(-1)).toMatch(/^37 bytes: server recv\(.*Hello, echo!/);
    await shown.next("server", true);
    await shown.next("client", true);
    expect(await shown.done()).toMatch(
      /The output is what the header of \w+ says/,
    );
    expect(shown.page.faults).toEqual([]);
  },
);

// --- what is left ---

for (const runtime of RUNTIMES) {
  onBoard(
    `${runtime}: a page that goes leaves no process`,
    runtime,
    async (board, browser) => {
      const order = { experiment: "tcp_time", server: runtime, step: true };
      const other = await BoardPage.open(browser, board);
      await other.start({ ...order, experiment: "dns_lookup" });
      await other.upTo("client", /./);
      const others = board.ends;
      const shown = await BoardPage.open(browser, board);
      for (
        const leave of [
          () => shown.page.click("#stop"),
          () => shown.page.press("Escape"),
          () => shown.page.reload(),
          () => shown.page.load("about:blank"),
          () => shown.page.close(),
        ]
      ) {
        if (await shown.page.evaluate(`location.href === "about:blank"`)) {
          await shown.page.load(board.url);
        }
        await shown.ready();
        await shown.start(order);
        await shown.upTo("server", /./);
        await shown.upTo("client", /./);
        const own = board.ends.filter((pid) => !others.includes(pid));
        expect(own.length).toBeGreaterThanOrEqual(2);
        await leave();
        await gone(board, own);
      }
      expect(board.ends.toSorted()).toEqual(others.toSorted());
      await other.page.close();
      await board.quiet();
    },
  );
}

/** Waits until none of these processes is left; fails after 2 s. */
async function gone(board: Board, pids: string[]): Promise<void> {
  const late = performance.now() + 2000;
  const left = () => board.ends.filter((pid) => pids.includes(pid));
  while (left().length > 0 && performance.now() < late) await Bun.sleep(10);
  expect(left()).toEqual([]);
}

// --- what a peer sends ---

const MARKUP = `<img src=x onerror="alert(1)"><script>alert(2)</script>` +
  `</code></td></tr></table><h1>Mine</h1>&lt;b&gt;`;
const ESCAPES = "\x1b[2J\x1b]0;title\x07\u202e\u2066\r\x00\x9b31m";

onBoard(
  "markup and escapes of a peer are text",
  "deno",
  async (board, browser) => {
    const shown = await BoardPage.open(browser, board);
    await shown.start({ experiment: "tcp_time", step: true, server: "node" });
    await shown.upTo("client", /^connect\(/);
    await shown.next("server", true);
    const waiting = `document.querySelector(".end.server").textContent`;
    await shown.page.until(`/accept/.test(${waiting})`);
    const [, port] = (await shown.terminal("server")).join("\n")
      .match(/--port (\d+)/)!;
    const peer = net.connect(Number(port), "127.0.0.1");
    peer.on("error", () => {});
    peer.on("data", () => peer.end(`${MARKUP}${ESCAPES}`));
    await new Promise((resolve) => peer.on("close", resolve));

    const terminal = await shown.page.until<string>(
      `[...document.querySelectorAll(".part.server pre > span")]
      .map(({ textContent }) => textContent).find((text) => /Mine/.test(text))`,
    );
    expect(terminal).toContain(MARKUP);
    expect(terminal).toContain(
      "\\x1b[2J\\x1b]0;title\\x07\\u{202e}\\u{2066}\\r\\x00",
    );
    await shown.next("client", true);
    expect(await shown.done()).toMatch(/is not what/);
    const drawn = await shown.page.until<string>(
      `[...document.querySelectorAll("#calls code")]
      .map(({ textContent }) => textContent).find((text) => /recv.*img/.test(text))`,
    );
    expect(drawn).toContain(`<img src=x onerror=\\"alert(1)\\">`);
    await shown.page.evaluate(
      `[...document.querySelectorAll("#calls code")]
      .find(({ textContent }) => /recv.*img/.test(textContent)).click()`,
    );
    const details = await shown.page.until<string>(
      `document.querySelector("dialog[open] pre")?.textContent`,
    );
    expect(details).toContain(MARKUP);
    expect(details).toMatch(/\\(x1b|u001b)\[2J/);
    const everything = await shown.page.evaluate<string>(
      "document.body.textContent",
    );
    expect(everything).not.toMatch(/(?![\n\t])\p{C}/u);
    const made =
      `document.querySelectorAll("img, h1, script:not([src])").length`;
    expect(await shown.page.evaluate(made)).toBe(1); // the page's own heading
    expect(shown.page.faults).toEqual([]);
  },
);

// --- without a mouse ---

onBoard(
  "keys alone lead from the address to the report",
  "bun",
  async (board, browser) => {
    const shown = await BoardPage.open(browser, board);
    const { page } = shown;
    const focused = () =>
      page.evaluate<string>(`{
      const { activeElement: one } = document;
      one.name || one.id || one.dataset.id || one.ariaLabel || one.tagName;
    }`);
    /** Goes on with Tab until an element has the focus that a selector finds. */
    const tabTo = async (selector: string) => {
      const is = `document.activeElement.matches(${JSON.stringify(selector)})`;
      for (let i = 0; !await page.evaluate(is); i++) {
        if (i === 60) throw new Error(`Tab does not lead to ${selector}`);
        await page.press("Tab");
      }
      const outline = await page.evaluate<string>(
        `getComputedStyle(document.activeElement).outlineStyle`,
      );
      expect([selector, outline]).not.toEqual([selector, "none"]);
    };
    await tabTo("select[name=experiment]");
    await page.press("t", "c", "p"); // to the first whose name begins so
    await tabTo("[name=step]");
    expect(await focused()).toBe("step");
    await tabTo("#run");
    await page.press("Enter");
    const experiment = await page.evaluate<string>(
      `document.querySelector("[name=experiment]").value`,
    );
    expect(experiment).toStartWith("tcp_");

    // One call by its button, another by its letter; then all.
    await tabTo("[data-key=s]");
    await page.until(`document.activeElement.ariaDisabled === "false"`);
    await page.press("Enter");
    await page.until(`document.querySelectorAll("#calls .call").length === 1`);
    await page.until(
      `document.querySelector("[data-key=s]").ariaDisabled === "false"`,
    );
    await page.press("s");
    await page.until(`document.querySelectorAll("#calls .call").length === 2`);
    await page.press("Shift+s");
    await page.until(
      `/accept/.test(document.querySelector(".end.server").textContent)`,
    );
    await page.press("Shift+c");
    expect(await shown.done()).toMatch(
      /The output is what the header of \w+ says/,
    );

    // The calls are one stop for Tab, and arrows lead through them.
    await tabTo("#calls [data-id]");
    const first = await focused();
    await page.press("ArrowDown", "ArrowDown", "ArrowUp");
    expect(await focused()).not.toBe(first);
    await page.press("Enter");
    await page.until(`document.querySelector("dialog").open`);
    await page.press("Escape");
    await page.until(`!document.querySelector("dialog").open`);
    expect(await page.evaluate(`document.activeElement.dataset.id`)).toBe("2");

    await tabTo("[data-file='report.html']");
    const [name, bytes] = await browser.download(() => page.press("Enter"));
    expect(name).toMatch(/\.html$/);
    expect(new TextDecoder().decode(bytes)).toBe(
      await shown.get("report.html"),
    );
    expect(page.faults).toEqual([]);
  },
);

// --- what it looks like ---

/** The roles of what a reader can act on. */
const CONTROLS = new Set([
  ...["button", "link", "combobox", "listbox", "option", "checkbox", "radio"],
  ...[
    "textbox",
    "searchbox",
    "spinbutton",
    "slider",
    "switch",
    "tab",
    "menuitem",
  ],
  ...["DisclosureTriangle", "dialog", "region", "form", "list", "group"],
  "MenuListPopup",
]);

onBoard(
  "every width, light and dark, with a name for each control",
  "node",
  async (board, browser) => {
    const shown = await BoardPage.open(browser, board);
    const { page } = shown;
    const wrong: unknown[] = [];
    const look = async (when: string) => {
      for (const width of [320, 390, 900, 1440]) {
        await page.resize({ width });
        for (const scheme of ["light", "dark"]) {
          await page.prefer({ "prefers-color-scheme": scheme });
          await page.frame();
          for (const fault of [TOO_WIDE, LOW_CONTRAST]) {
            const parts = await page.evaluate<string[]>(fault);
            wrong.push(
              ...parts.map((what) => `${when} ${width} ${scheme}: ${what}`),
            );
          }
          const folder = process.env.BOARD_PICTURES;
          if (folder) {
            await page.picture(
              `${folder}/${when}-${width}-${scheme}.png`,
            );
          }
        }
      }
      const controls = (await page.accessibility())
        .filter(({ role }) => CONTROLS.has(role));
      expect(controls.length).toBeGreaterThan(when === "details" ? 1 : 20);
      wrong.push(
        ...controls.filter(({ role, name }) =>
          name.trim() === "" && role !== "group" && role !== "MenuListPopup"
        ).map(({ role }) => `${when}: a ${role} without a name`),
      );
    };
    await look("load");
    await shown.start({ experiment: "dns_lookup", step: true });
    await shown.upTo("server", /^recv/);
    await shown.upTo("client", /^send/);
    await look("step");
    await page.prefer({ "prefers-reduced-motion": "reduce" });
    await shown.next("client");
    expect(await page.evaluate(`document.getAnimations().length`)).toBe(0);
    await shown.next("server", true);
    await shown.next("client", true);
    await shown.done();
    await look("end");
    await page.click("#calls .data + .call [data-id]");
    await page.until(`document.querySelector("dialog").open`);
    await look("details");
    expect(wrong).toEqual([]);
    expect(page.faults).toEqual([]);
  },
);

// --- how fast it is ---

onBoard(
  "first paint, and from a call to the page",
  "bun",
  async (board, browser) => {
    const shown = await BoardPage.open(browser, board);
    const { page } = shown;
    const painted = `performance.getEntriesByName("first-contentful-paint")`;
    await page.until(`${painted}.length > 0`);
    const [paint, kilobytes] = await page.evaluate<number[]>(`[
    ${painted}[0].startTime,
    performance.getEntriesByType("resource")
      .concat(performance.getEntriesByType("navigation"))
      .reduce((sum, { transferSize }) => sum + transferSize, 0) / 1000,
  ]`);
    console.log(
      `First paint after ${paint.toFixed(0)} ms, ${kilobytes.toFixed(1)} kB`,
    );

    await page.evaluate(WATCH);
    await shown.start({
      experiment: "dns_lookup",
      server: "deno",
      client: "node",
    });
    await shown.done();
    await page.click("#calls [data-id]");
    await page.until(`document.querySelector("dialog").open`);
    await page.press("Escape");
    const seen = await page.evaluate<number[]>("globalThis.seenAt");
    const made = await shown.traced();
    const delays = made.map(({ at }, i) => seen[i] - at!).sort((a, b) => a - b);
    console.log(
      `On the page after ${delays[delays.length >> 1].toFixed(0)} ms` +
        ` (median of ${delays.length} calls; ${
          delays.at(-1)?.toFixed(0)
        } at most)`,
    );

    const count = 500;
    await shown.start({
      ...{ experiment: "time_sync", server: "bun", client: "bun" },
      flags: { samples: String(count) },
    });
    await page.evaluate(WATCH);
    await page.until(
      `document.querySelectorAll("#calls .call").length >= ${4 * count}`,
    );
    await page.until(`!document.querySelector("#result").hidden`);
    const { longest, frames } = await page.evaluate<Record<string, number>>(`({
    longest: Math.max(...globalThis.frames),
    frames: globalThis.frames.length,
  })`);
    console.log(
      `${4 * count} calls: ${frames} frames, the longest ${
        longest.toFixed(0)
      } ms`,
    );
    expect(page.faults).toEqual([]);
  },
);

/** Keeps when each call has come to the page, and how long each frame took. */
const WATCH = `{
  globalThis.seenAt = [];
  globalThis.frames = [];
  new MutationObserver((changes) => {
    const now = performance.timeOrigin + performance.now();
    for (const { addedNodes } of changes) {
      for (const { className } of addedNodes) {
        if (className === "call") seenAt.push(now);
      }
    }
  }).observe(document.querySelector("#calls"), { childList: true });
  let last = performance.now();
  const frame = () => {
    const now = performance.now();
    frames.push(now - last);
    last = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}`;
