/**
 * What is different on Windows and macOS, as far as it can be tried on another
 * system: their errors, their paths, their ends of lines, their runtimes.
 */
import { afterAll, describe, expect, test } from "bun:test";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { SocketError } from "../lib/mod.ts";
import { codeOf } from "../lib/sockets/socket_error.ts";
import { commandOf, experiments } from "../scripts/tools/matrix/pair.ts";
import { within } from "../scripts/tools/support/processes.ts";
import { start } from "./support/started.ts";
import type { Runtime } from "../scripts/tools/support/runtimes.ts";
import { difference, readHeader } from "../scripts/tools/support/header.ts";
import {
  commandFor,
  find,
  python,
  run,
  type RuntimeName,
  RUNTIMES,
} from "./support/runtimes.ts";
import { load, ROOT } from "./support/scripts.ts";
import { play } from "./support/play.ts";
import { alongside, needing, testOn } from "./support/test_on.ts";

const folder = mkdtempSync(join(tmpdir(), "socket-lab-windows-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs a script that takes this system for another one. */
function runAsOn(system: string, runtime: RuntimeName, words: string[]) {
  const preload = pathToFileURL(`${ROOT}tests/support/as_on.ts`).href;
  const flag = `${runtime === "node" ? "--import" : "--preload"}=${preload}`;
  return run([...commandFor(runtime, ["-A"]), flag, ...words], {
    cwd: ROOT,
    env: { SOCKET_LAB_SYSTEM: system },
  });
}

test("codeOf() knows an error of Windows from each runtime", () => {
  const shapes: [string, object][] = [
    // Deno: a class and a code, or a class alone; the system's number in words.
    ["ECONNREFUSED", {
      name: "ConnectionRefused",
      code: "ECONNREFUSED",
      message: "Connection refused. (os error 10061)",
    }],
    ["EADDRNOTAVAIL", {
      name: "AddrNotAvailable",
      code: "EADDRNOTAVAIL",
      message: "Cannot assign requested address. (os error 10049)",
    }],
    ["EACCES", { name: "NotCapable", message: "Requires net access" }],
    // Bun: the number of Winsock beside the name, or Winsock's own name.
    ["EADDRINUSE", { code: "EADDRINUSE", errno: 10048, syscall: "listen" }],
    ["ECONNRESET", { code: "WSAECONNRESET", errno: 10054 }],
    ["ETIMEDOUT", { code: "WSAETIMEDOUT", errno: 10060 }],
    ["EIO", { message: "Failed to listen at C:\\x.sock" }],
    // Node: the name, and a number of libuv.
    ["EACCES", { code: "EACCES", errno: -4092, syscall: "listen" }],
    ["EADDRNOTAVAIL", { code: "EADDRNOTAVAIL", errno: -4090 }],
    ["EIO", { code: "UNKNOWN", errno: -4094, syscall: "send" }],
  ];
  for (const [code, shape] of shapes) {
    expect([code, codeOf(Object.assign(new Error(), shape))]).toEqual([
      code,
      code,
    ]);
  }
});

for (const runtime of RUNTIMES) {
  describe(`on ${runtime}`, () => {
    testOn(runtime, "Windows' errors and destinations are ours", async () => {
      const script = "tests/support/windows.ts";
      const { stdout, stderr } = await runAsOn("windows", runtime, [script]);
      const [own, any] = [["127.0.0.1", 9], ["0.0.0.0", 9]];
      const other = ["127.0.0.2", 9];
      expect([stderr, JSON.parse(stdout)]).toEqual(["", {
        destinations: [[own, own, any], [own, own, any], [other, other, other]],
        advice: "This system reserves the port: choose another with --port",
        reset: ["ECONNREFUSED", "ECONNREFUSED"],
        unknown: ["ECONNREFUSED", "ECONNREFUSED"],
      }]);
    });

    testOn(runtime, "unix_echo says what to do on Windows", async () => {
      const { code, stdout, stderr } = await runAsOn("windows", runtime, [
        "scripts/unix_echo.ts",
      ]);
      expect(stderr).toBe(
        "Cannot create a socket: address family not supported by this system\n" +
          "Run it in WSL, or tcp_hello, which is alike over TCP\n",
      );
      expect([code, stdout]).toEqual([1, ""]);
    });

    testOn(runtime, "unix_echo has a file for a path on macOS", async () => {
      const script = "scripts/unix_echo.ts";
      const { code, stdout, stderr } = await runAsOn("darwin", runtime, [
        script,
      ]);
      const { output } = readHeader(readFileSync(ROOT + script, "utf8"));
      expect(difference(output, stdout.trimEnd().split("\n"))).toBeNull();
      const [, path] = stdout.match(/^server: My name is '(\/tmp\/.+)'$/m)!;
      expect([code, stderr, existsSync(path)]).toEqual([0, "", false]);
    });

    testOn(runtime, "a server stops where its orders end", async () => {
      const sync = experiments().find(({ name }) => name === "time_sync")!;
      const path = find(runtime).path!;
      const own: Runtime = { name: runtime, path, version: "" };
      const command = commandOf(sync, own, { orders: true });
      const server = start([...command, "server", "--port", "0"], {
        cwd: ROOT,
        orders: true,
        group: false,
      });
      try {
        await server.said(/^Listening on /m);
        server.tellEnd();
        expect((await within(30_000, server.ended))?.code).toBe(0);
        expect(server.written.stdout).toMatch(/^0 answered, 0 dropped$/m);
      } finally {
        server.signal("SIGKILL");
      }
    });
  });
}

test("udp_broadcast binds to any address where it cannot to that one", async () => {
  const { DatagramSocket } = await import("../lib/sockets/datagram_socket.ts");
  const { bind } = DatagramSocket.prototype;
  const bound: string[] = [];
  DatagramSocket.prototype.bind = function (address) {
    bound.push(address[0]);
    if (address[0] !== "127.255.255.255") return bind.call(this, address);
    return Promise.reject(new SocketError("EADDRNOTAVAIL", "bind", address));
  };
  try {
    const { lines } = await play(await load("udp_broadcast"));
    expect(lines).toContain("client: 2 answers");
    expect(bound).toEqual(["127.255.255.255", "0.0.0.0", "0.0.0.0", "0.0.0.0"]);
  } finally {
    DatagramSocket.prototype.bind = bind;
  }
});

needing(python().reason, "python3 may be named python", async () => {
  const path = mkdtempSync(join(folder, "path-"));
  symlinkSync(python().path!, join(path, "python"));
  const { code, stdout, stderr } = await run([
    ...commandFor("bun", []),
    ...[`${ROOT}scripts/tools/matrix.ts`, "--runtimes", "python3"],
    ...["--only", "tcp_hello", "--json"],
  ], { env: { PATH: path, SOCKET_LAB_PYTHON3: "" } });
  expect([code, stderr]).toEqual([0, ""]);
  expect(JSON.parse(stdout)).toMatchObject({ server: "python3", ok: true });
});

describe("in a checkout with CRLF", () => {
  const lab = join(folder, "lab");
  for (const name of ["lib", "scripts", "deno.json", "deno.lock"]) {
    cpSync(join(ROOT, name), join(lab, name), { recursive: true });
  }
  for (const name of readdirSync(lab, { recursive: true }).map(String)) {
    if (!name.endsWith(".ts")) continue;
    const file = join(lab, name);
    const text = readFileSync(file, "utf8").replace(/\r?\n/g, "\r\n");
    writeFileSync(file, text);
  }
  const runIn = (runtime: RuntimeName, ...words: string[]) =>
    run([...commandFor(runtime, ["-A"]), ...words], { cwd: lab });
  const { output } = readHeader(
    readFileSync(join(lab, "scripts/tcp_time.ts"), "utf8"),
  );

  for (const runtime of RUNTIMES) {
    testOn(runtime, `an experiment runs on ${runtime}`, async () => {
      const { code, stdout } = await runIn(runtime, "scripts/tcp_time.ts");
      expect(difference(output, stdout.trimEnd().split("\n"))).toBeNull();
      expect([code, output.length]).toEqual([0, 4]);
    });
  }

  alongside("the matrix compares with the headers", async () => {
    const { code, stdout } = await runIn(
      "bun",
      ...["scripts/tools/matrix.ts", "--runtimes", "bun"],
      ...["--only", "tcp_time", "--json"],
    );
    expect([code, JSON.parse(stdout).reason]).toEqual([0, null]);
  });

  testOn("node", "a report has both ends and no CR", async () => {
    const tool = "scripts/tools/report.ts";
    const { code, stderr } = await runIn("node", tool, "tcp_time");
    expect([code, stderr]).toEqual([0, ""]);
    const report = readFileSync(join(lab, "reports/tcp_time.md"), "utf8");
    expect(report).toContain("export async function server(");
    expect(report).not.toContain("\r");
  });

  testOn("deno", "a snippet runs", async () => {
    const tool = "scripts/tools/snippet.ts";
    const { code, stdout } = await runIn("deno", tool, "tcp_time");
    expect([code, stdout.includes("\r")]).toEqual([0, false]);
    const file = join(folder, "snippet.ts");
    writeFileSync(file, stdout);
    const ran = await run([process.execPath, file]);
    expect(difference(output, ran.stdout.trimEnd().split("\n"))).toBeNull();
  });
});
