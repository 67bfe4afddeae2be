/**
 * What is told of the socket calls: each once, in order, by the right end, in
 * the same words on every runtime; and nothing when nobody asks.
 */
import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  test,
} from "bun:test";
import { readFileSync } from "node:fs";
import type { SocketCall } from "../lib/observe/call_order.ts";
import { mermaid } from "../lib/observe/diagram.ts";
import {
  AF_INET,
  AF_UNIX,
  DatagramSocket,
  observe,
  SHUT_WR,
  SOCK_DGRAM,
  SOCK_STREAM,
  socket,
  StreamSocket,
} from "../lib/mod.ts";
import {
  type CallInWords,
  inWords,
  lineOf,
  textOf,
} from "../lib/observe/strace.ts";
import {
  commandFor,
  find,
  run,
  type Running,
  type RuntimeName,
  RUNTIMES,
  start,
} from "./support/runtimes.ts";
import { GUIDED, ROOT, SCRIPTS, TIMED } from "./support/scripts.ts";
import { alongside, needing, testOn } from "./support/test_on.ts";
import type { Traced } from "./support/traces.ts";

let stop: (() => void) | undefined;
afterEach(() => stop?.());

/** Collects the calls from now on. */
async function watched(): Promise<SocketCall[]> {
  const calls: SocketCall[] = [];
  stop = await observe((call) => calls.push(call));
  return calls;
}

async function listening(): Promise<StreamSocket> {
  const server = socket(AF_INET, SOCK_STREAM);
  await server.bind(["127.0.0.1", 0]);
  await server.listen(5);
  return server;
}

async function pair(): Promise<[StreamSocket, StreamSocket, StreamSocket]> {
  const server = await listening();
  const client = socket(AF_INET, SOCK_STREAM);
  await client.connect(server.getsockname());
  const [connection] = await server.accept();
  return [client, connection, server];
}

/** Lines without times and ports. */
function linesOf(calls: readonly SocketCall[]): string[] {
  return calls.map((call) =>
    lineOf(call).replace(/^\S+ /, "").replace(/', [1-9]\d*\)/g, "', PORT)")
  );
}

