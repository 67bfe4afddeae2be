/**
 * One end of the soak in a process of its own: what it tells is passed on, and
 * what it should not have printed, or how it should not have ended, is noted.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { endedAs } from "../../scripts/tools/matrix/pair.ts";
import {
  type Ended,
  type Running,
  start,
} from "../../scripts/tools/support/processes.ts";
import type { Runtime } from "../../scripts/tools/support/runtimes.ts";
import { printable } from "../../scripts/tools/support/text.ts";
import type { News, Order } from "./news.ts";

const ENDS = fileURLToPath(new URL("ends.ts", import.meta.url).href);

export class Child {
  readonly running: Running;
  /** Rejects if the process ends, which it must not do by itself. */
  readonly early: Promise<never>;
  readonly #name: string;
  readonly #complaints: string[] = [];
  readonly #watchers = new Set<(news: News) => void>();

  constructor(
    runtime: Runtime,
    role: "server" | "client",
    flags: Record<string, number>,
    told: (news: News) => void,
  ) {
    this.#name = `${runtime.name} ${role}`;
    const words = Object.entries(flags).flatMap(([name, value]) => [
      `--${name}`,
      String(value),
    ]);
    this.running = start([...commandOf(runtime), ENDS, role, ...words], {
      orders: true,
      heard: (line) => {
        const news = this.#read(line);
        told(news);
        for (const watch of this.#watchers) watch(news);
      },
    });

    this.early = this.running.ended.then((ended) => {
      const [note = "without a word"] = this.#notes();
      throw new Error(`The ${this.#name} ${endedAs(ended)}: ${note}`);
    });
    this.early.catch(() => {}); // at the end it may
  }

  /** Gives an order; resolves to what the client says when it is carried out. */
  order(order: Order): Promise<News> {
    this.running.tell(JSON.stringify(order));
    return this.next("done", "inHand");
  }

  /** The next news of that kind. Rejects if the process ends before. */
  async next(...names: (keyof News)[]): Promise<News> {
    const { promise, resolve } = Promise.withResolvers<News>();
    const watch = (news: News) => {
      if (names.some((name) => name in news)) resolve(news);
    };
    this.#watchers.add(watch);
    return Promise.race([promise, this.early]).finally(() => {
      this.#watchers.delete(watch);
    });
  }

  /** Resolves when the server listens. Rejects if it ends before. */
  listening(): Promise<unknown> {
    const listening = this.running.said(/^Listening on /m);
    return Promise.race([listening, this.early]);
  }

  /** What is wrong with how it has ended, and with what it has said. */
  async complaints(wanted: Partial<Ended> = { code: 0 }): Promise<string[]> {
    const ended = await this.running.ended;
    const asWanted = wanted.signal
      ? ended.signal === wanted.signal
      : ended.code === wanted.code;
    if (!asWanted) this.#complaints.push(endedAs(ended));
    for (const note of this.#notes()) this.#complaints.push(`says: ${note}`);
    return this.#complaints.map((line) => `the ${this.#name} ${line}`);
  }

  /** What it has said and should not; of a stack trace the start is enough. */
  #notes(): string[] {
    const lines = this.running.written.stderr.split("\n").filter((line) =>
      line !== "" && !line.startsWith("Listening on ")
    );
    return lines.slice(0, 3).map((line) => printable(line.slice(0, 200)));
  }

  #read(line: string): News {
    try {
      return JSON.parse(line);
    } catch {
      this.#complaints.push(`prints: ${printable(line.slice(0, 200))}`);
      return {};
    }
  }
}

/** V8 lets garbage lie while there is room, and that would hide what leaks. */
const HEAP = ["--max-old-space-size=48", "--max-semi-space-size=1"];

function commandOf({ name, path }: Runtime): string[] {
  switch (name) {
    case "deno":
      return [path, "run", "--no-prompt", "-A", `--v8-flags=${HEAP.join()}`];
    case "node":
      return [path, ...HEAP];
    default:
      return [path];
  }
}
