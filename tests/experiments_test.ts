/**
 * The experiments with both ends in this process, on a free port: what they
 * return, how their servers treat a client that misbehaves, and the runner.
 */
import { afterEach, describe, expect, spyOn, test } from "bun:test";
import { run } from "../lib/experiment/experiment.ts";
import { printFailure } from "../lib/experiment/failure.ts";
import { joinWords, writer } from "../lib/experiment/print.ts";
import { startServer } from "../lib/experiment/serve.ts";
import {
  DEFAULTS,
  type Experiment,
  limits,
  type Settings,
} from "../lib/experiment/settings.ts";
import { transcribe } from "../lib/experiment/transcript.ts";
import {
  type Address,
  AF_INET,
  dateAndTime,
  decode,
  type End,
  observe,
  Reader,
  SOCK_DGRAM,
  SOCK_STREAM,
  socket,
  type SocketCall,
  SocketError,
  type StreamSocket,
} from "../lib/mod.ts";
import { lineOf } from "../lib/observe/strace.ts";
import { play } from "./support/play.ts";
import { canListen } from "./support/ports.ts";
import { load } from "./support/scripts.ts";

const DATE_AND_TIME = /^\d\d\/\d\d\/\d{4} \d\d:\d\d:\d\d$/;

const own = { ...limits };
afterEach(() => void Object.assign(limits, own));

async function connected(address: Address): Promise<StreamSocket> {
  const client = socket(AF_INET, SOCK_STREAM);
  await client.connect(address);
  return client;
}

/** What the server sends, to the end, to a client that sends `texts` first. */
function asking(...texts: string[]) {
  return async ({ address }: End) => {
    await using client = await connected(address);
    for (const text of texts) await client.sendall(text);
    await client.shutdown("SHUT_WR");
    return decode(await new Reader(client).all());
  };
}

describe("tcp_hello", async () => {
  const hello = await load("tcp_hello");

  test("greets every client", async () => {
    const { server, clients, lines } = await play(hello, {
      clients: 3,
    });
    expect(clients).toEqual(Array(3).fill("Hello World!"));
    expect(server).toEqual({ greeted: 3 });
    expect(lines).toHaveLength(6);
  });

  test("sends 12 bytes and closes", async () => {
    const { clients } = await play(hello, {}, asking());
    expect(clients).toEqual(["Hello World!"]);
  });
});

describe("tcp_time", async () => {
  const time = await load("tcp_time");

  test("sends the time, and the client acknowledges it", async () => {
    const { server, clients, lines } = await play(time);
    expect(server).toEqual({ acknowledged: 1 });
    expect(lines).toContain(
      "server: Acknowledgment from client: Time received successfully.",
    );
    expect(clients[0]).toMatch(DATE_AND_TIME);
  });

  test("sends 19 bytes without a newline", async () => {
    const { clients } = await play(time, {}, asking());
    expect(clients[0]).toMatch(DATE_AND_TIME);
    expect(clients[0]).toHaveLength(19);
  });

  test("prints nothing for a client that does not acknowledge", async () => {
    const { server, lines, notes } = await play(time, {}, asking());
    expect(server).toEqual({ acknowledged: 0 });
    expect(lines.filter((line) => line.includes("Ackn"))).toEqual([]);
    expect(notes).toEqual([]);
  });

  test("serves the next client after one that left", async () => {
    const { server } = await play(time, {}, async (end) => {
      await (await connected(end.address)).close();
      return time.client(end);
    });
    expect(server).toEqual({ acknowledged: 1 });
  });

  test("is not held up by a client that keeps silent", async () => {
    const { server } = await play(time, {}, async (end) => {
      await using _silent = await connected(end.address);
      return await time.client(end);
    });
    expect(server).toEqual({ acknowledged: 1 });
  });

  test("escapes what a client could use to drive the terminal", async () => {
    const { lines } = await play(
      time,
      {},
      asking("\x1b[2J\u009b1m\r\nserver: x"),
    );
    expect(lines).toContain(
      "server: Acknowledgment from client: \\x1b[2J\\x9b1m\\r\\nserver: x",
    );
  });
});

