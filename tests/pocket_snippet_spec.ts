/**
 * The snippets with the pocket edition: one file that runs as it is, in an empty
 * folder, on every runtime, and talks to the lab's own programs.
 */
import { afterAll, describe, expect, test } from "bun:test";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lackOf, paste } from "../scripts/tools/snippet/paste.ts";
import { allNames, sourceOf } from "../scripts/tools/support/experiments.ts";
import { freePort } from "../scripts/tools/support/free_port.ts";
import { difference, readHeader } from "../scripts/tools/support/header.ts";
import { expectDelay } from "./support/nodelay.ts";
import { commandFor, find, run, RUNTIMES, start } from "./support/runtimes.ts";
import { ROOT } from "./support/scripts.ts";
import { needing, testOn, testScript } from "./support/test_on.ts";

const NAMES = allNames().filter((name) => !lackOf(sourceOf(name)));
const TOOL = join(ROOT, "scripts/tools/snippet.ts");

/** A folder with every snippet, and for each one with its two ends. */
const FOLDER = mkdtempSync(join(tmpdir(), "pocket-test-"));
afterAll(() => rmSync(FOLDER, { recursive: true }));
for (const name of NAMES) {
  const source = sourceOf(name);
  writeFileSync(join(FOLDER, `${name}.ts`), paste(name, source));
  mkdirSync(join(FOLDER, name));
  for (const end of ["server", "client"] as const) {
    writeFileSync(join(FOLDER, name, `${end}.ts`), paste(name, source, end));
  }
}

const textOf = (name: string) =>
  readFileSync(join(FOLDER, `${name}.ts`), "utf8");
const linesOf = (text: string) => text.trimEnd().split("\n");

test("the pocket edition serves who imports lib/mod.ts alone", () => {
  const alone = allNames().filter((name) =>
    [...sourceOf(name).matchAll(/^(?:import .*|\}) from "(.*)";/gm)]
      .every(([, file]) => file === "../lib/mod.ts")
  );
  expect(NAMES).toEqual(alone);
  expect(lackOf(sourceOf("event_log"))).toBe("lib/protocols/syslog.ts");
  const of = (names: string, call = "") =>
    `import { ${names} } from "../lib/mod.ts";\n${call}`;
  expect(lackOf(of("socket, type End"))).toBeUndefined();
  expect(lackOf(of("socket, observe"))).toBe("observe");
  expect(lackOf(of("socket", "await one.recv_into(buffer)"))).toBe("recv_into");
});

test("the socket calls of tcp_time take at most 180 lines, the whole 300", () => {
  const text = textOf("tcp_time");
  const from = text.indexOf("// The pocket edition");
  const calls = text.slice(from, text.indexOf("/** What a server or client"));
  expect(linesOf(calls).length).toBeLessThanOrEqual(180);
  expect(linesOf(text).length).toBeLessThanOrEqual(300);
});

test("a checkout with CRLF gives the same snippets", async () => {
  const clone = mkdtempSync(join(FOLDER, "crlf-"));
  for (const folder of ["lib", "scripts"]) {
    cpSync(join(ROOT, folder), join(clone, folder), { recursive: true });
  }
  const files = readdirSync(clone, { recursive: true }).map(String);
  for (const file of files.filter((file) => file.endsWith(".ts"))) {
    const path = join(clone, file);
    const text = readFileSync(path, "utf8").replaceAll("\n", "\r\n");
    writeFileSync(path, text);
  }
  const tool = join(clone, "scripts/tools/snippet.ts");
  const { stdout } = await run([...commandFor("bun", []), tool, "tcp_time"]);
  expect(stdout).toBe(textOf("tcp_time"));
});

test("a snippet has the experiment as it is written", () => {
  for (const name of NAMES) {
    const source = sourceOf(name);
    const text = textOf(name);
    const [header] = source.match(/^[\s\S]*?\*\/\n/)!;
    const end = source.lastIndexOf("\n\nif (import.meta.main)");
    const from = source.indexOf('} from "../lib/mod.ts";');
    const program = source.slice(source.indexOf("\n", from), end);
    expect(text).toStartWith(header.replaceAll("scripts/", ""));
    expect(text).toContain(program);
    expect(text).toEndWith(source.slice(end));
    expect(text).not.toMatch(
      /(: |<|as )any\b|@ts-|^import .* from "(?!node:)/m,
    );
  }
});

