/**
 * Supervises the soak of one runtime's server: starts both ends, orders
 * traffic, kills clients, stops the server, and collects what is reported.
 *
 * @module
 */
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { after, endedAs } from "../../scripts/tools/matrix/pair.ts";
import { freePort } from "../../scripts/tools/support/free_port.ts";
import {
  checkStopped,
  type Ended,
  type Running,
  start,
  within,
} from "../../scripts/tools/support/processes.ts";
import type { Runtime } from "../../scripts/tools/support/runtimes.ts";
import { escapeControls } from "../../lib/sockets/escape.ts";
import {
  droppedAt,
  type Figures,
  figuresOf,
  forgetPeak,
} from "../support/proc.ts";
import { type Datagrams, type Echoed, type Sent, sumOf } from "./datagrams.ts";
import type { Order, Report } from "./messages.ts";
import { keyOf, pick, randomOf } from "./pattern.ts";
import { Reconciliation, type Tally } from "./reconciliation.ts";
import { clientOf, DOOMED } from "./scenario.ts";

/** What is asked for. */
export interface Request {
  server: Runtime;
  clients: Runtime[];
  seed: number;
  seconds: number;
  /** Only this connection, again and again. */
  only?: number;
  /** Is told how far it is. */
  told(text: string): void;
}

/** What the soak of a server has shown. */
export interface Result {
  server: string;
  version: string;
  clients: string[];
  seed: number;
  seconds: number;
  /** By the dialogue, or by the fault. */
  connections: Record<string, Tally>;
  datagrams: Datagrams;
  /** How often the listener was closed and opened again. */
  reopened: number;
  /** Of the server's process: before, and after each round of traffic. */
  figures: Figures[];
  /** What is not accounted for; empty if all is well. */
  complaints: string[];
}

/** The longest round of traffic, in ms. */
const ROUND = 60_000;
/** How much longer than half as long again everything may take, in ms. */
const PATIENCE = 60_000;
/** A wait of either end that is longer than this hangs, in ms. */
const HANGS = 20_000;
/** How long the server's reports may take to arrive, in ms. */
const DELAY = 5_000;
/** The time between two kills, in ms. */
const BETWEEN_KILLS = 5_000;
/** How many connections a client has when it is killed. */
const KILLED = 4;
/** How many each client has when the server is stopped. */
const IN_HAND = 3;

export async function soak(request: Request): Promise<Result> {
  const supervisor = new Supervisor(request);
  const limit = 1500 * request.seconds + PATIENCE;
  try {
    const done = await within(limit, supervisor.run().then(() => true));
    if (!done) {
      supervisor.complain(`Not done ${after(limit)}: ${supervisor.far}`);
    }
  } catch (error) {
    supervisor.complain(escapeControls((error as Error).message));
  } finally {
    supervisor.kill();
  }
  checkStopped();
  return supervisor.result();
}

class Supervisor {
  /** How far it is. */
  far = "the start";
  readonly #request: Request;
  readonly #connections: Reconciliation;
  readonly #random;
  readonly #sent: Sent[] = [];
  readonly #figures: Figures[] = [];
  readonly #processes = new Set<End>();
  readonly #complaints: string[] = [];
  #echoed: Echoed | undefined;
  #port = 0;
  #reopened = 0;
  #killed = 0;
  #nextKill = 0;

  constructor(request: Request) {
    this.#request = request;
    this.#random = randomOf(keyOf(request.seed, 10));
    this.#connections = new Reconciliation(request.seed);
  }

