/**
 * Soaks the server of one runtime: starts it and its clients, orders traffic,
 * kills clients, stops the server at last, and puts together what all told.
 *
 * @module
 */
import { setTimeout as pause } from "node:timers/promises";
import { after } from "../../scripts/tools/matrix/pair.ts";
import { checkStopped, within } from "../../scripts/tools/support/processes.ts";
import type { Runtime } from "../../scripts/tools/support/runtimes.ts";
import { printable } from "../../scripts/tools/support/text.ts";
import { droppedAt, type Figures } from "../support/proc.ts";
import { Child } from "./child.ts";
import { type Datagrams, type Echoed, type Sent, sumOf } from "./datagrams.ts";
import { growth, settledFigures } from "./figures.ts";
import { freePort } from "../../scripts/tools/support/free_port.ts";
import { Ledger, type Tally } from "./ledger.ts";
import type { News } from "./news.ts";
import { keyOf, pick, type Random, randomOf } from "./pattern.ts";
import { clientOf, DOOMED } from "./plan.ts";

/** What is asked of a trial. */
export interface Request {
  seed: number;
  seconds: number;
  /** Only this connection, again and again. */
  only?: number;
  /** Is told how far it is. */
  told(text: string): void;
}

/** What a trial has shown. */
export interface Result {
  server: string;
  version: string;
  clients: string[];
  seed: number;
  seconds: number;
  /** By how they spoke, or what went wrong on purpose. */
  connections: Record<string, Tally>;
  datagrams: Datagrams;
  /** How often the listener was closed and opened again. */
  reopened: number;
  /** Of the server's process: before, and after each round of traffic. */
  figures: Figures[];
  /** What is not accounted for; empty if all is well. */
  complaints: string[];
}

/** A round of traffic is not longer than that, in ms. */
const ROUND = 60_000;
/** It may take so much longer than half as long again, in ms. */
const PATIENCE = 60_000;
/** A wait of either end that is longer than that hangs, in ms. */
const HANGS = 20_000;
/** What the server tells is heard within that time, in ms. */
const DELAY = 5_000;
/** Time from one kill to the next, in ms. */
const BETWEEN_KILLS = 5_000;
/** A client that is killed has so many connections. */
const KILLED = 4;
/** Each client has so many in hand when the server is stopped. */
const IN_HAND = 3;

export async function soak(
  server: Runtime,
  clients: Runtime[],
  request: Request,
): Promise<Result> {
  const trial = new Trial(server, clients, request);
  const limit = 1500 * request.seconds + PATIENCE;
  try {
    const done = await within(limit, trial.run().then(() => true));
    if (!done) trial.complain(`Not done ${after(limit)}: ${trial.far}`);
  } catch (error) {
    trial.complain(printable((error as Error).message));
  } finally {
    trial.kill();
  }
  checkStopped();
  return trial.result();
}

class Trial {
  readonly #server: Runtime;
  readonly #clients: Runtime[];
  readonly #request: Request;
  readonly #random: Random;
  readonly #ledger: Ledger;
  readonly #sent: Sent[] = [];
  readonly #figures: Figures[] = [];
  readonly #children: Child[] = [];
  readonly #complaints: string[] = [];
  #echoed: Echoed | undefined;
  #dropped: number | undefined;
  /** How far it is. */
  far = "the start";
  #port = 0;
  #reopened = 0;
  #killed = 0;
  #nextKill = 0;

  constructor(server: Runtime, clients: Runtime[], request: Request) {
    this.#server = server;
    this.#clients = clients;
    this.#request = request;
    this.#random = randomOf(keyOf(request.seed, 10));
    this.#ledger = new Ledger(request.seed);
  }

