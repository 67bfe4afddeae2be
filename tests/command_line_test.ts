/**
 * The command line of the experiments, on every runtime: both ends in two
 * processes, what is wrong, and how a server is stopped.
 */
import { describe, expect } from "bun:test";
import net from "node:net";
import { fileURLToPath } from "node:url";
import {
  commandFor,
  run,
  type Running,
  RUNTIMES,
  start,
} from "./support/runtimes.ts";
import { ROOT } from "./support/scripts.ts";
import { alongside, testOn } from "./support/test_on.ts";

const USAGE = "(usage: tcp_time.ts [both | server | client] [--host H] " +
  "[--port P] [--clients N] [--timeout MS] [--trace] [--diagram] [--json] " +
  "[--help])\n";

const WRONG = [
  [["--port", "banana"], '--port takes 0 to 65535, not "banana"'],
  [["--port", "70000"], '--port takes 0 to 65535, not "70000"'],
  [["client", "--port", "0"], '--port takes 1 to 65535, not "0"'],
  [["--port"], "--port needs a value"],
  [["--port", "--host", "::1"], "--port needs a value"],
  [["--clients", "0"], '--clients takes 1 to 1000000, not "0"'],
  [["--timeout", "1.5"], '--timeout takes 1 to 2147483647, not "1.5"'],
  [["--prot", "8000"], "Unknown flag --prot"],
  [["-x"], "Unknown flag -x"],
  [["--json=yes"], '--json takes no value, not "yes"'],
  [["sever"], 'Unknown role "sever"'],
  [["server", "client"], 'One role only, not "client"'],
] as const;