// All in one process, which may take long on a busy machine.
needing(find("deno").reason, "deno check passes them all", async () => {
  const files = NAMES.flatMap((name) => [
    `${name}.ts`,
    ...["server", "client"].map((end) => `${name}/${end}.ts`),
  ]);
  const command = [find("deno").path!, "check", "--no-config", "-q", ...files];
  const { code, stderr } = await run(command, { cwd: FOLDER, limit: 280_000 });
  expect([code, stderr]).toEqual([0, ""]);
}, 300_000);

for (const name of NAMES) {
  for (const runtime of RUNTIMES) {
    const title = `the snippet of ${name} prints its output on ${runtime}`;
    testScript(`${name}.ts`, runtime, title, async () => {
      const { commands, output } = readHeader(textOf(name));
      const words = commands.find((line) => line.startsWith(`${runtime} `))!
        .split(" ").slice(1);
      const file = words.indexOf(`${name}.ts`);
      const permissions = words.slice(0, file).filter((word) => word !== "run");
      const { code, stdout, stderr } = await run(
        [...commandFor(runtime, permissions), ...words.slice(file)],
        { cwd: FOLDER },
      );
      expect(stderr).toBe("");
      expect(difference(output, linesOf(stdout))).toBeNull();
      expect(code).toBe(0);
      if (name === "tcp_nodelay") expectDelay(stdout);
    });
  }
}

describe("the calls of the pocket edition", () => {
  for (const runtime of RUNTIMES) {
    testOn(runtime, `are those of the man pages on ${runtime}`, async () => {
      const script = join(ROOT, "tests/support/pocket_calls.ts");
      const command = [...commandFor(runtime, ["--allow-net"]), script];
      const { code, stdout, stderr } = await run(command);
      // Deno's node:net has no better name for it.
      const foreign = runtime === "deno" ? "EINVAL" : "EADDRNOTAVAIL";
      expect(linesOf(stdout)).toEqual(
        CALLS.map((line) => line.replace("<foreign>", foreign)),
      );
      expect(stderr).toMatch(/^Cannot send to 127.0.0.1:\d+: broken pipe\n$/);
      expect(code).toBe(0);
    });
  }
});

/** What tests/support/pocket_calls.ts prints. */
const CALLS = `\
connect() before listen(): ECONNREFUSED
bind() to a taken port: EADDRINUSE
bind() to a foreign host: <foreign>
recv() before connect(): ENOTCONN
recv(5): hello
recv() in order: , world|ab|cd
recv() at the end: 0
recv() after it: 0
recv() after SHUT_WR: still open
sendall() after SHUT_WR: EPIPE
recv() after close(): EBADF
1 MiB comes back: true
sendall() to one who does not read: ETIMEDOUT
recv() from a silent peer: ETIMEDOUT
recv() after its timeout: late
recv() when it is closed: EBADF
recv() at a reset: ECONNRESET
recv() from one who has gone: 0
line(): one two
until(): three;
exactly(): four
line() within one: EBADMSG
line() too long: EMSGSIZE
all(): five
line() at the end: 
exactly() at the end: EBADMSG
accept() after close(): EBADF
bind() after close(): true
bind() to a taken UDP port: EADDRINUSE
sendto(): 8
recvfrom(4): data true
recvfrom() of nothing: ETIMEDOUT
sendto() of too much: EMSGSIZE
sendto() to all: EACCES
accept() before listen(): EINVAL
`.trimEnd().split("\n");

/** Programs in two processes, of which the server is stopped as Ctrl-C does. */
async function talk(server: string[], client: string[], cwd: string) {
  const port = String(await freePort());
  const flags = ["--port", port];
  const first = start([...server, ...flags], { cwd });
  await first.said(/listens|Listening/);
  const { code, stdout, stderr } = await run([...client, ...flags], { cwd });
  expect([stderr, code]).toEqual(["", 0]);
  first.kill("SIGINT");
  const ended = await first.finished;
  expect(ended.code).toBe(0);
  return { client: linesOf(stdout), server: linesOf(ended.stdout) };
}

