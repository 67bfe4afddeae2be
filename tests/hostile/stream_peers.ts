/**
 * The hostile peers of a stream server, on the runtime's own sockets: what they
 * do wrong must not depend on the library under test.
 */
import net, { type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { within } from "../../scripts/tools/support/processes.ts";
import { type Attack, garbage, inTime, PATIENCE } from "./attack.ts";
import type { StreamExchange } from "./exchanges.ts";

/** Where the server listens: a port of 127.0.0.1, or a name of AF_UNIX. */
export type Target = { host: string; port: number } | { path: string };

const MB = 1024 * 1024;

/** The content of most floods. */
const X = chunkOf("x");

interface Message {
  say: string | Uint8Array;
}

/** An honest client: returns undefined if it is served, else what went wrong. */
export async function ask(
  target: Target,
  { say, hear, size }: Message & Omit<StreamExchange, "say">,
): Promise<string | undefined> {
  const socket = await dial(target);
  let [length, text, failure] = [0, "", ""];
  socket.on("error", ({ code }: { code?: string }) => failure = ` (${code})`);
  socket.on("data", (data: Uint8Array) => {
    if (length < 1024) text += new TextDecoder().decode(data.slice(0, 1024));
    length += data.length;
  });
  const ended = new Promise<boolean>((resolve) => {
    socket.on("end", () => resolve(true)).on("close", () => resolve(false));
  });
  if (say) socket.write(say);
  socket.end();
  const whole = await inTime(ended);
  socket.destroy();
  if (whole === undefined) return `no end after ${length} bytes`;
  const fits = hear.test(text) && length === (size ?? length);
  if (!whole || !fits) {
    return `got ${length} bytes, ${
      JSON.stringify(text.slice(0, 60))
    }${failure}`;
  }
}

/** The attacks on a server, which are made one after the other. */
export function attacks(target: Target, exchange: StreamExchange): Attack[] {
  const { flood: size = 0.25, crowd: count, say, malformed = [] } = exchange;
  const { filling, serial } = exchange;
  const chunk = filling ? chunkOf(filling) : X;
  const request = say || "some bytes that nobody waits for";
  // A backlog of 5 that overflows costs the next clients a second or more.
  const four = (act: (socket: Socket) => unknown) => {
    const peers = Array.from({ length: 4 }, () => dialFast(target));
    return Promise.all(peers.map((peer) => peer.then(act)));
  };
  // Whether or not it is answered, the connection must come to its end.
  const tell = async (say: string | Uint8Array) => {
    const fault = await ask(target, { ...exchange, say });
    if (fault?.startsWith("no end")) throw new Error(fault);
  };
  // A single honest client might be lucky where others are dropped.
  const askAfterCrowd = async (count: number) => {
    await crowd(target, count);
    const many = Array.from({ length: 40 }, () => ask(target, exchange));
    const faults = (await Promise.all(many)).filter((fault) => fault);
    if (faults.length > 0) {
      throw new Error(`of 40 honest ones ${faults.length} ${faults[0]}`);
    }
  };
  return [
    ["connect and leave", () => four((socket) => socket.destroy())],
    ["leave in mid-message", () =>
      four((socket) => {
        socket.write(request.slice(0, request.length / 2));
        socket.destroySoon();
      })],
    ["reset before accept()", () => four(reset)],
    ["reset in mid-send", () =>
      four((socket) => {
        socket.write(new Uint8Array(64 * 1024));
        return pause(5).then(() => reset(socket));
      })],
    ["reset in mid-receive", () =>
      four(async (socket) => {
        const answer = new Promise((resolve) => {
          socket.once("data", resolve).once("close", resolve);
        });
        socket.end(request);
        await inTime(answer);
        reset(socket);
      })],
    [
      "send far too much",
      () => dialFast(target).then((socket) => flood(socket, size * MB, chunk)),
    ],
    [
      "send a long message",
      () => tell("x".repeat(MB / 4)),
    ],
    ["send many long messages", async () => {
      const floods: Promise<void>[] = [];
      const peers = serial ? 4 : 16;
      while (floods.length < peers) {
        floods.push(flood(await dialFast(target), MB / 8));
      }
      await Promise.all(floods);
    }],
    ["send malformed messages", async () => {
      for (const message of malformed) await tell(message);
    }],
    ...count ? [["come in a crowd", () => askAfterCrowd(count)] as Attack] : [],
    ...Object.entries(garbage()).map(([name, bytes]): Attack => [
      `send ${name}`,
      () => tell(bytes),
    ]),
  ];
}

/**
 * Peers that stay while others come and go: one is silent, one sends a byte at
 * a time (slowloris), one never reads. Returns what makes them leave.
 */
export async function linger(
  target: Target,
  { say, serial }: StreamExchange,
): Promise<() => Promise<void>> {
  const silent = await dial(target);
  const slow = await dial(target);
  const unreading = await dial(target);
  let timer: ReturnType<typeof setInterval> | undefined;
  const some = new Promise<void>((resolve) => {
    let bytes = 0;
    timer = setInterval(() => {
      slow.write("x");
      if (++bytes === 4) resolve();
    }, 100);
  });
  for (const socket of [silent, slow]) socket.resume();
  unreading.pause();
  unreading.end(say);
  const leave = async () => {
    await some;
    clearInterval(timer);
    for (const socket of [silent, slow, unreading]) socket.destroy();
  };
  if (serial) await leave(); // or nobody else would be served
  return leave;
}

/**
 * Connects; later errors of the connection are ignored. AF_UNIX refuses at once
 * while the accept queue is full, where TCP would retry.
 */
async function dial(target: Target): Promise<Socket> {
  for (let waited = 0; "path" in target && waited < PATIENCE; waited += 20) {
    const socket = await connect(target).catch(() => {});
    if (socket) return socket;
    await pause(20);
  }
  return connect(target);
}

/**
 * Connects without the pauses of TCP, which retries after one second, then two,
 * then four when the accept queue is full. The server may see the connections
 * that are given up here.
 */
async function dialFast(target: Target): Promise<Socket> {
  if ("path" in target) return dial(target);
  for (let tries = 0; tries < PATIENCE / 50; tries++) {
    const socket = net.connect({ ...target, allowHalfOpen: true });
    const open = new Promise<boolean>((resolve) => {
      socket.on("error", () => resolve(false)).on(
        "connect",
        () => resolve(true),
      );
    });
    if (await within(50, open)) return socket;
    socket.destroy();
  }
  throw new Error("no connection");
}

function connect(target: Target): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ ...target, allowHalfOpen: true });
    socket.on("error", reject).on("connect", () => resolve(socket));
  });
}

