/**
 * The experiments on streams with both ends in this process: what they return
 * and print as evidence, and what their servers do with other clients.
 */
import { describe, expect, test } from "bun:test";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { type Experiment, type Settings } from "../lib/experiment/settings.ts";
import { run } from "../lib/experiment/experiment.ts";
import {
  type Address,
  AF_INET,
  AF_UNIX,
  decode,
  type End,
  Reader,
  SHUT_WR,
  SOCK_STREAM,
  socket,
  type StreamSocket,
} from "../lib/mod.ts";
import {
  commandFor,
  find,
  run as runCommand,
  RUNTIMES,
  start,
} from "./support/runtimes.ts";
import { expectDelay } from "./support/nodelay.ts";
import { serverThat } from "./support/play.ts";
import { load, ROOT } from "./support/scripts.ts";
import { needing, testOn } from "./support/test_on.ts";

/** Runs an experiment, its own client replaced if one is given. */
async function play(
  experiment: Experiment,
  client = experiment.client,
  settings: Partial<Settings> = {},
  lines: string[] = [],
) {
  const notes: string[] = [];
  const outcome = await run(
    { ...experiment, client },
    settings,
    (end, line, note) => (note ? notes : lines).push(`${end}: ${line}`),
  );
  return { ...outcome, lines, notes };
}

async function connected(address: Address): Promise<StreamSocket> {
  const family = typeof address === "string" ? AF_UNIX : AF_INET;
  const client = socket(family, SOCK_STREAM);
  await client.connect(address);
  return client;
}

/** The numbers of a line, in order. */
function numbersOf(line: string | undefined): number[] {
  return [...(line ?? "").matchAll(/\d+/g)].map(([number]) => Number(number));
}

const needsLinux = process.platform === "linux" ? undefined : "needs Linux";

describe("tcp_half_close", async () => {
  const halfClose = await load("tcp_half_close");
  const SIZE = 16 * 1024 * 1024;

  test("gets the reply after shutdown(), and none after close()", async () => {
    const { server, clients, lines, notes } = await play(halfClose);
    expect(clients).toEqual([{ received: SIZE, code: "EBADF" }]);
    expect(server).toEqual({ sent: 1, refused: 1 });
    expect(lines.join("\n")).toMatch(
      /^server: Could not send the reply: (EPIPE|ECONNRESET)$/m,
    );
    expect(notes).toEqual([]);
  });

  test("shows the server the same end of the stream both times", async () => {
    const { lines } = await play(halfClose);
    const end = "server: Read 3 lines, then the end of the stream";
    expect(lines.filter((line) => line === end)).toHaveLength(2);
  });

  test("does not reply before the end of the stream", async () => {
    const { clients } = await play(halfClose, async ({ address }: End) => {
      await using client = await connected(address);
      await client.sendall("one\n");
      client.settimeout(50);
      const early = await client.recv(1).catch(({ code }) => code);
      client.settimeout(null);
      await client.shutdown(SHUT_WR);
      const reply = await new Reader(client).all({ limit: SIZE });
      return [early, reply.length];
    });
    expect(clients).toEqual([["ETIMEDOUT", SIZE]]);
  });
});

describe("tcp_stream", async () => {
  const stream = await load("tcp_stream");

  test("puts the ten messages together again, in order", async () => {
    const { server, clients, lines } = await play(stream);
    expect(clients).toEqual([
      Array.from({ length: 10 }, (_, i) => `message ${i}`),
    ]);
    const { recvs, sends } = server as { recvs: number; sends: number };
    expect(recvs).toBeGreaterThanOrEqual(1);
    expect(sends).toBeGreaterThanOrEqual(Math.ceil(100 / 7));
    expect(lines).toContain(`server: Received 100 bytes: ${recvs} recv(s)`);
    expect(lines).toContain("client: Read 10 lines, whole and in order");
  });

  test("sends back every byte, whatever it is", async () => {
    const bytes = Uint8Array.from({ length: 3000 }, (_, i) => i * 7);
    const { clients } = await play(stream, async ({ address }: End) => {
      await using client = await connected(address);
      await client.sendall(bytes);
      await client.shutdown(SHUT_WR);
      return await new Reader(client).all();
    });
    expect(clients[0]).toEqual(bytes);
  });

  test("sends back what has come, without waiting for more", async () => {
    const { clients } = await play(stream, async ({ address }: End) => {
      await using client = await connected(address);
      let back = "";
      for (const byte of "some") {
        await client.sendall(byte);
        back += decode(await client.recv(1024));
      }
      return back;
    });
    expect(clients).toEqual(["some"]);
  });

  test("fails if the messages are not what was sent", async () => {
    const server = serverThat(async (client) => {
      await new Reader(client).all();
      await client.sendall("message 1\nmessage 0\n");
    });
    const played = play({ ...stream, server });
    await expect(played).rejects.toMatchObject({ code: "EPROTO" });
  });
});

