/**
 * Jobs that start together: the rule for those that are late, the lines of the
 * protocol, clocks that are set, peers that send what is none,
 * connections that break, and each runtime's workers with each runtime's server.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { createConnection, createServer, type Socket } from "node:net";
import { type Experiment, type Settings } from "../lib/experiment/settings.ts";
import { run } from "../lib/experiment/experiment.ts";
import {
  type Address,
  AF_INET,
  decode,
  type End,
  Reader,
  SHUT_WR,
  SOCK_DGRAM,
  SOCK_STREAM,
  socket,
} from "../lib/mod.ts";
import {
  createRounds,
  formatJob,
  formatReport,
  formatRequest,
  type Job,
  parseJob,
  parseReport,
  parseRequest,
  type Report,
  summarizeJobs,
  verdictOf,
} from "../lib/protocols/jobs.ts";
import { clock, pack, timeRequest, unpack } from "../lib/protocols/sntp.ts";
import { openBoth } from "../lib/services/open_both.ts";
import { serveTime } from "../lib/services/time_service.ts";
import {
  commandFor,
  find,
  run as runCommand,
  type RuntimeName,
  RUNTIMES,
  start,
} from "./support/runtimes.ts";
import { load, ROOT } from "./support/scripts.ts";
import { failureOf, testOn } from "./support/test_on.ts";

setDefaultTimeout(30_000);

const HOUR = 3_600_000;
const SCRIPT = `${ROOT}scripts/job_schedule.ts`;
const schedule = await load("job_schedule");

const AT = Date.UTC(2026, 10, 20, 18, 55, 12, 345);
const JOB: Job = { at: AT, grace: 200, name: "rotate" };
const JOB_LINE = "2026-11-20T18:55:12.345Z 200 rotate";

/** What the client returns. */
interface Result {
  skews: number[];
  reports: Report[][];
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

describe("verdictOf()", () => {
  for (
    const [what, learned, now, verdict] of [
      ["known before, begun at its moment", -500, 0, "on-time"],
      ["known at its moment", 0, 0, "on-time"],
      ["known before, begun by a slow machine", -1, 30, "on-time"],
      ["known before, begun when its grace ends", -1, 200, "on-time"],
      ["known before, woken after its grace", -1, 201, "missed"],
      ["known just after its moment", 0.1, 0.1, "late"],
      ["known when its grace ends", 200, 200, "late"],
      ["known within its grace, begun after it", 150, 201, "missed"],
      ["known after its grace", 200.1, 200.1, "missed"],
      ["known a year later", 365 * 24 * HOUR, 365 * 24 * HOUR, "missed"],
    ] as const
  ) {
    test(`${what}: ${verdict}`, () => {
      expect(verdictOf(JOB, AT + learned, AT + now)).toBe(verdict);
    });
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
    for (
      const line of [
        "",
        "jobs",
        `${JOB_LINE} `,
        ` ${JOB_LINE}`,
        `${JOB_LINE}\n`,
        `${JOB_LINE} more`,
        JOB_LINE.replace("200", "-1"),
        JOB_LINE.replace("200", "1e3"),
        JOB_LINE.replace("200", "9999999999"),
        JOB_LINE.replace("rotate", ""),
        JOB_LINE.replace("rotate", "r".repeat(33)),
        JOB_LINE.replace("rotate", "\x1b[2J"),
        JOB_LINE.replace("11-20", "02-30"),
        JOB_LINE.replace("18:55", "24:00"),
        JOB_LINE.replace("18:55", "25:00"),
        JOB_LINE.replace("Z", "+01:00"),
        JOB_LINE.replace(".345", ""),
        JOB_LINE.replace("T", " "),
        JOB_LINE.replace("2026", "NaN"),
      ]
    ) {
      expect([line, parseJob(line)]).toEqual([line, undefined]);
    }
  });
});

