/**
 * The board's server in a process of its own, and requests that a browser would or
 * would not send.
 */
import net from "node:net";
import { within } from "../../scripts/tools/support/processes.ts";
import { startedBy } from "./proc.ts";
import { commandFor, type RuntimeName, start } from "./runtimes.ts";
import { ROOT } from "./scripts.ts";

/** A request. What is left out is as the board's own page has it. */
export interface Request {
  method?: string;
  path?: string;
  host?: string;
  /** null: the request has no token. */
  token?: string | null;
  /** The other fields, a line each. */
  fields?: string[];
  /** Sent as JSON, unless it is a string already. */
  body?: unknown;
}

export interface Answer {
  status: number;
  fields: Map<string, string>;
  body: string;
}

/** A line of the stream of a run. */
export interface RunEvent {
  event: string;
  end: "server" | "client";
  [field: string]: unknown;
}

/** What the page orders with `POST /runs`. */
export interface Order {
  experiment: string;
  server?: RuntimeName;
  client?: RuntimeName;
  step?: boolean;
  flags?: Record<string, string>;
}

export class Board implements AsyncDisposable {
  readonly port: number;
  readonly token: string;
  /** What the board prints: the address to open. */
  readonly url: string;
  readonly #running: ReturnType<typeof start>;

  private constructor(
    running: ReturnType<typeof start>,
    url: RegExpMatchArray,
  ) {
    this.#running = running;
    this.url = url[0];
    this.port = Number(url[1]);
    this.token = url[2];
  }

  static async start(runtime: RuntimeName, limit?: number): Promise<Board> {
    const command = [...commandFor(runtime, ["-A"]), "scripts/tools/board.ts"];
    const running = start(command, { cwd: ROOT, limit });
    const url = /http:\/\/127\.0\.0\.1:(\d+)\/#([0-9a-f]{32})$/m;
    return new Board(running, await running.said(url));
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#running.pid;
  }

  /** The processes that run for this board, without its guards. */
  get ends(): string[] {
    return startedBy(this.pid);
  }

  /** Waits until no process runs for it; fails after 2 s. */
  async quiet(): Promise<void> {
    const late = performance.now() + 2000;
    while (this.ends.length > 0) {
      if (performance.now() > late) throw new Error(`left: ${this.ends}`);
      await Bun.sleep(10);
    }
  }

  async ask(request: Request): Promise<Answer> {
    return await answerTo(this.port, this.textOf(request));
  }

  /** The request as bytes on the wire. */
  textOf(
    {
      method = "GET",
      path = "/choices",
      host = `127.0.0.1:${this.port}`,
      token = this.token,
      fields = [],
      body,
    }: Request,
  ): string {
    const content = typeof body === "string" ? body : JSON.stringify(body);
    const type = fields.some((field) => /^content-type:/i.test(field));
    const lines = [
      `${method} ${path} HTTP/1.1`,
      ...host === "" ? [] : [`Host: ${host}`],
      ...token === null ? [] : [`Lab-Token: ${token}`],
      ...fields,
      ...content === undefined ? [] : [
        ...type ? [] : ["Content-Type: application/json"],
        `Content-Length: ${new TextEncoder().encode(content).length}`,
      ],
      "Connection: close",
    ];
    return `${lines.join("\r\n")}\r\n\r\n${content ?? ""}`;
  }

  /** Starts a run, as the page does. */
  async run({ step = false, flags = {}, ...order }: Order): Promise<Run> {
    const leaving = new AbortController();
    const response = await fetch(`${this.origin}/runs`, {
      method: "POST",
      headers: { "Lab-Token": this.token, "Content-Type": "application/json" },
      body: JSON.stringify({
        ...{ server: "bun", client: "bun", step, flags },
        ...order,
      }),
      signal: leaving.signal,
    });
    if (response.status !== 200) {
      throw new Error(`${response.status} ${await response.text()}`);
    }
    return new Run(response, leaving);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#running.kill("SIGKILL");
    await this.#running.finished;
  }

  /** Ends it as Ctrl-C does; its exit code, and what it said on standard error. */
  async stop(): Promise<[code: number | null, stderr: string]> {
    this.#running.kill("SIGINT");
    const { code, stderr } = await this.#running.finished;
    return [code, stderr];
  }
}

/** Lines in the terminal of a server that are not the experiment's own. */
export const OTHERS = /^server: (Listening on .* \((Ctrl|one)|\^C$)/;

/** The stream of a run. */
export class Run {
  readonly events: RunEvent[] = [];
  readonly response: Response;
  readonly #leaving: AbortController;
  readonly #reading: Promise<void>;
  #changed = Promise.withResolvers<void>();
  #over = false;

  constructor(response: Response, leaving: AbortController) {
    this.response = response;
    this.#leaving = leaving;
    this.#reading = this.#read().catch(() => {}).finally(() => {
      this.#over = true;
      this.#changed.resolve();
    });
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    let text = "";
    for await (const bytes of this.response.body!) {
      const lines = (text + decoder.decode(bytes, { stream: true })).split(
        "\n",
      );
      text = lines.pop()!;
      this.events.push(...lines.map((line) => JSON.parse(line)));
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    }
  }

  /** The first event, from number `from` on, that is of this kind and fits. */
  async event(
    kind: string,
    fits: Partial<RunEvent> = {},
    from = 0,
  ): Promise<RunEvent> {
    for (;;) {
      const found = this.events.slice(from).find((event) =>
        event.event === kind &&
        Object.entries(fits).every(([name, value]) => event[name] === value)
      );
      if (found) return found;
      if (this.#over) {
        const last = JSON.stringify(this.events.at(-1));
        throw new Error(`The run ended without ${kind}, at ${last}`);
      }
      await this.#changed.promise;
    }
  }

  get id(): Promise<string> {
    return this.event("run").then(({ id }) => String(id));
  }

  /** What the ends have printed, as a run of both in one process has it. */
  get printed(): string[] {
    return this.events.filter(({ event }) => event === "line")
      .map(({ end, line }) => `${end}: ${line}`)
      .filter((line) => !OTHERS.test(line));
  }

  /** Leaves, as a page that is closed; resolves when the stream has ended. */
  async leave(): Promise<void> {
    this.#leaving.abort();
    await this.#reading;
  }

  /** Resolves when the board has ended the stream; false after `ms`. */
  async over(ms: number): Promise<boolean> {
    return await within(ms, this.#reading.then(() => true)) ?? false;
  }
}

/**
 * Sends bytes to a port, and reads the answer until the end of the stream, or for
 * some seconds. Status 0 is none.
 */
export async function answerTo(port: number, text: string): Promise<Answer> {
  const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  const parts: Uint8Array[] = [];
  const ended = new Promise<void>((resolve) => {
    socket.on("data", (bytes: Uint8Array) => void parts.push(bytes));
    socket.on("end", resolve).on("error", () => resolve());
  });
  socket.write(Buffer.from(text, "latin1"));
  await within(5000, ended);
  socket.destroy();
  const all = Buffer.concat(parts);
  const [head] = all.toString("latin1").split("\r\n\r\n");
  const [first, ...fields] = head.split("\r\n");
  return {
    status: Number(first.match(/^HTTP\/1\.1 (\d{3}) /)?.[1] ?? 0),
    fields: new Map(fields.map((field) => {
      const [, name, value] = field.match(/^([^:]+): *(.*)$/)!;
      return [name.toLowerCase(), value];
    })),
    body: all.toString("utf8", head.length + 4),
  };
}
