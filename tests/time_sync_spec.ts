/**
 * The time service: what its two ends do about lost, bogus and hostile
 * datagrams and about clocks that are set meanwhile; each runtime with another,
 * and with chrony. The gate has all pairs.
 */
import {
  afterAll,
  afterEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Experiment, Settings } from "../lib/experiment/settings.ts";
import {
  type Address,
  AF_INET,
  type DatagramSocket,
  type End,
  SOCK_DGRAM,
  socket,
} from "../lib/mod.ts";
import {
  answerTo,
  pack,
  type Packet,
  requestAt,
  requestIn,
  toUnixTime,
  unpack,
} from "../lib/protocols/sntp.ts";
import { realtime } from "../lib/services/clock.ts";
import { spacing, takeTurn } from "../lib/services/request_spacing.ts";
import {
  queryTime,
  serveTime,
  synchronize,
} from "../lib/services/time_service.ts";
import { freePort } from "../scripts/tools/support/free_port.ts";
import {
  clientOn,
  command,
  nextTo,
  serverOn,
  signal,
  testNoServer,
  testWrongFlags,
} from "./support/ends.ts";
import { play as playBoth, playToEnd } from "./support/play.ts";
import {
  find,
  run as runCommand,
  RUNTIMES,
  start,
} from "./support/runtimes.ts";
import { load } from "./support/scripts.ts";
import { needing, testOn } from "./support/test_on.ts";

setDefaultTimeout(60_000);

const HOUR = 3_600_000;
const sync = await load("time_sync");

/** What the client returns. */
interface Result {
  offset: number;
  delay: number;
  bound: number;
  stratum: number;
  answers: number;
}

async function play(experiment: Experiment, settings: Partial<Settings> = {}) {
  const played = await playBoth(experiment, settings);
  /** Requests that were sent again: a busy machine may answer late. */
  const again = played.lines.filter((line) => line.includes("No answer"));
  const [result] = played.clients as Result[];
  return { ...played, result, again: again.length };
}

/** What the server's clock says, as a reply has it. */
function goodReply(request: Packet, now = realtime()): Packet {
  return answerTo(request, now, now, -20);
}

type Replies = (Packet | Uint8Array)[];

/**
 * A server that sends what `answer` makes of its own answer to the nth request;
 * one that is sent again, because the answer came late, has the same number.
 */
function answering(
  answer: (answer: Packet, n: number) => Replies | Promise<Replies>,
): Experiment {
  let late = 0;
  const client = (end: End) =>
    sync.client({
      ...end,
      print(...words) {
        if (String(words[0]).startsWith("No answer")) late++;
        end.print(...words);
      },
    });
  const server = async ({ address, ready }: End) => {
    await using receiver = socket(AF_INET, SOCK_DGRAM);
    await receiver.bind(address);
    ready(receiver);
    let requests = 0;
    for await (const [data, sender] of receiver) {
      const good = goodReply(requestIn(data)!);
      for (const reply of await answer(good, ++requests - late)) {
        const bytes = reply instanceof Uint8Array ? reply : pack(reply);
        await receiver.sendto(bytes, sender);
      }
    }
  };
  return { ...sync, server, client };
}

/**
 * How a client fails whose three requests get what `answer` makes of each; the
 * server has received all three.
 */
async function inVain(timeout: number, answer: (answer: Packet) => Replies) {
  const third = signal();
  let asked = 0;
  const vain = answering((good) => {
    if (++asked === 3) third.give();
    return answer(good);
  });
  const client = (end: End) => vain.client(end).finally(() => third.wait);
  const { error, lines } = await playToEnd({ ...vain, client }, { timeout });
  expect(error).toMatchObject({ code: "ETIMEDOUT", call: "recv" });
  expect(asked).toBe(3);
  expect(lines).toEqual(Array(3).fill(`client: No answer in ${timeout} ms`));
}

/** Whether the client found the offset as closely as it says. */
function expectOffset({ offset, bound }: Result, expected = 0) {
  expect(bound).toBeWithin(1, 1000);
  expect(offset).toBeWithin(expected - bound, expected + bound);
}

