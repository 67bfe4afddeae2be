/**
 * Jobs that start together: the rule for those that are late, the lines of the
 * protocol, clocks that are set, peers that follow no protocol, connections that
 * break, and each runtime's workers with another's server. The gate has all
 * pairs.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Experiment, Settings } from "../lib/experiment/settings.ts";
import {
  type Address,
  AF_INET,
  type End,
  Reader,
  SHUT_WR,
  SOCK_DGRAM,
  SOCK_STREAM,
  socket,
  type StreamSocket,
} from "../lib/mod.ts";
import {
  formatJob,
  formatReport,
  formatRequest,
  type Job,
  parseJob,
  parseReport,
  parseRequest,
  type Report,
  verdictOf,
} from "../lib/protocols/jobs.ts";
import { pack, requestAt, unpack } from "../lib/protocols/sntp.ts";
import { createRounds, summarizeJobs } from "../lib/services/job_server.ts";
import { openBoth } from "../lib/services/open_both.ts";
import { serveTime } from "../lib/services/time_service.ts";
import {
  clientOn,
  command,
  nextTo,
  send,
  serverOn,
  testNoServer,
  testWrongFlags,
} from "./support/ends.ts";
import { type Cut, goBetween, type Seen } from "./support/go_between.ts";
import { play as playBoth, playToEnd } from "./support/play.ts";
import { commandFor, run, RUNTIMES, start } from "./support/runtimes.ts";
import { load, ROOT } from "./support/scripts.ts";
import { alongside, testOn } from "./support/test_on.ts";

setDefaultTimeout(60_000);

const HOUR = 3_600_000;
const schedule = await load("job_schedule");

const AT = Date.UTC(2026, 10, 20, 18, 55, 12, 345);
const JOB: Job = { at: AT, grace: 200, name: "rotate" };
const JOB_LINE = "2026-11-20T18:55:12.345Z 200 rotate";

/** What the client returns. */
interface Result {
  skews: number[];
  reports: Report[][];
}

async function play(experiment: Experiment, settings: Partial<Settings> = {}) {
  const played = await playBoth(experiment, settings);
  const [result] = played.clients as Result[];
  return { ...played, result };
}

/** A line, and what became of it. */
type Outcome = [line: string, parsed: unknown];
const nothing = (lines: string[]) =>
  lines.map((line): Outcome => [line, undefined]);

test("verdictOf() follows from when a job was known, and begun", () => {
  const year = 365 * 24 * HOUR;
  for (
    const [learned, now, verdict] of [
      [-500, 0, "on-time"], // known before, begun at its moment
      [0, 0, "on-time"], // known at its moment
      [-1, 30, "on-time"], // known before, begun by a slow machine
      [-1, 200, "on-time"], // known before, begun when its grace ends
      [-1, 201, "missed"], // known before, woken after its grace
      [0.1, 0.1, "late"], // known just after its moment
      [200, 200, "late"], // known when its grace ends
      [150, 201, "missed"], // known within its grace, begun after it
      [200.1, 200.1, "missed"], // known after its grace
      [year, year, "missed"],
    ] as const
  ) {
    const given = verdictOf(JOB, AT + learned, AT + now);
    expect([learned, now, given]).toEqual([learned, now, verdict]);
  }
});

describe("a request's line", () => {
  test("is the worker's name and back", () => {
    expect(formatRequest("lab-1.b_C")).toBe("jobs lab-1.b_C");
    expect(parseRequest("jobs lab-1.b_C")).toBe("lab-1.b_C");
  });

  test("is nothing else", () => {
    const wrong = ["", "jobs", "jobs ", "jobs  a", "jobs a ", "jobs a b"];
    wrong.push("Jobs a", " jobs a", "jobs a\n", "jobs \x1b[2J", "jobs é");
    wrong.push(`jobs ${"a".repeat(33)}`);
    expect(wrong.filter((line) => parseRequest(line) !== undefined))
      .toEqual([]);
  });
});

