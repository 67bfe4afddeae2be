/**
 * Faults of the server's own machine, on each runtime: each ends in one clear
 * message, or the server goes on; never in a wrong result.
 *
 * A TCP port that is taken, and signals, are in command_line_spec.ts; a kill -9
 * of a server that writes a file is in event_log_spec.ts.
 */
import { afterAll, expect } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { canListen } from "../scripts/tools/support/free_port.ts";
import {
  commandOf,
  expectForeignAddress,
  expectPortTaken,
  fault,
  serverOf,
  stopped,
  withSteppedClock,
} from "./faults/servers.ts";
import { EXCHANGES, type StreamExchange } from "./hostile/exchanges.ts";
import * as stream from "./hostile/stream_peers.ts";
import { type CommandLine, runAll } from "./support/command_lines.ts";
import { figuresOf, noProc, ticksOf } from "./support/proc.ts";
import { run } from "./support/runtimes.ts";
import { ROOT } from "./support/scripts.ts";

const folder = mkdtempSync(`${tmpdir()}/faults-`);
afterAll(() => rmSync(folder, { recursive: true }));

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

fault("time_sync notices a clock that is set back", async (runtime) => {
  const call = ["time_sync", "recvfrom", "10"];
  const samples = ["--samples", "20"];
  const { client } = await withSteppedClock(runtime, call, ...samples);
  expect(client).toContain(
    "The server's clock was set: earlier answers do not count\n",
  );
  const [, answers, offset] = client.match(
    /^Quickest of (\d+): .* offset (-\d+)\.\d+ ms$/m,
  )!;
  expect(Number(answers)).toBeWithin(9, 12);
  expect(Number(offset)).toBeWithin(-3_601_000, -3_599_000);
});

// Each runtime meets these with one server; with all of them in the gate.
fault("a UDP port that is taken is reported", (runtime) => {
  const server = { deno: "udp_echo", bun: "job_schedule", node: "udp_echo" };
  return expectPortTaken(runtime, server[runtime]);
});

fault("an address of another machine is reported", (runtime) => {
  const server = { deno: "tcp_time", bun: "udp_echo", node: "event_log" };
  return expectForeignAddress(runtime, server[runtime]);
});

