/**
 * The experiments with both ends in this process, on a free port: what they
 * return, how their servers treat a client that misbehaves, and the runner.
 */
import { afterEach, describe, expect, spyOn, test } from "bun:test";
import { readFileSync } from "node:fs";
import { run } from "../lib/experiment/experiment.ts";
import { joinWords, printFailure, writer } from "../lib/experiment/print.ts";
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
import { inWords, lineOf } from "../lib/observe/strace.ts";
import { canListen } from "../scripts/tools/support/free_port.ts";
import { testWrongFlags } from "./support/ends.ts";
import { play, serverThat } from "./support/play.ts";
import { load, ROOT } from "./support/scripts.ts";

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

  test("finds an IP address by the hardware address, in reverse", async () => {
    for (
      const [reverse, answer] of [
        ["6A:08:AA:C2", "165.165.80.80"],
        ["8a:bc:e3:fa", "165.165.79.1"],
        ["00:00:00:00:00:00", "Not Found"],
      ]
    ) {
      const { clients, lines } = await play(lookup, { flags: { reverse } });
      expect(clients).toEqual([answer]);
      expect(lines).toContain(`server: ${reverse} -> ${answer}`);
      expect(lines).toContain(`client: ${answer}`);
    }
  });

  test("takes no address of the kind that it has asked with", async () => {
    const server = serverThat(async (client) =>
      client.sendall(await client.recv(1024))
    );
    for (const reverse of [undefined, "6A:08:AA:C2"]) {
      const played = play({ ...lookup, server }, { flags: { reverse } });
      await expect(played).rejects.toMatchObject({ code: "EPROTO" });
    }
  });

  testWrongFlags("tcp_address_lookup", [
    ["--reverse", "165.165.80.80"],
    ["--reverse", "6A"],
    ["--reverse", "6A:08:AA:C2\n"],
    ["--reverse", ""],
  ]);

  test("leaves a server that never ends", async () => {
    const server = serverThat(async (client) => {
      await client.recv(1024);
      await client.sendall("6A:08:AA:C2");
      await client.recv(1024);
      while (true) await client.sendall("x".repeat(1024));
    });
    const played = play({ ...lookup, server });
    await expect(played).rejects.toMatchObject({ code: "EMSGSIZE" });
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
        const silent = new Reader(client).all(); // until the server gives up
        await expect(silent).rejects.toMatchObject({ code: "ECONNRESET" });
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
    expect(decode(await client.recv(1024))).toMatch(DATE_AND_TIME);
    await expect(client.recv(1)).rejects.toMatchObject({ code: "ECONNRESET" });
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

  test("prints a bug in its own code once, and fails at the end", async () => {
    const { address, ended, notes } = await serveAlone(broken(time), {
      clients: 3,
    });
    for (let i = 0; i < 3; i++) (await connected(address)).close();
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
  const print = async (
    error: unknown,
    settings: Pick<Settings, "flags" | "timeout"> = { flags: {} },
  ) => {
    const spy = spyOn(console, "error").mockImplementation(() => {});
    try {
      const url = "file:///lab/scripts/tcp_time.ts";
      await printFailure(error, { url, port: 8000 }, settings);
      return spy.mock.calls.flat();
    } finally {
      spy.mockRestore();
    }
  };
  const start = "Start the server first: bun scripts/tcp_time.ts server";
  const HOST: Address = ["192.0.2.1", 8000];
  const LOW: Address = ["192.0.2.1", 80];
  const PATH: Address = "/tmp/a";

  const MORE_FILES = "Allow more open files: ulimit -n 4096";

  /** What is printed below the message of these calls, if anything. */
  const ADVICE: [code: string, at: Address, calls: string, advice: string][] = [
    [
      "EADDRINUSE",
      HOST,
      "bind,listen",
      "Another server has this port: stop it, or choose another with --port",
    ],
    ["EADDRINUSE", HOST, "connect", ""],
    ["EBUSY", PATH, "append to", ""], // the message says it
    ["ESTALE", PATH, "append to", ""],
    ["EADDRINUSE", PATH, "bind,listen", ""], // unix_echo prints who has it
    [
      "EADDRNOTAVAIL",
      HOST,
      "bind,listen",
      "A server listens on an address of its own machine: see --host",
    ],
    [
      "EADDRNOTAVAIL",
      HOST,
      "connect",
      "All ephemeral ports are taken: wait a minute",
    ],
    ["EADDRNOTAVAIL", HOST, "sendto", ""],
    [
      "EACCES",
      LOW,
      "bind,listen",
      "Ports below 1024 are for root: choose another with --port",
    ],
    [
      "EACCES",
      HOST,
      "bind,listen",
      "This system reserves the port: choose another with --port",
    ],
    [
      "EACCES",
      HOST,
      "connect",
      "A firewall or a route prohibits it, or it is a broadcast address",
    ],
    [
      "EACCES",
      LOW,
      "connect",
      "A firewall or a route prohibits it, or it is a broadcast address",
    ],
    [
      "EACCES",
      HOST,
      "send,sendto",
      "A firewall or a route prohibits it, or it is a broadcast address",
    ],
    [
      "EACCES",
      PATH,
      "bind,listen",
      "Check that this user may write in its folder",
    ],
    [
      "EACCES",
      PATH,
      "connect,append to",
      "Check that this user may write to it",
    ],
    [
      "EPERM",
      HOST,
      "connect,send,sendto",
      "A firewall prohibits it",
    ],
    ["EPERM", HOST, "bind,setsockopt", ""],
    [
      "EPERM",
      PATH,
      "bind,append to",
      "Its file system or its attributes prohibit it: choose another path",
    ],
    [
      "EAFNOSUPPORT",
      HOST,
      "connect,sendto,bind",
      "This experiment uses IPv4: give --host an IPv4 address or a name",
    ],
    ["ENOTFOUND", HOST, "connect,sendto,bind", "Check the name after --host"],
    [
      "EAI_AGAIN",
      HOST,
      "connect,sendto,bind,parseAddress",
      "Check this machine's network and its name server",
    ],
    [
      "ENODEV",
      HOST,
      "bind,connect,sendto",
      "Check the network interface after the % of --host",
    ],
    [
      "ENETUNREACH",
      HOST,
      "connect,send,sendto",
      "Check the address after --host, and this machine's network",
    ],
    [
      "EHOSTUNREACH",
      HOST,
      "connect,recv,sendto",
      "Check the address after --host, and that its machine is on",
    ],
    [
      "ETIMEDOUT",
      HOST,
      "connect,recvfrom",
      "Nothing answered: check --host, --port, and that a server runs",
    ],
    ["ECONNREFUSED", HOST, "connect,recv,recvfrom", start],
    ["ECONNREFUSED", LOW, "connect", `${start} --port 80`],
    ["ECONNREFUSED", PATH, "connect", start],
    ["ENOENT", PATH, "connect", start],
    ["ENOENT", PATH, "bind,listen,append to", "Check that its folder exists"],
    [
      "ENOTDIR",
      PATH,
      "bind,connect,append to",
      "Check the path: a part of it is a file, not a folder",
    ],
    [
      "ELOOP",
      PATH,
      "bind,connect,append to",
      "Check the path: its symbolic links lead in a circle",
    ],
    ["ENAMETOOLONG", PATH, "bind,connect,append to", "Choose a shorter path"],
    ["EISDIR", PATH, "append to", "Choose a path that is not a folder"],
    [
      "EROFS",
      PATH,
      "bind,append to",
      "Choose a path on a file system that can be written",
    ],
    [
      "EPROTOTYPE",
      PATH,
      "connect",
      "A datagram socket has this path: choose another",
    ],
    ["EPROTOTYPE", HOST, "connect", ""],
    ["EINVAL", PATH, "bind,connect", "The path of a socket has 1 to 107 bytes"],
    [
      "EINVAL",
      PATH,
      "append to",
      "Choose a new file, or one that event_log has created",
    ],
    ["EINVAL", HOST, "bind,listen,connect,sendto", ""],
    [
      "EMSGSIZE",
      HOST,
      "send,sendto",
      "A datagram has at most 65507 bytes, over IPv6 65527",
    ],
    [
      "EMSGSIZE",
      HOST,
      "line,until,all",
      "The message has no end, or is too long: is it the right server?",
    ],
    [
      "EBADMSG",
      HOST,
      "line,until,exactly",
      "The other end closed too early: run it again",
    ],
    [
      "ECONNRESET",
      HOST,
      "recv,send,sendall",
      "The other end reset the connection: run it again",
    ],
    [
      "ECONNRESET",
      PATH,
      "recv,sendall",
      "The other end reset the connection: run it again",
    ],
    [
      "EPIPE",
      HOST,
      "send,sendall,shutdown",
      "The other end reset the connection: run it again",
    ],
    [
      "ECONNABORTED",
      HOST,
      "connect,accept",
      "The other end reset the connection: run it again",
    ],
    ["EMFILE", HOST, "bind,connect,accept", MORE_FILES],
    ["EMFILE", PATH, "bind,append to", MORE_FILES],
    [
      "ENFILE",
      HOST,
      "bind,connect,accept",
      "Close other programs: this machine has no more open files",
    ],
    [
      "ENOSPC",
      PATH,
      "bind,append to",
      "Make room on its disk, or choose another path",
    ],
    [
      "ENOBUFS",
      HOST,
      "send,bind",
      "Close other programs: the system has no more memory for sockets",
    ],
    [
      "ENOMEM",
      HOST,
      "send,bind",
      "Close other programs: the system has no more memory",
    ],
    ["EEXIST", PATH, "save", "Choose another name: nothing is overwritten"],
    ["ENOTSOCK", PATH, "connect", "Another file has this path: choose another"],
    ["ENXIO", PATH, "append to", "Choose a file, not a device"],
    // The message says enough.
    ["EPROTO", HOST, "recv", ""],
    ["EAGAIN", HOST, "connect,send", ""],
    // The program is wrong, or nobody knows the cause.
    ["EIO", HOST, "bind,connect,recv,send", ""],
    ["EALREADY", HOST, "connect", ""],
    ["EISCONN", HOST, "connect,sendto", ""],
    ["EINTR", HOST, "recv", ""],
    ["ENOPROTOOPT", HOST, "setsockopt", ""],
    ["EOPNOTSUPP", PATH, "connect", ""],
    ["EPROTONOSUPPORT", HOST, "socket", ""],
  ];

  /** For these only the program can be blamed: one line, with its place. */
  const SLIPS: typeof ADVICE = [
    [
      "EINVAL",
      HOST,
      "accept",
      'write "await listener.listen()" before it',
    ],
    [
      "EINVAL",
      HOST,
      "recvfrom",
      'write "await receiver.bind(address)" before it',
    ],
    [
      "EBADF",
      HOST,
      "recv,accept",
      "the program has closed this socket before (is an await missing?)",
    ],
    [
      "ENOTCONN",
      HOST,
      "recv,send",
      'write "await connection.connect(address)" before it, or use the socket ' +
      "that accept() gives",
    ],
    [
      "EDESTADDRREQ",
      HOST,
      "send",
      "call connect() before send(), or sendto() with an address",
    ],
  ];

  test("names a slip in one line", async () => {
    for (const [code, at, calls, advice] of SLIPS) {
      for (const call of calls.split(",")) {
        const { message } = new SocketError(code, call, at);
        const [what] = message.match(/^Cannot \w+ \w+ 192.0.2.1:8000(?=: )/)!;
        expect(await print(new SocketError(code, call, at)))
          .toEqual([`scripts/tcp_time.ts: ${what}: ${advice}`]);
      }
    }
  });

  test("says what to do, by the call and the code", async () => {
    for (const [code, at, calls, advice] of ADVICE) {
      for (const call of calls.split(",")) {
        const error = new SocketError(code, call, at);
        const printed = [code, call, ...await print(error)];
        const lines = advice ? [error.message, advice] : [error.message];
        expect(printed).toEqual([code, call, ...lines]);
      }
    }
  });

  test("has decided about every code that has a meaning", () => {
    const source = readFileSync(`${ROOT}lib/sockets/socket_error.ts`, "utf8");
    const [meanings] = source.split("const MEANINGS")[1].split("\n};");
    const known = [...meanings.matchAll(/^ {2}"?(?:\w+ )?(E[A-Z_]+)"?:/gm)];
    expect(known.length).toBeGreaterThan(30);
    const decided = [...ADVICE, ...SLIPS].map(([code]) => code);
    for (const [, code] of known) expect(decided).toContain(code);
  });

  test("names the flags of the server, and the time limit", async () => {
    const flags = { path: "/tmp/a", other: undefined };
    for (const code of ["ECONNREFUSED", "ENOENT"]) {
      const error = new SocketError(code, "connect", PATH);
      expect((await print(error, { flags }))[1]).toBe(`${start} --path /tmp/a`);
    }
    for (
      const [call, advice] of [
        ["recv", "Nothing came in 70 ms: is it the right server? (--timeout)"],
        ["sendall", "The other end read nothing in 70 ms (--timeout)"],
        ["connect", expect.stringContaining("check --host, --port")],
      ]
    ) {
      const late = new SocketError("ETIMEDOUT", call, HOST);
      const [, line] = await print(late, { flags: {}, timeout: 70 });
      expect(line).toEqual(advice);
    }
  });

  test("names the permission that Deno denies", async () => {
    const lookUp = Object.assign(new Error(), { code: "EPERM" });
    const named = new SocketError("EACCES", "sendto", ["a.b", 80], lookUp);
    expect((await print(named))[1]).toStartWith("Add --allow-net before");
    for (
      const [call, at, flag] of [
        ["bind", LOW, "--allow-net"],
        ["connect", HOST, "--allow-net"],
        ["connect", PATH, "--allow-read"],
        ["append to", PATH, "--allow-write"],
        ["gethostname", undefined, "--allow-sys"],
      ] as const
    ) {
      const cause = Object.assign(
        new Error(`run again with the ${flag} flag`),
        {
          name: "NotCapable",
        },
      );
      const denied = new SocketError("EACCES", call, at as Address, cause);
      expect((await print(denied)).slice(1)).toEqual([
        `Add ${flag} before the name of the script`,
      ]);
    }
  });

  test("rethrows anything but a SocketError", async () => {
    await expect(print(new TypeError("a bug"))).rejects.toThrow("a bug");
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
          "client socket(AF_INET, SOCK_STREAM) = 3\n" +
          "client getsockname(3) = ('0.0.0.0', 0)",
          "client: between",
          "client socket(AF_INET, SOCK_STREAM) = 4",
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
      expect(diagram.match(/getsockname\(3\)/g)).toHaveLength(499);
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
    ...{ descriptor: 3, made: undefined },
    ...{ result: undefined, error: undefined, bytes: undefined, done: true },
  };
  const line = (time: number) => lineOf(inWords({ time, ...call }));
  expect(line(2.14)).toBe("0.0021 server 2 listen(3, 5) = 0");
  expect(line(12_345.67)).toBe("12.3457 server 2 listen(3, 5) = 0");
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