describe("a job's line", () => {
  test("is the job and back", () => {
    expect(formatJob(JOB)).toBe(JOB_LINE);
    expect(parseJob(JOB_LINE)).toEqual(JOB);
  });

  test("is nothing else", () => {
    const changed = [
      ...[["200", "-1"], ["200", "1e3"], ["200", "9999999999"]],
      ...[["rotate", ""], ["rotate", "r".repeat(33)], ["rotate", "\x1b[2J"]],
      ...[["11-20", "02-30"], ["18:55", "24:00"], ["18:55", "25:00"]],
      ...[["Z", "+01:00"], [".345", ""], ["T", " "], ["2026", "NaN"]],
    ].map(([from, to]) => JOB_LINE.replace(from, to));
    const lines = [
      ...["", "jobs", `${JOB_LINE} `, ` ${JOB_LINE}`, `${JOB_LINE}\n`],
      ...[`${JOB_LINE} more`, ...changed],
    ];
    expect(lines.map((line): Outcome => [line, parseJob(line)]))
      .toEqual(nothing(lines));
  });
});

describe("a report's line", () => {
  const report: Report = {
    ...{ name: "rotate", verdict: "late" },
    ...{ time: AT, uncorrected: AT - 4000 },
  };
  const line = "2026-11-20T18:55:12.345Z 2026-11-20T18:55:08.345Z late rotate";

  test("is the report and back, to the ms", () => {
    const fine = { ...report, time: AT + 0.4, uncorrected: AT - 4000.4 };
    expect(formatReport(fine)).toBe(line);
    expect(parseReport(line, [JOB])).toEqual(report);
  });

  test("is nothing else, and about a job of the list", () => {
    expect(parseReport(line, [])).toBeUndefined();
    expect(parseReport(line, [{ ...JOB, name: "backup" }])).toBeUndefined();
    const wrong = [
      ...["", "late rotate", `${line} more`, `${line} `],
      ...[line.replace("late", "early"), line.replace("late", "__proto__")],
      ...[line.replace("rotate", "toString"), line.replace("2026", "+2026")],
      line.replaceAll("2026-11-20", "2026-11-31"),
    ];
    expect(wrong.map((line): Outcome => [line, parseReport(line, [JOB])]))
      .toEqual(nothing(wrong));
  });
});

test("summarizeJobs() tells spreads of those on time, and of the rest how many", () => {
  const one = (verdict: Report["verdict"], time: number, own: number) => ({
    ...{ name: "rotate", verdict },
    ...{ time: AT + time, uncorrected: AT + own },
  });
  const reports = [
    one("on-time", 1, -3000),
    one("on-time", 4, 2000),
    one("on-time", 2, 100),
    one("late", 80, 9000),
    one("late", 60, -9000),
    one("missed", 900, 0),
    { ...one("on-time", 100, 0), name: "backup" },
  ];
  expect(summarizeJobs([JOB], reports, 7)).toEqual([
    "rotate: 3 of 7 on time within 3 ms; uncorrected 5000 ms",
    "rotate: 2 late by up to 80 ms",
    "rotate: 1 missed",
    "rotate: 1 did not report",
  ]);
  expect(summarizeJobs([JOB], [], 0)).toEqual([
    "rotate: 0 of 0 on time within 0 ms; uncorrected 0 ms",
  ]);
});