  async run(): Promise<void> {
    this.#port = await freePort();
    const server = this.#start(this.#request.server, "server");
    await Promise.race([server.running.said(/^Listening on /m), server.early]);
    const clients = this.#request.clients.map((runtime, number) =>
      this.#start(runtime, "client", number)
    );
    await this.#settle(server, clients);
    await Promise.race([this.#traffic(server, clients), server.early]);
    const dropped = droppedAt(this.#port);
    await this.#stop(server, clients);
    for (const end of [server, ...clients]) {
      this.#complaints.push(...await end.complaints());
    }
    const sums = sumOf(this.#sent, this.#echoed, dropped);
    this.#complaints.push(...sums.complaints);
    const grown = growth(this.#figures);
    if (grown) {
      this.complain(`the ${this.#request.server.name} server: ${grown}`);
    }
  }

  complain(line: string): void {
    this.#complaints.push(line);
  }

  kill(): void {
    for (const { running } of this.#processes) running.signal("SIGKILL");
  }

  result(): Result {
    const { server, clients, seed, seconds } = this.#request;
    const { complaints: _, ...datagrams } = sumOf(this.#sent, this.#echoed);
    return {
      server: server.name,
      version: server.version,
      clients: clients.map(({ name }) => name),
      ...{ seed, seconds, datagrams },
      connections: Object.fromEntries(this.#connections.tallies),
      reopened: this.#reopened,
      figures: this.#figures,
      complaints: [...this.#connections.complaints, ...this.#complaints],
    };
  }

  /** Lets the clients send, in rounds, for as long as is asked for. */
  async #traffic(server: End, clients: End[]): Promise<void> {
    const { seconds, only } = this.#request;
    const all = only === undefined;
    const chosen = all ? clients : [clients[clientOf(only)] ?? clients[0]];
    const rounds = Math.max(2, Math.ceil(1000 * seconds / ROUND));
    const traffic = 1000 * seconds / rounds;
    for (let round = 1; round <= rounds; round++) {
      this.#tell(`round ${round} of ${rounds}`);
      const sending = chosen.map(async (client) => {
        const { done } = await client.order({ traffic, only });
        if (done) this.#sent.push(done);
      });
      if (all) sending.push(this.#killSome(Date.now() + traffic));
      await Promise.all(sending);
      await this.#settle(server, clients);
    }
  }

  /** Kills a client with connections in hand, and then another. */
  async #killSome(until: number): Promise<void> {
    while (Math.max(Date.now(), this.#nextKill) < until) {
      await pause(Math.max(1, this.#nextKill - Date.now()));
      this.#nextKill = Date.now() + BETWEEN_KILLS;
      const runtime = pick(this.#random, this.#request.clients);
      const victim = this.#start(runtime, "client", DOOMED + this.#killed++);
      this.#connections.addKilled(KILLED);
      await victim.order({ hold: KILLED });
      await pause(300 * this.#random());
      victim.running.signal("SIGKILL");
      this.#complaints.push(...await victim.complaints({ signal: "SIGKILL" }));
      this.#processes.delete(victim);
    }
  }

  /** Waits until the server is idle; notes its figures. */
  async #settle(server: End, [client]: End[]): Promise<void> {
    const now = await settledFigures(server.running.pid!, this.#figures);
    if (now) this.#figures.push(now);
    // Once it has reported this connection, it has reported all before it.
    const { one } = await client.order({ one: true });
    for (
      let ms = 0;
      ms < DELAY && !this.#connections.isServed(one!);
      ms += 20
    ) {
      await pause(20);
    }
    this.#connections.settle();
  }

  /** Stops the server with connections in hand, which must come to their end. */
  async #stop(server: End, clients: End[]): Promise<void> {
    this.#tell("the end");
    await Promise.all(clients.map((client) => client.order({ hold: IN_HAND })));
    const closed = server.next("echoed");
    server.running.signal("SIGTERM");
    await closed;
    await Promise.all(clients.map(async (client) => {
      await client.order({});
      client.running.tellEnd();
    }));
    await server.running.ended;
    this.#connections.settle();
  }

  #tell(far: string): void {
    this.far = far;
    this.#request.told(far);
  }

  #start(runtime: Runtime, role: "server" | "client", number = 0): End {
    const { seed } = this.#request;
    const flags = { port: this.#port, timeout: HANGS, seed, number };
    const end = new End(runtime, role, flags, ({ record, echoed, outage }) => {
      if (record) this.#connections.add(record);
      if (echoed) this.#echoed = echoed;
      if (!outage) return;
      this.#connections.addOutage(outage);
      this.#reopened++;
    });
    this.#processes.add(end);
    return end;
  }
}

// --- the process of an end ---

const EXPERIMENT = fileURLToPath(
  new URL("experiment.ts", import.meta.url).href,
);

/** V8 keeps garbage while there is room, which would hide what leaks. */
const HEAP = ["--max-old-space-size=48", "--max-semi-space-size=1"];

class End {
  readonly running: Running;
  /** Rejects when the process ends, which it must not do by itself. */
  readonly early: Promise<never>;
  readonly #name: string;
  readonly #complaints: string[] = [];
  #expected?: { kinds: (keyof Report)[]; resolve(report: Report): void };

  constructor(
    { name, path }: Runtime,
    role: "server" | "client",
    flags: Record<string, number>,
    told: (report: Report) => void,
  ) {
    this.#name = `${name} ${role}`;
    const deno = ["run", "--no-prompt", "-A", `--v8-flags=${HEAP.join()}`];
    const own = { deno, node: HEAP, bun: [], python3: [] }[name];
    const words = Object.entries(flags).map((flag) => `--${flag.join("=")}`);
    const heard = (line: string) => {
      const report = this.#read(line);
      told(report);
      if (!this.#expected?.kinds.some((kind) => kind in report)) return;
      this.#expected.resolve(report);
    };
    const command = [path, ...own, EXPERIMENT, role, ...words];
    this.running = start(command, { orders: true, heard });
    this.early = this.running.ended.then((ended) => {
      const [note = "without a word"] = this.#notes();
      throw new Error(`The ${this.#name} ${endedAs(ended)}: ${note}`);
    });
    this.early.catch(() => {}); // at the end it may
  }

  /** Gives an order; resolves to the report that it is carried out. */
  order(order: Order): Promise<Report> {
    this.running.tell(JSON.stringify(order));
    return this.next("done", "holding");
  }

  /** The next report of that kind. Rejects if the process ends first. */
  next(...kinds: (keyof Report)[]): Promise<Report> {
    const { promise, resolve } = Promise.withResolvers<Report>();
    this.#expected = { kinds, resolve };
    return Promise.race([promise, this.early]);
  }

  /** What is wrong with how it has ended and what it has printed. */
  async complaints(wanted: Partial<Ended> = { code: 0 }): Promise<string[]> {
    const ended = await this.running.ended;
    const how = wanted.signal ? "signal" : "code";
    const all = this.#notes().map((note) => `says: ${note}`);
    if (ended[how] !== wanted[how]) all.unshift(endedAs(ended));
    return [...this.#complaints, ...all].map((line) =>
      `the ${this.#name} ${line}`
    );
  }

  /** The start of what is wrong on standard error: not all of a stack trace. */
  #notes(): string[] {
    const lines = this.running.written.stderr.split("\n");
    return lines.filter((line) => line && !line.startsWith("Listening on "))
      .slice(0, 3).map((line) => escapeControls(line.slice(0, 200)));
  }

  #read(line: string): Report {
    try {
      return JSON.parse(line);
    } catch {
      this.#complaints.push(`prints: ${escapeControls(line.slice(0, 200))}`);
      return {};
    }
  }
}

// --- what the server's process uses ---

/** How much the memory of an idle server may grow, in KiB. */
const GROWTH = 32 * 1024;
/** How much more it may be while it serves, in KiB: nobody's bytes pile up. */
const PEAK = 64 * 1024;
/** How long it may take until it is idle and garbage is collected, in ms. */
const COLLECTED = 10_000;
/** But when nothing has changed for so long, nothing will; in ms. */
const STILL = 2_000;

/**
 * The figures of a process as soon as they have not grown, or as they are after
 * a while; undefined on a system that does not tell.
 */
async function settledFigures(
  pid: number,
  before: Figures[],
): Promise<Figures | undefined> {
  let last = figuresOf(pid);
  for (let waited = 0, still = 0;; waited += 100, still += 100) {
    const now = figuresOf(pid);
    if (!now) return;
    const patient = waited < COLLECTED && still < STILL;
    if (!growth([...before, now]) || !patient) {
      forgetPeak(pid);
      return now;
    }
    if (now.descriptors !== last?.descriptors) still = 0;
    if (now.resident !== last?.resident) still = 0;
    last = now;
    await pause(100);
  }
}

/**
 * What has grown, in words. The last descriptors must be as many as the first;
 * the memory is compared with that of halfway, since a runtime warms up.
 */
export function growth(all: Figures[]): string | undefined {
  const [first, last] = [all[0], all.at(-1)];
  const middle = all[Math.floor(all.length / 2)];
  if (!last) return;
  if (last.descriptors > first.descriptors) {
    return `${first.descriptors} descriptors became ${last.descriptors}`;
  }
  if (last.resident > middle.resident + GROWTH) {
    return `${middle.resident} KiB of memory became ${last.resident}`;
  }
  const high = all.find(({ resident, peak }) => peak > resident + PEAK);
  if (high) return `${high.resident} KiB of memory were ${high.peak} at a time`;
}
