/**
 * The server of a game: it tells how it is, lets players into a match, and gives
 * what they send to their match. People share one match; programs have a match of
 * their own, so that neither disturbs the other.
 *
 * @module
 */
import { decodeMessage, type Message } from "../protocols/game_messages.ts";
import {
  type Command,
  formatAnswer,
  formatCommand,
  parseCommand,
} from "../protocols/quake.ts";
import { NAME } from "../protocols/chat.ts";
import type { Address } from "../sockets/address.ts";
import { monotonic } from "./clock.ts";
import { openGate } from "./game_gate.ts";
import { type Link, Match, type Player } from "./game_match.ts";

export type { Link } from "./game_match.ts";

// Not static: a bundle with all of the library would load it at once.
const { randomBytes } = await import("node:crypto");

/** A server of games, without a socket. */
export interface Game {
  /** What to answer to a datagram that belongs to no match. */
  answer(data: Uint8Array, sender: Address): Uint8Array | undefined;
  /** Takes what a player sends; false if there is no such player there. */
  take(data: Uint8Array, sender: Address): boolean;
  /** Ends all matches. */
  close(): void;
}

/** Opens a server that sends by this link. */
export function openGame(link: Link): Game {
  const gate = openGate();
  /** By their names; that of people has an empty one. */
  const matches = new Map<string, Match>();
  const players = () =>
    [...matches.values()].flatMap((match) =>
      match.present.map((player): [Match, Player] => [match, player])
    );

  function join({ info = {} }: Command, sender: Address) {
    const { challenge = "", name = "", match: title = "" } = info;
    if (!gate.admits(challenge, sender, monotonic())) return;
    if (!NAME.pattern.test(name)) return refusal(`A name has ${NAME.takes}`);
    if (!TITLE.test(title)) return;
    // It asks again, as the answer may have been lost.
    const same = matches.get(title)?.present.find((player) =>
      String(player.address) === String(sender)
    );
    const player = same ?? matchOf(title)
      ?.join(name, randomBytes(8).toString("hex"), sender);
    if (!player) return refusal("The game is full");
    const { key, side } = player;
    return formatCommand({
      ...{ command: "connectResponse", info: { key, side: String(side) } },
    });
  }

  /** The match with this title; undefined if there are too many. */
  function matchOf(title: string): Match | undefined {
    const known = matches.get(title);
    if (known || (title && matches.size >= MOST_MATCHES)) return known;
    const match = new Match(link, { isDrill: title !== "" });
    matches.set(title, match);
    match.ended.then(() => matches.delete(title));
    return match;
  }

  /** How the server is, as Quake III tells it. */
  function status({ command, words = "" }: Command): Uint8Array {
    const match = matches.get("");
    const present = match?.present ?? [];
    const all: Record<string, string> = {
      ...{ gamename: "game_snapshots", mapname: "court", sv_maxclients: "2" },
      protocol: "68",
    };
    if (/^[\w-]{1,32}$/.test(words)) all.challenge = words;
    if (command === "getinfo") {
      const clients = String(present.length);
      const info = { ...all, hostname: HOSTNAME, clients };
      return formatAnswer({ command: "infoResponse", info });
    }
    const info = { ...all, sv_hostname: HOSTNAME };
    const lines = present.map(({ name, side, ping }) =>
      `${match!.points[side]} ${ping} "${name}"`
    );
    return formatAnswer({ command: "statusResponse", info, lines });
  }

  return {
    answer(data, sender) {
      const command = parseCommand(data);
      if (!command) return;
      const now = monotonic();
      if (command.command === "getchallenge") {
        return gate.challenge(data, sender, now);
      }
      if (command.command === "connect") return join(command, sender);
      if (!/^get(info|status)$/.test(command.command)) return;
      return gate.mayTell(sender, now) ? status(command) : undefined;
    },
    take(data, sender) {
      const message: Message | undefined = decodeMessage(data);
      const found = message &&
        players().find(([, { key, side, address }]) =>
          key === message.key && side === message.side &&
          String(address) === String(sender)
        );
      if (!found) return false;
      const [match, player] = found;
      if (message.kind === "MOVES") match.take(player, message);
      if (message.kind === "LEAVE") match.leave(player);
      return true;
    },
    close() {
      for (const match of matches.values()) match.close();
    },
  };
}

function refusal(reason: string): Uint8Array {
  return formatCommand({ command: "print", lines: [reason, ""] });
}

const HOSTNAME = "Socket Lab";

/** What a match of programs is called: digits that nobody else can guess. */
const TITLE = /^([0-9a-f]{16})?$/;

/** So many matches at once; that of people always has room. */
const MOST_MATCHES = 256;
