/**
 * A run on the board: two processes, and their lines and calls as events for the
 * page. It ends with its page, and when it becomes longer than anybody reads.
 *
 * @module
 */
import { InTime } from "../../../lib/observe/in_time.ts";
import { Merge, type MergedCall } from "../../../lib/observe/merge.ts";
import { textOf } from "../../../lib/observe/strace.ts";
import { JsonLines } from "../../../lib/services/json_lines.ts";
import { escapeControls } from "../../../lib/sockets/escape.ts";
import { after, endedAs } from "../matrix/pair.ts";
import { type Kept, madeOf } from "../report/downloads.ts";
import { block, rowsOf } from "../report/html.ts";
import { manOf } from "../report/man.ts";
import { isReached, result } from "../report/result.ts";
import { readEvent } from "../report/run.ts";
import { terminalOf } from "../report/two_processes.ts";
import { freePort } from "../support/free_port.ts";
import { commandFor } from "../support/header.ts";
import { kill, WINDOWS, within } from "../support/processes.ts";
import { commandName, ToolError } from "../support/tool.ts";
import type { Order } from "./choices.ts";
import { type End, type EndProcess, startEnd, typedBy } from "./ends.ts";

export class Run {
  readonly id: string;
  readonly events: JsonLines;
  /** What it has shown; undefined until both ends have ended. */
  kept: Kept | undefined;
  readonly #order: Order;
  readonly #ends: Partial<Record<End, EndProcess>> = {};
  /** What the ends have said, to be shown in the order of their clocks. */
  readonly #said = new InTime();
  readonly #merge = new Merge();
  /** Those that are drawn, in one order; the first is number 1. */
  readonly calls: MergedCall[] = [];
  readonly #lines: Kept["run"]["lines"] = [];
  readonly #notes: string[] = [];
  readonly #date = new Date();
  readonly #listening = Promise.withResolvers<"ready">();
  /** What the server has printed before it said that it listens. */
  #early: string[] | undefined = [];
  #stopped = false;
  /** How many characters it has printed, and how many of data are kept. */
  readonly #size = { printed: 0, data: 0 };

  /** `left` is called when its page has left; nothing of it stays. */
  constructor(id: string, order: Order, left: () => void) {
    this.id = id;
    this.#order = order;
    this.events = new JsonLines(() => {
      left();
      return this.stop();
    });
  }

  /** Runs both ends; what goes wrong is an event. */
  async play(): Promise<void> {
    try {
      await this.#run();
    } catch (error) {
      this.#fault((error as Error).message);
      await this.stop();
    }
  }