describe("tcp_client_details", async () => {
  const details = await load("tcp_client_details");

  test("exchanges the time for the client's own address", async () => {
    const { server, clients, lines } = await play(details);
    expect(server).toEqual({ told: 1 });
    expect(lines).toContain("server: Client Details: 127.0.0.1");
    expect(clients[0]).toMatch(DATE_AND_TIME);
  });

  test("sends the time first, for a client that only listens", async () => {
    const { clients } = await play(details, {}, asking());
    expect(clients[0]).toMatch(DATE_AND_TIME);
  });
});

describe("tcp_address_lookup", async () => {
  const lookup = await load("tcp_address_lookup");

  test("finds the first address", async () => {
    expect((await play(lookup)).clients).toEqual(["6A:08:AA:C2"]);
  });

  test("answers many questions on one connection", async () => {
    const { clients } = await play(lookup, {}, async ({ address }) => {
      await using client = await connected(address);
      const answers = [];
      for (const question of ["165.165.80.80", "165.165.79.1\n", "10.0.0.1"]) {
        await client.sendall(question);
        answers.push(decode(await client.recv(1024)));
      }
      return answers;
    });
    expect(clients[0]).toEqual(["6A:08:AA:C2", "8A:BC:E3:FA", "Not Found"]);
  });
});

describe("tcp_thank_you", async () => {
  const thankYou = await load("tcp_thank_you");

  test("thanks with one line", async () => {
    const { clients } = await play(thankYou, {}, asking());
    expect(clients).toEqual(["Thank you for connecting\r\n"]);
    const own = await play(thankYou);
    expect(own.clients).toEqual(["Thank you for connecting"]);
  });
});

describe("run()", async () => {
  const time = await load("tcp_time");

  test("prints a client's failure in one line, and serves on", async () => {
    const { server, notes } = await play(
      time,
      { timeout: 500 },
      async (end) => {
        await using client = await connected(end.address);
        client.settimeout(null);
        await new Reader(client).all(); // silent until the server closes
        return time.client(end);
      },
    );
    expect(server).toEqual({ acknowledged: 1 });
    expect(notes).toHaveLength(1);
    expect(notes[0]).toMatch(
      /^server: Cannot receive from 127\.0\.0\.1:\d+: timed out$/,
    );
  });

  test("serves limits.clients at once, and the next when one leaves", async () => {
    limits.clients = 2;
    const { server, notes } = await play(time, {}, async ({ address }) => {
      const clients = [];
      for (let i = 0; i < 3; i++) clients.push(await connected(address));
      const [one, two, three] = clients;
      for (const served of [one, two]) await served.recv(1024);
      three.settimeout(50);
      await expect(three.recv(1024)).rejects.toMatchObject({
        code: "ETIMEDOUT",
      });
      three.settimeout(null);
      await one.close();
      expect(await three.recv(1024)).toHaveLength(19);
      for (const client of [two, three]) {
        await client.sendall("thanks");
        await client.close();
      }
    });
    expect(server).toEqual({ acknowledged: 2 });
    expect(notes).toEqual([]);
  });

  test("runs the client as often as --clients says", async () => {
    let runs = 0;
    const client = async () => ++runs;
    const { clients } = await play(time, { clients: 3 }, client);
    expect(clients).toEqual([1, 2, 3]);
  });

  test("fails when the server's own code does", async () => {
    await expect(play(broken(time), {}, asking())).rejects.toThrow("a bug");
  });

  test("fails when the server cannot listen", async () => {
    await using taken = socket(AF_INET, SOCK_STREAM);
    await taken.bind(["127.0.0.1", 0]);
    await taken.listen();
    const [, port] = taken.getsockname();
    const attempt = play(time, { port: Number(port) });
    await expect(attempt).rejects.toMatchObject({ code: "EADDRINUSE" });
  });

  test("closes the server when the client fails", async () => {
    let port = 0;
    const attempt = play(time, {}, async ({ address }) => {
      port = Number(address[1]);
      throw new Error("a client's bug");
    });
    await expect(attempt).rejects.toThrow("a client's bug");
    while (!await canListen(port)) await Bun.sleep(5);
  });
});