describe("a snippet talks to the lab's program:", () => {
  const PAIRS = [
    ["tcp_time", "node", "deno"],
    ["tcp_stream", "bun", "node"],
    ["tcp_address_lookup", "deno", "bun"],
  ] as const;
  for (const [name, one, other] of PAIRS) {
    for (const lab of ["server", "client"] as const) {
      const title = `the lab's ${lab} of ${name}, ${one} to ${other}`;
      testOn(one, title, async () => {
        const [server, client] = [one, other].map((runtime, i) => {
          const end = (["server", "client"] as const)[i];
          const folder = end === lab ? join(ROOT, "scripts") : FOLDER;
          const command = commandFor(runtime, ["--allow-net"]);
          return [...command, join(folder, `${name}.ts`), end];
        });
        const printed = await talk(server, client, FOLDER);
        expectOutput(name, printed);
      });
    }
  }

  testOn("bun", "server.ts and client.ts talk to each other", async () => {
    const cwd = join(FOLDER, "tcp_time");
    const printed = await talk(
      [...commandFor("bun", []), "server.ts"],
      [...commandFor("node", []), "client.ts"],
      cwd,
    );
    expectOutput("tcp_time", printed);
    for (const end of ["server", "client"] as const) {
      const { output, commands } = readHeader(
        readFileSync(join(cwd, `${end}.ts`), "utf8"),
      );
      expect(difference(output, printed[end])).toBeNull();
      expect(commands).toContain(`bun ${end}.ts`);
    }
  });
});

function expectOutput(
  name: string,
  printed: Record<"server" | "client", string[]>,
): void {
  const { output } = readHeader(sourceOf(name));
  const tagged = (["server", "client"] as const).flatMap((end) =>
    printed[end].map((line) => `${end}: ${line}`)
  );
  expect(difference(output, tagged)).toBeNull();
}

describe("a snippet's command line", () => {
  for (const runtime of RUNTIMES) {
    const play = (...args: string[]) =>
      run([...commandFor(runtime, ["--allow-net"]), "tcp_time.ts", ...args], {
        cwd: FOLDER,
      });

    testOn(
      runtime,
      `has the experiment's own flags on ${runtime}`,
      async () => {
        const { code, stdout } = await run([
          ...commandFor(runtime, ["--allow-net"]),
          ...["tcp_address_lookup.ts", "--reverse", "8A:BC:E3:FA"],
        ], { cwd: FOLDER });
        expect([code, linesOf(stdout)[2]]).toEqual([0, "client: 165.165.79.1"]);
      },
    );

    testOn(runtime, `refuses in one line on ${runtime}`, async () => {
      const wrong = [["--nope"], ["x"], ["server", "x"], ["--port", "70000"]];
      for (const args of wrong) {
        const { code, stderr, stdout } = await play(...args);
        expect([code, stdout]).toEqual([2, ""]);
        expect(stderr).toMatch(/^.+\n$/);
      }
      const refused = await play("client", "--port", "1");
      expect(refused.stderr)
        .toBe("Cannot connect to 127.0.0.1:1: connection refused\n");
      expect(refused.code).toBe(1);
    });
  }
});