/** Sends the same again and again, as long as the client is there. */
async function repeat(client: StreamSocket, text: string) {
  while (true) await client.sendall(text);
}

describe("tcp_echo", async () => {
  const echo = await load("tcp_echo");
  const LINES = "Hello, echo!\nHow are you?\nGoodbye...\n";

  test("gets the three lines back", async () => {
    const { server, clients, lines, notes } = await play(echo);
    expect(server).toEqual({ bytes: LINES.length });
    expect([clients, notes]).toEqual([[LINES], []]);
    expect(lines.filter((line) => line.includes("Back: "))).toEqual(
      LINES.trimEnd().split("\n").map((line) => `client: Back: ${line}`),
    );
  });

  test("gets them back in as many pieces as there are bytes", async () => {
    const server = serverThat(async (client) => {
      for (const byte of await new Reader(client).exactly(LINES.length)) {
        await client.sendall(Uint8Array.of(byte));
        await Bun.sleep(1);
      }
    });
    const { clients, lines } = await play({ ...echo, server });
    expect(clients).toEqual([LINES]);
    const [size, recvs] = numbersOf(
      lines.find((line) => line.startsWith("client: Received ")),
    );
    expect(size).toBe(LINES.length);
    expect(recvs).toBeWithin(2, LINES.length + 1);
  });

  test("sends back every byte, whatever it is, and at once", async () => {
    const bytes = Uint8Array.from({ length: 3000 }, (_, i) => i * 7);
    const { clients } = await play(echo, async ({ address }: End) => {
      await using client = await connected(address);
      const reader = new Reader(client);
      const back = [];
      for (const from of [0, 1, 1000]) {
        await client.sendall(bytes.subarray(from));
        back.push(await reader.exactly(bytes.length - from));
      }
      await client.shutdown(SHUT_WR);
      return [...back, await reader.all()];
    });
    const sent = [0, 1, 1000, 3000].map((from) => bytes.subarray(from));
    expect(clients[0]).toEqual(sent);
  });

  const OTHERS: Record<string, [(client: StreamSocket) => unknown, string]> = {
    "sends nothing": [() => {}, "EBADMSG"],
    "sends too little": [(c) => c.sendall("Hello, echo!\n"), "EBADMSG"],
    "sends other bytes": [(c) => c.sendall("x".repeat(37)), "EPROTO"],
    "sends too much": [(c) => c.sendall(`${LINES}\n`), "EPROTO"],
    "never ends": [(c) => repeat(c, "x".repeat(1024)), "EPROTO"],
  };
  for (const [what, [act, code]] of Object.entries(OTHERS)) {
    test(`fails if the server ${what}`, async () => {
      const server = serverThat(async (client) => {
        await new Reader(client).exactly(LINES.length);
        await act(client);
      });
      const played = play({ ...echo, server });
      await expect(played).rejects.toMatchObject({ code });
    });
  }
});

describe("tcp_nodelay", async () => {
  const nodelay = await load("tcp_nodelay");

  for (const runtime of RUNTIMES) {
    testOn(runtime, `waits for two sends alone on ${runtime}`, async () => {
      const { stdout, stderr } = await runCommand(
        [...commandFor(runtime, ["--allow-net"]), "scripts/tcp_nodelay.ts"],
        { cwd: ROOT },
      );
      expect(stderr).toBe("");
      expectDelay(stdout);
    });
  }

  test("answers a line when it is whole", async () => {
    const { server, clients } = await play(nodelay, async ({ address }) => {
      await using client = await connected(address);
      const reader = new Reader(client);
      await client.sendall("name=");
      client.settimeout(50);
      const early = await client.recv(1024).catch(({ code }) => code);
      client.settimeout(null);
      await client.sendall("value\nname=value\n");
      return [early, await reader.line(), await reader.line()];
    });
    expect(server).toEqual({ answered: 2 });
    expect(clients).toEqual([["ETIMEDOUT", "OK", "OK"]]);
  });

  const OTHERS: Record<string, [(client: StreamSocket) => unknown, string]> = {
    "answers otherwise": [(c) => c.sendall("ERROR\n"), "EPROTO"],
    "does not answer": [() => {}, "EPROTO"],
    "answers in part": [(c) => c.sendall("O"), "EBADMSG"],
    "never ends its answer": [(c) => repeat(c, "OK".repeat(512)), "EMSGSIZE"],
  };
  for (const [what, [act, code]] of Object.entries(OTHERS)) {
    test(`fails if the server ${what}`, async () => {
      const server = serverThat(async (client) => {
        await new Reader(client).line();
        await act(client);
      });
      const played = play({ ...nodelay, server });
      await expect(played).rejects.toMatchObject({ code });
    });
  }
});