/** Ends a connection with an RST, which AF_UNIX does not have. */
function reset(socket: Socket): void {
  socket.resetAndDestroy();
}

/** The text repeated to 64 KiB. */
function chunkOf(filling: string): Uint8Array {
  return Buffer.from(filling.repeat(64 * 1024 / filling.length));
}

/**
 * Sends so many bytes and reads nothing, until the server closes the connection
 * or takes no more for a while.
 */
async function flood(
  socket: Socket,
  size: number,
  chunk = X,
): Promise<void> {
  socket.pause();
  let moved = Promise.withResolvers<boolean>();
  socket.on("drain", () => moved.resolve(true));
  socket.on("close", () => moved.resolve(false));
  for (let sent = 0; sent < size && !socket.destroyed; sent += chunk.length) {
    if (socket.write(chunk)) continue;
    if (!await within(300, moved.promise)) break;
    moved = Promise.withResolvers();
  }
  socket.destroy();
}

/**
 * So many connections at once, which are closed when all are open; or after a
 * while, since the system retries late when the accept queue is full. They are
 * closed with a FIN: Linux loses an RST that meets a full accept queue, and any
 * server then has the connection until its own time limit.
 */
async function crowd(target: Target, count: number): Promise<void> {
  const sockets = Array.from({ length: count }, () => net.connect(target));
  const open = sockets.map((socket) =>
    new Promise((resolve) => {
      socket.on("error", resolve).on("connect", resolve);
    })
  );
  await within(1000, Promise.all(open));
  for (const socket of sockets) socket.destroy();
}