for (const runtime of RUNTIMES) {
  describe(runtime, () => {
    const script = (
      name: string,
      args: readonly string[],
      permissions = ["--allow-net"],
    ) => [
      ...commandFor(runtime, permissions),
      `scripts/${name}.ts`,
      ...args,
    ];
    const runTime = (...args: string[]) =>
      run(script("tcp_time", args), { cwd: ROOT });

    /** A server on a free port, which it tells on standard error. */
    async function serverOf(
      name: string,
      ...args: string[]
    ): Promise<{ server: Running; port: string }> {
      const command = script(name, ["server", "--port", "0", ...args]);
      const server = start(command, { cwd: ROOT });
      const told = await server.said(/Listening on 127\.0\.0\.1:(\d+)/);
      return { server, port: told[1] };
    }

    testOn(runtime, "two processes look as in the seed", async () => {
      const { server, port } = await serverOf("tcp_time", "--clients", "2");
      const clients = await runTime("client", "--port", port, "--clients", "2");
      const { code, stdout } = await server.finished;
      expect(clients.stdout).toMatch(
        /^(Received from server: [\d/]{10} [\d:]{8}\n){2}$/,
      );
      const [first, ...served] = stdout.replace(/\d+(?=\))/g, "N").split("\n");
      expect(first).toBe("Waiting for a client to connect...");
      // The second client may come before the first one's thanks.
      expect(served.sort()).toEqual([
        "",
        "Acknowledgment from client: Time received successfully.",
        "Acknowledgment from client: Time received successfully.",
        "Client Address: ('127.0.0.1', N)",
        "Client Address: ('127.0.0.1', N)",
      ]);
      expect([clients.code, code]).toEqual([0, 0]);
    });

    testOn(runtime, "runs with --allow-net=127.0.0.1", async () => {
      const command = script("tcp_time", [], ["--allow-net=127.0.0.1"]);
      const { code, stdout } = await run(command, { cwd: ROOT });
      expect(stdout).toContain("server: Acknowledgment from client: Time");
      expect(code).toBe(0);
    });

    testOn(runtime, "--json prints an object a line", async () => {
      const { stdout } = await runTime("--json");
      const lines = stdout.trimEnd().split("\n");
      expect(lines.map((line) => JSON.parse(line).end).sort()).toEqual(
        ["client", "server", "server", "server"],
      );
    });

    testOn(runtime, "--help lists the flags and exits 0", async () => {
      const { code, stdout, stderr } = await runTime("--help");
      const flags = ["--host", "--port", "--clients", "--timeout", "--json"];
      for (const flag of flags) expect(stdout).toContain(flag);
      expect([code, stderr]).toEqual([0, ""]);
    });

    testOn(runtime, "a wrong flag is one line and exit 2", async () => {
      for (const [args, message] of WRONG) {
        const { code, stdout, stderr } = await runTime(...args);
        expect(stderr).toBe(`${message} ${USAGE}`);
        expect([code, stdout]).toEqual([2, ""]);
      }
    });

    testOn(runtime, "nobody listening is told with what to do", async () => {
      const port = await freePort();
      const { code, stderr } = await runTime("client", "--port", port);
      const command = runtime === "deno" ? "deno run --allow-net" : runtime;
      expect(stderr.split("\n")).toEqual([
        `Cannot connect to 127.0.0.1:${port}: connection refused`,
        `Start the server first: ${command} scripts/tcp_time.ts server ` +
        `--port ${port}`,
        "",
      ]);
      expect(code).toBe(1);
    });

    testOn(runtime, "a port that is taken is told", async () => {
      const taken = net.createServer().listen(0, "127.0.0.1");
      await new Promise((resolve) => taken.once("listening", resolve));
      const port = String((taken.address() as net.AddressInfo).port);
      for (const role of ["server", "both"]) {
        const { code, stdout, stderr } = await runTime(role, "--port", port);
        expect(stderr.split("\n")).toEqual([
          `Cannot listen on 127.0.0.1:${port}: address already in use`,
          "Another server has this port: stop it, or choose another with " +
          "--port",
          "",
        ]);
        expect([code, stdout]).toEqual([1, ""]);
      }
      taken.close();
    });

    testOn(runtime, "an unknown host is told", async () => {
      const host = `${"x".repeat(64)}.invalid`;
      const { code, stderr } = await runTime("client", "--host", host);
      expect(stderr).toBe(
        `Cannot connect to ${host}:8000: name not known\n` +
          "Check the name after --host\n",
      );
      expect(code).toBe(1);
    });

    testOn(runtime, "an address of another family is told", async () => {
      const { code, stderr } = await runTime("client", "--host", "::1");
      expect(stderr).toStartWith(
        "Cannot connect to [::1]:8000: address family",
      );
      expect(code).toBe(1);
    });

    testOn(runtime, "a server that keeps silent is given up", async () => {
      const silent = net.createServer().listen(0, "127.0.0.1");
      await new Promise((resolve) => silent.once("listening", resolve));
      const port = String((silent.address() as net.AddressInfo).port);
      const { code, stderr } = await runTime(
        ...["client", "--port", port, "--timeout", "100"],
      );
      expect(stderr).toStartWith(
        `Cannot receive from 127.0.0.1:${port}: timed out\n`,
      );
      expect(code).toBe(1);
      silent.close();
    });

    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      testOn(runtime, `${signal} lets the exchange in hand end`, async () => {
        const { server, port } = await serverOf("tcp_time");
        const client = net.connect(Number(port), "127.0.0.1");
        await new Promise((resolve) => client.once("data", resolve));
        server.kill(signal);
        // The port is free while the exchange goes on.
        await until(() => canListen(Number(port)));
        client.end("thanks");
        const { code, stdout, stderr } = await server.finished;
        expect(stdout).toEndWith("Acknowledgment from client: thanks\n");
        expect(stderr).not.toContain("at ");
        expect(code).toBe(0);
      });
    }

    testOn(runtime, "a second signal ends a server at once", async () => {
      const { server, port } = await serverOf("tcp_time");
      const client = net.connect(Number(port), "127.0.0.1");
      await new Promise((resolve) => client.once("data", resolve));
      server.kill("SIGINT");
      await until(() => canListen(Number(port)));
      server.kill("SIGINT");
      expect((await server.finished).code).toBe(130);
      client.destroy();
    });

    testOn(runtime, "a reader of the output may leave", async () => {
      const command = script("tcp_time", ["--clients", "50"]).join(" ");
      const { code, stderr } = await run(
        ["bash", "-c", `set -o pipefail; ${command} | head -n 1`],
        { cwd: ROOT },
      );
      expect([code, stderr]).toEqual([0, ""]);
    });

    testOn(runtime, "a peer's reset ends nothing", async () => {
      const { server, port } = await serverOf("tcp_time", "--clients", "2");
      const rude = net.connect(Number(port), "127.0.0.1");
      await new Promise((resolve) => rude.once("data", resolve));
      rude.resetAndDestroy();
      await server.said(/Cannot receive from .*: connection reset by peer/);
      const { code } = await runTime("client", "--port", port);
      expect(code).toBe(0);
      expect((await server.finished).code).toBe(0);
    });

    if (runtime === "deno") {
      testOn(runtime, "a denied permission names the flag", async () => {
        const { code, stderr } = await run(script("tcp_time", [], []), {
          cwd: ROOT,
        });
        expect(stderr).toMatch(
          /^Cannot listen on 127\.0\.0\.1:0: permission denied \(.*--allow-net/,
        );
        expect(stderr).not.toContain("    at ");
        expect(code).toBe(1);
      });
    }
  });
}

alongside("the scripts run from another folder", async () => {
  const script = fileURLToPath(
    new URL("../scripts/tcp_hello.ts", import.meta.url).href,
  );
  const { code } = await run([...commandFor("bun", []), script], { cwd: "/" });
  expect(code).toBe(0);
});

async function freePort(): Promise<string> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return String(port);
}

function canListen(port: number): Promise<boolean> {
  const server = net.createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** Waits for what must come; the test's own limit ends it. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!await condition()) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
