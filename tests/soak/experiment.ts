/**
 * Both ends of the soak as an experiment, which soak.ts starts in processes of
 * their own. The server serves TCP, UDP and AF_UNIX at once and reports what it
 * has seen of each client.
 *
 * @module
 */
import process from "node:process";
import {
  type Address,
  AF_INET,
  AF_UNIX,
  type End,
  experiment,
  SOCK_STREAM,
  socket,
  SocketError,
  type StreamSocket,
} from "../../lib/mod.ts";
import { WINDOWS } from "../../lib/sockets/runtimes/system.ts";
import { openBoth } from "../../lib/services/open_both.ts";
import { client } from "./client.ts";
import { converse, Ended, interrupting, noteEnd } from "./conversation.ts";
import { echo } from "./datagrams.ts";
import { localName, newRecord, report, seedOf } from "./messages.ts";
import { keyOf, randomOf } from "./pattern.ts";
import { GREETING, PREAMBLE, readPreamble, scenarioOf } from "./scenario.ts";

/** After so many clients the listener is closed and opened again. */
const REOPENED_AFTER = 64;

async function server(end: End): Promise<void> {
  const address = end.address as [string, number];
  const locals: StreamSocket[] = [];
  if (!WINDOWS) locals.push(await listenLocally(address));
  const [listener, receiver] = await openBoth(address);
  end.ready(listener, ...locals, receiver);

  const reopen = async (listener: StreamSocket) => {
    const since = Date.now();
    await listener.close();
    const next = socket(AF_INET, SOCK_STREAM);
    await next.bind(address);
    await next.listen();
    report(end, { outage: [since, Date.now()] });
    end.ready(next, ...locals, receiver);
    return next;
  };
  const [echoed] = await Promise.all([
    echo(receiver, end, seedOf(end)),
    ...locals.map((local) => acceptAll(end, local)),
    acceptAll(end, listener, reopen),
  ]);
  report(end, { echoed });
}

async function listenLocally(address: [string, number]) {
  const local = socket(AF_UNIX, SOCK_STREAM);
  await local.bind(localName(address));
  await local.listen();
  return local;
}

/** Serves the clients of a listener until it is closed. */
async function acceptAll(
  end: End,
  listener: StreamSocket,
  reopen?: (listener: StreamSocket) => Promise<StreamSocket>,
): Promise<void> {
  const random = randomOf(keyOf(seedOf(end), 8));
  const accept = () =>
    interrupting(listener, random, (wait) => listener.accept(wait));
  for (let accepted = 1;; accepted++) {
    try {
      const [client, name] = await accept();
      await end.serve(client, () => serve(end, client, name));
    } catch (error) {
      if (error instanceof SocketError && error.code === "EBADF") return;
      throw error;
    }
    if (accepted % REOPENED_AFTER === 0) {
      listener = await reopen?.(listener) ?? listener;
    }
  }
}

async function serve(
  end: End,
  client: StreamSocket,
  name: Address,
): Promise<void> {
  const seed = seedOf(end);
  const record = newRecord("server");
  if (typeof name !== "string") record.port = name[1];
  const work = async () => {
    record.id = await receivePreamble(client);
    if (record.id === undefined) return "garbage";
    const scenario = scenarioOf(seed, record.id);
    await client.sendall(GREETING);
    return converse({ socket: client, scenario, record, seed });
  };
  await noteEnd(work(), record);
  await client.close();
  record.to = Date.now();
  report(end, { record });
}

async function receivePreamble(client: StreamSocket) {
  const preamble = new Uint8Array(PREAMBLE);
  for (let have = 0; have < PREAMBLE;) {
    const bytes = await client.recv(PREAMBLE - have);
    if (bytes.length === 0) throw new Ended("cut");
    preamble.set(bytes, have);
    have += bytes.length;
  }
  return readPreamble(preamble);
}

if (WINDOWS && process.argv.includes("server")) {
  await import("../../scripts/tools/support/stop_at_end.ts");
}
const whole = { takes: "a whole number", pattern: /^\d{1,9}$/ };
await experiment({
  url: import.meta.url,
  port: 0,
  server,
  client,
  flags: {
    seed: {
      ...whole,
      help: "the scenario of each connection follows from it",
    },
    number: { ...whole, help: "which client it is: so are its connections" },
  },
});
