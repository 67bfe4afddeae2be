/**
 * Watches a run for slips that are no error by themselves: a server that is never
 * ready, ends that wait for each other, a connection that stays open.
 *
 * @module
 */
import type { Address } from "../sockets/address.ts";
import { observeCreation } from "../sockets/socket.ts";
import { innerOf, StreamSocket } from "../sockets/stream_socket.ts";
import { later } from "./process.ts";
import type { End, Experiment, Settings } from "./settings.ts";
import type { Watched } from "../slips/slips.ts";
import { type AnySocket, nameOf, waitOn } from "../slips/unseen.ts";

/** The experiment, watched, and what resolves to a slip with which it hangs. */
export function watchSlips(experiment: Experiment, { role }: Settings) {
  const { url } = experiment;
  const watched: Watched = { url, role, sockets: [], served: new WeakSet() };
  observeCreation((_family, _type, made) => {
    if (!(made instanceof Error)) keep(made);
  });

  function keep(socket: AnySocket): void {
    if (watched.sockets.push(socket) > KEPT) watched.sockets.shift();
  }

  const server = (end: End) =>
    experiment.server({
      ...end,
      ready(...sockets) {
        for (const socket of sockets) watched.served.add(socket);
        watched.address = nameOf(sockets[0]);
        end.ready(...sockets);
      },
      serve(client, work, datagram) {
        if (client instanceof StreamSocket) {
          watched.served.add(client);
          keep(client);
        }
        return end.serve(client, work, datagram);
      },
    });
  const client = async (end: End) => {
    const result = await experiment.client(end);
    const open = watched.sockets.filter((socket) => isLeft(socket, watched));
    if (open.length > 0) {
      await (await import("../slips/slips.ts")).closeLeft(open, url);
    }
    return result;
  };
  const hang = role === "client" ? NEVER : hangOf(watched);
  return { experiment: { ...experiment, server, client }, hang };
}

/** Whether it is a client's connection, which ends with the client's process. */
function isLeft(socket: AnySocket, { served, address }: Watched): boolean {
  if (!(socket instanceof StreamSocket) || served.has(socket)) return false;
  const { peer } = innerOf(socket);
  const port = (of: Address) => typeof of === "string" ? of : of[1];
  return peer !== undefined && (!address || port(peer) === port(address));
}

/** A client alone may wait for a person, at either end. */
const NEVER = new Promise<string>(() => {});

/** Resolves to a slip with which the run cannot go on; prints notes before. */
async function hangOf(watched: Watched): Promise<string> {
  let before: unknown[] = [];
  for (let wait = 1000;; wait = PATIENCE) {
    await later(wait);
    if (watched.role === "server" && watched.address) return NEVER; // it serves
    const now = watched.sockets.map((socket) => waitOn(socket));
    const same = now.length === before.length &&
      now.every((call, i) => call === before[i]);
    before = now;
    if (!same) continue;
    const slip = await (await import("../slips/slips.ts")).slipOf(watched);
    if (slip) return slip;
  }
}

/** So many sockets are kept in mind: those of a client that hangs are the last. */
const KEPT = 16;

/** How long nothing must happen, in ms. */
const PATIENCE = 5_000;
