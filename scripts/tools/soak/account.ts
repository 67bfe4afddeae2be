/**
 * The accounts: what one end says that it sent must be what the other says
 * that it received, or a fault that was made on purpose explains the rest.
 *
 * @module
 */
import { type Fault, type Plan, planOf } from "./plan.ts";

/** What one end knows of a connection. */
export interface Half {
  readonly end: "client" | "server";
  /** Which connection: the server may never have learnt it. */
  id?: number;
  /** The client's port, by which both ends know it as well; or 0. */
  port: number;
  /** Bytes that the library was given to send. */
  sent: number;
  /** Bytes that arrived, each of them the right one. */
  received: number;
  /**
   * "whole": both directions to their ends. "left": it has done what is wrong.
   * "cut": the other end finished early. "garbage": no preamble. "wrong": see
   * the note. Else the code of an error.
   */
  ended: string;
  note?: string;
  /** From when to when, as Date.now() tells it. */
  from: number;
  to: number;
}

/** A time in which the server did not listen. */
export type Gap = readonly [from: number, to: number];

/** What is known of one connection at the end. */
export interface Account {
  readonly plan: Plan;
  readonly client: Half | undefined;
  readonly server: Half | undefined;
  readonly gaps: readonly Gap[];
}

/** What is not accounted for in a connection, in words. */
export function complaint(account: Account): string | undefined {
  const { plan, client, server } = account;
  for (const half of [client, server]) {
    if (half?.note) return `the ${half.end}: ${half.note}`;
  }
  if (!server) {
    if (isTurnedAway(account)) return;
    if (isSilent(plan.fault)) return;
    return `unknown to the server (the client: ${client?.ended})`;
  }
  if (!client && plan.fault !== "killed") {
    return `unknown to the client (the server: ${server.ended})`;
  }
  const whole = !plan.fault;
  const flows = [
    ["up", plan.up, client?.sent ?? plan.up, server.received],
    ["down", plan.down, server.sent, client?.received ?? 0],
  ] as const;
  for (const [way, due, sent, received] of flows) {
    const fits = whole
      ? sent === due && received === due
      : received <= sent && sent <= due;
    if (fits) continue;
    return `${way}: ${sent} of ${due} bytes sent, ${received} received`;
  }
  if (whole && client?.ended !== "whole") return `the client: ${client?.ended}`;
  const wanted: readonly string[] = whole ? ["whole"] : ENDS[plan.fault!];
  if (!wanted.includes(server.ended)) return `the server: ${server.ended}`;
}

/** How the server may see the end of a connection with a fault. */
const ENDS: Record<Fault, readonly string[]> = {
  "reset at once": ["ECONNRESET", "EPIPE"],
  "reset": ["ECONNRESET", "EPIPE"],
  "garbage": ["garbage"],
  "unread": ["cut", "ECONNRESET", "EPIPE"],
  "leave": ["cut", "ECONNRESET", "EPIPE"],
  "stall": ["ETIMEDOUT"],
  "killed": ["cut", "ECONNRESET", "EPIPE"],
};

/** Whether the server may never learn who it was: a reset can come first. */
function isSilent(fault: Fault | undefined): boolean {
  return fault !== undefined && ["reset at once", "reset"].includes(fault);
}

/**
 * Whether the client has come when nobody listened, or waited to be accepted
 * when the listener was closed: then it is refused, or its connection ends.
 */
export function isTurnedAway({ client, server, gaps }: Account): boolean {
  if (!client || server || client.received > 0) return false;
  const { from, to } = client;
  return gaps.some(([closed, open]) => from <= open && to >= closed) &&
    ["ECONNREFUSED", "ECONNRESET", "EPIPE", "cut", "left"]
      .includes(client.ended);
}

/** What came of the connections of one sort. */
export interface Tally {
  connections: number;
  /** Bytes that went to the server, and that came back. */
  up: { sent: number; received: number };
  down: { sent: number; received: number };
}

