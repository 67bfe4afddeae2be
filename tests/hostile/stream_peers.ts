/**
 * The hostile peers of a stream server, on the runtime's own sockets: what
 * they do wrong must not depend on the library that is tried.
 */
import net, { type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { within } from "../../scripts/tools/support/processes.ts";
import { type Attack, inTime, PATIENCE } from "./attack.ts";
import type { StreamExchange } from "./exchanges.ts";
import { garbage } from "./garbage.ts";

/** Where the server listens: a port of 127.0.0.1, or a name of AF_UNIX. */
export type Target = { host: string; port: number } | { path: string };

const MB = 1024 * 1024;

/** What most floods are made of. */
const X = chunkOf("x");

interface Message {
  say: string | Uint8Array;
}

/** An honest client: undefined if it is served, or what went wrong. */
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

/** What is done to a server, one after the other. */
export function attacks(target: Target, exchange: StreamExchange): Attack[] {
  const { flood: size = 0.25, crowd: count, say, malformed = [] } = exchange;
  const { filling, serial } = exchange;
  const chunk = filling ? chunkOf(filling) : X;
  const request = say || "some bytes that nobody waits for";
  // A listen(5) that overflows costs those who come next a second or more.
  const four = (act: (socket: Socket) => unknown) => {
    const peers = Array.from({ length: 4 }, () => press(target));
    return Promise.all(peers.map((peer) => peer.then(act)));
  };
  // Whatever is said, and whether it is answered: then comes the end.
  const tell = async (say: string | Uint8Array) => {
    const fault = await ask(target, { ...exchange, say });
    if (fault?.startsWith("no end")) throw new Error(fault);
  };
  // One honest client alone might have luck where others are dropped.
  const beAmong = async (count: number) => {
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
      () => press(target).then((socket) => flood(socket, size * MB, chunk)),
    ],
    [
      "send a long message",
      () => tell("x".repeat(MB / 4)),
    ],
    ["send many long messages", async () => {
      const floods: Promise<void>[] = [];
      const peers = serial ? 4 : 16;
      while (floods.length < peers) {
        floods.push(flood(await press(target), MB / 8));
      }
      await Promise.all(floods);
    }],
    ["send what is malformed", async () => {
      for (const message of malformed) await tell(message);
    }],
    ...count ? [["come in a crowd", () => beAmong(count)] as Attack] : [],
    ...Object.entries(garbage()).map(([name, bytes]): Attack => [
      `send ${name}`,
      () => tell(bytes),
    ]),
  ];
}

/**
 * Those that stay while the others come and go: one is silent, one sends a
 * byte at a time, one never reads. Gives what makes them leave.
 */
export async function linger(
  target: Target,
  { say, serial }: StreamExchange,
): Promise<() => Promise<void>> {
  const silent = await dial(target);
  const slow = await dial(target);
  const deaf = await dial(target);
  let timer: ReturnType<typeof setInterval> | undefined;
  const some = new Promise<void>((resolve) => {
    let bytes = 0;
    timer = setInterval(() => {
      slow.write("x");
      if (++bytes === 4) resolve();
    }, 100);
  });
  for (const socket of [silent, slow]) socket.resume();
  deaf.pause();
  deaf.end(say);
  const leave = async () => {
    await some;
    clearInterval(timer);
    for (const socket of [silent, slow, deaf]) socket.destroy();
  };
  if (serial) await leave(); // or nobody else would be served
  return leave;
}

/**
 * Connects. Whatever becomes of the connection later is no error here. AF_UNIX
 * refuses at once while the backlog is full, where TCP would try again.
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
 * The same in a hurry: TCP, where the backlog is full, tries again after one
 * second, then two, then four. What this one gives up the server may have.
 */
async function press(target: Target): Promise<Socket> {
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

/** As much of it as fits in 64 KiB. */
function chunkOf(filling: string): Uint8Array {
  return Buffer.from(filling.repeat(64 * 1024 / filling.length));
}

/**
 * Sends so many bytes, and reads nothing, until the server has closed the
 * connection or has taken nothing more for a while.
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
 * So many connections at once, which are dropped when all are open; or after
 * a while, since a full backlog makes the system try again only later. They
 * leave with a FIN: Linux loses an RST that meets a full backlog, so that a
 * server, in whatever language, has the connection until its own limit.
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
