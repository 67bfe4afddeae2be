/**
 * The datagrams of a game that runs, as bytes: numbers are big-endian, and the
 * first byte is the version. A key that both ends know since the player has joined
 * is in each of them, so that a stranger's datagrams, and those of another match,
 * are known as such.
 *
 * ```ts
 * import { decodeMessage, encodeMessage } from "./game_messages.ts";
 *
 * const seat = { key: "0123456789abcdef", side: 0, isDrill: false } as const;
 * const bytes = encodeMessage({ kind: "LEAVE", ...seat }); // 11 bytes
 * decodeMessage(bytes); // the same
 * decodeMessage(bytes.subarray(1)); // undefined
 * ```
 *
 * @module
 */
import { type Direction, HEIGHT, PADDLE, type State, WIDTH } from "./game.ts";
import { MOST_MOVES, type Move, type Moves } from "./game_moves.ts";

/** A player's place in a match. */
export interface Seat {
  /** 16 hexadecimal digits. */
  readonly key: string;
  /** The left paddle, or the right one. */
  readonly side: 0 | 1;
  /** Programs play this match. */
  readonly isDrill: boolean;
}

/** From the server: the state at a tick. The one with the highest number is true. */
export interface Snapshot extends Seat {
  readonly kind: "STATE";
  readonly number: number;
  /** The number of the receiver's last move that has come. */
  readonly acknowledged: number;
  readonly state: State;
  /** Who plays on either side; empty if nobody does. */
  readonly names: readonly [string, string];
}

/** From a client: moves, and the newest state that it has seen. */
export interface Input extends Seat, Moves {
  readonly kind: "MOVES";
  readonly number: number;
  readonly tick: number;
}

/**
 * A player leaves, or the match is over. The rest is the network's own: a mark is
 * sent behind what is on the way, and comes back.
 */
export type Message =
  | Snapshot
  | Input
  | Seat & { readonly kind: "LEAVE" | "OVER" }
  | Mark;

export interface Mark extends Seat {
  readonly kind: "MARK" | "BACK";
  readonly number: number;
}

const KINDS = ["STATE", "MOVES", "LEAVE", "OVER", "MARK", "BACK"] as const;
const VERSION = 1;
/** Version, kind, seat and key. */
const HEAD = 11;

/** A message as a datagram, of at most 200 bytes. */
export function encodeMessage(message: Message): Uint8Array {
  const { kind, key, side, isDrill } = message;
  const bytes = [VERSION, KINDS.indexOf(kind), side + (isDrill ? 2 : 0)];
  for (let at = 0; at < 16; at += 2) {
    bytes.push(parseInt(key.slice(at, at + 2), 16));
  }
  const add = (value: number, size: 1 | 2 | 4) => {
    for (let bit = 8 * (size - 1); bit >= 0; bit -= 8) {
      bytes.push(value >> bit & 0xff);
    }
  };
  if ("number" in message) add(message.number, 4);
  if (message.kind === "STATE") {
    const { tick, paddles, ball, speed, points, rest } = message.state;
    for (const value of [message.acknowledged, tick]) add(value, 4);
    for (const value of [...paddles, ...ball, ...speed]) add(value, 2);
    for (const value of [...points, rest]) add(value, 1);
    for (const name of message.names) {
      bytes.push(name.length, ...encoder.encode(name));
    }
  } else if (message.kind === "MOVES") {
    for (const value of [message.tick, message.first]) add(value, 4);
    add(message.moves.length, 1);
    for (const { tick, direction } of message.moves) {
      add(tick, 4);
      add(direction, 1);
    }
  }
  return Uint8Array.from(bytes);
}

/** The datagram by which a player answers a state. */
export function encodeAnswer(
  { key, side, isDrill, number, state: { tick } }: Snapshot,
  moves: Moves,
): Uint8Array {
  const seat = { key, side, isDrill };
  return encodeMessage({ kind: "MOVES", ...seat, number, tick, ...moves });
}

/** The message in a datagram; undefined if it is none, or not whole. */
export function decodeMessage(bytes: Uint8Array): Message | undefined {
  if (bytes.length < HEAD || bytes.length > MOST_BYTES) return;
  const kind = KINDS[bytes[1]];
  if (bytes[0] !== VERSION || !kind || bytes[2] > 3) return;
  const seat: Seat = {
    key: Array.from(bytes.subarray(3, HEAD), twoDigits).join(""),
    side: bytes[2] % 2 as 0 | 1,
    isDrill: bytes[2] >= 2,
  };
  const fields = new Fields(bytes, HEAD);
  const message = bodyOf(kind, seat, fields);
  return fields.isWhole ? message : undefined;
}

function bodyOf(
  kind: Message["kind"],
  seat: Seat,
  fields: Fields,
): Message | undefined {
  if (kind === "LEAVE" || kind === "OVER") return { kind, ...seat };
  const number = fields.unsigned(4);
  if (kind === "STATE") return snapshotOf({ ...seat, kind, number }, fields);
  if (kind !== "MOVES") return { kind, ...seat, number };
  const [tick, first] = [fields.unsigned(4), fields.unsigned(4)];
  const count = fields.within(0, MOST_MOVES, 1);
  const moves: Move[] = [];
  for (let i = 0; i < count && fields.isGood; i++) {
    const at = fields.unsigned(4);
    const direction = fields.within(-1, 1, 1) as Direction;
    moves.push({ tick: at, direction });
  }
  return { kind, ...seat, number, tick, first, moves };
}

function snapshotOf(
  begin: Seat & { kind: "STATE"; number: number },
  fields: Fields,
): Snapshot {
  const acknowledged = fields.unsigned(4);
  const pair = (least: number, most: number, size: 1 | 2) =>
    [
      fields.within(least, most, size),
      fields.within(least, most, size),
    ] as const;
  const tick = fields.unsigned(4);
  const paddles = pair(0, HEIGHT - PADDLE, 2);
  const ball = [
    fields.within(0, WIDTH, 2),
    fields.within(0, HEIGHT, 2),
  ] as const;
  const speed = pair(-127, 127, 2);
  const points = pair(0, 127, 1);
  const rest = fields.unsigned(1);
  const state = { tick, paddles, ball, speed, points, rest };
  const names = [fields.name(), fields.name()] as const;
  return { ...begin, acknowledged, state, names };
}

/** Reads the fields of a datagram, one after the other. */
class Fields {
  readonly #bytes: Uint8Array;
  #at: number;
  /** Whether all that was read was there, and within its limits. */
  isGood = true;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  /** Whether that was all that there is. */
  get isWhole(): boolean {
    return this.isGood && this.#at === this.#bytes.length;
  }

  unsigned(size: number): number {
    let value = 0;
    for (const byte of this.#take(size)) value = value * 256 + byte;
    return value;
  }

  within(least: number, most: number, size: number): number {
    const value = this.unsigned(size);
    const half = 2 ** (8 * size - 1);
    const signed = value < half ? value : value - 2 * half;
    if (signed < least || signed > most) this.isGood = false;
    return signed;
  }

  name(): string {
    const name = decoder.decode(this.#take(this.unsigned(1)));
    if (!NAME.test(name)) this.isGood = false;
    return name;
  }

  #take(size: number): Uint8Array {
    const bytes = this.#bytes.subarray(this.#at, this.#at += size);
    if (bytes.length < size) this.isGood = false;
    return bytes;
  }
}

const twoDigits = (byte: number) => byte.toString(16).padStart(2, "0");

/** A datagram of a game has at most so many bytes. */
const MOST_BYTES = 200;

/** As in the chat; or empty. */
const NAME = /^[A-Za-z0-9_-]{0,16}$/;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
