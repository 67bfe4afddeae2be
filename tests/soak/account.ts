/**
 * The account of a connection: what one end says that it sent must be what the
 * other says that it received, or a fault that was made on purpose explains it.
 *
 * @module
 */
import type { Fault, Plan } from "./plan.ts";

/** What one end knows of a connection. */
export interface Half {
  readonly end: "client" | "server";
  /** Which connection: the server may never have learnt it. */
  id?: number;
  /** The client's port, by which both ends know it as well; or 0. */
  port: number;
  /** The client knows that it is served. */
  greeted?: boolean;
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
export function isSilent(fault: Fault | undefined): boolean {
  return fault !== undefined && ["reset at once", "reset"].includes(fault);
}

/**
 * Whether the client has come when nobody listened, or waited to be accepted
 * when the listener was closed: then it is refused, or its connection ends.
 */
export function isTurnedAway({ client, server, gaps }: Account): boolean {
  if (!client || server || client.greeted) return false;
  const { from, to } = client;
  return gaps.some(([closed, open]) => from <= open && to >= closed) &&
    ["ECONNREFUSED", "ECONNRESET", "EPIPE", "cut", "left"]
      .includes(client.ended);
}
