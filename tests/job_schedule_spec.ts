/**
 * Jobs that start together: the rules for those that are late and for reports,
 * the lines of the protocol, clocks that are set, peers that follow no protocol,
 * servers that are killed, and each runtime's workers with another's server. The
 * gate has all pairs.
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
  isPlausible,
  type Job,
  parseJob,
  parseReport,
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

test("isPlausible() holds a report against the server's clock", () => {
  const [sent, now] = [AT - 500, AT + 300];
  for (
    const [verdict, time, believed, given] of [
      ["on-time", 0, true, { sent, now }],
      ["on-time", 200, true, { sent, now }],
      ["on-time", 201, false, { sent, now }], // after its grace
      ["on-time", -1, false, { sent, now }], // before its moment
      ["on-time", 0, false, { sent: AT + 1001, now: AT + 1002 }],
      ["late", 10, true, { sent: AT + 5, now }],
      ["late", -4000, false, { sent, now }],
      ["late", 201, false, { sent, now }],
      ["missed", 201, true, { sent, now }],
      ["missed", 200, false, { sent, now }],
      ["missed", 1300, true, { sent, now }], // the worker's clock is ahead
      ["missed", 1301, false, { sent, now }], // in the future
      ["missed", 9e13, false, { sent, now }],
    ] as const
  ) {
    const report = { ...{ name: "rotate", verdict }, ...{ time: AT + time } };
    const told = isPlausible({ ...report, uncorrected: 0 }, JOB, given);
    expect([verdict, time, told]).toEqual([verdict, time, believed]);
  }
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
      line.replaceAll("2026-11-20", "+292026-11-20"),
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
  const early = (time = 100): Report => ({
    ...{ name: "early", verdict: "on-time" },
    ...{ time: AT + time, uncorrected: AT + time },
  });
  const late = (): Report => ({ ...early(300), name: "late" });
  const rounds = () => {
    const lines: string[] = [];
    return { ...createRounds(plan, (line) => lines.push(line)), lines };
  };

  test("gives one list to all who come while its last job may begin", () => {
    const { join } = rounds();
    const first = join(AT)!.jobs;
    expect(first).toEqual([
      { name: "late", at: AT + 300, grace: 5 },
      { name: "early", at: AT + 100, grace: 400 },
    ]);
    expect(join(AT + 305)!.jobs).toBe(first);
    expect(join(AT + 306)!.jobs[0].at).toBe(AT + 606);
  });

  test("keeps one report of each job, if it can be true", () => {
    const { join, lines, totals } = rounds();
    const [one, other] = [join(AT)!, join(AT)!];
    const now = AT + 310;
    expect(one.keep(early(), now)).toBe(true);
    expect(one.keep(early(107), now)).toBe(false); // again
    expect(other.keep(early(99), now)).toBe(false); // too early
    expect(other.keep(early(103), now)).toBe(true);
    for (const { keep } of [one, other]) expect(keep(late(), now)).toBe(true);
    one.leave();
    expect(lines).toEqual([]);
    other.leave();
    expect(lines).toEqual([
      "late: 2 of 2 on time within 0 ms; uncorrected 0 ms",
      "early: 2 of 2 on time within 3 ms; uncorrected 3 ms",
    ]);
    expect(totals).toEqual({ workers: 2, reports: 4 });
  });

  test("summarizes what comes however late, once its workers have left", () => {
    const { join, lines } = rounds();
    const [slow, gone] = [join(AT)!, join(AT)!];
    gone.leave();
    const next = join(AT + 60_000)!; // a round of its own
    expect(next.jobs).not.toBe(slow.jobs);
    next.leave();
    lines.length = 0;
    expect(slow.keep(early(), AT + 90_000)).toBe(true);
    slow.leave();
    expect(lines).toEqual([
      "late: 0 of 2 on time within 0 ms; uncorrected 0 ms",
      "late: 2 did not report",
      "early: 1 of 2 on time within 0 ms; uncorrected 0 ms",
      "early: 1 did not report",
    ]);
  });

  test("ends a round with its last worker; the next has its own", () => {
    const { join, totals } = rounds();
    const one = join(AT)!;
    one.leave();
    expect(join(AT + 1)!.jobs).not.toBe(one.jobs);
    expect(totals).toEqual({ workers: 1, reports: 0 });
  });

  test("has room for 10000 workers", () => {
    const { join } = rounds();
    for (let i = 0; i < 10_000; i++) join(AT);
    expect(join(AT)).toBeUndefined();
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
  ): Promise<[StreamSocket, Reader, string]> {
    const peer = socket(AF_INET, SOCK_STREAM);
    await peer.connect(address);
    await peer.sendall("jobs\n");
    const reader = new Reader(peer);
    let list = "";
    for (let line; (line = await reader.line());) list += `${line}\n`;
    return [peer, reader, list];
  }

  /** What a server says to peers, and whether it serves afterwards. */
  async function besiege(texts: (string | ((jobs: Job[]) => string))[]) {
    const client = async (end: End) => {
      const replies: string[] = [];
      for (const text of texts) {
        if (typeof text === "string") {
          replies.push(await send(end.address, text).catch(String));
          continue;
        }
        const [peer, reader, list] = await worker(end.address);
        const jobs = list.trimEnd().split("\n").map((line) => parseJob(line)!);
        await peer.sendall(text(jobs));
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
      "job",
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
    type Change = Partial<Report>;
    const report = ([job]: Job[], change: Change = {}) => {
      const { name, at: time } = job; // the server's clock is not there yet
      const begun: Report = { name, verdict: "on-time", time, uncorrected: AT };
      return `${formatReport({ ...begun, ...change })}\n`;
    };
    const { replies, lines, notes } = await besiege([
      () => "",
      report,
      (jobs) => report(jobs) + report(jobs),
      (jobs) => report(jobs) + "x\n" + report(jobs.slice(1)),
      (jobs) => report(jobs, { name: "elsewhere" }),
      (jobs) => report(jobs).replace("on-time", "\x1b]0;"),
      (jobs) => report(jobs, { time: AT + 9e5 * HOUR }),
      (jobs) => report(jobs, { time: jobs[0].at - 1 }),
      (jobs) => report(jobs, { verdict: "missed" }),
    ]);
    expect(replies).toEqual(["kept 0", "kept 1", ...Array(7).fill("refused")]);
    expect(lines.filter((line) => line.includes("Refused"))).toHaveLength(7);
    const silent = lines.filter((line) => line.includes("did not report"));
    expect(silent).not.toBeEmpty();
    expect([...lines, ...notes].join()).not.toContain("\x1b");
  });

  test("shares a round among all who come in time", async () => {
    const client = async ({ address }: End) => {
      const workers = [];
      for (const _ of [0, 1, 2]) workers.push(await worker(address));
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
      ["a job of another day", () => `${soon(24 * HOUR)}\n\n`],
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

  test("begins nothing more when its connection breaks, and says so", async () => {
    let asked = 0;
    const server = serving(async (worker) => {
      asked++;
      await new Reader(worker).line();
      await worker.sendall(`${soon(30_000)}\n\n`);
    });
    const { error, lines } = await playToEnd(server, { flags });
    expect(error).toMatchObject({ code: "ECONNRESET" });
    expect([asked, lines.length]).toEqual([1, 2]);
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

test("the client waits for a list as long as for a line", async () => {
  const slow = serving(async (worker) => {
    await new Reader(worker).line();
    for (;;) {
      await worker.sendall(`${JOB_LINE}\n`); // until the worker has left
      await Bun.sleep(40);
    }
  });
  const settings = { flags: { workers: "1" }, timeout: 400 };
  const { error } = await playToEnd(slow, settings);
  expect(error).toMatchObject({ code: "ETIMEDOUT" });
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
  for (const runtime of RUNTIMES) {
    const other = nextTo(runtime);
    const args = (port: string, count: string) =>
      command("job_schedule", runtime, [
        ...["client", "--port", port, "--workers", count],
      ]);

    testOn(
      runtime,
      `50 workers on ${runtime}, a server on ${other}`,
      async () => {
        const { port, stop } = await serverOn("job_schedule", other);
        const client = await run(args(port, "50"));
        const stdout = await stop();
        expect(client).toMatchObject({ code: 0, stderr: "" });
        expect(client.stdout).toStartWith(
          "The clocks of 50 workers: -4883 to +4779 ms wrong\n",
        );
        for (const name of ["backup", "rotate", "report"]) {
          expect(stdout).toMatch(
            new RegExp(`^${name}: \\d+ of 50 on time`, "m"),
          );
        }
        expect(stdout).toMatch(/^backup: \d+ late by/m);
        expect(stdout).not.toMatch(/did not report|Refused/);
      },
    );

    const killed = `${runtime} begins no job again when its server is killed`;
    testOn(runtime, killed, async () => {
      const { server, port } = await serverOn("job_schedule", other);
      const client = start(args(port, "2"));
      await client.said(/comes 1250 ms late/);
      server.kill("SIGKILL");
      await server.finished;
      const next = await serverOn("job_schedule", other, ["--port", port]);
      const { code, stdout, stderr } = await client.finished;
      expect(stderr).toMatch(
        /^Cannot (connect to|receive from|send to) 127\.0\.0\.1:\d+: [^\n]+\n/,
      );
      expect([code, stdout.split("\n").length]).toEqual([1, 4]);
      expect(await next.stop()).toBe(""); // nobody has come again
    });
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