describe("the client", () => {
  test("finds no offset to the same clock, with 8 answers", async () => {
    const { result, server, lines, again } = await play(sync);
    expectOffset(result);
    expect(result).toMatchObject({ stratum: 10, answers: 8 });
    expect(server).toEqual({ answered: 8 + again, dropped: 0 });
    expect(lines.filter((line) => line.length > 68)).toEqual([]);
  });

  test("finds a skew", async () => {
    for (const skew of ["2500", "-2500", "0.5", "-86400000", "300000000000"]) {
      const before = Date.now();
      const { result, lines } = await play(sync, { flags: { skew } });
      expectOffset(result, Number(skew));
      const [, time] = lines.join().match(/It is (\S+Z) by/)!;
      const told = Date.parse(time) - Number(skew);
      expect(told).toBeWithin(before - 1000, Date.now() + 1000);
      expect(lines.filter((line) => line.length > 80)).toEqual([]);
    }
  });

  test("asks as often as --samples says", async () => {
    const { result, server, again } = await play(sync, {
      flags: { samples: "3" },
    });
    expect(result.answers).toBe(3);
    expect(server).toEqual({ answered: 3 + again, dropped: 0 });
  });

  test("keeps the sample with the least delay", async () => {
    const sent: number[] = [];
    const late = answering(async (answer, n) => {
      sent.push(toUnixTime(answer.originate, Date.now()));
      if (n !== 3) await sleep(100);
      return [answer];
    });
    const { result, lines } = await play(late, { flags: { samples: "5" } });
    expect(result).toMatchObject({ answers: 5 });
    expectOffset(result);
    // From one request to the next is no less than the delay of its answer.
    for (const [i, time] of sent.slice(1).entries()) {
      expect(result.delay).toBeLessThanOrEqual(time - sent[i]);
    }
    expect(lines.join()).toMatch(/Slowest of 5: delay \d{3,}\./);
  });

  test("gives up after three requests without an answer", async () => {
    await inVain(20, () => []);
  });

  test("waits no longer when it is flooded with what is not", async () => {
    await inVain(50, (answer) => Array(500).fill({ ...answer, originate: 1n }));
  });

  test("drops what is not the answer, and takes it when it comes", async () => {
    const [T1, T3] = [{ originate: 1n }, { receive: 1n, transmit: 1n }];
    const junk = answering((answer) => [
      new Uint8Array(),
      pack(answer).subarray(0, 47),
      new Uint8Array(1400).fill(0xff),
      pack({ ...answer, mode: 3 }),
      pack({ ...answer, ...T3, mode: 5 }),
      pack({ ...answer, ...T3, version: 5 }),
      pack({ ...answer, ...T3, ...T1 }),
      pack({ ...answer, ...T1, stratum: 0, referenceId: "DENY" }),
      answer,
    ]);
    const { result, lines } = await play(junk);
    expectOffset(result);
    expect(result.answers).toBe(8);
    expect(lines.filter((line) => line.includes("not"))).toEqual([]);
  });

  test("does not hear another sender, who knows the answer", async () => {
    const server = async ({ address, ready }: End) => {
      await using receiver = socket(AF_INET, SOCK_DGRAM);
      await using other = socket(AF_INET, SOCK_DGRAM);
      await receiver.bind(address);
      ready(receiver);
      for await (const [data, sender] of receiver) {
        const request = requestIn(data)!;
        const wrong = goodReply(request, realtime() + HOUR);
        await other.sendto(pack(wrong), sender);
        await receiver.sendto(pack(goodReply(request)), sender);
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
      const bad = answering((answer, n) => {
        asked = n;
        return [{ ...answer, ...wrong }];
      });
      const { error, lines } = await playToEnd(bad);
      expect(error).toMatchObject({ code: "EPROTO", call: "recv" });
      const told = lines.filter((line) => !line.includes("No answer"));
      expect(told).toEqual([
        expect.stringMatching(/^client: The server's time must not be used: /),
      ]);
      expect(told[0]).toMatch(reason);
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

/** A server that answers so often, and then nothing any more. */
function tiring(answers: number) {
  return answering((answer, n) => n > answers ? [] : [answer]);
}

describe("a server that falls silent", () => {
  test("leaves the client what it has answered", async () => {
    const { result, lines } = await play(tiring(5), { timeout: 200 });
    expectOffset(result);
    expect(result.answers).toBe(5);
    const port = String.raw`127\.0\.0\.1:\d+`;
    expect(lines.join("\n")).toMatch(
      new RegExp(
        `^client: Cannot receive from ${port}: .*, after 5 answers$`,
        "m",
      ),
    );
    expect(lines).toContainEqual(
      expect.stringMatching(/^client: Quickest of 5: delay /),
    );
  });

  test("leaves synchronize() the best of what it has answered", async () => {
    let clock: Awaited<ReturnType<typeof synchronize>> | undefined;
    const onTimeout = () => {};
    const client = async ({ address }: End) => {
      clock = await synchronize(realtime, address, { onTimeout });
    };
    await playToEnd({ ...tiring(5), client });
    expect(clock).toMatchObject({ answers: 5, failure: undefined });
  });
});

describe("queryTime()", () => {
  /** A connected socket, and its silent peer. */
  async function pair() {
    const peer = socket(AF_INET, SOCK_DGRAM);
    await peer.bind(["127.0.0.1", 0]);
    const connection = socket(AF_INET, SOCK_DGRAM);
    await connection.connect(peer.getsockname());
    return { peer, connection };
  }

  test("leaves the socket's timeout, which cuts its waits", async () => {
    const { peer, connection } = await pair();
    const lost: number[] = [];
    const onTimeout = (ms: number) => lost.push(ms);
    for (const timeout of [null, 8]) {
      connection.settimeout(timeout);
      const failed = queryTime(connection, { waits: [5, 10, 20], onTimeout });
      expect(await failed.catch(({ code }) => code)).toBe("ETIMEDOUT");
      expect(connection.gettimeout()).toBe(timeout);
    }
    expect(lost).toEqual([5, 10, 20, 5, 8, 8]);
    await connection.close();
    await peer.close();
  });

  test("asks again after an ICMP message, and takes the answer to that", async () => {
    const { peer, connection } = await pair();
    const server = peer.getsockname();
    await peer.close(); // its port answers with ICMP now
    const lost: number[] = [];
    let serving: Promise<void> | undefined;
    const late = socket(AF_INET, SOCK_DGRAM);
    const onTimeout = async (ms: number) => {
      if (lost.push(ms) > 1) return;
      await late.bind(server);
      serving = serveTime(late);
    };
    const query = { waits: [50, 5000, 60_000], onTimeout };
    const [{ originate }] = await queryTime(connection, query);
    expect(originate).toBeGreaterThan(0n);
    expect(lost).toContain(50);
    await connection.close();
    await late.close();
    await serving;
  });

  test("tells the ICMP message when no wait has brought a reply", async () => {
    const { peer, connection } = await pair();
    await peer.close();
    const lines: string[] = [];
    const print = (line: string) => lines.push(line);
    const failed = queryTime(connection, { waits: [5, 10, 20], print });
    await expect(failed).rejects.toMatchObject({ code: "ECONNREFUSED" });
    const told = [5, 10, 20].map((ms) => `No answer in ${ms} ms`);
    expect(lines).toEqual(told);
    await connection.close();
  });

  test("spaces requests to another machine, and says so", async () => {
    const { peer, connection } = await pair();
    const serving = serveTime(peer);
    const lines: string[] = [];
    const query = { waits: [5000], print: (line: string) => lines.push(line) };
    const times: number[] = [];
    const ask = async (server?: Address) => {
      const options = server ? { ...query, server } : query;
      const [{ originate }] = await queryTime(connection, options);
      times.push(toUnixTime(originate, Date.now()));
    };
    const interval = spacing.elsewhere;
    spacing.elsewhere = 100;
    try {
      // One machine asks them all: the third is not the first one's server.
      await ask(["192.0.2.1", 123]);
      await ask(["192.0.2.1", 123]);
      await ask(["2001:db8::1", 123]);
      await ask();
      await ask(["localhost", 123]);
    } finally {
      spacing.elsewhere = interval;
    }
    expect(interval).toBe(15_000);
    expect(times[1] - times[0]).toBeGreaterThan(99);
    expect(times[2] - times[1]).toBeGreaterThan(99);
    expect(lines.filter((line) => line.startsWith("The next request")))
      .toEqual(
        Array(2).fill("The next request follows in 1 s (RFC 4330, section 10)"),
      );
    await connection.close();
    await peer.close();
    await serving;
  });

  test("says once when the next of several may ask", async () => {
    const lines: string[] = [];
    const interval = spacing.elsewhere;
    spacing.elsewhere = 100;
    try {
      const print = (line: string) => lines.push(line);
      const turns = [1, 2, 3].map(() => takeTurn(["192.0.2.7", 123], print));
      await Promise.all(turns);
    } finally {
      spacing.elsewhere = interval;
    }
    expect(lines.length).toBeWithin(2, 4); // the first may have to wait, too
  });

  test("takes fewer samples of another machine", async () => {
    const counts: number[] = [];
    const interval = spacing.elsewhere;
    spacing.elsewhere = 1;
    // An address that is not in 127/8 by its name, and yet of this machine.
    const client = ({ address, ...end }: End) =>
      sync.client({ ...end, address: ["0.0.0.0", Number(address[1])] });
    try {
      for (const samples of [undefined, "2"]) {
        const flags = { samples };
        const { result } = await play({ ...sync, client }, { flags });
        counts.push(result.answers);
      }
      const { peer, connection } = await pair();
      const serving = serveTime(peer);
      const there: Address = ["0.0.0.0", Number(peer.getsockname()[1])];
      counts.push((await synchronize(realtime, there)).answers);
      await connection.close();
      await peer.close();
      await serving;
    } finally {
      spacing.elsewhere = interval;
    }
    expect(counts).toEqual([4, 2, 1]);
  });

  test("asks again when nothing comes, and takes the answer to that", async () => {
    const { peer, connection } = await pair();
    const heard: bigint[] = [];
    const serving = (async () => {
      for await (const [data, sender] of peer) {
        const request = requestIn(data);
        if (!request || heard.push(request.transmit) % 3 !== 0) continue;
        await peer.sendto(pack(goodReply(request)), sender);
      }
    })();
    const lost: number[] = [];
    const onTimeout = (ms: number) => lost.push(ms);
    for (const answered of [3, 6]) {
      const query = { waits: [20, 30, 60_000], onTimeout };
      const [{ originate }] = await queryTime(connection, query);
      expect(heard).toHaveLength(answered);
      expect(originate).toBe(heard.at(-1)!);
    }
    expect(lost).toEqual([20, 30, 20, 30]);
    await connection.close();
    await peer.close();
    await serving;
  });
});

describe("a clock that is set meanwhile", () => {
  const real = Date.now;
  afterEach(() => {
    Date.now = real;
    realtime();
  });

  for (const step of [-HOUR, HOUR]) {
    const setAt = (at: number) =>
      answering((answer, n) => {
        if (n === at) Date.now = () => real() + step;
        return [answer];
      });
    const seconds = BigInt(step / 1000) << 32n;

    test(`by ${step} ms on both ends at once makes no offset`, async () => {
      const { result } = await play(setAt(4));
      expectOffset(result);
      expect(result.answers).toBe(4); // since then
    });

    test(`by ${step} ms before is what the server tells`, async () => {
      Date.now = () => real() + step;
      expectOffset((await play(sync)).result);
    });

    test(`by ${step} ms after the last answer is the offset`, async () => {
      const { result, lines } = await play(setAt(8));
      expectOffset(result, -step);
      expect(lines.join()).toMatch(/Quickest of 8: .* offset [+-]3[56]\d{5}\./);
    });

    test(`by ${step} ms there counts from then on`, async () => {
      const set = answering((answer, n) => {
        const { reference: set, receive: t2, transmit: t3 } = answer;
        const [reference, receive, transmit] = [set, t2, t3]
          .map((time) => n > 5 ? time + seconds : time);
        return [{ ...answer, reference, receive, transmit }];
      });
      const { result, lines } = await play(set);
      expectOffset(result, step);
      expect(result.answers).toBe(3);
      expect(lines).toContain(
        "client: The server's clock was set: earlier answers do not count",
      );
    });

    test(`by ${step} ms within an answer makes that one void`, async () => {
      const set = answering((answer, n) => {
        const transmit = answer.transmit + (n === 2 ? seconds : 0n);
        const reference = [answer.reference, transmit].sort()[0];
        return [{ ...answer, reference, transmit }];
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
  /** A socket that is connected to the server. */
  async function connected(address: Address): Promise<DatagramSocket> {
    const asker = socket(AF_INET, SOCK_DGRAM);
    await asker.connect(address);
    asker.settimeout(30_000);
    return asker;
  }

  test("answers the requests alone, and counts the rest", async () => {
    const client = async ({ address }: End) => {
      await using asker = await connected(address);
      const request = requestAt(realtime());
      const junk = [
        ...[0, 1, 2, 4, 5, 6, 7].map((mode) => pack({ ...request, mode })),
        ...[0, 5, 6, 7].map((version) => pack({ ...request, version })),
        pack(request).subarray(0, 47),
        new Uint8Array(),
        new Uint8Array(65_507).fill(0xff),
      ];
      for (const bytes of junk) await asker.send(bytes);
      const answers: (Packet | undefined)[] = [];
      for (const version of [1, 2, 3, 4]) {
        const transmit = BigInt(version) << 60n | 0x0123_4567_89ab_cdefn;
        await asker.send(pack({ ...request, version, transmit, poll: -7 }));
        answers.push(unpack(await asker.recv(1024)));
      }
      return answers;
    };
    const { clients: [answers], server, lines } = await playBoth({
      ...sync,
      client,
    });
    expect(answers).toHaveLength(4);
    for (const [i, answer] of (answers as Packet[]).entries()) {
      expect(answer).toMatchObject({
        ...{ leap: 0, version: i + 1, mode: 4, stratum: 10, poll: -7 },
        referenceId: "\x7f\x7f\x01\x01",
        originate: BigInt(i + 1) << 60n | 0x0123_4567_89ab_cdefn,
      });
      expect(answer.transmit).toBeGreaterThanOrEqual(answer.receive);
    }
    expect(server).toEqual({ answered: 4, dropped: 14 });
    expect(lines).toEqual(["server: 4 answered, 14 dropped"]);
  });

  test("answers a client that has its own port, as ntpd has, but no reply", async () => {
    const client = async ({ address: [host, port] }: End) => {
      await using asker = socket(AF_INET, SOCK_DGRAM);
      await asker.bind(["127.0.0.2", Number(port)]);
      const server: Address = [String(host), Number(port)];
      const request = requestAt(realtime());
      await asker.sendto(pack(goodReply(request)), server);
      await asker.sendto(pack(request), server);
      asker.settimeout(30_000);
      const [data] = await asker.recvfrom(1024);
      return unpack(data)?.originate === request.transmit;
    };
    const { clients, server, notes } = await playBoth({ ...sync, client });
    expect(clients).toEqual([true]);
    expect(server).toEqual({ answered: 1, dropped: 1 });
    expect(notes).toEqual([]);
  });

  test("counts only what it has answered", async () => {
    const server = (end: End) => {
      let requests = 0;
      const serve: End["serve"] = async (...served) => {
        if (++requests > 1) await end.serve(...served);
      };
      return sync.server({ ...end, serve });
    };
    const client = async ({ address }: End) => {
      await using asker = await connected(address);
      for (let i = 0; i < 2; i++) await asker.send(pack(requestAt(i)));
      await asker.recv(1024);
    };
    const played = await playBoth({ ...sync, server, client });
    expect(played.server).toEqual({ answered: 1, dropped: 0 });
  });

  test("answers 200 clients at once, each its own request", async () => {
    const ask = async (address: Address, n: number) => {
      await using asker = await connected(address);
      await asker.send(pack({ ...requestAt(0), transmit: BigInt(n) }));
      return unpack(await asker.recv(1024))?.originate;
    };
    const numbers = Array.from({ length: 200 }, (_, i) => i + 1);
    const client = ({ address }: End) =>
      Promise.all(numbers.map((n) => ask(address, n)));
    const { clients: [answers] } = await playBoth({ ...sync, client });
    expect(answers).toEqual(numbers.map(BigInt));
  });
});

/** The offset that a client printed, and its bound. */
function printed(output: string): Result {
  const [, offset] = output.match(/Quickest of \d+: .* offset (\S+) ms/)!;
  const [, bound] = output.match(/Wrong by at most (\S+) ms/)!;
  return { offset: Number(offset), bound: Number(bound) } as Result;
}

testNoServer(
  "time_sync",
  /^Cannot receive from 127\.0\.0\.1:\d+: [\w ]+\n.*server.*\n$/,
);
testWrongFlags("time_sync", [
  ["--skew", "1e3"],
  ["--samples", "0"],
  ["--skew", "x"],
]);

const { error } = spawnSync("chronyd", ["--version"]);
const noChrony = error && "chronyd is not on the PATH (Debian: chrony)";

const folder = mkdtempSync(join(tmpdir(), "time-sync-test-"));
afterAll(() => rmSync(folder, { recursive: true }));
/** Options that let chronyd touch neither the clock nor the system. */
const user = spawnSync("id", ["-un"], { encoding: "utf8" }).stdout.trim();
const harmless = ["-x", "-U", "-u", user];
const directives = (name: string) => [
  "cmdport 0",
  "bindcmdaddress /",
  `pidfile ${join(folder, name)}.pid`,
];

/** The time that chronyd takes of a server, with a version of the protocol. */
async function askedByChrony(port: string, version: number): Promise<number> {
  const { code, stdout, stderr } = await runCommand([
    ...["chronyd", "-Q", "-t", "10", ...harmless],
    `server 127.0.0.1 port ${port} iburst maxsamples 1 version ${version}`,
    ...directives(`client-${port}`),
  ]);
  expect(code).toBe(0);
  const all = `${stdout}${stderr}`;
  return Number(all.match(/wrong by (\S+) seconds/)?.[1]);
}

if (noChrony) {
  needing(noChrony, "chrony takes the time of ours", () => Promise.resolve());
}

for (const runtime of RUNTIMES) {
  const peer = nextTo(runtime);
  const title = `a server on ${runtime} serves a client on ${peer}, and chrony`;
  testOn(runtime, title, async () => {
    const skew = ["--skew", "2500"];
    const { port, stop } = await serverOn("time_sync", runtime, skew);
    const stdout = await clientOn("time_sync", peer, port);
    expectOffset(printed(stdout), 2500);
    const again = stdout.match(/No answer/g)?.length ?? 0;
    const versions = noChrony ? [] : [1, 3, 4];
    for (const version of versions) {
      expect(await askedByChrony(port, version)).toBeWithin(2, 3);
    }
    const answered = 8 + again + versions.length;
    expect(await stop()).toBe(`${answered} answered, 0 dropped\n`);
  });
}

describe("chrony as the server", () => {
  /** Starts a chronyd that serves on a free port, and waits until it does. */
  async function chronyd(name: string, ...more: string[]) {
    await using asker = socket(AF_INET, SOCK_DGRAM);
    const port = await freePort();
    const daemon = start([
      ...["chronyd", "-d", ...harmless, ...directives(name)],
      ...[`port ${port}`, "bindaddress 127.0.0.1", "allow 127.0.0.1", ...more],
    ]);
    await asker.connect(["127.0.0.1", port]);
    const stop = async () => {
      daemon.kill();
      return (await daemon.finished).stderr;
    };
    for (let tries = 0; tries < 100; tries++) {
      asker.settimeout(100);
      try {
        await asker.send(pack(requestAt(realtime())));
        await asker.recv(1024);
        return { port: String(port), stop };
      } catch {
        await sleep(20);
      }
    }
    throw new Error(await stop());
  }

  for (const runtime of RUNTIMES) {
    const reason = noChrony ?? find(runtime).reason;

    needing(reason, `tells ours on ${runtime} the time`, async () => {
      const { port, stop } = await chronyd(runtime, "local stratum 8");
      const stdout = await clientOn("time_sync", runtime, port);
      await stop();
      expect(stdout).toContain("by a stratum 8 server");
      const { offset, bound } = printed(stdout);
      // The same clock; 0.1 ms is what reading it here may be wrong by.
      expect(offset).toBeWithin(-bound - 0.1, bound + 0.1);
    });

    const refused = `is refused by ours on ${runtime} unless it knows the time`;
    needing(reason, refused, async () => {
      const { port, stop } = await chronyd(`unsynchronized-${runtime}`);
      const { code, stdout, stderr } = await runCommand(
        command("time_sync", runtime, ["client", "--port", port]),
      );
      await stop();
      expect(stdout).toBe(
        "The server's time must not be used: its clock is not synchronized\n",
      );
      expect(stderr).toStartWith("Cannot receive from 127.0.0.1:");
      expect(stderr).not.toMatch(/^ +at /m);
      expect(code).toBe(1);
    });
  }
});
