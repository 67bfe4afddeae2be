/**
 * Observing socket calls: each is reported once, in order, for the right end,
 * and in strace's words; and nothing is reported while nobody observes.
 */
import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { CallOrder, type SocketCall } from "../lib/observe/call_order.ts";
import { mermaid } from "../lib/observe/diagram.ts";
import { Runs } from "../lib/observe/runs.ts";
import {
  AF_INET,
  AF_UNIX,
  DatagramSocket,
  observe,
  Reader,
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
import { makeLossy } from "../lib/services/lossy.ts";
import {
  commandFor,
  type Finished,
  run,
  type RuntimeName,
  RUNTIMES,
} from "./support/runtimes.ts";
import { ROOT } from "./support/scripts.ts";
import { alongside, testOn } from "./support/test_on.ts";

let stop: (() => void) | undefined;
const opened: StreamSocket[] = [];
afterEach(async () => {
  stop?.();
  for (const socket of opened.splice(0)) await socket.close();
});

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
  opened.push(server);
  return server;
}

async function pair(): Promise<[StreamSocket, StreamSocket, StreamSocket]> {
  const server = await listening();
  const client = socket(AF_INET, SOCK_STREAM);
  await client.connect(server.getsockname());
  const [connection] = await server.accept();
  opened.push(client, connection);
  return [client, connection, server];
}

/** Lines without times and ports. */
function linesOf(calls: readonly SocketCall[]): string[] {
  return calls.map((call) =>
    lineOf(inWords(call)).replace(/^\S+ /, "").replace(
      /', [1-9]\d*\)/g,
      "', PORT)",
    )
  );
}

