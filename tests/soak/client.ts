/**
 * The client of the soak: many connections and datagrams at once, well behaved
 * or not, as it is ordered on standard input.
 *
 * @module
 */
import { setTimeout as pause } from "node:timers/promises";
import process from "node:process";
import { createInterface } from "node:readline";
import {
  AF_INET,
  AF_UNIX,
  type End,
  SOCK_STREAM,
  socket,
} from "../../lib/mod.ts";
import { localName, newHalf, type Order, seedOf, tell } from "./news.ts";
import { keyOf, randomOf } from "./pattern.ts";
import { ping } from "./ping.ts";
import { DOOMED, firstNumber, type Plan, planOf, preambleOf } from "./plan.ts";
import { isRaw, misbehaveRaw } from "./raw_peers.ts";
import { endOf, misbehave, speak } from "./talks.ts";

/** So many streams at once, each one connection after the other. */
const LANES = 6;

/** At most so long between two connections of a lane, in ms. */
const PAUSE = 40;

export async function client(end: End): Promise<void> {
  const seed = seedOf(end);
  const number = Number(end.flags.number);
  const doomed = number >= DOOMED;
  const first = firstNumber(number);
  let [connections, datagrams] = [first, first];

  const traffic = async (until: number, only?: number) => {
    const random = randomOf(keyOf(seed, connections, 9));
    const lane = async () => {
      while (Date.now() < until) {
        await converse(end, planOf(seed, only ?? connections++));
        await pause(PAUSE * random());
      }
    };
    if (only !== undefined) return void await lane();
    const pinging = ping(end.address, { seed, first: datagrams, until });
    await Promise.all(Array.from({ length: LANES }, lane));
    const sent = await pinging;
    datagrams += sent.sent;
    return sent;
  };

  const faultless = (): Plan => {
    const plan = planOf(seed, connections++);
    return plan.fault ? faultless() : plan;
  };

  const hold = async (count: number, next: () => Promise<unknown>) => {
    const { promise: go, resolve: goOn } = Promise.withResolvers<void>();
    const begun: Promise<void>[] = [];
    const all = Array.from({ length: count }, () => {
      const plan = doomed ? planOf(seed, connections++) : faultless();
      const halfway = Promise.withResolvers<void>();
      const talk = converse(end, plan, () => {
        halfway.resolve();
        return go;
      });
      // One that is turned away does not come so far.
      begun.push(Promise.race([halfway.promise, talk]));
      return talk;
    });
    if (!doomed) await Promise.all(begun);
    tell(end, { inHand: count });
    await next();
    goOn();
    await Promise.all(all);
  };

  const orders = createInterface({ input: process.stdin })
    [Symbol.asyncIterator]();
  const next = async (): Promise<Order | undefined> => {
    const { value } = await orders.next();
    return value && JSON.parse(value);
  };
  for (let order = await next(); order; order = await next()) {
    const { traffic: ms, only, one, hold: count } = order;
    const plan = one ? faultless() : undefined;
    const sent = ms && await traffic(Date.now() + ms, only);
    if (plan) await converse(end, plan);
    if (count) await hold(count, next);
    tell(end, { done: sent || null, one: plan?.id });
  }
}

/** One connection, from its beginning to its end. */
async function converse(
  end: End,
  plan: Plan,
  halfway?: () => Promise<void>,
): Promise<void> {
  const seed = seedOf(end);
  const address = end.address as [string, number];
  const half = newHalf("client", plan.id);
  if (isRaw(plan)) {
    await endOf(misbehaveRaw(plan, address, { half, seed }), half);
  } else {
    const own = socket(plan.unix ? AF_UNIX : AF_INET, SOCK_STREAM);
    const work = async () => {
      if (plan.bound && !plan.unix) await own.bind(["127.0.0.1", 0]);
      await own.connect(plan.unix ? localName(address) : address);
      const name = own.getsockname();
      if (typeof name !== "string") half.port = name[1];
      await own.sendall(preambleOf(plan));
      const side = { socket: own, plan, half, seed, halfway };
      return plan.fault ? misbehave(side) : speak(side);
    };
    await endOf(work(), half);
    await own.close();
  }
  half.to = Date.now();
  tell(end, { half });
}