describe("a report's line", () => {
  const report: Report = {
    ...{ name: "rotate", verdict: "late" },
    ...{ time: AT, own: AT - 4000 },
  };
  const line = "2026-11-20T18:55:12.345Z 2026-11-20T18:55:08.345Z late rotate";

  test("is the report and back, to the ms", () => {
    const fine = { ...report, time: AT + 0.4, own: AT - 4000.4 };
    expect(formatReport(fine)).toBe(line);
    expect(parseReport(line, [JOB])).toEqual(report);
  });

  test("is nothing else, and about a job of the list", () => {
    expect(parseReport(line, [])).toBeUndefined();
    expect(parseReport(line, [{ ...JOB, name: "backup" }])).toBeUndefined();
    for (
      const wrong of [
        "",
        "late rotate",
        `${line} more`,
        `${line} `,
        line.replace("late", "early"),
        line.replace("late", "__proto__"),
        line.replace("rotate", "toString"),
        line.replace("2026", "+2026"),
        line.replaceAll("2026-11-20", "2026-11-31"),
      ]
    ) {
      expect([wrong, parseReport(wrong, [JOB])]).toEqual([wrong, undefined]);
    }
  });
});

test("summaryOf() tells spreads of those on time, and of the rest how many", () => {
  const one = (verdict: Report["verdict"], time: number, own: number) => ({
    ...{ name: "rotate", verdict },
    ...{ time: AT + time, own: AT + own },
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

describe("roundsOf()", () => {
  const plan = [
    { name: "late", after: 300, grace: 5 },
    { name: "early", after: 100, grace: 400 },
  ];
  const over = 100 + 400 + 1000;
  const report = (name: string, time = 0): Report => ({
    ...{ name, verdict: "on-time", time: AT + time, own: AT + time },
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

  test("gives a worker that comes again its own list, sleepUntil it is over", () => {
    const rounds = createRounds(plan);
    const first = rounds.join("a", AT)!.jobs;
    rounds.join("b", AT + 400);
    expect(rounds.join("a", AT + 401)!.jobs).toBe(first);
    expect(rounds.sumUp(AT + over)).toEqual([]);
    expect(rounds.join("a", AT + over)!.jobs).toBe(first);
    expect(rounds.sumUp(AT + over + 1)).toContain("late: 1 did not report");
    expect(rounds.join("a", AT + over + 1)!.jobs).not.toBe(first);
  });

  test("counts a worker that comes again once, and its first reports", () => {
    const rounds = createRounds(plan);
    const place = rounds.join("a", AT)!;
    place.keep(report("early"));
    const again = rounds.join("a", AT + 200)!;
    again.keep(report("early", 7));
    rounds.join("b", AT)!.keep(report("early", 3));
    expect(rounds.sumUp(Infinity)).toEqual([
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
    expect(rounds.sumUp(AT + 1)).toEqual([]);
    for (const { name } of plan) b.keep(report(name));
    expect(rounds.sumUp(AT + 1)).toHaveLength(2);
    expect(rounds.join("a", AT + 2)!.jobs).toBe(a.jobs); // nothing to begin
    expect(rounds.join("c", AT + 2)!.jobs).not.toBe(a.jobs);
    expect(rounds.sumUp(AT + 1)).toEqual([]);
    expect(rounds.totals).toEqual({ workers: 2, reports: 4 });
  });

  test("has room for 10000 workers, and for those among them", () => {
    const rounds = createRounds(plan);
    for (let i = 0; i < 10_000; i++) rounds.join(`worker${i}`, AT);
    expect(rounds.join("one-more", AT)).toBeUndefined();
    expect(rounds.join("worker0", AT)).toBeDefined();
  });
});

/** The last worker of a run came when one job's grace was over. */
function expectLate({ reports }: Result) {
  const verdicts = reports.at(-1)!.map(({ verdict }) => verdict);
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
    expect(lines.filter((line) => line.includes("of 2 on"))).toHaveLength(6);
  });
});

describe.concurrent("the server", () => {
  /** Sends it text over TCP, and gives what comes back. */
  async function exchange(address: Address, text: string): Promise<string> {
    await using peer = socket(AF_INET, SOCK_STREAM);
    await peer.connect(address);
    await peer.sendall(text);
    await peer.shutdown(SHUT_WR);
    return decode(await new Reader(peer).all());
  }

  /** What a server says to peers, and whether it serves afterwards. */
  async function besiege(texts: (string | ((list: string) => string))[]) {
    const client = async (end: End) => {
      const replies: string[] = [];
      for (const text of texts) {
        if (typeof text === "string") {
          replies.push(await exchange(end.address, text).catch(String));
          continue;
        }
        await using peer = socket(AF_INET, SOCK_STREAM);
        await peer.connect(end.address);
        await peer.sendall(`jobs besieger-${replies.length}\n`);
        const reader = new Reader(peer);
        let list = "";
        for (let line; (line = await reader.line());) list += `${line}\n`;
        await peer.sendall(text(list));
        await peer.shutdown(SHUT_WR);
        replies.push(decode(await reader.all()));
      }
      return { replies, result: await schedule.client(end) };
    };
    const flags = { workers: "2" };
    const { clients, lines } = await play({ ...schedule, client }, { flags });
    const [{ replies, result }] = clients as {
      replies: string[];
      result: Result;
    }[];
    expectLate(result);
    return { replies, lines };
  }

  test("refuses in one line what is no request, and serves on", async () => {
    const { replies, lines } = await besiege([
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
    expect(lines.join()).toContain("message too long");
    expect(lines.join()).toContain("the stream ended in the middle");
  });

  test("refuses in one line what is no report, and keeps the others", async () => {
    const report = (name: string) =>
      `${formatReport({ name, verdict: "late", time: AT, own: AT })}\n`;
    const { replies, lines } = await besiege([
      () => "",
      () => report("backup"),
      () => report("backup") + report("backup"),
      () => report("report") + "x\n" + report("backup"),
      () => report("elsewhere"),
      () => report("backup").replace("late", "\x1b]0;"),
    ]);
    expect(replies).toEqual([
      "kept 0\n",
      "kept 1\n",
      ...Array(4).fill("refused\n"),
    ]);
    expect(lines.filter((line) => line.includes("Refused"))).toHaveLength(4);
    const silent = lines.filter((line) => line.includes("did not report"));
    expect(silent).not.toBeEmpty();
    expect(lines.join()).not.toContain("\x1b");
  });

  test("shares a round among all who come in time", async () => {
    const client = async ({ address }: End) => {
      const peers = [0, 1, 2].map(() => socket(AF_INET, SOCK_STREAM));
      const lists: string[] = [];
      for (const [i, peer] of peers.entries()) {
        await peer.connect(address);
        await peer.sendall(`jobs peer-${i}\n`);
        const reader = new Reader(peer);
        let list = "";
        for (let line; (line = await reader.line());) list += `${line}\n`;
        lists.push(list);
      }
      for (const peer of peers) await peer.close();
      return lists;
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
      asker.settimeout(5000);
      for (const junk of ["", "x", "\0".repeat(48), "y".repeat(60_000)]) {
        await asker.send(junk);
      }
      const request = timeRequest(1);
      await asker.send(pack(request));
      return unpack(await asker.recv(1024))?.originate === request.transmit;
    };
    const { clients } = await play({ ...schedule, client });
    expect(clients).toEqual([true]);
  });
});

describe.concurrent("the client", () => {
  /** A server that tells the time, and whose workers get this text. */
  function announcing(text: () => string, answer = "kept 1\n"): Experiment {
    const server = async ({ address, ready, serve }: End) => {
      const [listener, receiver] = await openBoth(address);
      ready(listener, receiver);
      const tellJobs = async () => {
        for await (const [worker] of listener) {
          await serve(worker, async () => {
            const reader = new Reader(worker);
            await reader.line();
            await worker.sendall(text());
            while (await reader.line() !== null);
            await worker.sendall(answer);
          });
        }
      };
      await Promise.all([serveTime(receiver), tellJobs()]);
    };
    return { ...schedule, server };
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

  for (
    const [what, text] of [
      ["a job that is none", () => `${soon()}\nx\n\n`],
      ["a name that drives the terminal", () => `${soon()}\x1b[2J\n\n`],
      ["no list", () => "refused\n"],
      ["a list that has no end", () => `${soon()}\n`.repeat(1000)],
    ] as const
  ) {
    test(`takes no list with ${what}`, async () => {
      expect(await failureOf(play(announcing(text), { flags }))).toMatchObject({
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
    expect(await failureOf(play(schedule, { role: "client", port })))
      .toMatchObject({ code: "ETIMEDOUT" });
  });

  test("takes no line without an end", async () => {
    const endless = announcing(() => "x".repeat(100_000));
    expect(await failureOf(play(endless, { flags }))).toMatchObject({
      code: "EMSGSIZE",
    });
  });

  for (const answer of ["refused\n", "kept 0\n", "kept 11\n"]) {
    test(`is told ${JSON.stringify(answer)} of its reports`, async () => {
      const experiment = announcing(() => `${soon()}\n\n`, answer);
      expect(await failureOf(play(experiment, { flags }))).toMatchObject({
        code: "EPROTO",
      });
    });
  }
});

/** What the first worker of a run said and was told, through a go-between. */
interface Seen {
  readonly port: number;
  /** The lists that it got. */
  readonly lists: Job[][];
  /** The lines that it sent. */
  readonly lines: string[];
  close(): Promise<void>;
}

/**
 * Stands between workers and the server with a port, and tells them the time.
 * If so, the connection of the first worker is reset at both ends, when it has
 * its list or is about to report its second job; and so is any later one of it
 * before the moment `back`.
 */
async function goBetween(
  port: () => number | Promise<number>,
  cut?: "list" | "report",
  back: (jobs: Job[]) => number = () => 0,
): Promise<Seen> {
  const lists: Job[][] = [];
  const lines: string[] = [];
  let broken = false;
  const sockets = new Set<Socket>();
  const pass = (from: Socket, to: Socket, seen: (text: string) => void) => {
    sockets.add(from);
    from.on("data", (data) => {
      seen(String(data));
      if (!from.destroyed) to.write(data);
    });
    from.on("end", () => to.end()).on("error", () => to.destroy());
  };
  const meet = async (worker: Socket, request: string) => {
    const first = /-1\n$/.test(request);
    if (first && broken && clock() < back(lists[0])) {
      return worker.resetAndDestroy();
    }
    const options = { port: await port(), allowHalfOpen: true };
    const server = createConnection(options);
    const reset = () => {
      broken = true;
      for (const end of [worker, server]) end.resetAndDestroy();
    };
    server.write(request);
    let list = "";
    pass(worker, server, (text) => {
      if (!first) return;
      lines.push(...text.trimEnd().split("\n"));
      if (cut === "report" && !broken && text.includes("rotate")) reset();
    });
    pass(server, worker, (text) => {
      if (!first || list.endsWith("\n\n")) return;
      list += text;
      if (!list.endsWith("\n\n")) return;
      lists.push(list.trimEnd().split("\n").map((line) => parseJob(line)!));
      if (cut === "list" && !broken) setTimeout(reset, 50);
    });
  };
  const [listener, receiver] = await openBoth(["127.0.0.1", 0]);
  const own = Number(listener.getsockname()[1]);
  await listener.close();
  const middle = createServer({ allowHalfOpen: true }, (worker) => {
    worker.on("error", () => {});
    worker.once("data", (data) => meet(worker, String(data)));
  });
  await new Promise<void>((resolve) =>
    middle.listen(own, "127.0.0.1", resolve)
  );
  const telling = serveTime(receiver);
  const close = async () => {
    for (const one of sockets) one.destroy();
    middle.close();
    await receiver.close();
    await telling;
  };
  return { port: own, lists, lines, close };
}

describe.concurrent("a worker whose connection breaks", () => {
  /** Two workers, the first of whom is cut off so; they come off as they do. */
  async function cutOff(
    cut: "list" | "report",
    back?: (jobs: Job[]) => number,
  ) {
    const client = async (end: End) => {
      const seen = await goBetween(() => Number(end.address[1]), cut, back);
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
    const told = played.lines.filter((line) => !line.includes("Cannot"));
    expect(told[3]).toMatch(
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
      await Bun.sleep(250);
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
    const { result, lines } = await play({ ...schedule, server }, { flags });
    expect(result.reports).toEqual([[]]);
    const pauses = lines.join().match(/again in \d+ ms/g)!;
    expect(pauses.length).toBeWithin(2, 6);
  });

  test("does not wait for a job of a server that is gone; gives up", async () => {
    const lines: string[] = [];
    const server = async ({ address, ready, serve }: End) => {
      const [listener, receiver] = await openBoth(address);
      ready(listener, receiver);
      const tellJobs = async () => {
        for await (const [worker] of listener) {
          await serve(worker, async () => {
            await new Reader(worker).line();
            await worker.sendall(`${far()}\n\n`);
          });
        }
      };
      await Promise.all([serveTime(receiver), tellJobs()]);
    };
    const failed = run(
      { ...schedule, server },
      { flags },
      (_, line) => lines.push(line),
    );
    expect(await failureOf(failed)).toMatchObject({ code: "ECONNRESET" });
    expect([...lines.join().matchAll(/again in \d+ ms/g)].flat()).toEqual(
      [100, 200, 400, 800, 1600].map((ms) => `again in ${ms} ms`),
    );
  });
});

describe("a clock that is set", () => {
  // Each in a process of its own, where nothing else goes by that clock.
  const play = async (runtime: RuntimeName, step: number, when: string) => {
    const { code, stdout, stderr } = await runCommand([
      ...commandFor(runtime, ["--allow-net", `--allow-read=${ROOT}`]),
      ...[`${ROOT}tests/support/set_clock.ts`, String(step), when],
    ]);
    expect([code, stderr]).toEqual([0, ""]);
    return JSON.parse(stdout) as Result;
  };

  for (const [i, runtime] of RUNTIMES.entries()) {
    const step = i % 2 ? HOUR : -HOUR;
    const meanwhile = `by ${step} ms meanwhile moves no job, on ${runtime}`;
    testOn(runtime, meanwhile, async () => {
      const result = await play(runtime, step, "meanwhile");
      expectLate(result);
      expectTogether(result);
      for (const [i, [{ time, own }]] of result.reports.entries()) {
        const wrong = own - time;
        expect(Math.abs(wrong - result.skews[i])).toBeLessThan(1000);
      }
    });

    const before =
      `by ${-step} ms before is what the jobs go by, on ${runtime}`;
    testOn(runtime, before, async () => {
      const result = await play(runtime, -step, "before");
      const [{ time }] = result.reports[0];
      expect(Math.abs(time - (Date.now() - step))).toBeLessThan(30_000);
      expectLate(result);
    });
  }
});

for (const runtime of RUNTIMES) {
  const command = (name = runtime) => [
    ...commandFor(name, ["--allow-net"]),
    SCRIPT,
  ];

  describe(runtime, () => {
    const other = RUNTIMES[(RUNTIMES.indexOf(runtime) + 1) % RUNTIMES.length];
    const serve = async () => {
      const server = start([...command(other), "server", "--port", "0"]);
      const [, port] = await server.said(/Listening on .*:(\d+)/);
      return { server, port: Number(port) };
    };
    const worker = (port: number) =>
      start([
        ...command(),
        ...["client", "--port", String(port), "--workers", "3"],
      ]);
    const lost = /^lab-[0-9a-f]{8}-1 lost its connection; again in 100 ms$/m;

    testOn(runtime, `comes again to a server on ${other}`, async () => {
      const { server, port } = await serve();
      const after = ([, , report]: Job[]) => report.at + report.grace + 1;
      const seen = await goBetween(() => port, "report", after);
      const client = await worker(seen.port).finished;
      await seen.close();
      server.kill("SIGINT");
      const { stdout } = await server.finished;
      expect(client).toMatchObject({ code: 0, stderr: "" });
      expect(client.stdout).toMatch(lost);
      expect(seen.lists).toHaveLength(2);
      expect(seen.lists[1]).toEqual(seen.lists[0]);
      const [backup, rotate, , , report] = seen.lines;
      expect(seen.lines).toEqual([backup, rotate, backup, rotate, report]);
      expect(parseReport(report, seen.lists[0])!.verdict).toBe("missed");
      for (const name of ["backup", "rotate", "report"]) {
        expect(stdout).toMatch(new RegExp(`^${name}: \\d of 3 on time`, "m"));
      }
      expect(stdout).toMatch(/^report: \d missed$/m);
      expect(stdout).not.toMatch(/did not report|Refused/);
    });

    testOn(runtime, `goes on with a new server on ${other}`, async () => {
      let { server, port } = await serve();
      let ready = Promise.resolve(port);
      const seen = await goBetween(() => ready);
      const client = worker(seen.port);
      while (seen.lists.length === 0) await Bun.sleep(5);
      server.kill("SIGKILL");
      ready = serve().then((next) => {
        server = next.server;
        return next.port;
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
      server.kill("SIGINT");
      const told = (await server.finished).stdout;
      expect(told).toMatch(/^backup: \d of 3 on time/m);
      expect(told).not.toMatch(/did not report|Refused/);
    });

    testOn(runtime, "serves the workers of every runtime", async () => {
      const peers = RUNTIMES.filter((name) => find(name).path);
      await Promise.all(peers.map(async (peer) => {
        const server = start([...command(), "server", "--port", "0"]);
        const [, port] = await server.said(/Listening on .*:(\d+)/);
        const client = await runCommand([
          ...command(peer),
          ...["client", "--port", port, "--workers", "50"],
        ]);
        expect(client).toMatchObject({ code: 0, stderr: "" });
        expect(client.stdout).toStartWith(
          "The clocks of 50 workers: -4883 to +4779 ms wrong\n",
        );
        server.kill("SIGINT");
        const { code, stdout } = await server.finished;
        expect(stdout).toMatch(/^backup: \d+ of 50 on time/);
        expect(stdout).toMatch(/^backup: \d+ late by/m);
        expect(stdout).not.toMatch(/did not report|Refused/);
        expect(code).toBe(0);
      }));
    });

    testOn(runtime, "stops after as many workers as are wanted", async () => {
      const server = start([
        ...command(),
        ...["server", "--port", "0", "--clients", "3"],
      ]);
      const [, port] = await server.said(/Listening on .*:(\d+)/);
      const flags = ["--port", port, "--workers", "3"];
      const client = await runCommand([...command(), "client", ...flags]);
      expect(client).toMatchObject({ code: 0, stderr: "" });
      const { code, stdout } = await server.finished;
      expect(stdout).toMatch(/^rotate: \d missed$/m);
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
        /^Cannot receive from 127\.0\.0\.1:\d+: [\w ]+\n(.*server.*\n)?$/,
      );
      expect(code).toBe(1);
    });

    testOn(runtime, "takes no wrong flag", async () => {
      const wrong = [
        ...[["--workers", "0"], ["--workers", "1000"], ["--workers", "x"]],
        ...[["--seed", "-1"], ["--seed", "1.5"]],
      ];
      for (const flags of wrong) {
        const { code, stderr } = await runCommand([...command(), ...flags]);
        expect(stderr).toStartWith(`${flags[0]} takes `);
        expect(stderr.trimEnd().split("\n")).toHaveLength(1);
        expect(code).toBe(2);
      }
    });
  });
}