describe("a server alone", async () => {
  const time = await load("tcp_time");

  test("waits for a late client, whatever --timeout says", async () => {
    const { address, ended } = await serveAlone(time, {
      clients: 1,
      timeout: 20,
    });
    await Bun.sleep(60); // longer than accept() would wait
    await using client = await connected(address);
    expect(await client.recv(1024)).toHaveLength(19);
    await client.sendall("thanks");
    expect(await ended).toEqual({ acknowledged: 1 });
  });

  test("closes running exchanges when limits.grace is over", async () => {
    limits.grace = 20;
    const { address, ended, notes } = await serveAlone(time, { clients: 1 });
    await using client = await connected(address);
    expect(decode(await new Reader(client).all())).toMatch(DATE_AND_TIME);
    await ended;
    expect(notes).toEqual([]);
  });

  test("stops after so many senders of datagrams, not so many datagrams", async () => {
    limits.quiet = 20;
    const echo = await load("udp_datagrams");
    const { address, ended } = await serveAlone(echo, { clients: 2 });
    for (const count of [3, 1]) {
      await using sender = socket(AF_INET, SOCK_DGRAM);
      for (let i = 0; i < count; i++) {
        await sender.sendto("Hello", address);
        await sender.recvfrom(1024);
      }
      if (count > 1) await Bun.sleep(100); // a stop would have come by now
    }
    await ended;
  });

  test("waits for a sender that pauses between two datagrams", async () => {
    limits.quiet = 20;
    const echo = await load("udp_datagrams");
    const server = (end: End) => {
      const serve: End["serve"] = (client, work) =>
        end.serve(client, work, { pause: 60_000 });
      return echo.server({ ...end, serve });
    };
    const role = { role: "server", port: 0, clients: 1 } as const;
    const settings = { ...DEFAULTS, ...role };
    const own = { ...echo, server };
    const { listening, ended, stop } = startServer(own, settings, () => {});
    const address = await listening;
    await using sender = socket(AF_INET, SOCK_DGRAM);
    for (let i = 0; i < 2; i++) {
      await sender.sendto("Hello", address);
      await sender.recvfrom(1024);
      await Bun.sleep(100); // a stop would have come by now
    }
    stop();
    await ended;
  });

  test("does not listen when it was stopped before", async () => {
    const opened: StreamSocket[] = [];
    const start = Promise.withResolvers<void>();
    const late: Experiment = {
      ...time,
      async server(end) {
        await start.promise;
        const ready = (listener: StreamSocket) => {
          opened.push(listener);
          end.ready(listener);
        };
        return time.server({ ...end, ready: ready as End["ready"] });
      },
    };
    const settings = { ...DEFAULTS, role: "server", port: 0 } as const;
    const { ended, stop } = startServer(late, settings, () => {});
    stop();
    start.resolve();
    await ended;
    expect(opened).toHaveLength(1);
    expect(() => opened[0].getsockname()).toThrow("socket is closed");
  });

  test("prints a bug in its own code, and fails at the end", async () => {
    const { address, ended, notes } = await serveAlone(broken(time), {
      clients: 1,
    });
    (await connected(address)).close();
    await expect(ended).rejects.toThrow("a bug");
    expect(notes).toEqual(["server: TypeError: a bug"]);
  });
});