describe("observe()", () => {
  test("tells of each call once, of what was sent before what came", async () => {
    const calls = await watched();
    const [client, connection, server] = await pair();
    await client.sendall("hello");
    await connection.recv(1024);
    await client.shutdown(SHUT_WR);
    await connection.recv(1024);
    for (const end of [connection, client, server]) await end.close();
    expect(linesOf(calls)).toEqual([
      "server socket(AF_INET, SOCK_STREAM) = socket",
      "server bind(('127.0.0.1', 0)) = 0",
      "server listen(5) = 0",
      "client socket(AF_INET, SOCK_STREAM) = socket",
      "server getsockname() = ('127.0.0.1', PORT)",
      "client connect(('127.0.0.1', PORT)) = 0",
      "server accept() = socket, ('127.0.0.1', PORT)",
      'client sendall("hello") = 0',
      'server recv(1024) = "hello"',
      "client shutdown(SHUT_WR) = 0",
      'server recv(1024) = ""',
      "server close() = 0",
      "client close() = 0",
      "server close() = 0",
    ]);
    const times = calls.map(({ time }) => time);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(calls.map(({ bytes }) => bytes ?? -1).filter((n) => n >= 0))
      .toEqual([5, 5, 0]);
  });

  test("numbers the clients, the same at both ends", async () => {
    const calls = await watched();
    const server = await listening();
    const clients = [socket(), socket(), socket()];
    const address = server.getsockname();
    await Promise.all(clients.map((client) => client.connect(address)));
    const texts = ["one", "two", "three"];
    await Promise.all(clients.map((client, i) => client.sendall(texts[i])));
    for (const _ of clients) await (await server.accept())[0].recv(1024);
    const numbers = (call: string) =>
      calls.filter((one) => one.call === call).map((one) =>
        `${one.connection} ${inWords(one).args}${inWords(one).result}`
      ).sort();
    expect(numbers("sendall")).toEqual(
      ['1 "one"0', '2 "two"0', '3 "three"0'],
    );
    expect(numbers("recv")).toEqual(
      ['1 1024"one"', '2 1024"two"', '3 1024"three"'],
    );
    for (const end of [...clients, server]) await end.close();
  });

  test("numbers senders of datagrams, and AF_UNIX clients without a name", async () => {
    const calls = await watched();
    await using receiver = socket(AF_INET, SOCK_DGRAM);
    await receiver.bind(["127.0.0.1", 0]);
    await using one = socket(AF_INET, SOCK_DGRAM);
    await using two = socket(AF_INET, SOCK_DGRAM);
    for (const sender of [one, two, one]) {
      await sender.sendto("?", receiver.getsockname());
      const [, address] = await receiver.recvfrom(10);
      await receiver.sendto("!", address);
    }
    const seen = calls.filter(({ call }) => /sendto|recvfrom/.test(call));
    expect(seen.map(({ end, connection }) => `${end[0]}${connection}`)).toEqual(
      ["c1", "s1", "s1", "c2", "s2", "s2", "c1", "s1", "s1"],
    );

    await using server = socket(AF_UNIX, SOCK_STREAM);
    await server.bind(`\0trace-test-${crypto.randomUUID()}`);
    await server.listen();
    calls.splice(0);
    for (let i = 0; i < 2; i++) {
      await using client = socket(AF_UNIX, SOCK_STREAM);
      await client.connect(server.getsockname());
      await (await server.accept())[0].close();
    }
    const accepts = calls.filter(({ call }) => call === "accept");
    const connects = calls.filter(({ call }) => call === "connect");
    expect(accepts.map(({ connection }) => connection))
      .toEqual(connects.map(({ connection }) => connection));
  });

  test("tells of failures, and at the end of what did not end", async () => {
    const calls = await watched();
    const [client, connection, server] = await pair();
    const waiting = connection.recv(7);
    calls.splice(0);
    expect(() => socket(AF_UNIX, SOCK_DGRAM as "SOCK_STREAM")).toThrow();
    await expect(client.connect(["127.0.0.1", 9])).rejects.toThrow();
    const aborted = AbortSignal.abort(new Error("enough\n"));
    await client.recv(5, { signal: aborted }).catch(() => {});
    stop?.();
    expect(linesOf(calls)).toEqual([
      "client socket(AF_UNIX, SOCK_DGRAM) = -1 EPROTONOSUPPORT " +
      "(protocol not supported)",
      "client connect(('127.0.0.1', PORT)) = -1 EISCONN " +
      "(socket is already connected)",
      "client recv(5) = -1 Error (enough\\n)",
      "server recv(7) = ?",
    ]);
    for (const end of [client, connection, server]) await end.close();
    await waiting.catch(() => {});
  });

  test("is not held up by a send that blocks", async () => {
    const calls = await watched();
    const [client, connection, server] = await pair();
    const much = client.sendall(new Uint8Array(64 * 2 ** 20));
    calls.splice(0);
    for (let i = 0; i < 300; i++) server.getsockname();
    expect(calls.filter(({ call }) => call === "getsockname")).not.toBeEmpty();
    await client.close();
    await much.catch(() => {});
    expect(calls.filter(({ call }) => call === "sendall")).toHaveLength(1);
    for (const end of [connection, server]) await end.close();
  });

  test("leaves every method as it was", async () => {
    const methods = () =>
      [StreamSocket, DatagramSocket].flatMap(({ prototype }) =>
        Object.values(Object.getOwnPropertyDescriptors(prototype))
          .map(({ value }) => value)
      );
    const before = methods();
    const [one, two] = [await observe(() => {}), await observe(() => {})];
    expect(methods()).not.toEqual(before);
    one();
    one();
    expect(methods()).not.toEqual(before);
    two();
    expect(methods()).toEqual(before);
  });

  test("changes neither what a call gives nor what it throws", async () => {
    await watched();
    const [client, connection, server] = await pair();
    await client.sendall(new Uint8Array([0, 255]));
    expect(await connection.recv(9)).toEqual(new Uint8Array([0, 255]));
    expect(() => socket().getpeername()).toThrow("Cannot get the peer name");
    await expect(server.recv(1)).rejects.toMatchObject({ code: "ENOTCONN" });
    for (const end of [client, connection, server]) await end.close();
  });
});