describe("createRounds()", () => {
  const plan = [
    { name: "late", after: 300, grace: 5 },
    { name: "early", after: 100, grace: 400 },
  ];
  const over = 100 + 400 + 1000;
  const report = (name: string, time = 0): Report => ({
    ...{ name, verdict: "on-time", time: AT + time, uncorrected: AT + time },
  });

  test("gives one list to all who come while its last job may begin", () => {
    const rounds = createRounds(plan);
    const first = rounds.join("a", AT)!.jobs;
    expect(first).toEqual([
      { name: "late", at: AT + 300, grace: 5 },
      { name: "early", at: AT + 100, grace: 400 },
    ]);
    expect(rounds.join("b", AT + 305)!.jobs).toBe(first);
    expect(rounds.join("c", AT + 306)!.jobs[0].at).toBe(AT + 606);
  });

  test("gives a worker that comes again its own list, until it is over", () => {
    const rounds = createRounds(plan);
    const first = rounds.join("a", AT)!.jobs;
    rounds.join("b", AT + 400);
    expect(rounds.join("a", AT + 401)!.jobs).toBe(first);
    expect(rounds.summarizeEnded(AT + over)).toEqual([]);
    expect(rounds.join("a", AT + over)!.jobs).toBe(first);
    expect(rounds.summarizeEnded(AT + over + 1)).toContain(
      "late: 1 did not report",
    );
    expect(rounds.join("a", AT + over + 1)!.jobs).not.toBe(first);
  });

  test("counts a worker that comes again once, and its first reports", () => {
    const rounds = createRounds(plan);
    const place = rounds.join("a", AT)!;
    place.keep(report("early"));
    const again = rounds.join("a", AT + 200)!;
    again.keep(report("early", 7));
    rounds.join("b", AT)!.keep(report("early", 3));
    expect(rounds.summarizeEnded(Infinity)).toEqual([
      "late: 0 of 2 on time within 0 ms; uncorrected 0 ms",
      "late: 2 did not report",
      "early: 2 of 2 on time within 3 ms; uncorrected 3 ms",
    ]);
    expect(rounds.totals).toEqual({ workers: 2, reports: 2 });
  });

  test("sums up once, as soon as all have reported all", () => {
    const rounds = createRounds(plan);
    const [a, b] = [rounds.join("a", AT)!, rounds.join("b", AT)!];
    for (const { name } of plan) a.keep(report(name));
    expect(rounds.summarizeEnded(AT + 1)).toEqual([]);
    for (const { name } of plan) b.keep(report(name));
    expect(rounds.summarizeEnded(AT + 1)).toHaveLength(2);
    expect(rounds.join("a", AT + 2)!.jobs).toBe(a.jobs); // nothing to begin
    expect(rounds.join("c", AT + 2)!.jobs).not.toBe(a.jobs);
    expect(rounds.summarizeEnded(AT + 1)).toEqual([]);
    expect(rounds.totals).toEqual({ workers: 2, reports: 4 });
  });

  test("has room for 10000 workers, and for those among them", () => {
    const rounds = createRounds(plan);
    for (let i = 0; i < 10_000; i++) rounds.join(`worker${i}`, AT);
    expect(rounds.join("one-more", AT)).toBeUndefined();
    expect(rounds.join("worker0", AT)).toBeDefined();
  });
});

/**
 * The last worker of a run came when one job's grace was over. On a busy machine
 * it may come when the round is over, too, 2200 ms after the first job.
 */
function expectLate({ reports }: Result) {
  const [[first], last] = [reports[0], reports.at(-1)!];
  if (last[0].time - first.time > 2200) return expect(last).toHaveLength(3);
  const verdicts = last.map(({ verdict }) => verdict);
  expect(verdicts.slice(0, 2)).toEqual(["late", "missed"]);
}

/** The others started each job at one moment by the server's clock. */
function expectTogether({ reports }: Result) {
  const byName = Map.groupBy(reports.slice(0, -1).flat(), ({ name }) => name);
  for (const [first, ...others] of byName.values()) {
    for (const { time } of others) {
      expect(Math.abs(time - first.time)).toBeLessThan(HOUR / 2);
    }
  }
}

describe.concurrent("job_schedule", () => {
  for (const workers of ["1", "50"]) {
    test(`serves ${workers} workers, the last of whom is late`, async () => {
      const { result, server, lines } = await play(schedule, {
        flags: { workers },
      });
      const many = Number(workers);
      expect(result.reports).toHaveLength(many);
      for (const reports of result.reports) {
        expect(reports.map(({ name }) => name))
          .toEqual(["backup", "rotate", "report"]);
      }
      expect(server).toEqual({ workers: many, reports: 3 * many });
      if (many > 1) expectLate(result);
      expectTogether(result);
      expect(lines.filter((line) => line.length > 68)).toEqual([]);
      expect(lines.join()).not.toContain("did not report");
    });
  }

  test("has one round for each run of the client", async () => {
    const { lines, server } = await play(schedule, {
      clients: 2,
      flags: { workers: "2" },
    });
    expect(server).toEqual({ workers: 4, reports: 12 });
    const sizes = lines.flatMap((line) =>
      line.match(/backup: \d of (\d) on/)?.[1] ?? []
    );
    // A late worker may be too late for its round, and have one of its own.
    if (sizes.length < 3) expect(sizes).toEqual(["2", "2"]);
    else expect(sizes.map(Number).reduce((a, b) => a + b)).toBe(4);
  });
});

