/**
 * Faults on our side: what a server's own machine may do to it, on each
 * runtime. Each ends in one clear message, or the server goes on; never in a
 * wrong result.
 *
 * A port that TCP has taken and the signals are in command_line_test.ts; a
 * kill -9 of a server that writes a file is in event_log_test.ts.
 */
import { afterAll, describe, expect } from "bun:test";
import { spawnSync } from "node:child_process";
import dgram from "node:dgram";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { canListen, freePort } from "../scripts/tools/support/free_port.ts";
import { EXCHANGES, type StreamExchange } from "./hostile/exchanges.ts";
import * as datagram from "./hostile/datagram_peers.ts";
import * as stream from "./hostile/stream_peers.ts";
import { figuresOf, noProc, ticksOf } from "./support/proc.ts";
import {
  commandFor,
  find,
  run,
  type Running,
  type RuntimeName,
  RUNTIMES,
  start,
} from "./support/runtimes.ts";
import { ROOT } from "./support/scripts.ts";
import { needing } from "./support/test_on.ts";

const folder = mkdtempSync(`${tmpdir()}/faults-`);
afterAll(() => rmSync(folder, { recursive: true }));

/** What each runtime does about it. */
function fault(
  title: string,
  body: (runtime: RuntimeName) => Promise<void>,
  missing?: string,
): void {
  describe(title, () => {
    for (const runtime of RUNTIMES) {
      const reason = missing ?? find(runtime).reason;
      needing(reason, `on ${runtime}`, () => body(runtime));
    }
  });
}

interface Started extends Running {
  port: number;
}

/** A script of scripts/ as a server, behind another command if there is one. */
function commandOf(
  runtime: RuntimeName,
  [name, ...args]: string[],
  permissions = ["--allow-net"],
): string[] {
  const script = name.includes("/") ? name : `scripts/${name}.ts`;
  return [...commandFor(runtime, permissions), script, ...args];
}

