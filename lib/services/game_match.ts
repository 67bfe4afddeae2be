/**
 * A match at the server: who plays it, and its ticks. People play in real time, 30
 * ticks a second. Programs play a drill of 120 ticks as fast as the network allows;
 * a tick begins when it is known what both do at it.
 *
 * @module
 */
import { begin, type Direction, formatState, step } from "../protocols/game.ts";
import {
  encodeMessage,
  type Input,
  type Seat,
} from "../protocols/game_messages.ts";
import { MoveReceiver } from "../protocols/game_moves.ts";
import { AHEAD, LAST_TICK } from "../protocols/game_drill.ts";
import type { Address } from "../sockets/address.ts";
import { monotonic, sleepUntil } from "./clock.ts";

/** What a match needs of the server. */
export interface Link {
  print(line: string): void;
  /** Sends a datagram. */
  send(data: Uint8Array, to: Address): Promise<unknown>;
  /** Resolves when what is on the way has arrived: to whether the player is there. */
  settle(seat: Seat, number: number, address: Address): Promise<boolean>;
}

export interface Player extends Seat {
  readonly name: string;
  readonly address: Address;
  readonly moves: MoveReceiver;
  /** The newest state that it has seen: its number and its tick. */
  seen: number;
  tick: number;
  /** When it was heard last, and how long a state and its answer took, in ms. */
  heard: number;
  ping: number;
}

export class Match {
  readonly isDrill: boolean;
  readonly players: [Player?, Player?] = [];
  /** Resolves when nobody plays it any more. */
  readonly ended: Promise<void>;
  readonly #link: Link;
  #state = begin();
  /** How many states have been sent, and when the last of them. */
  #number = 0;
  readonly #sent = new Map<number, number>();
  #isOpen = true;

  constructor(link: Link, { isDrill }: { isDrill: boolean }) {
    this.#link = link;
    this.isDrill = isDrill;
    // Once those have been answered who join now.
    this.ended = Promise.resolve().then(() => this.#run());
  }

  get points(): readonly [number, number] {
    return this.#state.points;
  }

  /** A new player, on the side that is free; undefined if none is. */
  join(name: string, key: string, address: Address): Player | undefined {
    if (this.#isFull) return;
    const side = this.players[0] ? 1 : 0;
    const player: Player = {
      ...{ name, key, address, side, isDrill: this.isDrill },
      ...{ moves: new MoveReceiver(), seen: 0, tick: 0, ping: 0 },
      heard: monotonic(),
    };
    this.players[side] = player;
    if (!this.isDrill) {
      this.#link.print(`${name} has the ${SIDES[side]} paddle`);
    }
    if (this.#isFull) this.#state = { ...begin(), tick: this.#state.tick };
    return player;
  }

  /** Takes what a player sends. What cannot be true changes nothing. */
  take(player: Player, input: Input): void {
    const sent = this.#sent.get(input.number);
    if (input.number > this.#number || input.tick > this.#state.tick) return;
    player.heard = monotonic();
    player.moves.take(input);
    if (input.number < player.seen) return; // an older one
    player.seen = input.number;
    player.tick = input.tick;
    if (sent !== undefined) player.ping = Math.round(player.heard - sent);
  }

  /** A player leaves, and its paddle is free. */
  leave(player: Player, how = "leaves"): void {
    if (this.players[player.side] !== player) return;
    this.players[player.side] = undefined;
    if (!this.isDrill) this.#link.print(`${player.name} ${how}`);
  }

  /** Ends it. */
  close(): void {
    this.#isOpen = false;
  }

  /** Who plays, from the left. */
  get present(): Player[] {
    return this.players.filter((player) => player !== undefined);
  }

  get #isFull(): boolean {
    return this.present.length === 2;
  }

  /** While somebody is missing, all is at rest. */
  async #run(): Promise<void> {
    while (this.#isOpen && this.present.length > 0) {
      const due = monotonic() + TICK;
      if (this.#isFull) {
        if (this.isDrill) return await this.#drill();
        this.#move();
      }
      if (!this.isDrill) await this.#send(this.present);
      await sleepUntil(due, monotonic);
      this.#dropSilent(this.present);
    }
  }

  async #drill(): Promise<void> {
    const { print, send, settle } = this.#link;
    const players = this.present;
    const [left, right] = players.map(({ name }) => name);
    print(`${left} and ${right} play ${LAST_TICK} ticks`);
    // The last state is replaced by none: it is sent until both have seen it.
    for (let some = players; some.length > 0 && this.#isOpen;) {
      // A player has said all its moves up to so many ticks after what it has seen.
      const known = Math.min(...players.map(({ tick }) => tick)) + AHEAD;
      if (this.#state.tick < Math.min(LAST_TICK, known)) this.#move();
      await this.#send(some);
      await Promise.all(some.map(async (player) => {
        const isHere = await settle(player, this.#number, player.address);
        if (isHere) player.heard = monotonic();
      }));
      some = some.filter(({ tick }) => tick < LAST_TICK);
      this.#dropSilent(some);
      const isAbandoned = some.some(({ side }) => !this.players[side]);
      if (isAbandoned || this.#number >= MOST_STATES) break;
    }
    for (const player of players) {
      const over = encodeMessage({ ...player, kind: "OVER" });
      await send(over, player.address).catch(() => {}); // it is lost
    }
    this.players.fill(undefined);
  }

  #move(): void {
    const tick = this.#state.tick + 1;
    const direction = (side: 0 | 1): Direction =>
      this.players[side]?.moves.directionAt(tick) ?? 0;
    this.#state = step(this.#state, [direction(0), direction(1)]);
    if (!this.isDrill || tick !== LAST_TICK) return;
    for (const { name, moves } of this.present) {
      this.#link.print(`${name}: ${moves.last} moves have come`);
    }
    this.#link.print(formatState(this.#state));
  }

  /** Sends the state to players, once. */
  async #send(players: readonly Player[]): Promise<void> {
    this.#sent.set(++this.#number, monotonic());
    this.#sent.delete(this.#number - 64);
    const [left, right] = this.players;
    const names = [left?.name ?? "", right?.name ?? ""] as const;
    for (const player of players) {
      const state = encodeMessage({
        ...{ ...player, kind: "STATE", number: this.#number },
        ...{ acknowledged: player.moves.last, state: this.#state },
        names,
      });
      await this.#link.send(state, player.address).catch(() => {});
    }
  }

  #dropSilent(players: readonly Player[]): void {
    const since = monotonic() - SILENCE;
    for (const player of players) {
      if (player.heard < since) this.leave(player, "is silent, and leaves");
    }
  }
}

const SIDES = ["left", "right"];

/** How long a tick lasts for people, and how long a player may be silent, in ms. */
const [TICK, SILENCE] = [1000 / 30, 5000];

/** So many states are sent in a drill, at most. */
const MOST_STATES = 20_000;