describe("tcp_backlog", async () => {
  const backlog = await load("tcp_backlog");

  test("refuses nobody: all are served in the end", async () => {
    const { server, clients, lines } = await play(backlog);
    expect(server).toBe(13);
    expect(clients).toEqual([{ waiting: 0, served: 12 }]);
    // Bun, which runs this, always listens with 512.
    expect(lines).toContain("client: After 300 ms: 12 connected, 0 waiting");
    expect(lines).toContain(
      "client: The queue of listen(5) is longer on this runtime",
    );
  });

  test("serves the next client only when the first has left", async () => {
    const { clients } = await play(backlog, async ({ address }: End) => {
      const first = await connected(address);
      await new Reader(first).line();
      await using second = await connected(address);
      second.settimeout(50);
      const early = await second.recv(1024).catch(({ code }) => code);
      second.settimeout(null);
      await first.close();
      return [early, decode(await second.recv(1024))];
    });
    expect(clients).toEqual([["ETIMEDOUT", "Your turn\r\n"]]);
  });

  test("says how many a server has served that greets no more", async () => {
    const lines: string[] = [];
    const server = async ({ address, ready }: End) => {
      const listener = socket(AF_INET, SOCK_STREAM);
      await listener.bind(address);
      await listener.listen();
      ready(listener);
      let greeted = 0;
      for await (const [client] of listener) {
        if (greeted++ < 3) await client.sendall("Your turn\r\n");
      }
    };
    const failed = play(
      { ...backlog, server },
      undefined,
      { timeout: 500 },
      lines,
    );
    expect(await failed.catch(({ code }) => code)).toBe("ETIMEDOUT");
    expect(lines.at(-1)).toMatch(
      /^client: Not all had a turn: 2 of 12 served, after \d+ ms$/,
    );
  });

  // The queue of Linux: both accept nobody before the 12 have connected.
  for (const runtime of ["deno", "node"] as const) {
    const reason = needsLinux ?? find(runtime).reason;
    const name = `lets at most 5 and one more wait on ${runtime}`;
    needing(reason, name, async () => {
      const { stdout } = await runCommand(
        [...commandFor(runtime, ["--allow-net"]), "scripts/tcp_backlog.ts"],
        { cwd: ROOT },
      );
      const [, count] = stdout.match(/300 ms: (\d+) connected/) ?? [];
      expect(Number(count)).toBeLessThanOrEqual(6);
      expect(stdout).toContain("The queue of listen(5) was full\n");
      expect(stdout).toContain("None was refused: 12 of 12 served");
    });
  }
});

describe("tcp_concurrent", async () => {
  const concurrent = await load("tcp_concurrent");

  test("lets the quick wait for the slow, one at a time", async () => {
    const { server, clients, lines } = await play(concurrent);
    const [{ oneAtATime, sideBySide }] = clients as Record<string, number>[];
    expect(oneAtATime).toBeGreaterThanOrEqual(280);
    expect(server).toBe(10);
    const waits = lines.filter((line) => line.includes("waited"));
    expect(waits.flatMap(numbersOf)).toEqual([oneAtATime, sideBySide]);
    expect(lines.at(-1)).toBe(
      `client: Side by side saved them ${oneAtATime - sideBySide} ms`,
    );
  });

  /** What a quick client gets while a silent one is there. */
  function behindASilentOne(way: string) {
    return async ({ address }: End) => {
      const ask = async (request: string) => {
        await using client = await connected(address);
        client.settimeout(way === "One at a time" ? 100 : null);
        await client.sendall(`${request}\r\n`);
        return await new Reader(client).line().catch(({ code }) => code);
      };
      await ask(way);
      await using _silent = await connected(address);
      return await ask("quick");
    };
  }

  test("holds a quick client up, one at a time", async () => {
    const { clients } = await play(
      concurrent,
      behindASilentOne("One at a time"),
    );
    expect(clients).toEqual(["ETIMEDOUT"]);
  });

  test("answers a quick client at once, side by side", async () => {
    const { clients } = await play(
      concurrent,
      behindASilentOne("Side by side"),
    );
    expect(clients).toEqual(["OK"]);
  });
});