async function serverOf(
  runtime: RuntimeName,
  [name, ...args]: string[],
  { before = [], permissions }: { before?: string[]; permissions?: string[] } =
    {},
): Promise<Started> {
  const all = [name, "server", "--port", "0", ...args];
  const command = [...before, ...commandOf(runtime, all, permissions)];
  const server = start(command, { cwd: ROOT });
  const [, port] = await server.said(/Listening on (?:[\d.]+:(\d+)|.*) \(/);
  return { ...server, port: Number(port) };
}

/** Stops a server, which ends as it should; gives what it printed. */
async function stopped(server: Running) {
  server.kill("SIGINT");
  const { code, stdout, stderr } = await server.finished;
  expect([code, stderr]).toEqual([0, expect.not.stringMatching(/^ +at /m)]);
  return { stdout, stderr };
}

const TIME = EXCHANGES.tcp_time as StreamExchange;
const targetOf = (port: number) => ({ host: "127.0.0.1", port });

async function connected(port: number): Promise<net.Socket> {
  const socket = net.connect(port, "127.0.0.1").on("error", () => {});
  await new Promise((resolve) => socket.once("connect", resolve));
  return socket.resume();
}

function closed(socket: net.Socket): Promise<unknown> {
  if (socket.closed) return Promise.resolve();
  return new Promise((resolve) => socket.once("close", resolve));
}

/** Waits for what must come; the test's own limit ends it. */
async function until(condition: () => boolean | Promise<boolean>) {
  while (!await condition()) await Bun.sleep(20);
}

/** A server whose machine's clock is set back, and what a client makes of it. */
async function stepped(
  runtime: RuntimeName,
  [name, call, count]: string[],
  ...flags: string[]
) {
  const script = ["tests/faults/stepped.ts", name, call, count];
  const permissions = ["--allow-net", `--allow-read=${ROOT}`];
  const server = start(commandOf(runtime, script, permissions), { cwd: ROOT });
  const [, port] = await server.said(/Listening on .*:(\d+) \(/);
  const args = [name, "client", "--port", port, ...flags];
  const client = await run(commandOf(runtime, args), { cwd: ROOT });
  expect(client).toMatchObject({ code: 0, stderr: "" });
  return { client: client.stdout, server: (await stopped(server)).stdout };
}

fault("time_sync tells a clock that is set back meanwhile", async (runtime) => {
  const { client } = await stepped(
    runtime,
    ["time_sync", "recvfrom", "10"],
    ...["--samples", "20"],
  );
  expect(client).toContain(
    "The server's clock was set: earlier answers do not count\n",
  );
  const [, answers, offset] = client.match(
    /^Quickest of (\d+): .* offset (-\d+)\.\d+ ms$/m,
  )!;
  expect(Number(answers)).toBeWithin(9, 12);
  expect(Number(offset)).toBeWithin(-3_601_000, -3_599_000);
});

fault(
  "job_schedule moves no job for a clock that is set back",
  async (runtime) => {
    const { server } = await stepped(
      runtime,
      ["job_schedule", "sendall", "1"],
    );
    expect(server).toMatch(/^backup: \d of 5 on time within \d{1,4} ms; /);
    expect(server).toMatch(/^report: \d of 5 on time within \d{1,4} ms; /m);
    expect(server).toMatch(/^backup: 1 late by up to \d{1,5} ms$/m);
    expect(server).not.toContain("did not report");
  },
);

fault("a port that UDP has taken is told", async (runtime) => {
  const taken = dgram.createSocket("udp4");
  const port = String(await freePort());
  await new Promise<void>((resolve) => {
    taken.bind(Number(port), "127.0.0.1", resolve);
  });
  for (const name of ["udp_echo", "job_schedule"]) { // which has TCP as well
    const args = [name, "server", "--port", port];
    const { code, stderr } = await run(commandOf(runtime, args), { cwd: ROOT });
    expect([code, stderr]).toEqual([
      1,
      `Cannot bind to 127.0.0.1:${port}: address already in use\n` +
      "Another server has this port: stop it, or choose another with --port\n",
    ]);
  }
  taken.close();
});

fault("an address of another machine is told", async (runtime) => {
  for (const name of ["tcp_time", "udp_echo", "event_log"]) {
    const args = [name, "server", "--host", "192.0.2.99"];
    const { code, stderr } = await run(commandOf(runtime, args), { cwd: ROOT });
    expect(stderr).toMatch(
      /^Cannot (listen on|bind to) 192\.0\.2\.99:\d+: not an address of this machine\nA server listens on an address of its own machine: see --host\n$/,
    );
    expect(code).toBe(1);
  }
});

fault(
  "a server without a descriptor left serves when there are",
  async (runtime) => {
    const limited = ["sh", "-c", 'ulimit -n 64 && exec "$0" "$@"'];
    const server = await serverOf(runtime, ["tcp_time"], { before: limited });
    const clients: net.Socket[] = [];
    const come = () => {
      const client = net.connect(server.port, "127.0.0.1");
      clients.push(client.on("error", () => {}).resume());
      return client;
    };
    const full = () => descriptorsOf(server.pid) >= 63;
    while (!full()) {
      const client = come();
      await until(() => client.bytesRead > 0 || full());
    }
    for (let more = 0; more < 10; more++) come();
    // Bun asks the kernel again at once: see conformance/deviations.ts.
    if (runtime !== "bun") await until(() => isCalm(server.pid));

    // Some leave, and somebody is served; then all do, and everybody is.
    const served = clients.filter(({ bytesRead }) => bytesRead > 0);
    for (const client of served.slice(-20)) client.destroy();
    // Node closes whoever comes before it has seen them leave.
    await until(() => descriptorsOf(server.pid) < 60);
    expect(await stream.ask(targetOf(server.port), TIME)).toBeUndefined();
    for (const client of clients) client.destroy();
    await until(() => descriptorsOf(server.pid) < 30);
    expect(await stream.ask(targetOf(server.port), TIME)).toBeUndefined();
    await stopped(server);
  },
  noProc,
);

function descriptorsOf(pid: number): number {
  return figuresOf(pid)!.descriptors;
}

/** Whether a process leaves the processor alone for most of 200 ms. */
async function isCalm(pid: number): Promise<boolean> {
  const before = ticksOf(pid); // of 10 ms
  await Bun.sleep(200);
  return ticksOf(pid) - before < 5;
}

const noNamespace = spawnSync("unshare", ["-n", "ip", "link"]).status === 0
  ? undefined
  : "a network of its own needs root, unshare and ip";

fault(
  "an address that goes away is no end, and serves when it is back",
  async (runtime) => {
    const setUp = "ip link set lo up; ip address add 192.0.2.1 dev lo; " +
      'exec "$0" "$@"';
    const before = ["unshare", "-n", "sh", "-c", setUp];
    const host = ["--host", "192.0.2.1"];
    for (const name of ["tcp_time", "udp_echo"]) {
      const server = await serverOf(runtime, [name, ...host], { before });
      const inside = ["nsenter", `--net=/proc/${server.pid}/ns/net`];
      const address = (verb: string) =>
        spawnSync(inside[0], [
          ...inside.slice(1),
          ...["ip", "address", verb, "192.0.2.1/32", "dev", "lo"],
        ]).status;
      const ask = async (timeout: string) => {
        const args = ["client", "--port", String(server.port), ...host];
        const command = commandOf(runtime, [
          name,
          ...args,
          "--timeout",
          timeout,
        ]);
        return (await run([...inside, ...command], { cwd: ROOT })).code;
      };
      expect(await ask("5000")).toBe(0);
      expect(address("del")).toBe(0);
      expect(await ask("100")).toBe(1);
      expect(address("add")).toBe(0);
      expect(await ask("5000")).toBe(0);
      const { stderr } = await stopped(server);
      expect(stderr.split("\n").slice(0, 2)).toEqual([
        expect.stringContaining("Listening on 192.0.2.1:"),
        "Other machines can connect to it, too",
      ]);
    }
  },
  noNamespace,
);

const mount = ["-m", "mount", "-t", "tmpfs", "none", folder];
const noMount = spawnSync("unshare", mount).status === 0
  ? undefined
  : "a disk of its own needs root and unshare";

fault(
  "a full disk ends event_log, which has kept what it told",
  async (runtime) => {
    const disk = `${folder}/${runtime}`;
    const path = `${disk}/log.jsonl`;
    mkdirSync(disk);
    const before = [
      ...["unshare", "-m", "sh", "-c"],
      `mount -t tmpfs -o size=64k none ${disk} && "$0" "$@"; code=$?; ` +
      `echo "Kept:"; cat ${path}; exit $code`,
    ];
    const permissions = [`--allow-read=${path}`, `--allow-write=${path}`];
    const server = await serverOf(runtime, ["event_log", "--file", path], {
      before,
      permissions: ["--allow-net", ...permissions],
    });
    const client = await connected(server.port);
    const say = (i: number) => client.write(`<13>1 - - - - - - no ${i}\n`);
    for (let i = 0; i < 50; i++) say(i);
    await server.said(/: no 49$/m);
    for (let i = 50; i < 1000; i++) say(i);
    const { code, stdout, stderr } = await server.finished;
    client.destroy();
    expect(stderr.split("\n").slice(1)).toEqual([
      `Cannot append to ${path}: no space left on device`,
      "",
    ]);
    expect(code).toBe(1);
    const [told, kept] = stdout.split("Kept:\n");
    const lines = kept.split("\n").slice(0, -1); // the last one may be torn
    const messages = lines.map((line) => JSON.parse(line).message);
    expect(messages.length).toBeGreaterThan(100);
    expect(messages).toEqual(messages.map((_, i) => `no ${i}`));
    const printed = told.match(/: no \d+$/gm)!.map((line) => line.slice(2));
    expect(messages.slice(0, printed.length)).toEqual(printed);
  },
  noMount,
);

fault(
  "SIGTERM lets a sender of event_log end, and frees the port",
  async (runtime) => {
    const server = await serverOf(runtime, ["event_log"]);
    const client = await connected(server.port);
    client.write("<13>1 - - - - - - one\n<13>1 - - - - - - tw");
    await server.said(/notice: one/);
    server.kill("SIGTERM");
    await until(() => canListen(server.port));
    client.end("o\n<13>1 - - - - - - three\n");
    const { code, stdout } = await server.finished;
    expect(stdout).toMatch(
      /: one\n.*: two\n.*: three\n3 messages: 3 over TCP, 0 over UDP; 0 malformed\n$/,
    );
    expect(code).toBe(0);
  },
);

fault("SIGINT gives up a client that stays silent", async (runtime) => {
  const server = await serverOf(runtime, ["tests/faults/tight.ts"]);
  const client = await connected(server.port);
  await server.said(/Client Address/);
  const end = closed(client);
  const { stderr } = await stopped(server);
  expect(stderr).not.toContain("timed out"); // which would be later
  await end;
  expect(await canListen(server.port)).toBe(true);
});

fault("after a kill -9 the same port serves at once", async (runtime) => {
  const killed = await serverOf(runtime, ["tcp_time"]);
  const port = ["--port", String(killed.port)];
  const open = await connected(killed.port);
  // The server ends this one first, so that its side is in TIME_WAIT.
  expect(await stream.ask(targetOf(killed.port), TIME)).toBeUndefined();
  killed.kill("SIGKILL");
  await killed.finished;
  const next = await serverOf(runtime, ["tcp_time", ...port]);
  expect(next.port).toBe(killed.port);
  expect(await stream.ask(targetOf(next.port), TIME)).toBeUndefined();
  open.destroy();
  await stopped(next);
});

fault("after a kill -9 so does a port of UDP", async (runtime) => {
  const killed = await serverOf(runtime, ["event_log"]);
  killed.kill("SIGKILL");
  await killed.finished;
  const port = ["--port", String(killed.port)];
  const next = await serverOf(runtime, ["udp_datagrams", ...port]);
  const { udp_datagrams } = EXCHANGES;
  if (udp_datagrams.kind !== "datagram") throw new Error("no datagram");
  expect(await datagram.ask(killed.port, udp_datagrams)).toBeUndefined();
  await stopped(next);
});

fault(
  "after a kill -9 a socket's file is told, and serves once removed",
  async (runtime) => {
    const path = `${folder}/${runtime}.sock`;
    const permissions = ["net", `read=${path}`, `write=${path}`]
      .map((what) => `--allow-${what}`);
    const args = ["unix_echo", "--path", path];
    const killed = await serverOf(runtime, args, { permissions });
    killed.kill("SIGKILL");
    await killed.finished;
    expect(existsSync(path)).toBe(true);
    const command = commandOf(
      runtime,
      ["unix_echo", "server", "--path", path],
      permissions,
    );
    const { code, stdout, stderr } = await run(command, { cwd: ROOT });
    expect(stdout).toBe(
      `No server has '${path}': if a killed one left it, remove it\n`,
    );
    expect(stderr).toBe(`Cannot listen on ${path}: address already in use\n`);
    expect(code).toBe(1);
    rmSync(path);
    const next = await serverOf(runtime, args, { permissions });
    const echo = EXCHANGES.unix_echo as StreamExchange;
    expect(await stream.ask({ path }, echo)).toBeUndefined();
    await stopped(next);
    expect(existsSync(path)).toBe(false);
  },
);