describe.concurrent("the server", () => {
  /** A worker that has its list: the rest of its exchange, and the list. */
  async function worker(
    address: Address,
    name: string,
  ): Promise<[StreamSocket, Reader, string]> {
    const peer = socket(AF_INET, SOCK_STREAM);
    await peer.connect(address);
    await peer.sendall(`jobs ${name}\n`);
    const reader = new Reader(peer);
    let list = "";
    for (let line; (line = await reader.line());) list += `${line}\n`;
    return [peer, reader, list];
  }

  /** What a server says to peers, and whether it serves afterwards. */
  async function besiege(texts: string[], asWorker = false) {
    const client = async (end: End) => {
      const replies: string[] = [];
      for (const [i, text] of texts.entries()) {
        if (!asWorker) {
          replies.push(await send(end.address, text).catch(String));
          continue;
        }
        const [peer, reader] = await worker(end.address, `besieger-${i}`);
        await peer.sendall(text);
        await peer.shutdown(SHUT_WR);
        replies.push(String(await reader.line()));
        await peer.close();
      }
      return { replies, result: await schedule.client(end) };
    };
    const flags = { workers: "2" };
    const played = await play({ ...schedule, client }, { flags });
    const { clients, lines, notes } = played;
    const [{ replies, result }] = clients as {
      replies: string[];
      result: Result;
    }[];
    expect(result.reports.map(({ length }) => length)).toEqual([3, 3]);
    return { replies, lines, notes };
  }

  test("refuses in one line what is no request, and serves on", async () => {
    const { replies, lines, notes } = await besiege([
      "",
      "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
      "\x1b[2J\n",
      "\0".repeat(99) + "\n",
      `${"x".repeat(1_000_000)}\n`,
      "jobs",
    ]);
    expect(replies.slice(0, 4)).toEqual(Array(4).fill("refused\n"));
    const refused = lines.filter((line) => line.includes("Refused"))
      .map((line) => line.replace(/\d{2,5}\)/, "PORT)"));
    const from = "server: Refused ('127.0.0.1', PORT):";
    expect(refused.slice(0, 3)).toEqual([
      `${from} ""`,
      `${from} "GET / HTTP/1.1"`,
      `${from} "\\u001b[2J"`,
    ]);
    expect(notes.join()).toContain("message too long");
    expect(notes.join()).toContain("the stream ended in the middle");
  });

  test("refuses in one line what is no report, and keeps the others", async () => {
    const report = (name: string) =>
      `${formatReport({ name, verdict: "late", time: AT, uncorrected: AT })}\n`;
    const { replies, lines, notes } = await besiege([
      "",
      report("backup"),
      report("backup") + report("backup"),
      report("report") + "x\n" + report("backup"),
      report("elsewhere"),
      report("backup").replace("late", "\x1b]0;"),
    ], true);
    expect(replies).toEqual(["kept 0", "kept 1", ...Array(4).fill("refused")]);
    expect(lines.filter((line) => line.includes("Refused"))).toHaveLength(4);
    const silent = lines.filter((line) => line.includes("did not report"));
    expect(silent).not.toBeEmpty();
    expect([...lines, ...notes].join()).not.toContain("\x1b");
  });

  test("shares a round among all who come in time", async () => {
    const client = async ({ address }: End) => {
      const workers = [];
      for (const i of [0, 1, 2]) {
        workers.push(await worker(address, `peer-${i}`));
      }
      for (const [peer] of workers) await peer.close();
      return workers.map(([, , list]) => list);
    };
    const { clients, server, lines } = await play({ ...schedule, client });
    const [[first, ...others]] = clients as string[][];
    expect(first.trim().split("\n").map((line) => parseJob(line)?.name))
      .toEqual(["backup", "rotate", "report"]);
    for (const other of others) expect(other).toBe(first);
    expect(server).toEqual({ workers: 3, reports: 0 });
    expect(lines).toContain("server: backup: 3 did not report");
  });

  test("answers requests for the time alone", async () => {
    const client = async ({ address }: End) => {
      await using asker = socket(AF_INET, SOCK_DGRAM);
      await asker.connect(address);
      asker.settimeout(30_000);
      for (const junk of ["", "x", "\0".repeat(48), "y".repeat(60_000)]) {
        await asker.send(junk);
      }
      const request = requestAt(1);
      await asker.send(pack(request));
      return unpack(await asker.recv(1024))?.originate === request.transmit;
    };
    const { clients } = await play({ ...schedule, client });
    expect(clients).toEqual([true]);
  });
});