describe("a line of a trace", () => {
  const line = (call: string, args: unknown[], result?: unknown) =>
    textOf(inWords({
      ...{ time: 2.14, end: "client", connection: 1, socket: 1, call, args },
      ...{ result, error: undefined, bytes: undefined, done: true },
    }));

  test("escapes what bytes could do to a terminal", () => {
    expect(line("send", ['\x1b[2J"\\\t\r\n\0é\x7f'], 12)).toBe(
      String.raw`send("\x1b[2J\"\\\t\r\n\x00\xc3\xa9\x7f") = 12`,
    );
    const text = new TextEncoder().encode("\u202eabc");
    expect(line("recv", [9], text)).toBe(
      String.raw`recv(9) = "\xe2\x80\xaeabc"`,
    );
    expect(line("bind", ["\0socket\u202e"])).toBe(
      String.raw`bind("\x00socket\xe2\x80\xae") = 0`,
    );
  });

  test("shortens long bytes, with their length", () => {
    expect(line("sendall", [new Uint8Array(1000).fill(97)])).toBe(
      `sendall("${"a".repeat(32)}"... (1000 bytes)) = 0`,
    );
    expect(line("sendall", ["a".repeat(32)])).toBe(
      `sendall("${"a".repeat(32)}") = 0`,
    );
  });

  test("writes arguments as a program does, without the signal", () => {
    const { signal } = new AbortController();
    expect(line("recv", [5, { signal }], new Uint8Array())).toBe(
      'recv(5) = ""',
    );
    expect(line("setsockopt", ["SO_BROADCAST", true]))
      .toBe("setsockopt(SO_BROADCAST, true) = 0");
    expect(line("setsockopt", ["IP_ADD_MEMBERSHIP", ["224.0.0.9"]]))
      .toBe("setsockopt(IP_ADD_MEMBERSHIP, 224.0.0.9) = 0");
  });
});