  async run(): Promise<void> {
    this.#port = await freePort();
    const server = this.#begin(this.#server, "server");
    await server.listening();
    const clients = this.#clients.map((runtime, number) =>
      this.#begin(runtime, "client", number)
    );
    await this.#idle(server, clients);
    await Promise.race([this.#traffic(server, clients), server.early]);
    await this.#stop(server, clients);
    for (const child of [server, ...clients]) {
      for (const line of await child.complaints()) this.complain(line);
    }
    for (
      const line of sumOf(this.#sent, this.#echoed, this.#dropped).complaints
    ) {
      this.complain(line);
    }
    const grown = growth(this.#figures);
    if (grown) this.complain(`the ${this.#server.name} server: ${grown}`);
  }

  complain(line: string): void {
    this.#complaints.push(line);
  }

  kill(): void {
    for (const { running } of this.#children) running.signal("SIGKILL");
  }

  result(): Result {
    const { name, version } = this.#server;
    const { seed, seconds } = this.#request;
    const { complaints: _, ...datagrams } = sumOf(this.#sent, this.#echoed);
    return {
      server: name,
      version,
      clients: this.#clients.map(({ name }) => name),
      seed,
      seconds,
      connections: Object.fromEntries(this.#ledger.tallies),
      datagrams,
      reopened: this.#reopened,
      figures: this.#figures,
      complaints: [...this.#ledger.complaints, ...this.#complaints],
    };
  }

  /** Has the clients send, for all the time there is, in rounds. */
  async #traffic(server: Child, clients: Child[]): Promise<void> {
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
      await this.#idle(server, clients);
    }
  }

  /** Kills a client in the middle of what it does, and then another. */
  async #killSome(until: number): Promise<void> {
    while (Math.max(Date.now(), this.#nextKill) < until) {
      await pause(Math.max(1, this.#nextKill - Date.now()));
      this.#nextKill = Date.now() + BETWEEN_KILLS;
      const runtime = pick(this.#random, this.#clients);
      const victim = this.#begin(runtime, "client", DOOMED + this.#killed++);
      this.#ledger.addDoomed(KILLED);
      await victim.order({ hold: KILLED });
      await pause(300 * this.#random());
      victim.running.signal("SIGKILL");
      for (const line of await victim.complaints({ signal: "SIGKILL" })) {
        this.complain(line);
      }
      this.#children.splice(this.#children.indexOf(victim), 1);
    }
  }

  /** Looks at the server's process when it has nothing in hand. */
  async #idle(server: Child, [client]: Child[]): Promise<void> {
    const now = await settledFigures(server.running.pid!, this.#figures);
    if (now) this.#figures.push(now);
    // When it has told of one more, it has told of all that were before.
    const { one } = await client.order({ one: true });
    for (let ms = 0; ms < DELAY && this.#ledger.waitsFor(one!); ms += 20) {
      await pause(20);
    }
    this.#ledger.close();
  }

  /** Stops the server while it has connections in hand; they end. */
  async #stop(server: Child, clients: Child[]): Promise<void> {
    this.#tell("the end");
    this.#dropped = droppedAt(this.#port);
    await Promise.all(clients.map((client) => client.order({ hold: IN_HAND })));
    const closed = server.next("echoed");
    server.running.signal("SIGTERM");
    await closed;
    await Promise.all(clients.map(async (client) => {
      await client.order({});
      client.running.tellEnd();
    }));
    await server.running.ended;
    this.#ledger.close();
  }

  #tell(far: string): void {
    this.far = far;
    this.#request.told(far);
  }

  /** Starts an end, and hears what it tells. */
  #begin(runtime: Runtime, role: "server" | "client", number = 0): Child {
    const { seed } = this.#request;
    const flags = { port: this.#port, timeout: HANGS, seed, number };
    const child = new Child(runtime, role, flags, (news: News) => {
      if (news.half) this.#ledger.add(news.half);
      if (news.echoed) this.#echoed = news.echoed;
      if (!news.gap) return;
      this.#ledger.addGap(news.gap);
      this.#reopened++;
    });
    this.#children.push(child);
    return child;
  }
}
