/**
 * What each connection does: it follows from the seed and the connection's
 * number alone, so that both ends know it, and it can be done again.
 *
 * @module
 */
import { keyOf, pick, type Random, randomOf } from "./pattern.ts";

/** How the two ends speak; the client is always the first. */
export const TALKS = ["exchanges", "streams", "half-close"] as const;
export type Talk = typeof TALKS[number];

/** What a client does wrong on purpose; the last is done to it. */
export const FAULTS = [
  "reset at once",
  "reset",
  "garbage",
  "unread",
  "leave",
  "stall",
  "killed",
] as const;
export type Fault = typeof FAULTS[number];

export interface Plan {
  readonly id: number;
  readonly talk: Talk;
  readonly fault: Fault | undefined;
  /** How many bytes go to the server, and how many come back. */
  readonly up: number;
  readonly down: number;
  /** In so many parts, of exchanges. */
  readonly rounds: number;
  /** Over AF_UNIX, not TCP. */
  readonly unix: boolean;
  /** The client binds before it connects. */
  readonly bound: boolean;
  /** Both ends cut their waits short, again and again. */
  readonly impatient: boolean;
  /** The client reads late and slowly. */
  readonly slow: boolean;
}

/** Each client has so many numbers for its connections. */
export const NUMBERS = 2 ** 24;

/** The first number of a client. Those from `DOOMED` on will be killed. */
export function firstNumber(client: number): number {
  return client * NUMBERS;
}
export const DOOMED = 256;

/** Whose number it is. */
export function clientOf(id: number): number {
  return Math.floor(id / NUMBERS);
}

/** What the connection with this number does in the run with this seed. */
export function planOf(seed: number, id: number): Plan {
  const random = randomOf(keyOf(seed, id));
  const chance = (share: number) => random() < share;
  const talk = chance(0.4) ? "exchanges" : pick(random, TALKS);
  const fault = chance(0.2) ? pick(random, FAULTS.slice(0, -1)) : undefined;
  const plan: Plan = {
    id,
    talk,
    fault,
    up: sizeOf(talk, random),
    down: sizeOf(talk, random),
    rounds: 1 + Math.floor(16 * random()),
    unix: chance(0.25),
    bound: chance(0.1),
    impatient: chance(0.3),
    slow: chance(0.1),
  };
  if (id >= firstNumber(DOOMED)) {
    // More than is sent before it is killed.
    const endless = { up: GIB, down: GIB, impatient: false, slow: id % 2 > 0 };
    return { ...plan, ...endless, talk: "streams", fault: "killed" };
  }
  switch (fault) {
    case "reset at once":
    case "garbage":
      return { ...plan, unix: false };
    case "reset": // AF_UNIX has none
      return { ...plan, unix: false, talk: "streams", down: plan.down + MIB };
    case "unread":
      return { ...plan, talk: "streams", down: plan.down + MIB };
    case "stall":
      return { ...plan, talk: "half-close" };
    default:
      return plan;
  }
}

const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** Small for an exchange; else of any order of magnitude up to 4 MiB. */
function sizeOf(talk: Talk, random: Random): number {
  return Math.floor(2 ** (random() * (talk === "exchanges" ? 15 : 22)));
}

/** The keys of the bytes that go up, and of those that come down. */
export function keysOf(seed: number, { id }: Pick<Plan, "id">) {
  return { up: keyOf(seed, id, 1), down: keyOf(seed, id, 2) };
}

// --- on the wire ---

/** How long a preamble is, with which each client begins. */
export const PREAMBLE = 16;

/** It says whose it is, and which connection this is. */
export function preambleOf({ id }: Pick<Plan, "id">): Uint8Array {
  const view = new DataView(new ArrayBuffer(PREAMBLE));
  view.setFloat64(0, MARK);
  view.setFloat64(8, id);
  return new Uint8Array(view.buffer);
}

/** The connection's number; undefined for what is no preamble. */
export function readPreamble(bytes: Uint8Array): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, PREAMBLE);
  const [mark, id] = [view.getFloat64(0), view.getFloat64(8)];
  if (mark === MARK && Number.isSafeInteger(id) && id >= 0) return id;
}

const MARK = 20260000.5;

/** With this the server answers a preamble, before all else. */
export const GREETING = Uint8Array.of(6);
