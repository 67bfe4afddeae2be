/**
 * A run on the board: two processes, and their lines and calls as events for the
 * page. It ends with its page, and when it becomes longer than anybody reads.
 *
 * @module
 */
import { Merge, type MergedCall } from "../../../lib/observe/merge.ts";
import { textOf } from "../../../lib/observe/strace.ts";
import { escapeControls } from "../../../lib/sockets/escape.ts";
import { after, endedAs } from "../matrix/pair.ts";
import { commandName } from "../report.ts";
import { count } from "../report/calls.ts";
import { block, rowsOf } from "../report/html.ts";
import { isReached, result } from "../report/result.ts";
import { readEvent } from "../report/run.ts";
import { terminalOf } from "../report/two_processes.ts";
import { freePort } from "../support/free_port.ts";
import { type Ended, within } from "../support/processes.ts";
import type { Order } from "./choices.ts";
import { type End, EndProcess, programOf, typedBy } from "./end_process.ts";
import { Events } from "./events.ts";
import { type Kept, madeOf } from "./downloads.ts";
import { manOf } from "./man.ts";

export class Run {
  readonly id: string;
  readonly events: Events;
  readonly #order: Order;
  readonly #ends = new Map<End, EndProcess>();
  readonly #merge = new Merge();
  readonly #calls: MergedCall[] = [];
  readonly #lines: Kept["run"]["lines"] = [];
  readonly #notes: string[] = [];
  readonly #date = new Date();
  readonly #listening = Promise.withResolvers<void>();
  /** What the server has printed before it said that it listens. */
  #early: string[] | undefined = [];
  readonly #stop = Promise.withResolvers<void>();
  #stopped = false;
  /** When the first call was done, in ms since 1970. */
  #start: number | undefined;
  /** How many characters of data are kept. */
  #data = 0;
  #kept: Kept | undefined;

  /** `over` is called when its page has left, and nothing of it runs any more. */
  constructor(id: string, order: Order, over: () => void) {
    this.id = id;
    this.#order = order;
    this.events = new Events(async () => {
      await this.stop();
      over();
    });
  }

  /** What it has shown; undefined until both ends have ended. */
  get kept(): Kept | undefined {
    return this.#kept;
  }

  /** Runs both ends; what goes wrong is an event. */
  async play(): Promise<void> {
    try {
      const ended = await this.#run();
      if (ended) this.#finish(ended);
    } catch (error) {
      this.#fault((error as Error).message);
    } finally {
      await this.stop();
    }
  }

  async #run(): Promise<Record<End, Ended> | undefined> {
    const { step } = this.#order;
    const port = await freePort();
    const typed = (end: End) => typedBy(this.#order, end, port);
    const commands = { server: typed("server"), client: typed("client") };
    this.events.push({ event: "run", id: this.id, commands });
    if (this.#stopped) return;
    const server = this.#open("server", port);
    // In step mode the reader decides who is first.
    if (!step && !await this.#listens(server)) return;
    const client = this.#open("client", port);
    const ended = await client.ended;
    if (!await this.#quiet(server)) {
      this.#show(server, "^C");
      server.interrupt();
    }
    const limit = step ? undefined : within(LIMIT, server.ended);
    if (limit && !await limit) {
      this.#fault(`The server had not ended ${after(LIMIT)}`);
      await server.kill();
    }
    return { server: await server.ended, client: ended };
  }

  #open(end: End, port: number): EndProcess {
    const heard = this.#heard.bind(this);
    const endless = ({ end }: EndProcess) =>
      this.#tooMuch(`The ${end} prints a line without end`);
    const one = new EndProcess(end, this.#order, port, { heard, endless });
    this.#ends.set(end, one);
    one.ended.then((ended) => {
      one.held = false;
      if (end === "server") this.#showEarly(one);
      this.#merge.end(end);
      this.#draw();
      const how = endedAs(ended);
      this.events.push({ event: "ended", end, code: ended.code, how });
    });
    return one;
  }

  /** Waits until the server listens; false if it does not. */
  async #listens(server: EndProcess): Promise<boolean> {
    const said = this.#listening.promise.then(() => true as const);
    const seen = await within(LIMIT, Promise.race([said, server.ended]));
    if (seen === true) return true;
    if (this.#stopped) return false;
    const how = seen ? endedAs(seen) : `had not listened ${after(LIMIT)}`;
    const why = server.lines.at(-1);
    this.#fault(`The server ${how}${why ? `: ${why}` : ""}`);
    return false;
  }

  /** Waits until a server is neither held nor busy; true if it has ended. */
  async #quiet(server: EndProcess): Promise<boolean> {
    while (true) {
      if (await within(SILENCE, server.ended)) return true;
      const silent = performance.now() - server.last >= SILENCE;
      if (silent && !server.held) return false;
    }
  }

  #heard(one: EndProcess, output: "stdout" | "stderr", text: string): void {
    if (this.#stopped) return;
    const event = output === "stdout" ? readEvent(text) : undefined;
    if (typeof event?.call === "string") return this.#traced(one, event);
    const listening = output === "stderr" && /^Listening on /.test(text);
    const line = typeof event?.line === "string"
      ? event.line as string
      : escapeControls(text.replaceAll("\t", "    ").slice(0, 1000));
    if (event) this.#lines.push({ end: one.end, line });
    else if (!listening) this.#notes.push(line);
    // Of its two outputs nobody can tell which line was first, but for this one.
    if (event && one.end === "server" && this.#early) this.#early.push(line);
    else this.#show(one, line);
    if (!listening) return;
    this.#listening.resolve();
    this.#showEarly(one);
  }

  #showEarly(server: EndProcess) {
    for (const line of this.#early ?? []) this.#show(server, line);
    this.#early = undefined;
  }

  /** Shows a line in the terminal of an end. */
  #show({ end, lines }: EndProcess, line: string): void {
    lines.push(line);
    this.events.push({ event: "line", end, line });
    if (lines.length === MOST) this.#tooMuch(`after ${count(MOST, "line")}`);
  }

  /** A call is held, begins to wait, or is done. */
  #traced(one: EndProcess, call: MergedCall): void {
    const { held = false, begins, end } = call;
    one.held ||= held;
    if (!held && !begins) {
      this.#merge.push(one.end, call);
      return this.#draw();
    }
    this.events.push({
      event: held ? "held" : "waiting",
      end,
      call: call.call,
      text: textOf(call).replace(/ = \?$/, ""),
      man: manOf(call.call),
    });
  }

