/**
 * What a server takes for silence, and how it gives a client up: what moves is
 * not silent, a full server frees the place that was held longest, and a client
 * that is given up gets a RST.
 */
import { expect } from "bun:test";
import net from "node:net";
import { start } from "./support/started.ts";
import { commandFor, RUNTIMES } from "./support/runtimes.ts";
import { ROOT } from "./support/scripts.ts";
import { testOn } from "./support/test_on.ts";

const MUCH = 32 * 2 ** 20;

for (const runtime of RUNTIMES) {
  /** Starts a server with these limits, calls `work`, and gives what it said. */
  const withServer = async (
    limits: Record<string, number>,
    work: (connect: () => net.Socket) => Promise<unknown>,
  ) => {
    const server = start([
      ...commandFor(runtime, ["--allow-net"]),
      ...["tests/faults/limited.ts", JSON.stringify(limits)],
    ], { cwd: ROOT });
    try {
      const [, port] = await server.said(/Listening on 127\.0\.0\.1:(\d+)/);
      await work(() => net.connect(Number(port), "127.0.0.1"));
    } finally {
      server.signal("SIGTERM");
      await server.ended;
    }
    return server.written;
  };

  /** Resolves to how the connection has ended. */
  const endOf = (socket: net.Socket) =>
    new Promise<string>((resolve) => {
      socket.on("error", (error: Error & { code: string }) =>
        resolve(error.code));
      socket.on("end", () =>
        resolve("the end"));
    });
  // Deno cannot send a RST.
  const reset = runtime === "deno" ? "the end" : "ECONNRESET";

  testOn(runtime, `${runtime}: who reads slowly is not silent`, async () => {
    let received = 0;
    const { stdout } = await withServer({ idle: 700 }, async (connect) => {
      const slow = connect().on("data", ({ length }) => {
        received += length;
        slow.pause();
      });
      slow.write("much\n");
      const timer = setInterval(() => slow.resume(), 20);
      expect(await endOf(slow)).toBe("the end");
      clearInterval(timer);
    });
    expect([received, stdout]).toEqual([MUCH, "Answered much\n"]);
  });

  testOn(runtime, `${runtime}: who does not read is given up`, async () => {
    let received = 0;
    const { stderr, stdout } = await withServer(
      { idle: 700 },
      async (connect) => {
        const deaf = connect().on("data", ({ length }) => received += length);
        const end = endOf(deaf);
        deaf.write("much\n");
        deaf.pause();
        await Bun.sleep(2500);
        deaf.resume();
        expect(await end).toBe(reset);
      },
    );
    expect(stdout).toBe("");
    expect(received).toBeLessThan(MUCH);
    expect(stderr).toMatch(/Cannot send to 127\.0\.0\.1:\d+: timed out\n/);
  });

  testOn(runtime, `${runtime}: who drips gives way to others`, async () => {
    const limits = { clients: 2, hold: 700 };
    const { stderr } = await withServer(limits, async (connect) => {
      const drips = [connect(), connect()];
      const ends = drips.map(endOf);
      const timer = setInterval(
        () => drips.forEach((one) => one.write(".")),
        50,
      );
      await Bun.sleep(200);
      const honest = connect();
      const answer = new Promise((resolve) => honest.on("data", resolve));
      honest.write("hello\n");
      expect(String(await answer)).toBe("hello\n");
      expect(await ends[0]).toBe(reset);
      clearInterval(timer);
      drips.forEach((one) => one.destroy());
      honest.destroy();
    });
    expect(stderr).toMatch(
      /Closed: 127\.0\.0\.1:\d+ has been served for 700 ms, and others wait\n/,
    );
  });
}