/** A server that tells the time, and treats each worker so. */
function serving(attend: (worker: StreamSocket) => Promise<void>): Experiment {
  const server = async ({ address, ready, serve }: End) => {
    const [listener, receiver] = await openBoth(address);
    ready(listener, receiver);
    const serveWorkers = async () => {
      for await (const [worker] of listener) {
        await serve(worker, () => attend(worker));
      }
    };
    await Promise.all([serveTime(receiver), serveWorkers()]);
  };
  return { ...schedule, server };
}

describe.concurrent("the client", () => {
  /** A server that tells the time, and whose workers get this text. */
  function announcing(text: () => string, answer = "kept 1\n"): Experiment {
    return serving(async (worker) => {
      const reader = new Reader(worker);
      await reader.line();
      await worker.sendall(text());
      while (await reader.line() !== null);
      await worker.sendall(answer);
    });
  }
  const flags = { workers: "1" };
  const soon = (ms = 100, grace = HOUR) =>
    formatJob({ name: "soon", grace, at: Date.now() + ms });

  test("begins the jobs of any list in order, past ones at once", async () => {
    const list = () => `${soon(700)}\n${soon(-900)}\n${soon(-999, 1)}\n\n`;
    const experiment = announcing(list, "kept 3\n");
    const { result } = await play(experiment, { flags });
    expect(result.reports[0].map(({ verdict }) => verdict)).toEqual(
      ["missed", "late", "on-time"],
    );
  });

  /** How a run of this experiment fails. */
  const failure = async (
    experiment: Experiment,
    settings: Partial<Settings> = { flags },
  ) => (await playToEnd(experiment, settings)).error;

  for (
    const [what, text] of [
      ["a job that is none", () => `${soon()}\nx\n\n`],
      ["a name that drives the terminal", () => `${soon()}\x1b[2J\n\n`],
      ["no list", () => "refused\n"],
      ["a list that has no end", () => `${soon()}\n`.repeat(1000)],
    ] as const
  ) {
    test(`takes no list with ${what}`, async () => {
      expect(await failure(announcing(text))).toMatchObject({
        code: "EPROTO",
        message: expect.stringMatching(/^Cannot receive from [^\n]*$/),
      });
    });
  }

  for (
    const [seed, skews] of [
      ["7", [-4883, -4380, 4769, 1990, 214]],
      ["42", [1011, -517, 3525, 1697, -3252]],
      ["999999999", [3934, -4348, 3886, 204, 3710]],
    ] as const
  ) {
    test(`has the clocks of seed ${seed}`, async () => {
      const idle = announcing(() => "\n", "kept 0\n");
      const { result, lines } = await play(idle, { flags: { seed } });
      expect(result).toMatchObject({ skews, reports: Array(5).fill([]) });
      const [least, most] = [Math.min(...skews), Math.max(...skews)];
      expect(lines[0]).toBe(
        `client: The clocks of 5 workers: ${least} to +${most} ms wrong`,
      );
    });
  }

  test("tells of a time service that says nothing", async () => {
    await using silent = socket(AF_INET, SOCK_DGRAM);
    await silent.bind(["127.0.0.1", 0]);
    const [, port] = silent.getsockname() as [string, number];
    expect(await failure(schedule, { role: "client", port })).toMatchObject({
      code: "ETIMEDOUT",
    });
  });

  test("takes no line without an end", async () => {
    const endless = announcing(() => "x".repeat(100_000));
    expect(await failure(endless)).toMatchObject({ code: "EMSGSIZE" });
  });

  for (const answer of ["refused\n", "kept 0\n", "kept 11\n"]) {
    test(`is told ${JSON.stringify(answer)} of its reports`, async () => {
      const experiment = announcing(() => `${soon()}\n\n`, answer);
      expect(await failure(experiment)).toMatchObject({ code: "EPROTO" });
    });
  }
});

