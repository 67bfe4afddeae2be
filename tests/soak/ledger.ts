/**
 * The accounts of all connections: puts together what both ends tell of each,
 * and keeps the sums.
 *
 * @module
 */
import {
  complaint,
  type Gap,
  type Half,
  isSilent,
  isTurnedAway,
} from "./account.ts";
import { planOf } from "./plan.ts";

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
      const other = this.#waiting.get(key)?.find((one) => fits(one, half));
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

  /** Whether only one end has told of this connection. */
  waitsFor(id: number): boolean {
    return this.#waiting.has(String(id));
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

  /** By its number; or by its port, where the server has learnt no more. */
  #keysOf({ end, id, port, ended }: Half): string[] {
    if (id === undefined) return [`${ended} ${port}`];
    if (end === "server") return [String(id)];
    const { fault } = planOf(this.#seed, id);
    const nameless = isSilent(fault) ? "ECONNRESET" : "garbage";
    return nameless === "garbage" && fault !== nameless
      ? [String(id)]
      : [String(id), `${nameless} ${port}`];
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

/** Whether they are of one connection, if they have a key in common. */
function fits(one: Half, other: Half): boolean {
  if (one.end === other.end) return false;
  const [client, server] = one.end === "client" ? [one, other] : [other, one];
  // A port can be another client's a moment later; this one stays to the end.
  return server.ended !== "garbage" ||
    (client.from <= server.from && server.from <= client.to);
}

/** More complaints than these nobody reads. */
const MOST = 10;

function emptyTally(): Tally {
  const none = () => ({ sent: 0, received: 0 });
  return { connections: 0, up: none(), down: none() };
}