  /** Draws the calls whose places are known. */
  #draw(): void {
    for (const call of this.#merge.take()) {
      if (this.#calls.length === MOST) return;
      this.#start ??= call.at;
      call.time = Math.round((call.at - this.#start) * 1000) / 1000;
      this.#data += call.data?.length ?? 0;
      if (this.#data > MOST_DATA) delete call.data;
      const id = this.#calls.push(call);
      this.events.push({
        ...{ event: "call", id, end: call.end, call: call.call },
        text: textOf(call),
        html: rowsOf({ call, times: 1, bytes: call.bytes ?? 0 }),
      });
      if (id === MOST) this.#tooMuch(`after ${count(MOST, "call")}`);
    }
  }

  /** A call with all that is known of it. */
  call(id: number): Record<string, unknown> | undefined {
    const call = this.#calls[id - 1];
    if (!call) return;
    const { time, at, begun = at, bytes, data = "" } = call;
    const size = data.length / 4 * 3 - data.match(/=*$/)![0].length;
    return {
      ...{ text: textOf(call), call: call.call, end: call.end, time },
      ...{ begun: time - (at - begun), took: at - begun, bytes, data },
      cut: size < (bytes ?? 0),
      man: manOf(call.call),
    };
  }

  /** Lets an end make the call before which it stands; with `run` all. */
  next(end: End, run: boolean): void {
    this.#ends.get(end)?.next(run);
  }

  /** Ends both processes; resolves when nothing of them is left. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#listening.resolve();
    await Promise.all([...this.#ends.values()].map((one) => one.kill()));
  }

  #tooMuch(how: string): void {
    this.#fault(`The run was stopped: ${how}`);
    this.stop();
  }

  #fault(text: string): void {
    this.events.push({ event: "fault", text: escapeControls(text) });
  }

  /** Both ends have ended: tells whether the output is what the header says. */
  #finish(ended: Record<End, Ended>): void {
    if (this.#calls.length === 0) return this.#fault("The run made no calls");
    const { choice, server } = this.#order;
    const [one, other] = ["server", "client"].map((end) =>
      this.#ends.get(end as End)!
    );
    const failed = (["client", "server"] as const).find((end) =>
      ended[end].code !== 0
    );
    const kept: Kept = {
      name: choice.experiment.name,
      command: commandName("board"),
      run: {
        command: programOf(this.#order, server.name),
        lines: this.#lines,
        calls: this.#calls,
        notes: this.#notes,
        runtime: "",
        date: this.#date,
      },
      processes: {
        server: terminalOf(one, one.lines),
        client: terminalOf(other, other.lines),
        lines: this.#lines,
        traced: true,
        ...(failed
          ? { failed: `The ${failed} ${endedAs(ended[failed])}` }
          : {}),
      },
    };
    this.#kept = kept;
    const made = madeOf(kept);
    const [verdict] = result(made).blocks;
    const html = block(verdict);
    this.events.push({ event: "done", same: isReached(made), html });
  }
}

/** How long a server is silent before somebody stops it, in ms. */
const SILENCE = 300;
/** How long it may take to listen, and to end, in ms. */
const LIMIT = 10_000;
/** So many lines of an end, or calls, nobody reads; `tcp_half_close` has 16,700. */
const MOST = 20_000;
/** How many characters of data are kept: of what follows, none. */
const MOST_DATA = 2 ** 24;
