/**
 * The client of the soak: many connections and datagrams at once, with and
 * without faults, as it is ordered on standard input.
 *
 * @module
 */
import { once } from "node:events";
import net from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import {
  AF_INET,
  AF_UNIX,
  type End,
  SOCK_STREAM,
  socket,
} from "../../lib/mod.ts";
import { converse, misbehave, noteEnd } from "./conversation.ts";
import { ping } from "./datagrams.ts";
import {
  localName,
  newRecord,
  type Order,
  report,
  seedOf,
} from "./messages.ts";
import { keyOf, pattern, randomOf } from "./pattern.ts";
import type { EndRecord } from "./reconciliation.ts";
import {
  DOOMED,
  firstNumber,
  keysOf,
  PREAMBLE,
  preambleOf,
  type Scenario,
  scenarioOf,
} from "./scenario.ts";

/** So many connections at once, each lane with one after the other. */
const LANES = 6;

/** The longest pause between two connections of a lane, in ms. */
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
        await connect(end, scenarioOf(seed, only ?? connections++));
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

  const faultless = (): Scenario => {
    const scenario = scenarioOf(seed, connections++);
    return scenario.fault ? faultless() : scenario;
  };

  const hold = async (count: number, next: () => Promise<unknown>) => {
    const { promise: released, resolve: release } = Promise.withResolvers<
      void
    >();
    const begun: Promise<void>[] = [];
    const all = Array.from({ length: count }, () => {
      const scenario = doomed ? scenarioOf(seed, connections++) : faultless();
      const middle = Promise.withResolvers<void>();
      const connection = connect(end, scenario, () => {
        middle.resolve();
        return released;
      });
      // A connection that is turned away never comes so far.
      begun.push(Promise.race([middle.promise, connection]));
      return connection;
    });
    if (!doomed) await Promise.all(begun);
    report(end, { holding: count });
    await next();
    release();
    await Promise.all(all);
  };

  const lines = createInterface({ input: process.stdin })
    [Symbol.asyncIterator]();
  const next = async (): Promise<Order | undefined> => {
    const { value } = await lines.next();
    return value && JSON.parse(value);
  };
  for (let order = await next(); order; order = await next()) {
    const { traffic: ms, only, one, hold: count } = order;
    const scenario = one ? faultless() : undefined;
    const sent = ms && await traffic(Date.now() + ms, only);
    if (scenario) await connect(end, scenario);
    if (count) await hold(count, next);
    report(end, { done: sent || null, one: scenario?.id });
  }
}

/** One connection, from its beginning to its end. */
async function connect(
  end: End,
  scenario: Scenario,
  halfway?: () => Promise<void>,
): Promise<void> {
  const seed = seedOf(end);
  const address = end.address as [string, number];
  const record = newRecord("client", scenario.id);
  if (["reset at once", "reset", "garbage"].includes(scenario.fault ?? "")) {
    await noteEnd(misbehaveRaw(scenario, address, { record, seed }), record);
  } else {
    const own = socket(scenario.unix ? AF_UNIX : AF_INET, SOCK_STREAM);
    const work = async () => {
      if (scenario.bound && !scenario.unix) await own.bind(["127.0.0.1", 0]);
      await own.connect(scenario.unix ? localName(address) : address);
      const name = own.getsockname();
      if (typeof name !== "string") record.port = name[1];
      await own.sendall(preambleOf(scenario));
      const side = { socket: own, scenario, record, seed, halfway };
      return scenario.fault ? misbehave(side) : converse(side);
    };
    await noteEnd(work(), record);
    await own.close();
  }
  record.to = Date.now();
  report(end, { record });
}

/** Makes a fault that the library cannot, or prevents: with `node:net`. */
async function misbehaveRaw(
  scenario: Scenario,
  [host, port]: [string, number],
  { record, seed }: { record: EndRecord; seed: number },
): Promise<string> {
  const raw = net.connect({ host, port, allowHalfOpen: true });
  let code: string | undefined;
  raw.on("error", (error: { code?: string }) => code ??= error.code);
  const closed = new Promise<void>((resolve) => raw.on("close", resolve));
  const connected = once(raw, "connect").catch(() => {});
  if (!await Promise.race([connected, closed])) return code ?? "cut";
  record.port = raw.localPort ?? 0;
  const key = keysOf(seed, scenario).up;
  const size = Math.min(scenario.up, MOST_RAW);
  if (scenario.fault === "garbage") {
    // As long as a preamble, or it would be too short to be wrong.
    raw.end(pattern(keyOf(key), 0, PREAMBLE + size)).resume();
  } else {
    if (scenario.fault === "reset") {
      raw.write(preambleOf(scenario));
      raw.write(pattern(key, 0, size));
      record.sent = size;
      await pause(key % 20); // before or after the server has read it
    }
    raw.resetAndDestroy();
  }
  await closed;
  return "left";
}

/** A client that resets sends no more bytes than these. */
const MOST_RAW = 65_536;