describe("what the other end does", () => {
  for (const runtime of RUNTIMES) {
    const listen = async (serve: (client: Socket) => void) => {
      const server = createServer(serve).listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      const client = ["tcp_time.ts", "client", "--port", String(port)];
      const played = await run(
        [...commandFor(runtime, ["--allow-net"]), ...client],
        { cwd: FOLDER },
      );
      server.close();
      return played;
    };

    testOn(runtime, `is one safe line on ${runtime}`, async () => {
      const sly = await listen((client) => client.end("1:23\x1b[2J\u202e\n"));
      expect([sly.code, sly.stdout])
        .toEqual([0, "Received from server: 1:23\\u{1b}[2J\\u{202e}\\u{a}\n"]);
      const reset = await listen((client) => client.resetAndDestroy());
      expect([reset.code, reset.stderr.split(": ")[1]])
        .toEqual([1, "connection reset by peer\n"]);
      const foreign = await listen((client) => client.end("\x1b[2J\n"));
      expect([foreign.code, foreign.stdout]).toEqual([1, ""]);
      expect(foreign.stderr).toMatch(/^Cannot recv .*: protocol error\n$/);
    });
  }

  for (const runtime of RUNTIMES) {
    testOn(runtime, `does not stop a server on ${runtime}`, async () => {
      const port = await freePort();
      const command = commandFor(runtime, ["--allow-net"]);
      const server = start(
        [...command, "tcp_time.ts", "server", "--port", String(port)],
        { cwd: FOLDER },
      );
      await server.said(/Waiting/);
      for (let i = 0; i < 5; i++) {
        const rude = connect(port, "127.0.0.1").on("error", () => {});
        await once(rude, i % 2 ? "connect" : "data");
        rude.resetAndDestroy();
      }
      const client = connect(port, "127.0.0.1").on("error", () => {});
      await once(client, "data");
      client.end("thanks");
      await server.said(/Acknowledgment from client: thanks/);
      server.kill("SIGINT");
      const { code, stderr } = await server.finished;
      expect(code).toBe(0);
      expect(stderr).toMatch(/^The server listens.*\n(Cannot .*\n)*$/);
    });
  }
});

describe("snippet.ts writes files", () => {
  for (const runtime of RUNTIMES) {
    testOn(runtime, `whole, and never over others, on ${runtime}`, async () => {
      const cwd = mkdtempSync(join(FOLDER, "out-"));
      const tool = (...args: string[]) =>
        run([...commandFor(runtime, ["-A"]), TOOL, ...args], { cwd });
      const file = join(cwd, "mine.ts");
      writeFileSync(file, "by hand");
      const refused = await tool("tcp_time", "--out", "mine.ts");
      expect([refused.code, refused.stderr])
        .toEqual([1, "mine.ts exists: --force replaces it\n"]);
      expect(readFileSync(file, "utf8")).toBe("by hand");
      await tool("tcp_time", "--out", "mine.ts", "--force");
      expect(readFileSync(file, "utf8")).toBe(textOf("tcp_time"));
      expect((await tool("tcp_time")).stdout).toBe(textOf("tcp_time"));

      const [victim, link] = [join(cwd, "victim"), join(cwd, "link.ts")];
      writeFileSync(victim, "precious");
      symlinkSync(victim, link);
      const through = await tool("tcp_time", "--out", "link.ts", "--force");
      expect([through.code, through.stderr])
        .toEqual([1, "link.ts is kept: it is a symbolic link\n"]);
      expect(readFileSync(victim, "utf8")).toBe("precious");

      writeFileSync(join(cwd, "client.ts"), "by hand");
      const half = await tool("tcp_time", "--ends");
      expect([half.code, half.stderr])
        .toEqual([1, "client.ts exists: --force replaces it\n"]);
      expect(existsSync(join(cwd, "server.ts"))).toBe(false);
      expect((await tool("tcp_time", "--ends", "--force")).code).toBe(0);
      for (const end of ["server.ts", "client.ts"]) {
        expect(readFileSync(join(cwd, end), "utf8"))
          .toBe(readFileSync(join(FOLDER, "tcp_time", end), "utf8"));
      }
      const split = await tool("event_log", "--ends");
      expect(split.stderr).toMatch(
        /^Cannot split event_log: it needs lib.*\n$/,
      );
    });

    if (!existsSync("/dev/full")) continue;
    testOn(runtime, `or says that it could not, on ${runtime}`, async () => {
      const [tool] = [[...commandFor(runtime, ["-A"]), TOOL, "tcp_time"]];
      const { code, stderr } = await run(
        ["sh", "-c", `"$@" > /dev/full`, "sh", ...tool],
      );
      expect(stderr).toMatch(
        /^Cannot write the output: no space left on device\n$/,
      );
      expect(code).toBe(1);
    });
  }
});
