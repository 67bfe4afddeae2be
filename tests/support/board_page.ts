/**
 * The board's page in a browser: what its reader does and sees.
 */
import type { ArrowCall } from "./arrows.ts";
import type { RuntimeName } from "./runtimes.ts";
import type { Browser, Page, Size } from "./browser.ts";
import { type Board, type Order, OTHERS } from "./board.ts";

export type EndName = "server" | "client";

/** A call as the page lists it. */
export interface Drawn {
  id: number;
  end: EndName;
  /** Such as `recv(3, 1024) = "hello"`. */
  text: string;
  /** What has arrived with it, above it: `5 bytes`, `connection`. */
  arrived: string;
}

export class BoardPage {
  readonly page: Page;
  readonly #board: Board;

  private constructor(page: Page, board: Board) {
    this.page = page;
    this.#board = board;
  }

  /** Opens the address that the board has printed. */
  static async open(
    browser: Browser,
    board: Board,
    size?: Size,
  ): Promise<BoardPage> {
    const shown = new BoardPage(await browser.open(board.url, size), board);
    await shown.ready();
    return shown;
  }

  async ready(): Promise<void> {
    await this.page.until(
      `document.querySelector("#run").ariaDisabled === "false"`,
    );
  }

  /** Chooses what to run, and presses Run. */
  async start(order: Order): Promise<void> {
    await this.choose(order);
    await this.page.click("#run");
    await this.page.until(
      `document.querySelector("#stop").ariaDisabled === "false"`,
    );
  }

  async choose(
    { experiment, server = "bun", client = "bun", step = false, flags = {} }:
      Order,
  ): Promise<void> {
    await this.#set("experiment", experiment);
    await this.#set("server", server);
    await this.#set("client", client);
    await this.page.evaluate(`{
      const stop = document.querySelector("[name=step]");
      if (stop.checked !== ${step}) stop.click();
      const flags = ${JSON.stringify(flags)};
      for (const [name, value] of Object.entries(flags)) {
        document.querySelector(\`#flags [name="\${name}"]\`).value = value;
      }
    }`);
  }

  async #set(name: string, value: string): Promise<void> {
    const set = await this.page.evaluate(`{
      const select = document.querySelector("select[name=${name}]");
      select.value = ${JSON.stringify(value)};
      select.dispatchEvent(new Event("change", { bubbles: true }));
      select.value;
    }`);
    if (set !== value) throw new Error(`${name} has no ${value}`);
  }

  /** Lets the call go before which an end stands; or all of them. */
  async next(end: EndName, all = false): Promise<void> {
    await this.page.click(buttonOf(end, all));
  }

  /** Waits until an end stands before this call, letting those before it go. */
  async upTo(end: EndName, call: RegExp): Promise<void> {
    for (;;) {
      const state = await this.page.until<string>(
        `document.querySelector("${buttonOf(end)}").ariaDisabled === "false"
          && document.querySelector(".end.${end} .call").textContent`,
      );
      if (call.test(state)) return;
      await this.next(end);
    }
  }

  /** Waits until both ends have ended, and gives the status line. */
  async done(): Promise<string> {
    return await this.page.until(`{
      const { textContent, className } = document.querySelector("#status");
      (className || /what the header/.test(textContent)) && textContent;
    }`);
  }

  status(): Promise<string> {
    return this.page.evaluate(`document.querySelector("#status").textContent`);
  }

  /** What the terminal of an end shows, its command line included. */
  async terminal(end: EndName): Promise<string[]> {
    return await this.page.evaluate(
      `[...document.querySelectorAll(".part.${end} pre > *")]
        .map(({ textContent }) => textContent)`,
    );
  }

  /** The lines of both terminals as a run of both in one process has them. */
  async printed(): Promise<string[]> {
    const ends = ["server", "client"] as const;
    const lines = await Promise.all(ends.map(async (end) => {
      const shown = (await this.terminal(end)).slice(1);
      return shown.map((line) => `${end}: ${line}`);
    }));
    return lines.flat()
      .filter((line) => !OTHERS.test(line));
  }

  async calls(): Promise<Drawn[]> {
    return await this.page.evaluate(`{
      let arrived = "";
      [...document.querySelectorAll("#calls > tr")].flatMap((row) => {
        if (row.className !== "call") {
          arrived = row.querySelector("p > span").textContent;
          return [];
        }
        const code = row.querySelector("code");
        const drawn = {
          id: Number(code.dataset.id),
          end: code.closest("td").className,
          text: code.textContent.replace(/\\u00a0/g, " "),
          arrived,
        };
        arrived = "";
        return [drawn];
      });
    }`);
  }

  /** The calls as the board keeps them, the data of datagrams a character a byte. */
  async traced(): Promise<(ArrowCall & { at?: number })[]> {
    const { run } = JSON.parse(await this.get("trace.json"));
    return run.calls.map((call: ArrowCall) => ({
      ...call,
      data: call.data && atob(call.data),
    }));
  }

  /** What the board tells about the page's run at a path such as `trace.json`. */
  async get(path: string): Promise<string> {
    const run = this.page.requests.findLast((url) => /\/runs\/\w/.test(url));
    const [, id] = run?.match(/\/runs\/([^/]+)/) ?? [];
    const answer = await fetch(`${this.#board.origin}/runs/${id}/${path}`, {
      headers: { "Lab-Token": this.#board.token },
    });
    if (!answer.ok) throw new Error(`${answer.status} ${path}`);
    return await answer.text();
  }
}

/** The button that lets a call go, or all of them. */
export function buttonOf(end: EndName, all = false): string {
  const key = end[0];
  return `[data-key=${all ? key.toUpperCase() : key}]`;
}

/** The runtimes of the two ends, in three pairs: each is once a server. */
export const PAIRS: [server: RuntimeName, client: RuntimeName][] = [
  ["deno", "bun"],
  ["bun", "node"],
  ["node", "deno"],
];