describe.concurrent("a worker whose connection breaks", () => {
  /** Two workers, the first of whom is cut off so; they come off as they do. */
  async function cutOff(at: Cut["at"], back?: Cut["back"]) {
    const client = async (end: End) => {
      const seen = await goBetween(() => Number(end.address[1]), {
        at,
        back,
      });
      const address: Address = ["127.0.0.1", seen.port];
      const result = await schedule.client({ ...end, address });
      await seen.close();
      return { seen, result };
    };
    const flags = { workers: "2" };
    const played = await play({ ...schedule, client }, { flags });
    const [{ seen, result }] = played.clients as unknown as {
      seen: Seen;
      result: Result;
    }[];
    expect(played.server).toEqual({ workers: 2, reports: 6 });
    expect(played.lines.join()).not.toContain("did not report");
    const told = played.lines.filter((line) => !line.includes("No answer"));
    expect(told.find((line) => line.includes("lost"))).toMatch(
      /^client: lab-[0-9a-f]{8}-1 lost its connection; again in 100 ms$/,
    );
    expect(told.filter((line) => line.length > 68)).toEqual([]);
    for (const list of seen.lists) expect(list).toEqual(seen.lists[0]);
    const [mine] = result.reports;
    for (const [i, { at, grace }] of seen.lists[0].entries()) {
      const { verdict, time } = mine[i];
      expect(verdict === "missed").toBe(time > at + grace);
    }
    return { ...seen, mine };
  }

  test("gets its list again, and begins each job once", async () => {
    const { lists, lines, mine } = await cutOff("list");
    expect(lists).toHaveLength(2);
    expect(lines).toEqual(mine.map(formatReport));
  });

  test("reports again what it has begun, and does not begin it again", async () => {
    const { lists, lines, mine } = await cutOff("report");
    expect(lists).toHaveLength(2);
    const [backup, rotate, report] = mine.map(formatReport);
    expect(lines).toEqual([backup, rotate, backup, rotate, report]);
  });

  test("is late for a job when it is back within its grace", async () => {
    const after = ([, , report]: Job[]) => report.at + 1;
    const { lists, mine: [, , report] } = await cutOff("report", after);
    const inTime = report.time <= lists[0][2].at + lists[0][2].grace;
    expect(report.verdict).toBe(inTime ? "late" : "missed");
  });

  test("has missed a job when it is back after its grace", async () => {
    const after = ([, , report]: Job[]) => report.at + report.grace + 1;
    const { mine } = await cutOff("report", after);
    expect(mine[2].verdict).toBe("missed");
  });

  const flags = { workers: "1" };
  const far = () => formatJob({ name: "far", grace: 0, at: AT + 9e5 * HOUR });

  test("comes again while nobody listens", async () => {
    const tries: string[] = [];
    const twice = Promise.withResolvers<void>();
    const client = (end: End) => {
      const print: End["print"] = (...words) => {
        const [found] = words.join(" ").match(/again in \d+ ms/) ?? [];
        if (found && tries.push(found) === 2) twice.resolve();
      };
      return schedule.client({ ...end, print });
    };
    const server = async ({ address, ready }: End) => {
      const [first, receiver] = await openBoth(address);
      const own = first.getsockname();
      ready(first, receiver);
      const telling = serveTime(receiver);
      const [worker] = await first.accept();
      await first.close();
      await new Reader(worker).line();
      await worker.sendall(`${far()}\n\n`);
      await worker.close();
      await twice.promise; // nobody has listened at the first
      const second = socket(AF_INET, SOCK_STREAM);
      await second.bind(own);
      await second.listen();
      const [again] = await second.accept();
      await again.sendall("\n");
      const reader = new Reader(again);
      while (await reader.line() !== null);
      await again.sendall("kept 0\n");
      await again.close();
      await second.close();
      await telling;
    };
    const { result } = await play({ ...schedule, server, client }, { flags });
    expect(result.reports).toEqual([[]]);
    expect(tries.slice(0, 2)).toEqual(["again in 100 ms", "again in 200 ms"]);
  });

  test("does not wait for a job of a server that is gone; gives up", async () => {
    const server = serving(async (worker) => {
      await new Reader(worker).line();
      await worker.sendall(`${far()}\n\n`);
    });
    const { error, lines } = await playToEnd(server, { flags });
    expect(error).toMatchObject({ code: "ECONNRESET" });
    expect([...lines.join().matchAll(/again in \d+ ms/g)].flat()).toEqual(
      [100, 200, 400, 800, 1600].map((ms) => `again in ${ms} ms`),
    );
  });
});