describe("writer()", () => {
  test("tags the lines of both ends, and prints notes as errors", () => {
    const printed: string[] = [];
    const print = (line: string) => void printed.push(line);
    const error = spyOn(console, "error").mockImplementation(() => {});
    writer({}, print)("client", "one");
    writer({ role: "server" }, print)("server", "two");
    writer({ json: true }, print)("server", "three");
    writer({}, print)("server", "four", "note");
    writer({ role: "client", json: true }, print)("client", "five", "note");
    expect(printed).toEqual([
      "client: one",
      "two",
      '{"end":"server","line":"three"}',
    ]);
    expect(error.mock.calls).toEqual([["server: four"], ["five"]]);
    error.mockRestore();
  });

  test("joins words to one line of at most 1000 characters", () => {
    expect(joinWords(["a", 1, null, "\n\u202e"])).toBe("a 1  \\n\\u{202e}");
    expect(joinWords(["x".repeat(1000)])).toBe("x".repeat(1000));
    expect(joinWords(["x".repeat(1001)])).toBe(`${"x".repeat(1000)}...`);
  });

  test("writes the date and time with two digits, the day first", () => {
    expect(dateAndTime(new Date(2026, 0, 5, 3, 4, 9))).toBe(
      "05/01/2026 03:04:09",
    );
  });
});

describe("printFailure()", () => {
  const print = (
    error: unknown,
    settings: Pick<Settings, "flags" | "timeout"> = { flags: {} },
  ) => {
    const spy = spyOn(console, "error").mockImplementation(() => {});
    try {
      const url = "file:///lab/scripts/tcp_time.ts";
      printFailure(error, { url, port: 8000 }, settings);
      return spy.mock.calls.flat().slice(1);
    } finally {
      spy.mockRestore();
    }
  };
  const address: Address = ["127.0.0.1", 8000];
  const start = "Start the server first: bun scripts/tcp_time.ts server";

  test("says how to start the server that the client needs", () => {
    const refused = (at: Address) =>
      new SocketError("ECONNREFUSED", "connect", at);
    expect(print(refused(address))).toEqual([start]);
    expect(print(refused(["127.0.0.1", 81]))).toEqual([`${start} --port 81`]);
    const flags = { path: "/tmp/a", other: undefined };
    expect(print(refused("/tmp/a"), { flags })).toEqual([
      `${start} --path /tmp/a`,
    ]);
    expect(print(new SocketError("ENOENT", "connect", "/tmp/a"), { flags }))
      .toEqual([`${start} --path /tmp/a`]);
  });

  test("says what else to do, by the error", () => {
    for (
      const [code, call, at, advice] of [
        ["EADDRINUSE", "listen", address, /choose another with --port/],
        ["EADDRINUSE", "listen", "/tmp/a", undefined],
        ["EADDRNOTAVAIL", "listen", address, /own machine: see --host/],
        ["EACCES", "listen", address, /Ports below 1024/],
        ["EACCES", "append to", "/a/b", /this user may write/],
        ["ENOENT", "append to", "/a/b", /Check that its folder exists/],
        ["EAFNOSUPPORT", "connect", address, /IPv4 address/],
        ["ENOTFOUND", "connect", address, /name after --host/],
        ["EHOSTUNREACH", "connect", address, /address after --host/],
        ["ENETUNREACH", "connect", address, /address after --host/],
        ["ETIMEDOUT", "connect", address, /Nothing answered/],
        ["ECONNRESET", "recv", address, /reset the connection/],
        ["EPIPE", "send", address, /reset the connection/],
        ["EIO", "recv", address, undefined],
      ] as const
    ) {
      const [line] = print(new SocketError(code, call, at as Address));
      if (advice) {
        expect([code, line]).toEqual([code, expect.stringMatching(advice)]);
      } else expect([code, line]).toEqual([code, undefined]);
    }
    const late = new SocketError("ETIMEDOUT", "recv", address);
    expect(print(late, { flags: {}, timeout: 70 })[0]).toContain("in 70 ms");
    const timeout = new SocketError("ETIMEDOUT", "connect", address);
    expect(print(timeout, { flags: {}, timeout: 70 })[0]).toContain("--port");
  });

  test("names the permission that Deno denies", () => {
    const cause = Object.assign(new Error("Requires, run with --allow-read"), {
      name: "NotCapable",
    });
    const denied = new SocketError("EACCES", "append to", "/a", cause);
    expect(print(denied)).toEqual([
      "Add --allow-read before the name of the script",
    ]);
  });

  test("rethrows anything but a SocketError", () => {
    expect(() => print(new TypeError("a bug"))).toThrow("a bug");
  });
});

