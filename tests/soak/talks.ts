/**
 * Both ends of each kind of talk, on the library's stream sockets, and those
 * faults of a client that need no other sockets than these.
 *
 * @module
 */
import { SocketError } from "../../lib/mod.ts";
import type { Half } from "./account.ts";
import { Ended, Line, type Side } from "./line.ts";
import type { Plan } from "./plan.ts";

/** Speaks as the client; gives how the connection ended for it. */
export async function speak(side: Side): Promise<string> {
  const { plan } = side;
  const line = new Line(side);
  switch (plan.talk) {
    case "exchanges":
      for (const [up, down] of partsOf(plan)) {
        await line.send(up);
        await line.receive(down);
      }
      await line.finish();
      await line.end();
      break;
    case "streams":
      await line.stream(plan.up, plan.down);
      break;
    case "half-close":
      await line.send(plan.up);
      await line.finish();
      await line.receive(plan.down);
      await line.end();
  }
  return "whole";
}

/** Answers as the server. */
export async function answer(side: Side): Promise<string> {
  const { plan } = side;
  const line = new Line(side);
  switch (plan.talk) {
    case "exchanges":
      for (const [up, down] of partsOf(plan)) {
        await line.receive(up);
        await line.send(down);
      }
      await line.end();
      await line.finish();
      break;
    case "streams":
      await line.stream(plan.down, plan.up);
      break;
    case "half-close":
      if (plan.fault === "stall") side.socket.settimeout(STALLED);
      await line.receive(plan.up);
      await line.end();
      await line.send(plan.down);
      await line.finish();
  }
  return "whole";
}

/** Does, as a client, what is wrong. */
export async function misbehave(side: Side): Promise<string> {
  const { plan, socket } = side;
  const line = new Line(side);
  switch (plan.fault) {
    case "unread": // which makes an RST of the FIN
      await line.send(Math.min(Math.floor(plan.up / 2), 1000));
      await line.receive(1);
      break;
    case "leave":
      await line.send(Math.floor(plan.up / 2));
      await line.greeted();
      break;
    case "stall":
      await line.send(Math.floor(plan.up / 2));
      await line.greeted();
      await socket.recv(1); // until the server gives it up
      break;
    default: // it is to be killed
      await speak(side);
  }
  return "left";
}

/** How an attempt ended: its result, or the code of its error. */
export async function endOf(attempt: Promise<string>, half: Half) {
  half.ended = await attempt.catch((error) => {
    if (error instanceof Ended) return error.message;
    if (error instanceof SocketError) return error.code;
    half.note = String(error?.stack ?? error);
    return "wrong";
  });
}

/** For how long a server bears with one that stalls, in ms. */
const STALLED = 200;

/** How much of an exchange goes up and comes down in each round. */
function* partsOf({ up, down, rounds }: Plan) {
  const part = (all: number, i: number) =>
    Math.floor(all * (i + 1) / rounds) - Math.floor(all * i / rounds);
  for (let i = 0; i < rounds; i++) yield [part(up, i), part(down, i)] as const;
}