// A name without a file is Linux's; elsewhere a path does.
describe("unix_echo", async () => {
  const echo = await load("unix_echo");

  /** A path in a directory of its own, gone afterwards. */
  async function withPath(body: (path: string) => Promise<void>) {
    const folder = mkdtempSync(join(tmpdir(), "lab-"));
    try {
      await body(join(folder, "s"));
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  /** Runs a server that cannot listen, and gives what it said. */
  async function refusedAt(path: string): Promise<string[]> {
    const lines: string[] = [];
    const attempt = play(echo, undefined, { flags: { path } }, lines);
    await expect(attempt).rejects.toMatchObject({ code: "EADDRINUSE" });
    return lines;
  }

  needing(needsLinux, "echoes in the abstract namespace", async () => {
    const { server, clients } = await play(echo);
    expect(server).toBe(22);
    const name = expect.stringMatching(/^\0socket-lab-\w+$/);
    const names = ["", name];
    expect(clients).toEqual([{ echo: "Hello through a socket", names }]);
  });

  needing(needsLinux, "takes a name that nobody else has", async () => {
    const runs = await Promise.all([play(echo), play(echo)]);
    expect(runs.map(({ server }) => server)).toEqual([22, 22]);
  });

  needing(needsLinux, "takes the port for a name, alone", async () => {
    const settings = { port: 41_234 };
    const { lines } = await play(echo, undefined, settings);
    expect(lines).toContain(
      "server: My name is '\\x00socket-lab-41234'",
    );
  });

  test("echoes on a path, and takes the file away", () =>
    withPath(async (path) => {
      const { clients, lines } = await play(echo, undefined, {
        flags: { path },
      });
      expect(clients).toMatchObject([{ names: ["", path] }]);
      expect(lines).toContain(`server: My name is '${path}'`);
      expect(lines).toContain("server: A client whose name is ''");
      expect(existsSync(path)).toBe(false);
    }));

  test("tells that a server is running", () =>
    withPath(async (path) => {
      await using other = socket(AF_UNIX, SOCK_STREAM);
      await other.bind(path);
      await other.listen();
      expect(await refusedAt(path)).toEqual([
        `server: A server is running on '${path}'`,
      ]);
      await (await connected(path)).close(); // it still is
    }));

  test("tells a file that a killed server left, and does not delete it", () =>
    withPath(async (path) => {
      const command = [...commandFor("bun", []), "scripts/unix_echo.ts"];
      const killed = start([...command, "server", "--path", path], {
        cwd: ROOT,
      });
      await killed.said(/My name is/);
      killed.kill("SIGKILL");
      await killed.finished;
      expect(await refusedAt(path)).toEqual([
        `server: No server has '${path}': if a killed one left it, remove it`,
      ]);
      expect(existsSync(path)).toBe(true);
    }));

  const KINDS: [kind: string, make: (path: string) => void][] = [
    ["a file", (path) => writeFileSync(path, "text")],
    ["a folder", (path) => mkdirSync(path)],
    ["a symbolic link", (path) => symlinkSync("nothing", path)],
  ];
  for (const [kind, make] of KINDS) {
    test(`tells ${kind} that has the path, and leaves it alone`, () =>
      withPath(async (path) => {
        make(path);
        const before = lstatSync(path).ino;
        expect(await refusedAt(path)).toEqual([
          `server: '${path}' is ${kind}, no socket: choose another path`,
        ]);
        expect(lstatSync(path).ino).toBe(before);
      }));
  }

  for (const runtime of RUNTIMES) {
    testOn(
      runtime,
      `overwrites no file, under ${runtime}`,
      () =>
        withPath(async (path) => {
          writeFileSync(path, "text");
          const permissions = ["--allow-net", `--allow-read=${path}`];
          const { code, stdout, stderr } = await runCommand([
            ...commandFor(runtime, [...permissions, `--allow-write=${path}`]),
            ...["scripts/unix_echo.ts", "server", "--path", path],
          ], { cwd: ROOT });
          expect(stdout).toBe(
            `'${path}' is a file, no socket: choose another path\n`,
          );
          expect(stderr).toStartWith(
            `Cannot bind to ${path}: address already in use\n`,
          );
          expect([code, readFileSync(path, "utf8")]).toEqual([1, "text"]);
        }),
    );

    testOn(
      runtime,
      `runs on a path under ${runtime}`,
      () =>
        withPath(async (path) => {
          const header = readFileSync(`${ROOT}scripts/unix_echo.ts`, "utf8");
          const flags = header.match(/`(--allow-net --allow-read=[^`]*)`/)?.[1];
          const permissions = flags!.replaceAll("FILE", path).split(" ");
          const { code, stdout, stderr } = await runCommand([
            ...commandFor(runtime, runtime === "deno" ? permissions : []),
            "scripts/unix_echo.ts",
            "--path",
            path,
          ], { cwd: ROOT });
          expect(stderr).toBe("");
          expect(stdout).toContain(`the server's '${path}'`);
          expect(code).toBe(0);
        }),
    );
  }
});
