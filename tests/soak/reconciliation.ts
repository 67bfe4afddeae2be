/**
 * Reconciles what both ends report of each connection: what one has sent the
 * other must have received, unless a fault that was made on purpose explains
 * the difference.
 *
 * @module
 */
import { type Fault, type Scenario, scenarioOf } from "./scenario.ts";

/** What one end knows of a connection. */
export interface EndRecord {
  readonly end: "client" | "server";
  /** Its number, which the server may never have learnt. */
  id?: number;
  /** The client's port, which both ends know; 0 if there is none. */
  port: number;
  /** The client has the server's greeting. */
  greeted?: boolean;
  /** Bytes that the library was given to send. */
  sent: number;
  /** Bytes that arrived, each of them the right one. */
  received: number;
  /**
   * "whole": both directions have ended. "left": the client has made its
   * fault. "cut": the peer finished early. "garbage": there was no preamble.
   * "wrong": see the note. Else the code of an error.
   */
  ended: string;
  note?: string;
  /** When it began and ended, as Date.now() tells it. */
  from: number;
  to: number;
}

/** A time in which the server did not listen. */
export type Outage = readonly [from: number, to: number];

/** What both ends know of one connection. */
export interface Connection {
  readonly scenario: Scenario;
  readonly client: EndRecord | undefined;
  readonly server: EndRecord | undefined;
  readonly outages: readonly Outage[];
}

/** The sums of all connections of one kind. */
export interface Tally {
  connections: number;
  up: { sent: number; received: number };
  down: { sent: number; received: number };
}

/** Puts together the records of both ends, and keeps no more than the sums. */
export class Reconciliation {
  readonly complaints: string[] = [];
  readonly tallies = new Map<string, Tally>();
  readonly #seed: number;
  #clients: EndRecord[] = [];
  #servers: EndRecord[] = [];
  #outages: Outage[] = [];
  #killed = 0;

  constructor(seed: number) {
    this.#seed = seed;
  }