describe("mermaid()", () => {
  const call = (words: Partial<CallInWords>): CallInWords => ({
    ...{ time: 0, end: "client", connection: 1, socket: 1 },
    ...{ call: "send", args: [], result: "0", ...words },
  });

  test("draws an arrow to the other end for what that notices", () => {
    const text = mermaid([
      call({ call: "socket", connection: 0 }),
      call({ call: "connect" }),
      call({ end: "server", connection: 2 }),
      call({ call: "connect", error: "ECONNREFUSED", reason: "no" }),
    ], 3);
    expect(text.split("\n").map((line) => line.trim())).toEqual([
      "sequenceDiagram",
      "participant client",
      "participant client2 as client 2",
      "participant server",
      "Note over client: socket() = 0",
      "client->>server: connect() = 0",
      "server->>client2: send() = 0",
      "client-xserver: connect() = -1 ECONNREFUSED (no)",
      "Note over server: and 3 more calls",
    ]);
  });

  test("lets nothing through that Mermaid would take for its own", () => {
    const evil = '"; end\\n%% #59; <script>`}{ End"';
    const [, , , last] = mermaid([call({ args: [evil] })]).split("\n");
    const text = last.replace("client->>server: ", "");
    expect(text).not.toMatch(/[<>`{}%\\]|\bend\b/i);
    expect(text.replace(/#\w+;/g, "")).not.toMatch(/[;#]/);
  });
});

/** Those with two ends; last those that a busy machine makes late. */
const names = SCRIPTS.filter((script) => !GUIDED.includes(script))
  .sort((a, b) => Number(TIMED.includes(a)) - Number(TIMED.includes(b)))
  .map((script) => script.slice(0, -3));

const missing = RUNTIMES.map((name) => find(name).reason).find(Boolean);

/** One process for each runtime, which traces all of them. */
const tracing = new Map<RuntimeName, Running>();
beforeAll(() => {
  for (const runtime of RUNTIMES) {
    if (find(runtime).reason) continue;
    const permissions = ["net", "sys=hostname", `read=${ROOT}`];
    const command = commandFor(
      runtime,
      permissions.map((permission) => `--allow-${permission}`),
    );
    const tracer = start([
      ...command,
      `${ROOT}tests/support/traces.ts`,
      ...names,
    ]);
    tracing.set(runtime, tracer);
  }
});
afterAll(() => {
  for (const tracer of tracing.values()) tracer.kill("SIGKILL");
});

/** The calls of an experiment, as soon as they are known. */
async function traceOf(
  runtime: RuntimeName,
  name: string,
): Promise<CallInWords[]> {
  const line = new RegExp(`^{"name":"${name}",.*\n`, "m");
  const [found] = await tracing.get(runtime)!.said(line);
  const { calls }: Traced = JSON.parse(found);
  return calls;
}

/**
 * Each socket's calls in order, without what no run promises: ports, dates and
 * names made for the run, and in how many pieces a stream arrives.
 */
function bySocket(calls: CallInWords[]): string[] {
  const sockets = new Map<number, string[]>();
  const received = new Map<number, number>();
  for (const call of calls) {
    const lines = sockets.get(call.socket) ?? [];
    sockets.set(call.socket, lines);
    const before = received.get(call.socket);
    const bytes = call.call === "recv" ? call.bytes : undefined;
    if (bytes && before !== undefined) lines.pop();
    const all = bytes ? (before ?? 0) + bytes : undefined;
    if (all === undefined) received.delete(call.socket);
    else received.set(call.socket, all);
    const text = all === undefined ? textOf(call) : `recv: ${all} bytes`;
    lines.push(`${call.end} ${text}`);
  }
  return [...sockets.values()].map((lines) =>
    lines.join("\n")
      .replace(/', [1-9]\d*\)/g, "', PORT)")
      .replace(/\d\d\/\d\d\/\d{4} \d\d:\d\d:\d\d/g, "DATE")
      .replace(
        /\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}|[A-Z][a-z]{2} [ \d]\d [\d:]{8}/g,
        "TIME",
      )
      .replace(/lab-[0-9a-f]{8}/g, "lab-NAME")
      .replace(/"(?:[^"\\]|\\.)*"\.\.\. \(48 bytes\)/g, "SNTP") // holds times
  ).sort();
}

describe("--trace", () => {
  for (const name of names) {
    const title = `${name} makes the same calls on every runtime`;
    needing(missing, title, async () => {
      const [bun, ...others] = await Promise.all(
        (["bun", "deno", "node"] as const).map(async (runtime) =>
          bySocket(await traceOf(runtime, name))
        ),
      );
      expect(bun).not.toBeEmpty();
      for (const other of others) expect(other).toEqual(bun);
    });
  }

  for (const runtime of RUNTIMES) {
    const command = [
      ...commandFor(runtime, ["--allow-net"]),
      `${ROOT}scripts/tcp_time.ts`,
    ];

    testOn(runtime, `prints lines as strace does on ${runtime}`, async () => {
      const { stdout } = await run([...command, "--trace"]);
      const lines = stdout.trimEnd().split("\n");
      const calls = lines.filter((line) => !/^(server|client): /.test(line));
      expect(lines.length - calls.length).toBe(4);
      for (const line of calls) {
        expect(line).toMatch(/^\d+\.\d{4} (server|client) \w+\(.*\) = .+$/);
      }
      const thanks = lines.findIndex((line) =>
        line.endsWith('server recv(1024) = "Time received successfully."')
      );
      expect(lines[thanks + 1]).toStartWith("server: Acknowledgment");
    });

    testOn(runtime, `the experiments end well on ${runtime}`, async () => {
      const { code, stderr } = await tracing.get(runtime)!.finished;
      expect([code, stderr]).toEqual([0, ""]);
    });

    testOn(runtime, `prints an object a call on ${runtime}`, async () => {
      const { stdout } = await run([...command, "--trace", "--json"]);
      const objects = stdout.trimEnd().split("\n").map((line) =>
        JSON.parse(line)
      );
      const calls = objects.filter((object) => "call" in object);
      expect(objects.length - calls.length).toBe(4);
      expect(bySocket(calls)).toEqual(
        bySocket(await traceOf(runtime, "tcp_time")),
      );
    });

    testOn(
      runtime,
      `--diagram has the output to itself on ${runtime}`,
      async () => {
        const { stdout, stderr } = await run([...command, "--diagram"]);
        expect(stdout).toStartWith("sequenceDiagram\n");
        expect(stdout).toMatch(/client->>server: connect\(.*\) = 0\n/);
        expect(stdout).not.toContain("Acknowledgment");
        expect(stderr).toContain("server: Acknowledgment from client: Time");
      },
    );

    testOn(
      runtime,
      `a run that fails shows its calls on ${runtime}`,
      async () => {
        const { code, stdout, stderr } = await run(
          [...command, "client", "--port", "1", "--trace"],
        );
        expect(code).toBe(1);
        expect(stdout).toMatch(
          /client connect\(\('127.0.0.1', 1\)\) = -1 ECONNREFUSED/,
        );
        expect(stderr).toStartWith("Cannot connect to 127.0.0.1:1:");
      },
    );
  }
});

describe("README.md", () => {
  const readme = readFileSync(`${ROOT}README.md`, "utf8");
  /** A block, one line for each end's every call, without what varies. */
  const blocks = (block: string) =>
    block.split("\n").map((line) =>
      line.replace(/^\d\S+ /, "").replace(/', [1-9]\d*\)/g, "', PORT)")
        .replace(/\d\d\/\d\d\/\d{4} \d\d:\d\d:\d\d/, "DATE")
    ).sort();

  alongside("quotes a trace and a diagram as they are printed", async () => {
    const command = [...commandFor("bun", []), `${ROOT}scripts/tcp_time.ts`];
    const [, trace] = readme.match(/```\n(\d+\.\d{4} [^`]+)\n```/)!;
    const traced = await run([...command, "--trace"]);
    expect(blocks(trace)).toEqual(blocks(traced.stdout.trimEnd()));
    const [, diagram] = readme.match(/```mermaid\n([^`]+)\n```/)!;
    const drawn = await run([...command, "--diagram"]);
    expect(blocks(diagram)).toEqual(blocks(drawn.stdout.trimEnd()));
  });
});
