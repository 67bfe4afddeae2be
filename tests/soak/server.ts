/**
 * The server of the soak: it serves clients of all sorts over TCP, UDP and
 * AF_UNIX at once, and tells what it has seen of each.
 *
 * @module
 */
import {
  type Address,
  AF_INET,
  AF_UNIX,
  type End,
  SOCK_STREAM,
  socket,
  SocketError,
  type StreamSocket,
} from "../../lib/mod.ts";
import { openBoth } from "../../lib/services/open_both.ts";
import { echo } from "./echo.ts";
import { insist } from "./impatience.ts";
import { localName, newHalf, seedOf, tell } from "./news.ts";
import { keyOf, randomOf } from "./pattern.ts";
import { GREETING, planOf, PREAMBLE, readPreamble } from "./plan.ts";
import { Ended } from "./line.ts";
import { answer, endOf } from "./talks.ts";

/** After so many clients the listener is closed and opened again. */
const REOPENED_AFTER = 64;

export async function server(end: End): Promise<void> {
  const address = end.address as [string, number];
  const local = socket(AF_UNIX, SOCK_STREAM);
  await local.bind(localName(address));
  await local.listen();
  const [listener, receiver] = await openBoth(address);
  end.ready(listener, local, receiver);

  const reopen = async (listener: StreamSocket) => {
    const since = Date.now();
    await listener.close();
    const next = socket(AF_INET, SOCK_STREAM);
    await next.bind(address);
    await next.listen();
    tell(end, { gap: [since, Date.now()] });
    end.ready(next, local, receiver);
    return next;
  };
  const [echoed] = await Promise.all([
    echo(receiver, end, seedOf(end)),
    acceptAll(end, local),
    acceptAll(end, listener, reopen),
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
    await client.sendall(GREETING);
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
