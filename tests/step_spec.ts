/**
 * `--step`: each call is shown before it is made, and made when the reader says so;
 * and what a trace says so that two processes can be put on one axis.
 */
import { describe, expect } from "bun:test";
import { freePort } from "../scripts/tools/support/free_port.ts";
import { difference } from "../scripts/tools/support/header.ts";
import { clientOn, command, nextTo, serverOn } from "./support/ends.ts";
import { run, RUNTIMES } from "./support/runtimes.ts";
import { CLOCKS, promised, step, STEPS } from "./support/stepping.ts";
import { alongside, testOn } from "./support/test_on.ts";

describe("--step", () => {
  // The gate runs each on all three. This one makes 16,000 calls.
  const some = STEPS.filter((name) => name !== "tcp_half_close.ts");
  for (const [i, script] of some.entries()) {
    const runtime = RUNTIMES[i % RUNTIMES.length];
    testOn(
      runtime,
      `lets ${script} print its output on ${runtime}`,
      async () => {
        const { output, permissions } = promised(script, runtime);
        const { printed, tell, ended } = step(script, runtime, [], permissions);
        tell("\n".repeat(200));
        expect((await ended).code).toBe(0);
        const lines = printed().flatMap(({ end, line }) =>
          line === undefined ? [] : [`${end}: ${line}`]
        );
        expect(difference(output, lines)).toBeNull();
        const held = printed().filter((call) => call.held);
        const made = printed().filter(({ result, error }) => result ?? error);
        expect(held.length).toBeGreaterThan(8);
        // What the runner's stop ends was held, and is no part of the program.
        expect(held.length - made.length).toBeOneOf([0, 1, 2, 3]);
      },
    );
  }

  for (const runtime of RUNTIMES) {
    testOn(
      runtime,
      `is refused by what goes by the clock on ${runtime}`,
      async () => {
        const name = CLOCKS[0].replace(".ts", "");
        const { code, stdout, stderr } = await run(
          command(name, runtime, ["--step"]),
        );
        expect([code, stdout]).toEqual([2, ""]);
        expect(stderr).toMatch(/^This experiment lives by the clock: .*\n$/);
      },
    );

    const other = nextTo(runtime);
    testOn(
      runtime,
      `decides what comes first, ${runtime} and ${other}`,
      async () => {
        const port = String(await freePort());
        const server = step("tcp_time", runtime, ["server", "--port", port]);
        const early = step("tcp_time", other, ["client", "--port", port]);
        // The client first: nobody listens yet.
        for (const call of ["socket", "connect"]) {
          await early.held(call);
          early.tell("");
        }
        expect((await early.ended).code).toBe(1);
        expect(early.written.stdout).toContain('"error":"ECONNREFUSED"');

        const client = step("tcp_time", other, ["client", "--port", port]);
        for (const call of ["socket", "bind", "listen"]) {
          await server.held(call);
          server.tell("");
          await server.made(call);
        }
        await server.held("accept");
        // Nobody accepts yet, and the client connects all the same.
        for (const call of ["socket", "connect"]) {
          await client.held(call);
          client.tell("");
          await client.made(call);
        }
        await client.held("recv");
        client.tell("");
        await client.waits("recv");
        expect(server.printed().at(-1)).toMatchObject({
          call: "accept",
          held: true,
        });
        for (const call of ["accept", "sendall"]) {
          await server.held(call);
          server.tell("");
          await server.made(call);
        }
        await client.made("recv");
        client.tell("run");
        expect((await client.ended).code).toBe(0);
        server.signal("SIGINT"); // while it stands before a call
        expect((await server.ended).code).toBe(130);
      },
    );
  }

  alongside("goes on at the end of standard input, or of holding", async () => {
    for (const order of ["", "run", "server run\nclient run"]) {
      const { tell, tellEnd, ended, printed } = step("tcp_echo", "bun");
      if (order) tell(order);
      else tellEnd();
      expect((await ended).code).toBe(0);
      expect(printed().filter(({ held }) => held).length).toBeLessThan(3);
    }
  });

  alongside("lets the end go that a line names", async () => {
    const { tell, held, made, ended, printed } = step("tcp_hello", "bun");
    for (const call of ["socket", "bind", "listen"]) {
      await held(call);
      tell("server");
      await made(call);
    }
    for (const call of ["socket", "connect", "recv"]) {
      await held(call);
      tell("client");
    }
    await made("connect");
    const accepts = () => printed().filter(({ call }) => call === "accept");
    expect(accepts()).toMatchObject([{ held: true }]);
    tell("server");
    await made("accept");
    tell("run");
    expect((await ended).code).toBe(0);
  });

  alongside(
    "asks nothing about what ends when the last client is done",
    async () => {
      const { tell, held, ended, printed } = step("tcp_hello", "bun");
      tell("client run");
      for (const call of ["socket", "bind", "listen", "accept", "sendall"]) {
        await held(call);
        tell("server");
      }
      // It stood before its second accept() until then.
      await held("close");
      tell("server");
      expect((await ended).code).toBe(0);
      expect(printed().filter(({ error }) => error)).toEqual([]);
    },
  );

  alongside(
    "shows the calls on standard error, and what an order is",
    async () => {
      const { stdout, stderr, code } = await run([
        ...["/bin/sh", "-c", `printf '\\n?\\n' | "$@" --step`, "sh"],
        ...command("tcp_hello", "bun"),
      ]);
      expect(code).toBe(0);
      expect(stderr.split("\n").slice(0, 3)).toEqual([
        "next: server socket(AF_INET, SOCK_STREAM)",
        "next: server bind(3, ('127.0.0.1', 0))",
        expect.stringMatching(/^Enter makes the call/),
      ]);
      expect(stdout).toMatch(/^\d\.\d{4} server socket\(.*\n.* server bind/);
    },
  );

  alongside("has no time limits, unless one is asked for", async () => {
    const code = `
      const { stepThrough } = await import("./lib/experiment/step.ts");
      const { limits } = await import("./lib/experiment/settings.ts");
      const { socket, setdefaulttimeout } = await import("./lib/mod.ts");
      const timeout = Number(process.argv[1]) || undefined;
      stepThrough({}, { role: "client", flags: {}, host: "", timeout });
      const one = socket();
      one.settimeout(5);
      let refused = false;
      try { one.settimeout(0) } catch { refused = true }
      const signal = AbortSignal.timeout(1);
      await new Promise((resolve) => setTimeout(resolve, 5));
      console.log(one.gettimeout(), refused, signal.aborted, limits.idle, limits.hang);
    `;
    const { stdout } = await run(["bun", "-e", code], {
      cwd: `${import.meta.dir}/..`,
    });
    const most = 2 ** 31 - 1;
    expect(stdout).toBe(`${most} true false ${most} ${most}\n`);
    const limited = await run(["bun", "-e", code, "40"], {
      cwd: `${import.meta.dir}/..`,
    });
    expect(limited.stdout).toBe(`5 true true ${most} ${most}\n`);
  });
});

describe("--trace --json", () => {
  for (const runtime of RUNTIMES) {
    testOn(runtime, `says what two processes need, on ${runtime}`, async () => {
      const before = Date.now();
      const flags = ["--trace", "--json", "--bytes"];
      const { port, stop } = await serverOn("tcp_time", runtime, flags);
      const client = linesIn(await clientOn("tcp_time", runtime, port, flags));
      const server = linesIn(await stop());
      const [connect] = of(client, "connect");
      const [accept] = of(server, "accept");
      const address = `('127.0.0.1', ${port})`;
      expect(connect).toMatchObject({ peer: address });
      expect(accept).toMatchObject({
        made: 4,
        name: address,
        peer: connect.name,
      });
      expect(connect.name).toMatch(/^\('127\.0\.0\.1', [1-9]\d+\)$/);
      // The server has waited for the client, and said so.
      expect(accept.begun).toBeLessThan(accept.at);
      expect(server.find(({ begins }) => begins)).toMatchObject({
        call: "accept",
      });
      const [sent, received] = [
        of(server, "sendall")[0],
        of(client, "recv")[0],
      ];
      expect(atob(sent.data)).toMatch(/^\d\d\/\d\d\/\d{4} \d\d:\d\d:\d\d$/);
      expect([received.data, received.bytes]).toEqual([sent.data, 19]);
      const calls = [...server, ...client].filter(({ call }) => call);
      for (const { at, time } of calls) {
        expect(at).toBeGreaterThan(before - 1000);
        expect(at).toBeLessThan(Date.now() + 1000);
        expect(time).toBeLessThan(at);
      }
      expect(new Set(server.map(({ end }) => end))).toEqual(
        new Set(["server"]),
      );
    });
  }

  alongside(
    "keeps the first 65,536 bytes of a call, and none without --bytes",
    async () => {
      const flags = ["--trace", "--json"];
      const { stdout } = await run(
        command("tcp_half_close", "bun", [...flags, "--bytes"]),
      );
      const data = linesIn(stdout).flatMap(({ data }) => data ?? []);
      expect(Math.max(...data.map((text) => atob(text).length))).toBe(65_536);
      const plain = await run(command("tcp_hello", "bun", flags));
      expect(linesIn(plain.stdout).filter(({ data }) => data)).toEqual([]);
    },
  );
});

// deno-lint-ignore no-explicit-any -- what a test expects of each is its own
type Line = any;

function linesIn(stdout: string): Line[] {
  return stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
}

function of(lines: Line[], call: string): Line[] {
  return lines.filter((line) => line.call === call && line.result);
}