  async #run(): Promise<void> {
    const { step } = this.#order;
    const port = await freePort();
    const typed = (end: End) => typedBy(this.#order, end, port);
    const commands = { server: typed("server"), client: typed("client") };
    this.events.push({ event: "run", id: this.id, commands });
    if (this.#stopped) return;
    const server = this.#open("server", port);
    // In step mode the reader decides who is first.
    if (!step) await this.#listens(server);
    if (this.#stopped) return;
    const client = this.#open("client", port);
    await client.ended;
    if (!await this.#quiet(server)) {
      this.#show(server, "^C");
      server.tellEnd(); // nobody holds it any more
      server.signal(WINDOWS ? "SIGTERM" : "SIGINT");
    }
    if (!await within(LIMIT, server.ended)) await kill(server);
    await this.#finish(server, client);
  }

  #open(end: End, port: number): EndProcess {
    const one = startEnd(end, this.#order, port, (output, text) => {
      one.last = performance.now();
      const event = output === "stdout" ? readEvent(text) : undefined;
      const hear = () => this.#stopped || this.#heard(one, text, event);
      this.#said.push(end, hear, Number(event?.at ?? 0));
    });
    this.#ends[end] = one;
    one.ended.then((ended) =>
      this.#said.push(end, () => {
        if (end === "server") this.#showEarly(one);
        this.#merge.end(end);
        this.#draw();
        const how = endedAs(ended);
        this.events.push({ event: "ended", end, code: ended.code, how });
      })
    );
    return one;
  }

  /** Waits until the server listens, or the run is stopped. */
  async #listens({ ended, lines }: EndProcess): Promise<void> {
    const first = Promise.race([this.#listening.promise, ended]);
    const seen = await within(LIMIT, first);
    if (seen === "ready" || this.#stopped) return;
    const how = seen ? endedAs(seen) : `does not listen ${after(LIMIT)}`;
    throw new ToolError([`The server ${how}`, ...lines.slice(-1)].join(": "));
  }

  /** Waits until a server is silent and not busy; true if it has ended. */
  async #quiet(server: EndProcess): Promise<boolean> {
    while (!await within(SILENCE, server.ended)) {
      const silent = performance.now() - server.last >= SILENCE;
      const waits = !this.#order.step || server.waits.size > 0;
      if (silent && waits && server.state === "free") return false;
    }
    return true;
  }

  #heard(one: EndProcess, text: string, event: ReturnType<typeof readEvent>) {
    this.#size.printed += text.length;
    if (this.#size.printed > MOST_PRINTED) this.#tooMuch("it prints too much");
    if (typeof event?.call === "string") return this.#traced(one, event);
    const line = typeof event?.line === "string"
      ? event.line as string
      : escapeControls(text.replaceAll("\t", "    ").slice(0, 1000));
    const listens = !event && /^Listening on /.test(text);
    if (event) this.#lines.push({ end: one.end, line });
    else if (!listens) this.#notes.push(line);
    // Nobody can tell which output was first, but for this line.
    if (event && one.end === "server" && this.#early) this.#early.push(line);
    else this.#show(one, line);
    if (!listens) return;
    this.#showEarly(one);
    this.#listening.resolve("ready");
  }

  #showEarly(server: EndProcess): void {
    for (const line of this.#early ?? []) this.#show(server, line);
    this.#early = undefined;
  }

  #show({ end, lines }: EndProcess, line: string): void {
    lines.push(line);
    this.events.push({ event: "line", end, line });
    if (lines.length === MOST) this.#tooMuch(`after ${MOST} lines`);
  }

  /** A call is held, has begun to wait, or is done. */
  #traced(one: EndProcess, call: MergedCall): void {
    const { held = false, begins } = call;
    const key = `${call.call} ${call.descriptor}`;
    if (held) one.state = "held";
    else if (one.state === "told") one.state = "free";
    one.waits[begins ? "add" : "delete"](key);
    this.#merge.push(one.end, call);
    this.#draw();
    if (!held && !begins) return;
    const text = textOf(call).replace(/ = \?$/, "");
    const man = manOf(call, this.calls);
    const about = { end: one.end, call: call.call, text, man };
    this.events.push({ event: held ? "held" : "waiting", ...about });
  }

  /** Draws the calls whose places are known. */
  #draw(): void {
    for (const call of this.#merge.take()) {
      if (this.calls.length === MOST) return;
      const { at: start } = this.calls[0] ?? call;
      call.time = Math.round((call.at - start) * 1000) / 1000;
      this.#size.data += call.data?.length ?? 0;
      if (this.#size.data > MOST_DATA) delete call.data;
      const id = this.calls.push(call);
      const html = rowsOf({ call, times: 1, bytes: call.bytes ?? 0 });
      const about = { end: call.end, call: call.call, text: textOf(call) };
      this.events.push({ event: "call", id, ...about, html });
      if (id === MOST) this.#tooMuch(`after ${MOST} calls`);
    }
  }

  /** Lets an end make the call before which it stands; with `run` all. */
  next(end: End, run: boolean): void {
    const one = this.#ends[end];
    this.#merge.letGo(end);
    if (!one || !(one.state === "held" || run)) return;
    one.tell(run ? "run" : "");
    if (one.state === "held") one.state = "told";
  }

  /** Ends both processes; resolves when nothing of them is left. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(Object.values(this.#ends).map(kill));
    this.#said.flush();
  }

  #tooMuch(how: string): void {
    this.#fault(`The run was stopped: ${how}`);
    this.stop();
  }

  #fault(text: string): void {
    this.events.push({ event: "fault", text: escapeControls(text) });
  }

  /** Both ends have ended: tells whether the output is what the header says. */
  async #finish(server: EndProcess, client: EndProcess): Promise<void> {
    this.#said.flush();
    if (this.calls.length === 0) return this.#fault("No call was made");
    const ended = await client.ended;
    const [end, how] = ended.code === 0
      ? ["server", await server.ended] as const
      : ["client", ended] as const;
    const failed = how.code === 0 ? undefined : `The ${end} ${endedAs(how)}`;
    const { name, header } = this.#order.experiment;
    this.kept = {
      name,
      command: commandName("board"),
      run: {
        command: commandFor(header, server.runtime.name),
        ...{ lines: this.#lines, calls: this.calls, notes: this.#notes },
        ...{ runtime: "", date: this.#date },
      },
      processes: {
        server: terminalOf(server, server.lines),
        client: terminalOf(client, client.lines),
        ...{ lines: this.#lines, traced: true, failed },
      },
    };
    const made = madeOf(this.kept);
    const html = block(result(made).blocks[0]);
    this.events.push({ event: "done", same: isReached(made), html });
  }
}

/** How long a server is silent before it is stopped, or may take to end, in ms. */
const [SILENCE, LIMIT] = [300, 10_000];
/** So many lines of an end, or calls, nobody reads; tcp_half_close has 17,700. */
const MOST = 20_000;
/** How many characters a run may print, and of how many of data are kept. */
const [MOST_PRINTED, MOST_DATA] = [2 ** 28, 2 ** 24];