fault(
  "a server without free descriptors serves when there are some again",
  async (runtime) => {
    const limited = ["sh", "-c", 'ulimit -n 64 && exec "$0" "$@"'];
    const server = await serverOf(runtime, ["tcp_time"], { before: limited });
    const clients: net.Socket[] = [];
    const connect = () => {
      const client = net.connect(server.port, "127.0.0.1");
      clients.push(client.on("error", () => {}).resume());
      return client;
    };
    const full = () => descriptorsOf(server.pid) >= 63;
    while (!full()) {
      const client = connect();
      await until(() => client.bytesRead > 0 || full());
    }
    for (let more = 0; more < 10; more++) connect();
    // Bun retries without a pause: see conformance/deviations.ts.
    if (runtime !== "bun") await until(() => isCalm(server.pid));

    // When some have left, one more is served; when all have, so is anybody.
    const served = clients.filter(({ bytesRead }) => bytesRead > 0);
    for (const client of served.slice(-20)) client.destroy();
    // Node closes new connections until it has seen them leave.
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

/** Whether a process sleeps for most of 200 ms. */
async function isCalm(pid: number): Promise<boolean> {
  const before = ticksOf(pid); // of 10 ms
  await Bun.sleep(200);
  return ticksOf(pid) - before < 5;
}

const noNamespace = spawnSync("unshare", ["-n", "ip", "link"]).status === 0
  ? undefined
  : "a network of its own needs root, unshare and ip";

/**
 * Asks a server in the network of another process, as the client would, but in
 * a shell that starts at once; tells whether there is an answer.
 */
function askInside(pid: number, protocol: "tcp" | "udp", port: number) {
  const script = `
    exec 3<>/dev/${protocol}/192.0.2.1/${port} || exit
    for i in {1..100}; do
      [ ${protocol} = tcp ] || echo -n "Hello, UDP!" >&3
      read -rN 11 -t 0.1 answer <&3 && exit
      [ $1 = once ] && exit 1
    done
    exit 1`;
  const inside = ["nsenter", `--net=/proc/${pid}/ns/net`, "bash", "-c", script];
  return async (how = "") =>
    (await run([...inside, "bash", how], { cwd: ROOT })).code === 0;
}

fault(
  "an address that is removed does not end a server, which serves once it is back",
  async (runtime) => {
    const setUp = "ip link set lo up; ip address add 192.0.2.1 dev lo; " +
      'exec "$0" "$@"';
    const before = ["unshare", "-n", "sh", "-c", setUp];
    for (const protocol of ["tcp", "udp"] as const) {
      const name = protocol === "tcp" ? "tcp_time" : "udp_echo";
      const args = [name, "--host", "192.0.2.1"];
      const server = await serverOf(runtime, args, { before });
      const ask = askInside(server.pid, protocol, server.port);
      const address = (verb: string) =>
        spawnSync("nsenter", [
          `--net=/proc/${server.pid}/ns/net`,
          ...["ip", "address", verb, "192.0.2.1/32", "dev", "lo"],
        ]).status;
      expect(await ask()).toBe(true);
      expect(address("del")).toBe(0);
      expect(await ask("once")).toBe(false);
      expect(address("add")).toBe(0);
      expect(await ask()).toBe(true);
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
  "a full disk ends event_log, which has kept what it printed",
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
      "Make room on its disk, or choose another path",
      "",
    ]);
    expect(code).toBe(1);
    const [told, kept] = stdout.split("Kept:\n");
    const lines = kept.split("\n").slice(0, -1); // the last one may be incomplete
    const messages = lines.map((line) => JSON.parse(line).message);
    expect(messages.length).toBeGreaterThan(100);
    expect(messages).toEqual(messages.map((_, i) => `no ${i}`));
    const printed = told.match(/: no \d+$/gm)!.map((line) => line.slice(2));
    expect(messages.slice(0, printed.length)).toEqual(printed);
  },
  noMount,
);

fault(
  "on a full disk event_log leaves an incomplete last line as it is",
  async (runtime) => {
    const disk = `${folder}/${runtime}-repair`;
    const path = `${disk}/log.jsonl`;
    mkdirSync(disk);
    // A whole page, so that one more byte needs another.
    const line = `{"received":"${"\\".repeat(4096 - 13)}`;
    const before = [
      ...["unshare", "-m", "sh", "-c"],
      `mount -t tmpfs -o size=64k none ${disk} && cp ${folder}/line ${path}
      cat /dev/zero > ${disk}/full 2> ${folder}/zero
      "$0" "$@"; code=$?; cat ${path}; exit $code`,
    ];
    writeFileSync(`${folder}/line`, line);
    const permissions = ["--allow-net", "--allow-read", "--allow-write"];
    const args = ["event_log", "server", "--port", "0", "--file", path];
    const { code, stdout, stderr } = await run(
      [...before, ...commandOf(runtime, args, permissions)],
      { cwd: ROOT },
    );
    expect(stderr).toBe(
      `Cannot append to ${path}: no space left on device\n` +
        "Make room on its disk, or choose another path\n",
    );
    expect(code).toBe(1);
    expect(stdout).toBe(line);
  },
  noMount,
);

const OTHER = "another";
/** Paths that cannot be used, and what unix_echo and event_log say of them. */
const PATHS: [path: string, unix: string, log: string | undefined][] = [
  ["text", OTHER, undefined],
  ["pipe", OTHER, "one that event_log has created"],
  ["folder", OTHER, "a path that is not a folder"],
  ["text/x", "a part of it is a file", "a part of it is a file"],
  ["none/x", "Check that its folder exists", "Check that its folder exists"],
  ["dangling", OTHER, undefined],
  ["circle", OTHER, "lead in a circle"],
  ["x".repeat(300), "has 1 to 107 bytes", "Choose a shorter path"],
];

fault("of a path that is no good, it says what to do", async (runtime) => {
  const own = mkdtempSync(`${folder}/paths-`);
  writeFileSync(`${own}/text`, "text\n");
  mkdirSync(`${own}/folder`);
  spawnSync("mkfifo", [`${own}/pipe`]);
  symlinkSync("nowhere", `${own}/dangling`);
  symlinkSync("circle", `${own}/circle`);
  const expected: string[] = [];
  const lines: CommandLine[] = [];
  for (const [name, unix, log] of PATHS) {
    for (
      const [script, flag, words] of [
        ["unix_echo", "--path", unix],
        ["event_log", "--file", log],
      ] as const
    ) {
      if (!words) continue;
      lines.push([script, ["--port", "0", flag, `${own}/${name}`]]);
      expected.push(words);
    }
  }
  const results = await runAll(runtime, lines, ["-A"]);
  results.forEach(({ code, stdout, stderr }, i) => {
    expect([lines[i], code, stdout + stderr])
      .toEqual([lines[i], 1, expect.stringContaining(expected[i])]);
    expect(stderr).toStartWith("Cannot ");
    expect(stderr.trimEnd().split("\n").length).toBeWithin(1, 3);
  });
});

fault(
  "a terminal that closes ends a server, which leaves no file",
  async (runtime) => {
    const path = `${folder}/hangup-${runtime}.sock`;
    const args = ["unix_echo", "--path", path];
    const permissions = ["--allow-net", "--allow-read", "--allow-write"];
    const server = await serverOf(runtime, args, { permissions });
    await until(() => existsSync(path));
    server.kill("SIGHUP");
    server.kill("SIGHUP"); // from the shell, too
    expect((await server.finished).code).toBe(0);
    expect(existsSync(path)).toBe(false);
  },
);

fault("what is said of a path escapes its controls", async (runtime) => {
  const path = `${folder}/\x1b[2J`;
  const args = ["unix_echo", "client", "--path", path];
  const permissions = ["--allow-net", "--allow-read", "--allow-write"];
  const { code, stderr } = await run(commandOf(runtime, args, permissions), {
    cwd: ROOT,
  });
  expect(stderr).toEndWith(`server --path ${folder}/\\x1b[2J\n`);
  expect(stderr).not.toContain("\x1b");
  expect(code).toBe(1);
});

fault(
  "SIGTERM frees the port of event_log, and a running sender finishes",
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

fault("SIGINT closes a client that stays silent", async (runtime) => {
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

fault(
  "after a kill -9 the socket's file is reported, and serves once removed",
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
    expect(stderr).toBe(`Cannot bind to ${path}: address already in use\n`);
    expect(code).toBe(1);
    rmSync(path);
    const next = await serverOf(runtime, args, { permissions });
    const echo = EXCHANGES.unix_echo as StreamExchange;
    expect(await stream.ask({ path }, echo)).toBeUndefined();
    await stopped(next);
    expect(existsSync(path)).toBe(false);
  },
);
