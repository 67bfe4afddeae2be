/**
 * A game over UDP: where news replaces news, a lost datagram need not be sent again.
 * The server sends the state of each tick once. The client repeats its moves until
 * they are acknowledged: each counts. A third of both is lost on purpose.
 *
 * Aim: To keep two players of a game in step over a network that loses datagrams.
 *
 *     deno run --allow-net scripts/game_snapshots.ts
 *     bun scripts/game_snapshots.ts
 *     node scripts/game_snapshots.ts
 *
 * On a terminal `client` alone is you, and two play in real time: try `--loss 0.5`,
 * `--delay 80`. Programs make each move 10 ticks ahead, and no tick begins before the
 * server has its moves: so what is lost never changes the result.
 *
 * Output:
 *
 *     server: ann and bob play 120 ticks
 *     server: ann: 6 moves have come
 *     server: bob: 6 moves have come
 *     server: Tick 120: ball 136,58, paddles 144 and 68, points 1:0
 *     client: ann: 78 of 120 states came; 6 moves, sent 12 times
 *     client: bob: 83 of 120 states came; 6 moves, sent 13 times
 *     client: Tick 120: ball 136,58, paddles 144 and 68, points 1:0
 */
import {
  AF_INET,
  type End,
  experiment,
  SOCK_DGRAM,
  socket,
} from "../lib/mod.ts";
import { Drill } from "../lib/protocols/game_drill.ts";
import { flags, makeLossy } from "../lib/services/game_network.ts";
import { join, newTitle, statesOf } from "../lib/services/game_player.ts";
import { playAt } from "../lib/services/game_screen.ts";
import { type Link, openGame } from "../lib/services/game_server.ts";

export async function server({ address, flags, print, ready, serve }: End) {
  // 1. Create a socket whose network loses some moves, and bind it.
  const receiver = socket(AF_INET, SOCK_DGRAM);
  const { settle } = makeLossy(receiver, flags);
  await receiver.bind(address);
  ready(receiver);

  // 2. At each tick send the new state to each player, once: the next replaces it.
  const send: Link["send"] = (state, player) => receiver.sendto(state, player);
  const game = openGame({ print, send, settle });
  for await (const [data, sender] of receiver) {
    // 3. Take the moves of a player: each counts once, in order, from its tick on.
    if (game.take(data, sender)) continue;

    // 4. A stranger joins by sending back its challenge: so it shows that it gets
    //    what is sent to its address. Until then, answers are short or few.
    const answer = game.answer(data, sender);
    if (answer) await serve(sender, () => receiver.sendto(answer, sender));
  }
  game.close();
}

export async function client({ address, flags, print, terminal }: End) {
  // 1. Create a socket for each player, whose network loses some states. Join a
  //    match: ask for a challenge, and send it back.
  const joined = async (name: string, match?: string) => {
    const connection = socket(AF_INET, SOCK_DGRAM);
    makeLossy(connection, flags);
    await connection.connect(address);
    return { connection, seat: await join(connection, { name, match }) };
  };

  // 2. For a person, draw each state, and send what the keys say.
  const person = await terminal?.();
  if (person && person.interactive()) {
    const { connection, seat } = await joined(flags.name ?? "player");
    return print(await playAt(person, connection, seat));
  }

  // 3. Without a person, ann joins, then bob. Take the newest state: what is late is
  //    no news. Answer with all moves that are not acknowledged yet.
  const match = newTitle();
  const players = [await joined("ann", match), await joined("bob", match)];
  const play = async ({ connection, seat }: typeof players[0]) => {
    const drill = new Drill(seat.side);
    for await (const state of statesOf(connection, seat)) {
      await connection.send(drill.answer(state));
    }
    await connection.close();
    return drill;
  };

  // 4. In the end both have the state that the server has.
  const [ann, bob] = await Promise.all(players.map(play));
  const lines = [ann.inWords, bob.inWords, ann.result, bob.result];
  for (const line of new Set(lines)) print(line);
}

if (import.meta.main) {
  const { url } = import.meta;
  await experiment({ url, port: 27960, clock: true, flags, server, client });
}