describe("observe()", () => {
  test("reports each call once, a send before its receive", async () => {
    const calls = await watched();
    const [client, connection, server] = await pair();
    await client.sendall("hello");
    await connection.recv(1024);
    await client.shutdown(SHUT_WR);
    await connection.recv(1024);
    for (const end of [connection, client, server]) await end.close();
    expect(linesOf(calls)).toEqual([
      "server socket(AF_INET, SOCK_STREAM) = 3",
      "server bind(3, ('127.0.0.1', 0)) = 0",
      "server listen(3, 5) = 0",
      "client socket(AF_INET, SOCK_STREAM) = 3",
      "server getsockname(3) = ('127.0.0.1', PORT)",
      "client connect(3, ('127.0.0.1', PORT)) = 0",
      "server accept(3) = 4, ('127.0.0.1', PORT)",
      'client sendall(3, "hello") = 0',
      'server recv(4, 1024) = "hello"',
      "client shutdown(3, SHUT_WR) = 0",
      'server recv(4, 1024) = ""',
      "server close(4) = 0",
      "client close(3) = 0",
      "server close(3) = 0",
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
    expect(numbers("sendall")).toEqual(['1 "one"0', '2 "two"0', '3 "three"0']);
    expect(numbers("recv"))
      .toEqual(['1 1024"one"', '2 1024"two"', '3 1024"three"']);
    opened.push(...clients);
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
    const [accepts, connects] = ["accept", "connect"].map((name) =>
      calls.filter(({ call }) => call === name)
        .map(({ connection }) => connection)
    );
    expect(accepts).toEqual(connects);
  });

  test("numbers sockets from 3 at each end, and reuses no number", async () => {
    const calls = await watched();
    const server = await listening();
    for (let i = 0; i < 2; i++) {
      await using client = socket();
      await client.connect(server.getsockname());
      await using _connection = (await server.accept())[0];
    }
    const seen = calls.filter(({ call }) => /socket|accept|close/.test(call));
    const short = linesOf(seen).map((line) =>
      line.replace(/(?<=^\w+) \d/, "").replace(/AF.*\)|, .*$/, "")
    );
    expect(short)
      .toEqual([
        ...["server socket( = 3", "client socket( = 3", "server accept(3) = 4"],
        ...["server close(4) = 0", "client close(3) = 0"],
        ...["client socket( = 4", "server accept(3) = 5"],
        ...["server close(5) = 0", "client close(4) = 0"],
      ]);
  });

  test("does not report what fails because the runner closes a socket", async () => {
    const close = StreamSocket.prototype.close;
    const calls = await watched();
    const [client, connection, server] = await pair();
    calls.splice(0);
    const waiting = [server.accept(), connection.recv(1), client.recv(1)];
    for (const end of [server, connection]) await close.call(end);
    await client.close();
    await Promise.allSettled(waiting);
    const codes = calls.map(({ call, error }) => [call, error !== undefined]);
    expect(codes).toContainEqual(["close", false]);
    expect(codes).not.toContainEqual(["accept", true]);
    expect(calls.filter(({ end }) => end === "server")).toEqual([]);
  });

  test("counts the bytes that were sent, of a call that failed none", async () => {
    const calls = await watched();
    const [client, connection] = await pair();
    await client.sendall(new Uint8Array(9));
    await client.send("é");
    client.settimeout(20);
    const much = client.sendall(new Uint8Array(64 * 2 ** 20));
    await expect(much).rejects.toMatchObject({ code: "ETIMEDOUT" });
    const sends = calls.filter(({ call }) => call.startsWith("send"));
    expect(sends.map(({ bytes }) => bytes)).toEqual([9, 2, undefined]);
    await connection.close();
  });

  test("numbers a client on a port that another had as a new one", () => {
    const order = new CallOrder();
    const server = socket();
    order.end(order.begin(server, "listen", [])!, undefined, undefined);
    const accepts: number[] = [];
    order.listeners.add(({ connection }) => accepts.push(connection));
    for (let i = 0; i < 2; i++) {
      const accept = order.begin(server, "accept", [], true)!;
      order.end(accept, undefined, [socket(), ["192.0.2.1", 40404]]);
    }
    expect(accepts).toEqual([1, 2]);
  });

  test("shows recv_into() by the sizes, in the order of what arrives", async () => {
    const calls = await watched();
    const [client, connection] = await pair();
    calls.splice(0);
    const buffer = new Uint8Array(1024).fill(33);
    const { signal } = new AbortController();
    const waiting = connection.recv_into(buffer, { signal });
    await client.sendall("x".repeat(64));
    expect(await waiting).toBe(64);
    await client.shutdown(SHUT_WR);
    expect(await connection.recv_into(buffer.subarray(0, 9))).toBe(0);
    expect(linesOf(calls)).toEqual([
      `client sendall(3, "${"x".repeat(32)}"... (64 bytes)) = 0`,
      "server recv_into(4, 1024 bytes) = 64",
      "client shutdown(3, SHUT_WR) = 0",
      "server recv_into(4, 9 bytes) = 0",
    ]);
    expect(calls.map(({ bytes }) => bytes)).toEqual([64, 64, undefined, 0]);
  });

  test("shows the calls of a loop and of a Reader without their signals", async () => {
    const calls = await watched();
    const server = await listening();
    const receiver = socket(AF_INET, SOCK_DGRAM);
    await receiver.bind(["127.0.0.1", 0]);
    const client = socket(AF_INET, SOCK_STREAM);
    await client.connect(server.getsockname());
    const sender = socket(AF_INET, SOCK_DGRAM);
    await sender.sendto("?", receiver.getsockname());
    await client.sendall("one\n");
    calls.splice(0);
    for await (const [connection] of server) {
      connection.settimeout(60_000); // the Reader then has a signal of its own
      expect(await new Reader(connection).line()).toBe("one");
      await connection.close();
      break;
    }
    for await (const _ of receiver) break;
    const loop = receiver[Symbol.asyncIterator]();
    const waiting = loop.next();
    await loop.return?.();
    await waiting;
    await receiver.recvfrom(1, { signal: AbortSignal.abort("now") })
      .catch(() => {});
    await server.accept({ signal: AbortSignal.abort("now") }).catch(() => {});
    for (const end of [client, sender, receiver]) await end.close();
    expect(linesOf(calls)).toEqual([
      "server accept(3) = 5, ('127.0.0.1', PORT)",
      'server recv(5, 65536) = "one\\n"',
      "server close(5) = 0",
      "server 2 recvfrom(4, 65536) = \"?\", ('127.0.0.1', PORT)",
      "server recvfrom(4, 65536) = -1 AbortError (the loop was left)",
      "server recvfrom(4, 1) = -1 now ()",
      "server accept(3) = -1 now ()",
      "client close(3) = 0",
      "client 2 close(4) = 0",
      "server close(4) = 0",
    ]);
  });

  test("shows what a lossy network loses, and not its marks", async () => {
    const calls = await watched();
    const receiver = socket(AF_INET, SOCK_DGRAM);
    const sender = socket(AF_INET, SOCK_DGRAM);
    for (const end of [receiver, sender]) makeLossy(end, { loss: "1" });
    await receiver.bind(["127.0.0.1", 0]);
    const address = receiver.getsockname();
    await sender.connect(address);
    calls.splice(0);
    await sender.send("DATA bit 1.1 0 x");
    await sender.send("hello"); // only blocks and acknowledgements are lost
    expect((await receiver.recvfrom(9))[0]).toHaveLength(5);
    await receiver.sendto("ACK bit 1.1 0", sender.getsockname());
    const served = receiver.recvfrom(9).catch(() => {}); // sends back the mark
    sender.settimeout(20);
    await sender.recv(99).catch(() => {});
    for (const end of [sender, receiver]) await end.close();
    await served;
    expect(linesOf(calls)).toEqual([
      'client send(3, "DATA bit 1.1 0 x") = 16',
      'client send(3, "hello") = 5',
      `server lose(3, "DATA bit 1.1 0 x", ('127.0.0.1', PORT)) = 0`,
      `server recvfrom(3, 9) = "hello", ('127.0.0.1', PORT)`,
      "client getsockname(3) = ('127.0.0.1', PORT)",
      `server sendto(3, "ACK bit 1.1 0", ('127.0.0.1', PORT)) = 13`,
      'client lose(3, "ACK bit 1.1 0") = 0',
      "client recv(3, 99) = -1 ETIMEDOUT (timed out)",
      "client close(3) = 0",
      "server close(3) = 0",
      "server recvfrom(3, 9) = -1 EBADF (socket is closed)",
    ]);
  });

  test("reports failures, and at the end calls that have not ended", async () => {
    const calls = await watched();
    const [client, connection] = await pair();
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
      "client connect(3, ('127.0.0.1', PORT)) = -1 EISCONN " +
      "(socket is already connected)",
      "client recv(3, 5) = -1 Error (enough\\n)",
      "server recv(4, 7) = ?",
    ]);
    await connection.close();
    await waiting.catch(() => {});
  });

  test("is not held up by a send that blocks", async () => {
    const calls = await watched();
    const [client, , server] = await pair();
    const much = client.sendall(new Uint8Array(64 * 2 ** 20));
    calls.splice(0);
    for (let i = 0; i < 300; i++) server.getsockname();
    expect(calls.filter(({ call }) => call === "getsockname")).not.toBeEmpty();
    await client.close();
    await much.catch(() => {});
    expect(calls.filter(({ call }) => call === "sendall")).toHaveLength(1);
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

  test("changes neither what a call returns nor what it throws", async () => {
    await watched();
    const [client, connection, server] = await pair();
    await client.sendall(new Uint8Array([0, 255]));
    expect(await connection.recv(9)).toEqual(new Uint8Array([0, 255]));
    expect(() => socket().getpeername()).toThrow("Cannot get the peer name");
    await expect(server.recv(1)).rejects.toMatchObject({ code: "ENOTCONN" });
  });
});

test("a line of a trace is escaped, of bounded length, and without signals", () => {
  const line = (call: string, args: unknown[], result?: unknown) =>
    textOf(inWords({
      ...{ time: 2.14, end: "client", connection: 1, socket: 1, call, args },
      ...{ descriptor: 0, made: undefined },
      ...{ result, error: undefined, bytes: undefined, done: true },
    }));
  const { signal } = new AbortController();
  const long = "a".repeat(32);
  expect([
    line("send", ['\x1b[2J"\\\t\r\n\0é\x7f'], 12),
    line("recv", [9], new TextEncoder().encode("\u202eabc")),
    line("bind", ["\0socket\u202e"]),
    line("sendall", [new Uint8Array(1000).fill(97)]),
    line("sendall", [new Uint8Array(1000)]),
    line("sendall", [new Uint8Array(4)]),
    line("sendall", [long]),
    line("recv", [5, { signal }], new Uint8Array()),
    line("recv_into", [new Uint8Array(7).fill(97), { signal }], 3),
    line("recv_into", [new Uint8Array(7).subarray(2), {}], 0),
    line("recv", [5, null], new Uint8Array()),
    line("accept", [{ signal: undefined }]),
    line("send", [["x".repeat(99)]]),
    line("setsockopt", ["SO_BROADCAST", true]),
    line("setsockopt", ["IP_ADD_MEMBERSHIP", ["224.0.0.9"]]),
  ]).toEqual([
    String.raw`send("\x1b[2J\"\\\t\r\n\x00\xc3\xa9\x7f") = 12`,
    String.raw`recv(9) = "\xe2\x80\xaeabc"`,
    String.raw`bind("\x00socket\xe2\x80\xae") = 0`,
    `sendall("${long}"... (1000 bytes)) = 0`,
    String.raw`sendall("\x00"... (1000 bytes)) = 0`,
    String.raw`sendall("\x00\x00\x00\x00") = 0`,
    `sendall("${long}") = 0`,
    'recv(5) = ""',
    "recv_into(7 bytes) = 3",
    "recv_into(5 bytes) = 0",
    'recv(5) = ""',
    "accept() = 0",
    `send(${"x".repeat(32)}) = 0`,
    "setsockopt(SO_BROADCAST, true) = 0",
    "setsockopt(IP_ADD_MEMBERSHIP, 224.0.0.9) = 0",
  ]);
});

describe("Runs", () => {
  const call = (words: Partial<CallInWords>): CallInWords => ({
    ...{ time: 0, end: "server", connection: 1, socket: 1, descriptor: 4 },
    ...{ call: "recv", args: ["9"], result: '"x"', bytes: 1, ...words },
  });
  const shown = (calls: CallInWords[]) => {
    const lines: string[] = [];
    const runs = new Runs((one) => lines.push(textOf(one)));
    for (const one of calls) runs.add(one);
    runs.end();
    return lines;
  };
  const one = 'recv(4, 9) = "x"';

  test("shows three calls of a run, and counts the others", () => {
    expect(shown(Array(1000).fill(call({})))).toEqual(
      [one, one, one, "recv(4, ...) = 997 times more, 997 bytes"],
    );
    expect(shown(Array(4).fill(call({})))).toEqual([one, one, one, one]);
  });

  test("begins anew with another socket, call or failure", () => {
    const failed = { result: undefined, bytes: undefined, error: "EPIPE" };
    for (const other of [{ socket: 2 }, { call: "send" }, failed]) {
      const different = call(other);
      const calls = [...Array(5).fill(call({})), different, call({})];
      expect(shown(calls)).toEqual([
        ...[one, one, one, "recv(4, ...) = 2 times more, 2 bytes"],
        ...[textOf(different), one],
      ]);
    }
    expect(shown(Array(9).fill(call({ call: "accept" })))).toHaveLength(9);
  });
});

describe("mermaid()", () => {
  const call = (words: Partial<CallInWords>): CallInWords => ({
    ...{ time: 0, end: "client", connection: 1, socket: 1, descriptor: 3 },
    ...{ call: "send", args: [], result: "0", ...words },
  });

  test("draws an arrow to the other end for a call that this notices", () => {
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
      "client->>server: connect(3) = 0",
      "server->>client2: send(3) = 0",
      "client-xserver: connect(3) = -1 ECONNREFUSED (no)",
      "Note over server: and 3 more calls",
    ]);
  });

  test("crosses out what a lossy network lost", () => {
    const send = (data: string) => call({ args: [data] });
    const lose = (data: string) =>
      call({ end: "server", call: "lose", args: [data] });
    const [, , , ...steps] = mermaid([
      ...[send('"1"'), send('"2"'), lose('"1"'), send('"3"')],
      call({ end: "server", args: ['"3"'], connection: 2 }),
      lose('"4"'), // one of a run, which is not shown
    ]).split("\n");
    expect(steps.map((line) => line.trim())).toEqual([
      "participant server",
      'client-xserver: send(3, "1") = 0, lost',
      'client->>server: send(3, "2") = 0',
      'client->>server: send(3, "3") = 0',
      'server->>client2: send(3, "3") = 0',
      'Note over server: lose(3, "4") = 0',
    ]);
  });

  test("lets no text through that Mermaid would take for a statement", () => {
    const evil = '"; end\\n%% #59; <script>`}{ End"';
    const [, , , last] = mermaid([call({ args: [evil] })]).split("\n");
    const text = last.replace("client->>server: ", "");
    expect(text).not.toMatch(/[<>`{}%\\]|\bend\b/i);
    expect(text.replace(/#\w+;/g, "")).not.toMatch(/[;#]/);
  });
});

describe("--trace", () => {
  /** Runs tcp_time; once for all tests that want the same. */
  const played = new Map<string, Promise<Finished>>();
  function play(runtime: RuntimeName, ...args: string[]): Promise<Finished> {
    const key = [runtime, ...args].join(" ");
    const finished = played.get(key) ?? run([
      ...commandFor(runtime, ["--allow-net"]),
      `${ROOT}scripts/tcp_time.ts`,
      ...args,
    ]);
    played.set(key, finished);
    return finished;
  }

  for (const runtime of RUNTIMES) {
    testOn(runtime, `prints lines as strace does on ${runtime}`, async () => {
      const { stdout } = await play(runtime, "--trace");
      const lines = stdout.trimEnd().split("\n");
      const calls = lines.filter((line) => !/^(server|client): /.test(line));
      expect(lines.length - calls.length).toBe(4);
      for (const line of calls) {
        expect(line).toMatch(/^\d+\.\d{4} (server|client) \w+\(.+\) = .+$/);
      }
      const thanks = lines.findIndex((line) =>
        line.endsWith('server recv(4, 1024) = "Time received successfully."')
      );
      expect(lines[thanks + 1]).toStartWith("server: Acknowledgment");
      // The runner stops the server: its own close(), and what fails by it.
      expect(stdout).not.toMatch(/EBADF|close\(3\)[^]*close\(3\)/);
    });

    testOn(runtime, `leaves stdout to --diagram on ${runtime}`, async () => {
      const { stdout, stderr } = await play(runtime, "--diagram");
      expect(stdout).toStartWith("sequenceDiagram\n");
      expect(stdout).toMatch(/client->>server: connect\(.*\) = 0\n/);
      expect(stdout).not.toContain("Acknowledgment");
      expect(stderr).toContain("server: Acknowledgment from client: Time");
    });

    testOn(
      runtime,
      `shows the calls of a failed run on ${runtime}`,
      async () => {
        const args = ["client", "--port", "1", "--trace"];
        const { code, stdout, stderr } = await play(runtime, ...args);
        expect(code).toBe(1);
        expect(stdout).toMatch(
          /client connect\(3, \('127.0.0.1', 1\)\) = -1 ECONNREFUSED/,
        );
        expect(stderr).toStartWith("Cannot connect to 127.0.0.1:1:");
      },
    );
  }

  alongside("prints what the README quotes, and --diagram, too", async () => {
    const readme = readFileSync(`${ROOT}README.md`, "utf8")
      .replaceAll("\r\n", "\n");
    // The lines sorted, since the ends mix, and without what varies.
    const lines = (block: string) =>
      block.trimEnd().split("\n").map((line) =>
        line.replace(/^\d\S+ /, "").replace(/', [1-9]\d*\)/g, "', PORT)")
          .replace(/\d\d\/\d\d\/\d{4} \d\d:\d\d:\d\d/, "DATE")
      ).sort();
    const [, trace] = readme.match(/```\n(\d+\.\d{4} [^`]+)\n```/)!;
    const traced = await play("bun", "--trace");
    expect(lines(trace)).toEqual(lines(traced.stdout));
    const [, diagram] = readme.match(/```mermaid\n([^`]+)\n```/)!;
    const drawn = await play("bun", "--diagram");
    expect(lines(diagram)).toEqual(lines(drawn.stdout));
  });
});