/** Puts the halves together, and keeps of each account no more than needed. */
export class Ledger {
  readonly complaints: string[] = [];
  readonly tallies = new Map<string, Tally>();
  readonly #seed: number;
  readonly #waiting = new Map<string, Half[]>();
  #gaps: Gap[] = [];
  #doomed = 0;

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** One end has told of a connection. */
  add(half: Half): void {
    for (const key of this.#keysOf(half)) {
      const other = this.#waiting.get(key)?.find(({ end }) => end !== half.end);
      if (!other) continue;
      this.#remove(other);
      const [client, server] = half.end === "client"
        ? [half, other]
        : [other, half];
      return this.#settle(client, server);
    }
    for (const key of this.#keysOf(half)) {
      const halves = this.#waiting.get(key);
      if (halves) halves.push(half);
      else this.#waiting.set(key, [half]);
    }
  }

  /** The server did not listen for a while. */
  addGap(gap: Gap): void {
    this.#gaps.push(gap);
  }

  /** So many connections will have no client that can tell of them. */
  addDoomed(connections: number): void {
    this.#doomed += connections;
  }

  /** All ends have told all: what has no other half now will have none. */
  close(): void {
    const left = new Set([...this.#waiting.values()].flat());
    this.#waiting.clear();
    const nameless: Half[] = [];
    /** Connections of which the server may know, but not which they are. */
    let unknown = this.#doomed;
    for (const half of left) {
      if (half.id === undefined) nameless.push(half);
      else if (half.end === "server") this.#settle(undefined, half);
      else {
        if (isSilent(planOf(this.#seed, half.id).fault)) unknown++;
        this.#settle(half, undefined);
      }
    }
    for (const { port, received, ended, note } of nameless) {
      if (unknown-- > 0 && received === 0 && ended !== "garbage") continue;
      const said = note ?? `${ended} after ${received} bytes`;
      this.#complain(`port ${port}: unknown to any client (${said})`);
    }
    this.#gaps = [];
    this.#doomed = 0;
  }

  #complain(line: string): void {
    if (this.complaints.length < MOST) this.complaints.push(line);
  }

  #keysOf({ end, id, port }: Half): string[] {
    const byPort = `port ${port}`;
    if (id === undefined) return [byPort];
    if (end === "server") return [String(id)];
    const { fault } = planOf(this.#seed, id);
    const nameless = isSilent(fault) || fault === "garbage";
    return nameless && port > 0 ? [String(id), byPort] : [String(id)];
  }

  #remove(half: Half): void {
    for (const key of this.#keysOf(half)) {
      const rest = this.#waiting.get(key)?.filter((other) => other !== half);
      if (rest?.length) this.#waiting.set(key, rest);
      else this.#waiting.delete(key);
    }
  }

  #settle(client: Half | undefined, server: Half | undefined): void {
    const id = (client?.id ?? server?.id)!;
    const plan = planOf(this.#seed, id);
    const account = { plan, client, server, gaps: this.#gaps };
    const wrong = complaint(account);
    if (wrong) {
      const sort = plan.fault ? `${plan.talk}, ${plan.fault}` : plan.talk;
      this.#complain(`connection ${id} (${sort}): ${wrong}`);
    }
    const sort = isTurnedAway(account)
      ? "turned away"
      : plan.fault ?? plan.talk;
    const tally = this.tallies.get(sort) ?? emptyTally();
    this.tallies.set(sort, tally);
    tally.connections++;
    tally.up.sent += client?.sent ?? 0;
    tally.up.received += server?.received ?? 0;
    tally.down.sent += server?.sent ?? 0;
    tally.down.received += client?.received ?? 0;
  }
}

/** More complaints than these nobody reads. */
const MOST = 10;

function emptyTally(): Tally {
  const none = () => ({ sent: 0, received: 0 });
  return { connections: 0, up: none(), down: none() };
}
