/**
 * How the ends of the soak and soak.ts speak with each other: each line is one
 * JSON object.
 *
 * @module
 */
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { End } from "../../lib/mod.ts";
import type { Gap, Half } from "./account.ts";
import type { Echoed, Sent } from "./datagrams.ts";

/** What the ends tell, each in a line of JSON. */
export interface News {
  half?: Half;
  /** The server did not listen for a while. */
  gap?: Gap;
  /** The server's datagrams, at its end. */
  echoed?: Echoed;
  /** The client has connections in hand, and waits for the next order. */
  inHand?: number;
  /** The client has done what it was ordered; its datagrams, if it sent any. */
  done?: Sent | null;
  /** The number of the connection, if it was ordered one. */
  one?: number;
}

/** What the client can be ordered. */
export interface Order {
  /** Mixed traffic for so many ms. */
  traffic?: number;
  /** Only this connection, again and again. */
  only?: number;
  /** One connection without a fault. */
  one?: boolean;
  /** Begin so many connections, and go on with them at the next order. */
  hold?: number;
}

export function tell({ print }: End, news: News): void {
  print(JSON.stringify(news));
}

/** What all connections follow from. */
export function seedOf({ flags }: End): number {
  return Number(flags.seed);
}

/** Of a connection that begins now. */
export function newHalf(end: Half["end"], id?: number): Half {
  const from = Date.now();
  return { end, id, port: 0, sent: 0, received: 0, ended: "", from, to: from };
}

/** The AF_UNIX name that goes with the port; a file where it must be one. */
export function localName([, port]: [string, number]): string {
  const name = `socket-lab-soak-${port}`;
  return process.platform === "linux" ? `\0${name}` : join(tmpdir(), name);
}
