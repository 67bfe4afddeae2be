/**
 * What each connection does. It follows from the seed and the number of the
 * connection alone: both ends know it, and it can be repeated.
 *
 * @module
 */
import { WINDOWS } from "../../lib/sockets/runtimes/system.ts";
import { keyOf, pick, type Random, randomOf } from "./pattern.ts";

/** How the two ends take turns; the client begins. */
export const DIALOGUES = ["exchanges", "streams", "half-close"] as const;
export type Dialogue = typeof DIALOGUES[number];

/** What a client does wrong on purpose; a killed one can do nothing about it. */
export const FAULTS = [
  ...["reset at once", "reset", "garbage", "unread", "leave", "stall"] as const,
  "killed",
] as const;
export type Fault = typeof FAULTS[number];

export interface Scenario {
  readonly id: number;
  readonly dialogue: Dialogue;
  readonly fault: Fault | undefined;
  /** How many bytes go to the server, and how many come back. */
  readonly up: number;
  readonly down: number;
  /** How many requests and replies these bytes are, in `exchanges`. */
  readonly rounds: number;
  /** Over AF_UNIX instead of TCP. */
  readonly unix: boolean;
  /** The client binds before it connects. */
  readonly bound: boolean;
  /** Both ends interrupt their calls again and again, and retry. */
  readonly impatient: boolean;
  /** The client reads late and slowly. */
  readonly slow: boolean;
}

/** Each client has so many numbers for its connections. */
const NUMBERS = 2 ** 24;

/** The clients from this number on will be killed. */
export const DOOMED = 256;

/** The number of a client's first connection. */
export function firstNumber(client: number): number {
  return client * NUMBERS;
}

/** The client to which the number of a connection belongs. */
export function clientOf(id: number): number {
  return Math.floor(id / NUMBERS);
}

export function scenarioOf(seed: number, id: number): Scenario {
  const random = randomOf(keyOf(seed, id));
  const chance = (share: number) => random() < share;
  const dialogue = chance(0.4) ? "exchanges" : pick(random, DIALOGUES);
  const fault = chance(0.2) ? pick(random, FAULTS.slice(0, -1)) : undefined;
  const scenario: Scenario = {
    ...{ id, dialogue, fault },
    up: sizeOf(dialogue, random),
    down: sizeOf(dialogue, random),
    rounds: 1 + Math.floor(16 * random()),
    unix: chance(0.25) && !WINDOWS,
    bound: chance(0.1),
    impatient: chance(0.3),
    slow: chance(0.1),
  };
  if (id >= firstNumber(DOOMED)) {
    // More than can be sent before the client is killed.
    const endless = { up: GIB, down: GIB, impatient: false, slow: id % 2 > 0 };
    return { ...scenario, ...endless, dialogue: "streams", fault: "killed" };
  }
  const down = scenario.down + MIB;
  switch (fault) {
    case "reset at once":
    case "garbage":
      return { ...scenario, unix: false };
    case "reset": // AF_UNIX has no RST
      return { ...scenario, unix: false, dialogue: "streams", down };
    case "unread":
      return { ...scenario, dialogue: "streams", down };
    case "stall":
      return { ...scenario, dialogue: "half-close" };
    default:
      return scenario;
  }
}

const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** Small for exchanges; else of any order of magnitude up to 4 MiB. */
function sizeOf(dialogue: Dialogue, random: Random): number {
  return Math.floor(2 ** (random() * (dialogue === "exchanges" ? 15 : 22)));
}

/** The keys of the bytes in either direction. */
export function keysOf(seed: number, { id }: Pick<Scenario, "id">) {
  return { up: keyOf(seed, id, 1), down: keyOf(seed, id, 2) };
}

// --- on the wire ---

/** The length of the preamble with which each client begins. */
export const PREAMBLE = 16;

/** The preamble tells the number of the connection, or of the datagram. */
export function preambleOf({ id }: Pick<Scenario, "id">): Uint8Array {
  const view = new DataView(new ArrayBuffer(PREAMBLE));
  view.setFloat64(0, MAGIC);
  view.setFloat64(8, id);
  return new Uint8Array(view.buffer);
}

/** The number in a preamble; undefined if it is none. */
export function readPreamble(bytes: Uint8Array): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, PREAMBLE);
  const [magic, id] = [view.getFloat64(0), view.getFloat64(8)];
  if (magic === MAGIC && Number.isSafeInteger(id) && id >= 0) return id;
}

const MAGIC = 20260000.5;

/** The server's first byte, which answers a preamble. */
export const GREETING = Uint8Array.of(6);