  add(record: EndRecord): void {
    (record.end === "client" ? this.#clients : this.#servers).push(record);
  }

  addOutage(outage: Outage): void {
    this.#outages.push(outage);
  }

  /** So many connections have a client that is killed and reports nothing. */
  addKilled(connections: number): void {
    this.#killed += connections;
  }

  /** Whether the server has reported this connection. */
  isServed(id: number): boolean {
    return this.#servers.some((server) => server.id === id);
  }

  /** Call it when both ends have reported everything up to now. */
  settle(): void {
    const named = Map.groupBy(this.#servers, ({ id }) => id);
    const nameless = named.get(undefined) ?? [];
    named.delete(undefined);
    /** Connections that the server may have seen without learning which. */
    let unknown = this.#killed;
    for (const client of this.#clients) {
      const { fault } = scenarioOf(this.#seed, client.id!);
      const servers = named.get(client.id) ?? [];
      const server = take(servers, ({ port }) => port === client.port) ??
        servers.shift() ??
        take(nameless, (server) => mayBe(server, client, fault));
      if (!server && isSilent(fault)) unknown++;
      this.#reconcile(client, server);
    }
    for (const server of [...named.values()].flat()) {
      this.#reconcile(undefined, server);
    }
    for (const { port, received, ended, note } of nameless) {
      if (unknown-- > 0 && received === 0 && ended !== "garbage") continue;
      const said = note ?? `${ended} after ${received} bytes`;
      this.#complain(`port ${port}: unknown to any client (${said})`);
    }
    [this.#clients, this.#servers, this.#outages] = [[], [], []];
    this.#killed = 0;
  }

  #reconcile(client: EndRecord | undefined, server: EndRecord | undefined) {
    const id = (client?.id ?? server?.id)!;
    const scenario = scenarioOf(this.#seed, id);
    const { dialogue, fault } = scenario;
    const connection = { scenario, client, server, outages: this.#outages };
    const wrong = complaint(connection);
    if (wrong) {
      const kind = fault ? `${dialogue}, ${fault}` : dialogue;
      this.#complain(`connection ${id} (${kind}): ${wrong}`);
    }
    const kind = isTurnedAway(connection) ? "turned away" : fault ?? dialogue;
    const tally = this.tallies.get(kind) ?? emptyTally();
    this.tallies.set(kind, tally);
    tally.connections++;
    tally.up.sent += client?.sent ?? 0;
    tally.up.received += server?.received ?? 0;
    tally.down.sent += server?.sent ?? 0;
    tally.down.received += client?.received ?? 0;
  }

  #complain(line: string): void {
    if (this.complaints.length < COMPLAINT_LIMIT) this.complaints.push(line);
  }
}

/** Nobody reads more complaints than these. */
const COMPLAINT_LIMIT = 10;

/** Removes the first that fits from the list. */
function take<T>(all: T[], fits: (one: T) => boolean): T | undefined {
  const index = all.findIndex(fits);
  return index < 0 ? undefined : all.splice(index, 1)[0];
}

/** Whether a record without a number can be of the client's connection. */
function mayBe(
  { port, ended, from }: EndRecord,
  client: EndRecord,
  fault: Fault | undefined,
): boolean {
  if (port !== client.port) return false;
  if (fault !== "garbage") return isSilent(fault) && ended === "ECONNRESET";
  // Another client may have had the port; this one has stayed to the end.
  return ended === fault && client.from <= from && from <= client.to;
}

function emptyTally(): Tally {
  const none = () => ({ sent: 0, received: 0 });
  return { connections: 0, up: none(), down: none() };
}

/** What is not accounted for in a connection, in words. */
export function complaint(connection: Connection): string | undefined {
  const { scenario, client, server } = connection;
  const { fault, up, down } = scenario;
  for (const end of [client, server]) {
    if (end?.note) return `the ${end.end}: ${end.note}`;
  }
  if (!server) {
    if (isTurnedAway(connection) || isSilent(fault)) return;
    return `unknown to the server (the client: ${client?.ended})`;
  }
  if (!client && fault !== "killed") {
    return `unknown to the client (the server: ${server.ended})`;
  }
  const flows = [
    ["up", up, client?.sent ?? up, server.received],
    ["down", down, server.sent, client?.received ?? 0],
  ] as const;
  for (const [way, due, sent, received] of flows) {
    const fits = fault
      ? received <= sent && sent <= due
      : sent === due && received === due;
    if (fits) continue;
    return `${way}: ${sent} of ${due} bytes sent, ${received} received`;
  }
  if (!fault && client?.ended !== "whole") {
    return `the client: ${client?.ended}`;
  }
  const wanted = fault ? SERVER_ENDS[fault] : ["whole"];
  if (!wanted.includes(server.ended)) return `the server: ${server.ended}`;
}

/** How the server may see the end of a connection with a fault. */
const SERVER_ENDS: Record<Fault, readonly string[]> = {
  "reset at once": ["ECONNRESET", "EPIPE"],
  "reset": ["ECONNRESET", "EPIPE"],
  "garbage": ["garbage"],
  "unread": ["cut", "ECONNRESET", "EPIPE"],
  "leave": ["cut", "ECONNRESET", "EPIPE"],
  "stall": ["ETIMEDOUT"],
  "killed": ["cut", "ECONNRESET", "EPIPE"],
};

/** Whether the server may never learn the number: the RST can come first. */
function isSilent(fault: Fault | undefined): boolean {
  return fault === "reset at once" || fault === "reset";
}

/**
 * Whether the client came when nobody listened, or was in the accept queue
 * when the listener was closed: it is refused, or its connection ends.
 */
function isTurnedAway({ client, server, outages }: Connection): boolean {
  if (!client || server || client.greeted) return false;
  const { from, to, ended } = client;
  return outages.some(([closed, open]) => from <= open && to >= closed) &&
    TURNED_AWAY.includes(ended);
}

/** ENOTCONN is what shutdown(2) says after the RST. */
const TURNED_AWAY = [
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ENOTCONN",
  "cut",
  "left",
];