describe("transcribe()", () => {
  test("keeps lines between the calls, and counts what a diagram omits", () => {
    const log = spyOn(console, "log").mockImplementation(() => {});
    const error = spyOn(console, "error").mockImplementation(() => {});
    try {
      const { write, end } = transcribe({ ...DEFAULTS, trace: true });
      socket().getsockname();
      write("client", "between");
      socket();
      end();
      expect(log.mock.calls.flat().map((text) => text.replace(/^\d\S+ /gm, "")))
        .toEqual([
          "client socket(AF_INET, SOCK_STREAM) = socket\n" +
          "client getsockname() = ('0.0.0.0', 0)",
          "client: between",
          "client socket(AF_INET, SOCK_STREAM) = socket",
        ]);

      log.mockClear();
      const drawing = transcribe({ ...DEFAULTS, diagram: true });
      const many = socket();
      for (let i = 0; i < 510; i++) many.getsockname();
      drawing.write("client", "beside");
      many.close();
      drawing.end();
      const [diagram] = log.mock.calls.flat();
      expect(log).toHaveBeenCalledTimes(1);
      expect(diagram.match(/getsockname\(\)/g)).toHaveLength(499);
      expect(diagram).toEndWith("and 12 more calls");
      expect(error.mock.calls).toEqual([["client: beside"]]);
    } finally {
      log.mockRestore();
      error.mockRestore();
    }
  });
});

describe("observe()", () => {
  test("reports one close() of a socket, and what a call throws", async () => {
    const calls: string[] = [];
    const stop = await observe(({ call, error }) =>
      calls.push(error instanceof SocketError ? `${call} ${error.code}` : call)
    );
    try {
      const one = socket();
      expect(() => one.getpeername()).toThrow(SocketError);
      await one.close();
      await one.close();
      expect(() => one.getsockname()).toThrow(SocketError);
    } finally {
      stop();
    }
    expect(calls).toEqual([
      ...["socket", "getpeername ENOTCONN", "close", "getsockname EBADF"],
    ]);
  });
});

test("lineOf() begins with seconds, to a tenth of a millisecond", () => {
  const call: Omit<SocketCall, "time"> = {
    ...{ end: "server", connection: 2, socket: 3, call: "listen", args: [5] },
    ...{ result: undefined, error: undefined, bytes: undefined, done: true },
  };
  const line = (time: number) => lineOf({ time, ...call });
  expect(line(2.14)).toBe("0.0021 server 2 listen(5) = 0");
  expect(line(12_345.67)).toBe("12.3457 server 2 listen(5) = 0");
});

/** An experiment whose server fails with each client. */
function broken(experiment: Experiment): Experiment {
  return {
    ...experiment,
    async server({ address, ready, serve }) {
      await using listener = socket(AF_INET, SOCK_STREAM);
      await listener.bind(address);
      await listener.listen();
      ready(listener);
      for await (const [client] of listener) {
        serve(client, () => Promise.reject(new TypeError("a bug")));
      }
    },
  };
}

/** Starts a server alone; `ended` resolves to what it returns. */
async function serveAlone(experiment: Experiment, settings: Partial<Settings>) {
  const listening = Promise.withResolvers<Address>();
  const notes: string[] = [];
  const outcome = run(
    {
      ...experiment,
      server: (end) =>
        experiment.server({
          ...end,
          ready(...sockets) {
            listening.resolve(sockets[0].getsockname());
            end.ready(...sockets);
          },
        }),
    },
    { role: "server", port: 0, ...settings },
    (end, line, note) => note && notes.push(`${end}: ${line}`),
  );
  const address = await listening.promise;
  expect(notes.shift()).toMatch(/^server: Listening on 127\.0\.0\.1:\d+ \(/);
  const ended = outcome.then(({ server }) => server);
  return { address, ended, notes };
}
