/**
 * A hundred members of tcp_chat who say a thousand lines each, at once: all of
 * them arrive, in the order of each speaker, beside a member who does not read.
 */
import { once } from "node:events";
import net, { type Socket } from "node:net";
import { expect } from "bun:test";
import { serverOn } from "../support/ends.ts";
import { figuresOf, noProc } from "../support/proc.ts";
import { find, RUNTIMES } from "../support/runtimes.ts";
import { needing } from "../support/test_on.ts";

const [MEMBERS, LINES] = [100, 1000];

/** How much the server's memory may grow, in KiB; all lines are 90 MB. */
const GROWTH = 512 * 1024;

for (const runtime of RUNTIMES) {
  const reason = noProc ?? find(runtime).reason;
  const title = `100 members hear all that 100 say, on ${runtime}`;
  needing(reason, title, async () => {
    const { server, port, stop } = await serverOn("tcp_chat", runtime);
    const before = figuresOf(server.pid)!;
    const deaf = await enter(port, "deaf");
    deaf.pause();
    const members: Member[] = [];
    for (let i = 0; i < MEMBERS; i++) {
      members.push(listen(await enter(port, `m${i}`)));
    }
    for (const { socket } of members) {
      socket.write(
        Array.from({ length: LINES }, (_, line) => `${line}\n`).join(""),
      );
    }
    const faults = await Promise.all(members.map(({ heard }) => heard));
    expect(faults.filter((fault) => fault)).toEqual([]);
    const { peak } = figuresOf(server.pid)!;
    expect(peak - before.resident).toBeLessThan(GROWTH);
    for (const { socket } of members) socket.destroy();
    deaf.destroy();
    await stop();
  });
}

interface Member {
  socket: Socket;
  /** Resolves when all has been heard, or to what is wrong. */
  heard: Promise<string | undefined>;
}

/** Enters, and has heard the welcome. */
async function enter(port: string, name: string): Promise<Socket> {
  const socket = net.connect(Number(port), "127.0.0.1");
  socket.write(`${name}\n`);
  for (let text = ""; !text.includes("* Welcome");) {
    text += (await once(socket, "data"))[0];
  }
  return socket.pause();
}

/** Hears what the others say, who count their lines. */
function listen(socket: Socket): Member {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const next = new Map<string, number>();
  let [rest, count] = ["", 0];
  socket.on("data", (bytes: Uint8Array) => {
    const lines = (rest + bytes).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      const [name, number] = line.split(": ");
      const wanted = next.get(name) ?? 0;
      if (Number(number) !== wanted) resolve(`${line}, and not ${wanted}`);
      next.set(name, wanted + 1);
      if (++count === (MEMBERS - 1) * LINES) resolve(undefined);
    }
  });
  socket.on("error", ({ message }) => resolve(message));
  socket.on("close", () => resolve("closed"));
  socket.resume();
  return { socket, heard: promise };
}
