/**
 * The time service: what its two ends do about lost, wrong and hostile
 * datagrams and about clocks that are set meanwhile; each runtime with each,
 * and with chrony.
 */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Experiment, type Settings } from "../lib/experiment/settings.ts";
import { run } from "../lib/experiment/experiment.ts";
import {
  type Address,
  AF_INET,
  type DatagramSocket,
  type End,
  SOCK_DGRAM,
  socket,
} from "../lib/mod.ts";
import {
  timeReply,
  clock,
  pack,
  type Packet,
  timeRequest,
  parseTimeRequest,
  unpack,
} from "../lib/protocols/sntp.ts";
import { queryTime } from "../lib/services/time_service.ts";
import {
  commandFor,
  find,
  run as runCommand,
  RUNTIMES,
  start,
} from "./support/runtimes.ts";
import { load, ROOT } from "./support/scripts.ts";
import { needing, testOn } from "./support/test_on.ts";

const HOUR = 3_600_000;
const SCRIPT = `${ROOT}scripts/time_sync.ts`;
const sync = await load("time_sync");

/** What the client returns. */
interface Result {
  offset: number;
  delay: number;
  bound: number;
  stratum: number;
  answers: number;
}

/** Runs both ends in this process and collects what they say. */
async function play(experiment: Experiment, settings: Partial<Settings> = {}) {
  const lines: string[] = [];
  const outcome = await run(
    experiment,
    settings,
    (end, line) => lines.push(`${end}: ${line}`),
  );
  const [result] = outcome.clients as Result[];
  return { ...outcome, result, lines };
}

/** What a failed run printed, and its error. */
async function fail(experiment: Experiment, settings: Partial<Settings> = {}) {
  const lines: string[] = [];
  const error = await run(experiment, settings, (_, line) => lines.push(line))
    .then(() => undefined, (error) => error);
  return { error, lines };
}

type Replies = (Packet | Uint8Array)[];

/** A server that sends what `answer` makes of the nth request. */
function answering(
  answer: (answer: Packet, n: number) => Replies | Promise<Replies>,
): Experiment {
  const server = async ({ address, ready }: End) => {
    await using receiver = socket(AF_INET, SOCK_DGRAM);
    await receiver.bind(address);
    ready(receiver);
    let n = 0;
    for await (const [data, sender] of receiver) {
      const now = clock();
      const good = timeReply(parseTimeRequest(data)!, now, now);
      for (const reply of await answer(good, ++n)) {
        const bytes = reply instanceof Uint8Array ? reply : pack(reply);
        await receiver.sendto(bytes, sender);
      }
    }
  };
  return { ...sync, server };
}

/** Whether the client found the offset as closely as it says. */
function expectOffset({ offset, bound }: Result, expected = 0) {
  expect(bound).toBeWithin(1, 1000);
  expect(offset).toBeWithin(expected - bound, expected + bound);
}