describe("a clock that is set", () => {
  // In a process of its own, where nothing else goes by that clock.
  for (const [i, runtime] of RUNTIMES.entries()) {
    const step = i % 2 ? HOUR : -HOUR;
    const title = `by ${step} ms meanwhile moves no job, on ${runtime}; ` +
      `by ${-step} ms before is what they go by`;
    testOn(runtime, title, async () => {
      const { code, stdout, stderr } = await run([
        ...commandFor(runtime, ["--allow-net", `--allow-read=${ROOT}`]),
        ...[`${ROOT}tests/support/set_clock.ts`, String(step)],
      ]);
      expect([code, stderr]).toEqual([0, ""]);
      const { meanwhile, before } = JSON.parse(stdout) as Record<
        string,
        Result
      >;
      for (const result of [meanwhile, before]) expectLate(result);
      expectTogether(meanwhile);
      for (const [i, [first]] of meanwhile.reports.entries()) {
        const wrong = first.uncorrected - first.time;
        expect(Math.abs(wrong - meanwhile.skews[i])).toBeLessThan(1000);
      }
      const [{ time }] = before.reports[0];
      expect(Math.abs(time - (Date.now() - step))).toBeLessThan(30_000);
    });
  }
});

describe("in two processes", () => {
  const lost = /^lab-[0-9a-f]{8}-1 lost its connection; again in 100 ms$/m;

  for (const runtime of RUNTIMES) {
    const other = nextTo(runtime);
    const workers = (port: number, count: string) =>
      start(command("job_schedule", runtime, [
        ...["client", "--port", String(port), "--workers", count],
      ]));

    const again =
      `50 workers on ${runtime}, one of which comes again to ${other}`;
    testOn(runtime, again, async () => {
      const { port, stop } = await serverOn("job_schedule", other);
      const back = ([, , report]: Job[]) => report.at + report.grace + 1;
      const seen = await goBetween(() => Number(port), { at: "report", back });
      const client = await workers(seen.port, "50").finished;
      await seen.close();
      const stdout = await stop();
      expect(client).toMatchObject({ code: 0, stderr: "" });
      expect(client.stdout).toMatch(lost);
      expect(client.stdout).toStartWith(
        "The clocks of 50 workers: -4883 to +4779 ms wrong\n",
      );
      expect(seen.lists).toHaveLength(2);
      expect(seen.lists[1]).toEqual(seen.lists[0]);
      const [backup, rotate, , , report] = seen.lines;
      expect(seen.lines).toEqual([backup, rotate, backup, rotate, report]);
      expect(parseReport(report, seen.lists[0])!.verdict).toBe("missed");
      for (const name of ["backup", "rotate", "report"]) {
        expect(stdout).toMatch(new RegExp(`^${name}: \\d+ of 50 on time`, "m"));
      }
      expect(stdout).toMatch(/^backup: \d+ late by/m);
      expect(stdout).toMatch(/^report: \d+ missed$/m);
      expect(stdout).not.toMatch(/did not report|Refused/);
    });

    testOn(
      runtime,
      `${runtime} goes on with a new server on ${other}`,
      async () => {
        let { server, port, stop } = await serverOn("job_schedule", other);
        let ready = Promise.resolve(Number(port));
        const seen = await goBetween(() => ready);
        const client = workers(seen.port, "3");
        await seen.listed;
        server.kill("SIGKILL");
        ready = serverOn("job_schedule", other).then((next) => {
          stop = next.stop;
          return Number(next.port);
        });
        const { code, stdout, stderr } = await client.finished;
        expect([code, stderr]).toEqual([0, ""]);
        expect(stdout).toMatch(lost);
        expect(seen.lists).toHaveLength(2);
        expect(seen.lists[1][0].at).toBeGreaterThan(seen.lists[0][0].at);
        expect(seen.lines).toHaveLength(3); // all of the second list
        for (const line of seen.lines) {
          expect(parseReport(line, seen.lists[1])).toBeDefined();
        }
        await seen.close();
        const told = await stop();
        expect(told).toMatch(/^backup: \d of 3 on time/m);
        expect(told).not.toMatch(/did not report|Refused/);
      },
    );
  }

  alongside("a server with --clients stops after so many workers", async () => {
    const { server, port } = await serverOn("job_schedule", "bun", [
      ...["--clients", "3"],
    ]);
    await clientOn("job_schedule", "bun", port, ["--workers", "3"]);
    const { code, stdout } = await server.finished;
    expect(stdout).toMatch(/^rotate: \d missed$/m);
    expect(code).toBe(0);
  });
});

testNoServer(
  "job_schedule",
  /^Cannot receive from 127\.0\.0\.1:\d+: [\w ]+\n(.*server.*\n)?$/,
);
testWrongFlags("job_schedule", [
  ...[["--workers", "0"], ["--workers", "1000"], ["--workers", "x"]],
  ...[["--seed", "-1"], ["--seed", "1.5"]],
] as [string, string][]);
