/**
 * The clients that do what the library cannot, or keeps one from doing: on the
 * runtime's own `node:net`.
 *
 * @module
 */
import { setTimeout as pause } from "node:timers/promises";
import net, { type Socket } from "node:net";
import type { Half } from "./account.ts";
import { keyOf, pattern } from "./pattern.ts";
import { type Fault, keysOf, type Plan, PREAMBLE, preambleOf } from "./plan.ts";

/** Whether the plan's fault takes such a client. */
export function isRaw({ fault }: Plan): boolean {
  return fault !== undefined && RAW.includes(fault);
}

const RAW: Fault[] = ["reset at once", "reset", "garbage"];

/** Connects and does it; gives how that ended. */
export async function misbehaveRaw(
  plan: Plan,
  [host, port]: [string, number],
  { half, seed }: { half: Half; seed: number },
): Promise<string> {
  const socket = net.connect({ host, port, allowHalfOpen: true });
  let code: string | undefined;
  socket.on("error", (error: { code?: string }) => code ??= error.code);
  const closed = new Promise<void>((resolve) => {
    socket.on("close", () => resolve());
  });
  const connected = await Promise.race([
    new Promise<boolean>((resolve) =>
      socket.on("connect", () => resolve(true))
    ),
    closed,
  ]);
  if (!connected) return code ?? "cut";
  half.port = socket.localPort ?? 0;
  await act(socket, plan, { half, seed });
  await closed;
  return "left";
}

async function act(
  socket: Socket,
  plan: Plan,
  { half, seed }: { half: Half; seed: number },
): Promise<void> {
  const key = keysOf(seed, plan).up;
  const size = Math.min(plan.up, MOST);
  switch (plan.fault) {
    case "garbage":
      // As much as a preamble, or it would be too short to be wrong.
      socket.end(pattern(keyOf(key), 0, PREAMBLE + size)).resume();
      return;
    case "reset":
      socket.write(preambleOf(plan));
      socket.write(pattern(key, 0, size));
      half.sent = size;
      await pause(key % 20); // now before the server has read it, now after
  }
  socket.resetAndDestroy();
}

/** More than this a client that resets does not send. */
const MOST = 65_536;
