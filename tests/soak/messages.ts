/**
 * The messages between soak.ts and the processes of both ends: one JSON object
 * a line.
 *
 * @module
 */
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { End } from "../../lib/mod.ts";
import type { Echoed, Sent } from "./datagrams.ts";
import type { EndRecord, Outage } from "./reconciliation.ts";

/** What an end reports. */
export interface Report {
  /** A connection is over. */
  record?: EndRecord;
  /** The server did not listen for a while. */
  outage?: Outage;
  /** The server has closed its datagram socket. */
  echoed?: Echoed;
  /** So many connections are halfway; they go on at the client's next order. */
  holding?: number;
  /** An order is carried out; with the datagrams, if it sent any. */
  done?: Sent | null;
  /** The number of the connection that the order `one` has made. */
  one?: number;
}

/** What the client can be ordered. */
export interface Order {
  /** Mixed traffic for so many ms. */
  traffic?: number;
  /** Of the traffic only this connection, again and again. */
  only?: number;
  /** One connection without a fault. */
  one?: boolean;
  /** Take so many connections halfway, and on at the next order. */
  hold?: number;
}

export function report({ print }: End, report: Report): void {
  print(JSON.stringify(report));
}

export function seedOf({ flags }: End): number {
  return Number(flags.seed);
}

/** The record of a connection that begins now. */
export function newRecord(end: EndRecord["end"], id?: number): EndRecord {
  const from = Date.now();
  return { end, id, port: 0, sent: 0, received: 0, ended: "", from, to: from };
}

/** The AF_UNIX name that goes with a port; a file where there are no others. */
export function localName([, port]: [string, number]): string {
  const name = `socket-lab-soak-${port}`;
  return process.platform === "linux" ? `\0${name}` : join(tmpdir(), name);
}
