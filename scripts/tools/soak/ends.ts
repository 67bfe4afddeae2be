/**
 * Both ends of the soak, as an experiment like any other: a server for all
 * sorts of clients, and a client that is many of them. soak.ts starts each in
 * a process of its own, gives the client its orders on standard input, and is
 * told of every connection by both.
 *
 * @module
 */
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import {
  type Address,
  AF_INET,
  AF_UNIX,
  type End,
  experiment,
  SOCK_DGRAM,
  SOCK_STREAM,
  socket,
  SocketError,
  type StreamSocket,
} from "../../../lib/mod.ts";
import type { Gap, Half } from "./account.ts";
import { echo, type Echoed, ping, type Sent } from "./datagrams.ts";
import { insist } from "./impatience.ts";
import { keyOf, randomOf } from "./pattern.ts";
import {
  DOOMED,
  firstNumber,
  type Plan,
  planOf,
  PREAMBLE,
  preambleOf,
  readPreamble,
} from "./plan.ts";
import { isRaw, misbehaveRaw } from "./raw_peers.ts";
import { answer, Ended, endOf, misbehave, pause, speak } from "./talks.ts";

/** What the ends tell, each in a line of JSON. */
export interface News {
  half?: Half;
  /** The server did not listen for a while. */
  gap?: Gap;
  /** The server's datagrams, at its end. */
  echoed?: Echoed;
  /** The client has connections in hand, and waits for the next order. */
  inHand?: number;
  /** The client has done what it was ordered; its datagrams, if it sent any. */
  done?: Sent | null;
}

/** What the client can be ordered. */
export interface Order {
  /** Mixed traffic for so many ms. */
  traffic?: number;
  /** Only this connection, again and again. */
  only?: number;
  /** Begin so many connections, and go on with them at the next order. */
  hold?: number;
}

const seedOf = ({ flags }: End) => Number(flags.seed);

function tell({ print }: End, news: News): void {
  print(JSON.stringify(news));
}

// --- the server ---

/** After so many clients the listener is closed and opened again. */
const REOPENED_AFTER = 64;

export async function server(end: End): Promise<void> {
  const address = end.address as [string, number];
  const local = socket(AF_UNIX, SOCK_STREAM);
  await local.bind(localName(address));
  await local.listen();
  const receiver = socket(AF_INET, SOCK_DGRAM);
  await receiver.bind(address);

  let since: number | undefined;
  const open = async () => {
    const listener = socket(AF_INET, SOCK_STREAM);
    await listener.bind(address);
    await listener.listen();
    if (since !== undefined) tell(end, { gap: [since, Date.now()] });
    end.ready(listener, local, receiver);
    return listener;
  };
  const reopen = async (listener: StreamSocket) => {
    since = Date.now();
    await listener.close();
    return open();
  };
  const [echoed] = await Promise.all([
    echo(receiver, end, seedOf(end)),
    acceptAll(end, local),
    acceptAll(end, await open(), reopen),
  ]);
  tell(end, { echoed });
}

/** Serves the clients of a listener until it is closed. */
async function acceptAll(
  end: End,
  listener: StreamSocket,
  reopen?: (listener: StreamSocket) => Promise<StreamSocket>,
): Promise<void> {
  const random = randomOf(keyOf(seedOf(end), 8));
  for (let accepted = 1;; accepted++) {
    try {
      const [client, name] = await insist(
        listener,
        random,
        (wait) => listener.accept(wait),
      );
      await end.serve(client, () => attend(end, client, name));
    } catch (error) {
      if (error instanceof SocketError && error.code === "EBADF") return;
      throw error;
    }
    if (reopen && accepted % REOPENED_AFTER === 0) {
      listener = await reopen(listener);
    }
  }
}

async function attend(
  end: End,
  client: StreamSocket,
  name: Address,
): Promise<void> {
  const seed = seedOf(end);
  const half = newHalf("server");
  if (typeof name !== "string") half.port = name[1];
  const work = async () => {
    half.id = await receivePreamble(client);
    if (half.id === undefined) return "garbage";
    const plan = planOf(seed, half.id);
    return answer({ socket: client, plan, half, seed });
  };
  await endOf(work(), half);
  await client.close();
  half.to = Date.now();
  tell(end, { half });
}

async function receivePreamble(
  client: StreamSocket,
): Promise<number | undefined> {
  const preamble = new Uint8Array(PREAMBLE);
  for (let have = 0; have < PREAMBLE;) {
    const bytes = await client.recv(PREAMBLE - have);
    if (bytes.length === 0) throw new Ended("cut");
    preamble.set(bytes, have);
    have += bytes.length;
  }
  return readPreamble(preamble);
}

// --- the client ---

/** So many streams at once, each one connection after the other. */
const LANES = 6;

/** At most so long between two connections of a lane, in ms. */
const PAUSE = 40;

export async function client(end: End): Promise<void> {
  const seed = seedOf(end);
  const peer = Number(end.flags.peer);
  const doomed = peer >= DOOMED;
  const first = firstNumber(peer);
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

  const hold = async (count: number, next: () => Promise<unknown>) => {
    const { promise: go, resolve: goOn } = Promise.withResolvers<void>();
    const begun: Promise<void>[] = [];
    const all = Array.from({ length: count }, () => {
      let plan = planOf(seed, connections++);
      while (plan.fault && !doomed) plan = planOf(seed, connections++);
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
    const sent = order.hold
      ? await hold(order.hold, next)
      : await traffic(Date.now() + order.traffic!, order.only);
    tell(end, { done: sent ?? null });
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

// --- both ---

function newHalf(end: Half["end"], id?: number): Half {
  const from = Date.now();
  return { end, id, port: 0, sent: 0, received: 0, ended: "", from, to: from };
}

/** The AF_UNIX name that goes with the port; a file where it must be one. */
function localName([, port]: [string, number]): string {
  const name = `socket-lab-soak-${port}`;
  return process.platform === "linux" ? `\0${name}` : join(tmpdir(), name);
}

if (import.meta.main) {
  const whole = { takes: "a whole number", pattern: /^\d{1,9}$/ };
  await experiment({
    url: import.meta.url,
    port: 0,
    server,
    client,
    flags: {
      seed: { ...whole, about: "what the connections do follows from it" },
      peer: { ...whole, about: "the client's number: that of its connections" },
    },
  });
}