describe("the client", () => {
  test("finds no offset to the same clock, with 8 answers", async () => {
    const { result, server, lines } = await play(sync);
    expectOffset(result);
    expect(result).toMatchObject({ stratum: 10, answers: 8 });
    expect(server).toEqual({ answered: 8, dropped: 0 });
    expect(lines.filter((line) => line.length > 68)).toEqual([]);
  });

  for (const skew of ["2500", "-2500", "0.5", "-86400000", "300000000000"]) {
    test(`finds a skew of ${skew} ms`, async () => {
      const { result, lines } = await play(sync, { flags: { skew } });
      expectOffset(result, Number(skew));
      const [, time] = lines.join().match(/It is (\S+Z) by/)!;
      const error = Date.parse(time) - Date.now() - Number(skew);
      expect(error).toBeWithin(-5000, 1000);
      expect(lines.filter((line) => line.length > 80)).toEqual([]);
    });
  }

  test("asks as often as --samples says", async () => {
    const { result, server } = await play(sync, { flags: { samples: "3" } });
    expect(result.answers).toBe(3);
    expect(server).toEqual({ answered: 3, dropped: 0 });
  });

  test("keeps the sample with the least delay", async () => {
    const late = answering(async (answer, n) => {
      if (n !== 3) await sleep(100);
      return [answer];
    });
    const { result, lines } = await play(late, { flags: { samples: "5" } });
    expect(result).toMatchObject({ answers: 5 });
    expectOffset(result);
    expect(result.delay).toBeLessThan(100);
    expect(lines.join()).toMatch(/Slowest of 5: delay \d{3}\./);
  });

  test("asks again when nothing comes, three times in all", async () => {
    const deaf = answering((answer, n) => n % 3 === 0 ? [answer] : []);
    const settings = { timeout: 150, flags: { samples: "2" } };
    const { result, lines } = await play(deaf, settings);
    expectOffset(result);
    expect(result.answers).toBe(2);
    const silence = lines.filter((line) => line.includes("No answer"));
    expect(silence).toEqual(Array(4).fill("client: No answer in 150 ms"));
  });

  test("gives up after three", async () => {
    let asked = 0;
    const deaf = answering(() => (asked++, []));
    const { error, lines } = await fail(deaf, { timeout: 20 });
    expect(error).toMatchObject({ code: "ETIMEDOUT", call: "recv" });
    expect(asked).toBe(3);
    expect(lines).toEqual(Array(3).fill("No answer in 20 ms"));
  });

  test("drops what is not the answer, and takes it when it comes", async () => {
    const [T1, T3] = [{ originate: 1n }, { receive: 1n, transmit: 1n }];
    const junk = answering((answer) => [
      new Uint8Array(),
      pack(answer).subarray(0, 47),
      new Uint8Array(1400).fill(0xff),
      pack({ ...answer, mode: 3 }),
      pack({ ...answer, ...T3, mode: 5 }),
      pack({ ...answer, ...T3, version: 3 }),
      pack({ ...answer, ...T3, ...T1 }),
      pack({ ...answer, ...T1, stratum: 0, referenceId: "DENY" }),
      answer,
    ]);
    const { result, lines } = await play(junk);
    expectOffset(result);
    expect(result.answers).toBe(8);
    expect(lines.filter((line) => line.includes("not"))).toEqual([]);
  });

  test("waits no longer when it is flooded with what is not", async () => {
    let asked = 0;
    const flood = answering((answer) => {
      asked++;
      return Array(500).fill({ ...answer, originate: 1n });
    });
    const { error } = await fail(flood, { timeout: 50 });
    expect(error).toMatchObject({ code: "ETIMEDOUT" });
    expect(asked).toBe(3);
  });

  test("does not hear another sender, who knows the answer", async () => {
    const server = async ({ address, ready }: End) => {
      await using receiver = socket(AF_INET, SOCK_DGRAM);
      await using other = socket(AF_INET, SOCK_DGRAM);
      await receiver.bind(address);
      ready(receiver);
      for await (const [data, sender] of receiver) {
        const request = parseTimeRequest(data)!;
        const [now, wrong] = [clock(), clock() + HOUR];
        await other.sendto(pack(timeReply(request, wrong, wrong)), sender);
        await receiver.sendto(pack(timeReply(request, now, now)), sender);
      }
    };
    const { result } = await play({ ...sync, server });
    expectOffset(result);
  });

  for (
    const [what, wrong, reason] of [
      ["a kiss-o'-death", { stratum: 0, referenceId: "RATE" }, /death RATE$/],
      [
        "one that would drive the terminal",
        { stratum: 0, referenceId: "\x1b[2J" },
        /death \\x1b\[2J$/,
      ],
      ["no synchronization", { leap: 3 }, /: its clock is not synchronized$/],
      ["no time", { transmit: 0n }, /: it does not tell the time$/],
      ["a time 20 s wrong", { rootDispersion: 2e4 }, /may be 16 s wrong$/],
    ] as const
  ) {
    test(`fails at ${what}, and asks no more`, async () => {
      let asked = 0;
      const bad = answering((answer) => (asked++, [{ ...answer, ...wrong }]));
      const { error, lines } = await fail(bad);
      expect(error).toMatchObject({ code: "EPROTO", call: "recv" });
      expect(lines).toEqual([
        expect.stringMatching(/^The server's time must not be used: /),
      ]);
      expect(lines[0]).toMatch(reason);
      expect(asked).toBe(1);
    });
  }

  test("makes do with what it had when the server refuses", async () => {
    const kiss = { stratum: 0, referenceId: "RATE" };
    const tired = answering((answer, n) => [
      n > 3 ? { ...answer, ...kiss } : answer,
    ]);
    const { result } = await play(tired);
    expectOffset(result);
    expect(result.answers).toBe(3);
  });
});

test("askTime() leaves the socket's timeout, which cuts its waits", async () => {
  await using silent = socket(AF_INET, SOCK_DGRAM);
  await silent.bind(["127.0.0.1", 0]);
  await using connection = socket(AF_INET, SOCK_DGRAM);
  await connection.connect(silent.getsockname());
  const lost: number[] = [];
  const ask = () =>
    queryTime(connection, [5, 10, 20], (ms) => lost.push(ms))
      .catch(({ code }) => code);
  for (const timeout of [null, 8]) {
    connection.settimeout(timeout);
    expect(await ask()).toBe("ETIMEDOUT");
    expect(connection.gettimeout()).toBe(timeout);
  }
  expect(lost).toEqual([5, 10, 20, 5, 8, 8]);
});

describe("a clock that is set meanwhile", () => {
  const real = Date.now;
  afterEach(() => {
    Date.now = real;
    clock();
  });

  for (const step of [-HOUR, HOUR]) {
    test(`by ${step} ms on both ends at once makes no offset`, async () => {
      const set = answering((answer, n) => {
        if (n === 4) Date.now = () => real() + step;
        return [answer];
      });
      const { result } = await play(set);
      expectOffset(result);
      expect(result.answers).toBe(4); // since then
    });

    test(`by ${step} ms before is what the server tells`, async () => {
      Date.now = () => real() + step;
      expectOffset((await play(sync)).result);
    });

    test(`by ${step} ms after the last answer is the offset`, async () => {
      const set = answering((answer, n) => {
        if (n === 8) Date.now = () => real() + step;
        return [answer];
      });
      const { result, lines } = await play(set);
      expectOffset(result, -step);
      expect(lines.join()).toMatch(/Quickest of 8: .* offset [+-]3[56]\d{5}\./);
    });

    test(`by ${step} ms there counts from then on`, async () => {
      const there = (time: bigint, n: number) =>
        n > 5 ? time + (BigInt(step / 1000) << 32n) : time;
      const set = answering((answer, n) => [{
        ...answer,
        receive: there(answer.receive, n),
        transmit: there(answer.transmit, n),
      }]);
      const { result, lines } = await play(set);
      expectOffset(result, step);
      expect(result.answers).toBe(3);
      expect(lines).toContain(
        "client: The server's clock was set: earlier answers do not count",
      );
    });

    test(`by ${step} ms within an answer makes that one void`, async () => {
      const set = answering((answer, n) => {
        const by = n === 2 ? BigInt(step / 1000) << 32n : 0n;
        return [{ ...answer, transmit: answer.transmit + by }];
      });
      const { result, lines } = await play(set);
      expectOffset(result);
      expect(result.answers).toBe(7);
      expect(lines).toContain(
        "client: A clock was set meanwhile: this answer does not count",
      );
    });
  }
});

describe("the server", () => {
  /** The next answer that a socket receives. */
  async function received(from: DatagramSocket): Promise<Packet | undefined> {
    return unpack(await from.recv(1024));
  }

  test("answers the requests alone, and counts the rest", async () => {
    const client = async ({ address }: End) => {
      await using asker = socket(AF_INET, SOCK_DGRAM);
      await asker.connect(address);
      asker.settimeout(5000);
      const request = timeRequest(clock());
      for (const mode of [0, 1, 2, 4, 5, 6, 7]) {
        await asker.send(pack({ ...request, mode }));
      }
      for (const version of [0, 5, 6, 7]) {
        await asker.send(pack({ ...request, version }));
      }
      await asker.send(pack(request).subarray(0, 47));
      await asker.send(new Uint8Array());
      await asker.send(new Uint8Array(65_507).fill(0xff));
      const answers: (Packet | undefined)[] = [];
      for (const version of [1, 2, 3, 4]) {
        const transmit = BigInt(version) << 60n | 0x0123_4567_89ab_cdefn;
        await asker.send(pack({ ...request, version, transmit, poll: -7 }));
        answers.push(await received(asker));
      }
      return answers;
    };
    const { clients: [answers], server, lines } = await play({
      ...sync,
      client,
    });
    expect(answers).toHaveLength(4);
    for (const [i, answer] of (answers as Packet[]).entries()) {
      expect(answer).toMatchObject({
        leap: 0,
        version: i + 1,
        mode: 4,
        stratum: 10,
        poll: -7,
        referenceId: "LOCL",
        originate: BigInt(i + 1) << 60n | 0x0123_4567_89ab_cdefn,
      });
      expect(answer.transmit).toBeGreaterThanOrEqual(answer.receive);
    }
    expect(server).toEqual({ answered: 4, dropped: 14 });
    expect(lines).toEqual(["server: 4 answered, 14 dropped"]);
  });

  test("answers 200 clients at once, each its own request", async () => {
    const ask = async (address: Address, n: number) => {
      await using asker = socket(AF_INET, SOCK_DGRAM);
      await asker.connect(address);
      asker.settimeout(5000);
      await asker.send(pack({ ...timeRequest(0), transmit: BigInt(n) }));
      return (await received(asker))?.originate;
    };
    const numbers = Array.from({ length: 200 }, (_, i) => i + 1);
    const client = ({ address }: End) =>
      Promise.all(numbers.map((n) => ask(address, n)));
    const { clients: [answers] } = await play({ ...sync, client });
    expect(answers).toEqual(numbers.map(BigInt));
  });
});

/** The offset that a client printed, and its bound. */
function printed(output: string): Result {
  const [, offset] = output.match(/Quickest of \d+: .* offset (\S+) ms/)!;
  const [, bound] = output.match(/Wrong by at most (\S+) ms/)!;
  return { offset: Number(offset), bound: Number(bound) } as Result;
}

for (const runtime of RUNTIMES) {
  const command = (name = runtime) => [
    ...commandFor(name, ["--allow-net"]),
    SCRIPT,
  ];

  describe(runtime, () => {
    testOn(runtime, "serves the clients of every runtime", async () => {
      const skew = ["--skew", "2500"];
      const server = start([...command(), "server", "--port", "0", ...skew]);
      const [, port] = await server.said(/Listening on .*:(\d+)/);
      const peers = RUNTIMES.filter((name) => find(name).path);
      for (const peer of peers) {
        const { code, stdout, stderr } = await runCommand([
          ...command(peer),
          ...["client", "--port", port],
        ]);
        expect([code, stderr]).toEqual([0, ""]);
        expectOffset(printed(stdout), 2500);
      }
      server.kill("SIGINT");
      const { code, stdout } = await server.finished;
      expect(stdout).toBe(`${peers.length * 8} answered, 0 dropped\n`);
      expect(code).toBe(0);
    });

    testOn(runtime, "says in plain words that no server is there", async () => {
      await using taken = socket(AF_INET, SOCK_DGRAM);
      await taken.bind(["127.0.0.1", 0]);
      const port = String(taken.getsockname()[1]);
      await taken.close();
      const { code, stderr } = await runCommand([
        ...command(),
        ...["client", "--port", port, "--timeout", "50"],
      ]);
      expect(stderr).toMatch(
        /^Cannot receive from 127\.0\.0\.1:\d+: [\w ]+\n.*server.*\n$/,
      );
      expect(code).toBe(1);
    });

    testOn(runtime, "takes no wrong flag", async () => {
      const wrong = [["--skew", "1e3"], ["--samples", "0"], ["--skew", "x"]];
      for (const flags of wrong) {
        const { code, stderr } = await runCommand([...command(), ...flags]);
        expect(stderr).toStartWith(`${flags[0]} takes `);
        expect(stderr.trimEnd().split("\n")).toHaveLength(1);
        expect(code).toBe(2);
      }
    });
  });
}

const { error } = spawnSync("chronyd", ["--version"]);
const noChrony = error && "chronyd is not on the PATH";

describe("chrony", () => {
  const folder = mkdtempSync(join(tmpdir(), "time-sync-test-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  /** Options that let it touch neither the clock nor the system. */
  const user = spawnSync("id", ["-un"], { encoding: "utf8" }).stdout.trim();
  const harmless = ["-x", "-U", "-u", user];
  const directives = (name: string) => [
    "cmdport 0",
    "bindcmdaddress /",
    `pidfile ${join(folder, name)}.pid`,
  ];

  /** Starts a chronyd that serves on a free port, and waits until it does. */
  async function chronyd(name: string, ...more: string[]) {
    await using asker = socket(AF_INET, SOCK_DGRAM);
    await asker.bind(["127.0.0.1", 0]);
    const port = Number(asker.getsockname()[1]) ^ 1; // beside one that is free
    const daemon = start([
      ...["chronyd", "-d", ...harmless, ...directives(name)],
      ...[`port ${port}`, "bindaddress 127.0.0.1", "allow 127.0.0.1", ...more],
    ]);
    await asker.connect(["127.0.0.1", port]);
    for (let tries = 0; tries < 100; tries++) {
      asker.settimeout(100);
      try {
        await asker.send(pack(timeRequest(clock())));
        await asker.recv(1024);
        return { daemon, port: String(port) };
      } catch {
        await sleep(20);
      }
    }
    daemon.kill();
    throw new Error((await daemon.finished).stderr);
  }

  for (const runtime of RUNTIMES) {
    const reason = noChrony ?? find(runtime).reason;
    const command = () => [...commandFor(runtime, ["--allow-net"]), SCRIPT];

    needing(reason, `takes the time of ours on ${runtime}`, async () => {
      const skew = ["--skew", "2500"];
      const server = start([...command(), "server", "--port", "0", ...skew]);
      const [, port] = await server.said(/Listening on .*:(\d+)/);
      for (const version of [1, 3, 4]) {
        const { code, stdout, stderr } = await runCommand([
          ...["chronyd", "-Q", "-t", "10", ...harmless],
          `server 127.0.0.1 port ${port} iburst maxsamples 1 ` +
          `version ${version}`,
          ...directives(`client-${runtime}`),
        ]);
        const [, seconds] =
          `${stdout}${stderr}`.match(/wrong by (\S+) seconds/) ?? [];
        expect(Number(seconds)).toBeWithin(2, 3);
        expect(code).toBe(0);
      }
      server.kill("SIGINT");
      expect((await server.finished).stdout).toBe("3 answered, 0 dropped\n");
    });

    needing(reason, `tells ours on ${runtime} the time`, async () => {
      const local = "local stratum 8";
      const { daemon, port } = await chronyd(`server-${runtime}`, local);
      const { code, stdout, stderr } = await runCommand([
        ...command(),
        ...["client", "--port", port],
      ]);
      daemon.kill();
      await daemon.finished;
      expect([code, stderr]).toEqual([0, ""]);
      expect(stdout).toContain("by a stratum 8 server");
      const { offset, bound } = printed(stdout);
      // The same clock; 0.1 ms is what reading it here may be wrong by.
      expect(offset).toBeWithin(-bound - 0.1, bound + 0.1);
    });

    needing(
      reason,
      `is refused by ours on ${runtime} unless it knows the time`,
      async () => {
        const { daemon, port } = await chronyd(`unsynchronized-${runtime}`);
        const { code, stdout, stderr } = await runCommand([
          ...command(),
          ...["client", "--port", port],
        ]);
        daemon.kill();
        await daemon.finished;
        expect(stdout).toBe(
          "The server's time must not be used: " +
            "its clock is not synchronized\n",
        );
        expect(stderr).toStartWith("Cannot receive from 127.0.0.1:");
        expect(stderr).not.toMatch(/^ +at /m);
        expect(code).toBe(1);
      },
    );
  }
});
