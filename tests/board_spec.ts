/**
 * The board's server without a browser: it does what its own page orders, and
 * nothing that another page, another user or a wrong order asks for.
 */
import { expect } from "bun:test";
import { existsSync } from "node:fs";
import { difference, readHeader } from "../scripts/tools/support/header.ts";
import {
  allNames,
  hasTwoEnds,
  sourceOf,
} from "../scripts/tools/support/experiments.ts";
import {
  type Answer,
  answerTo,
  Board,
  type Request,
  type RunEvent,
} from "./support/board.ts";
import { nextTo } from "./support/ends.ts";
import { noProc } from "./support/proc.ts";
import { find, type RuntimeName, RUNTIMES } from "./support/runtimes.ts";
import { needing } from "./support/test_on.ts";

const missing = RUNTIMES.map((name) => find(name).reason).find(Boolean) ??
  noProc;

/** An order that the board takes. */
const ORDER = {
  experiment: "tcp_time",
  server: "bun",
  client: "bun",
  step: false,
  flags: {},
};
const POST = { method: "POST", path: "/runs" };
const TEXT = "Content-Type: text/plain";

/** The board's own port, where a host has it. */
const PORT = ":<port>";

/** What a foreign page, or a name that is bound to this address, can send. */
const FOREIGN: [status: number, request: Request][] = [
  ...["", ":1", PORT].flatMap((port) =>
    ["evil.example", "0.0.0.0", "127.0.0.1.evil.example", "127.1", "[::]"]
      .map((name): [number, Request] => [403, { host: `${name}${port}` }])
  ),
  ...["127.0.0.1", "127.0.0.1:1", "localhost", "[::1]"]
    .map((host): [number, Request] => [403, { host }]),
  [403, { host: `evil.example${PORT}`, path: "/", token: null }],
  [403, { host: `evil.example${PORT}`, path: "/board.js", token: null }],
  ...[null, "", "0".repeat(32), "undefined"]
    .map((token): [number, Request] => [403, { token }]),
  [403, { ...POST, body: ORDER, token: null }],
  [403, { ...POST, body: ORDER, token: "f".repeat(32) }],
  [403, {
    ...POST,
    body: ORDER,
    host: `evil.example${PORT}`,
    fields: [`Origin: http://evil.example${PORT}`],
  }],
  ...["http://evil.example", "null", "http://127.0.0.1:1", "http://localhost"]
    .map((origin): [number, Request] => [
      403,
      { ...POST, body: ORDER, fields: [`Origin: ${origin}`] },
    ]),
  ...["cross-site", "same-site"].map((site): [number, Request] => [
    403,
    { ...POST, body: ORDER, fields: [`Sec-Fetch-Site: ${site}`] },
  ]),
  [403, { fields: ["Sec-Fetch-Site: cross-site"] }],
  [403, { fields: ["Origin: http://evil.example"] }],
];

/** A preflight, and what a page can send without one. */
const SIMPLE: Request[] = [
  {
    method: "OPTIONS",
    path: "/runs",
    token: null,
    fields: [
      "Origin: http://evil.example",
      "Access-Control-Request-Method: POST",
      "Access-Control-Request-Headers: lab-token",
    ],
  },
  { ...POST, body: ORDER, fields: [TEXT] },
  { ...POST, body: ORDER, fields: [TEXT, "Sec-Fetch-Site: none"] },
  {
    ...POST,
    body: "experiment=tcp_time",
    fields: ["Content-Type: application/x-www-form-urlencoded"],
  },
];

/** Paths that are none of the board's. */
const PATHS: [status: number, path: string][] = [
  [404, "/nothing"],
  [404, "/board.ts"],
  [404, "/index.ts"],
  [404, "/runs/1/calls/1"],
  [404, "/runs/__proto__/trace.json"],
  [404, "/runs/constructor/report.html"],
  [404, "/%2e%2e/board.ts"],
  [404, "/..%2fboard.ts"],
  [404, "/page/index.html"],
];

/** Orders that the board does not take. */
const WRONG: unknown[] = [
  ...["", "{", "null", "[]", '"tcp_time"', "{}", "1e999"],
  ...[
    "../board",
    "tools/board",
    "quiz",
    "study",
    "__proto__",
    "constructor",
    "tcp_time.ts",
    "tcp_time;id",
    "",
    7,
    null,
    ["tcp_time"],
  ].map((experiment) => ({ ...ORDER, experiment })),
  ...["python3", "sh", "/bin/sh", "__proto__", "constructor", "", null, 1]
    .flatMap((runtime) => [
      { ...ORDER, server: runtime },
      { ...ORDER, client: runtime },
    ]),
  ...["yes", 1, null].map((step) => ({ ...ORDER, step })),
  { ...ORDER, experiment: "time_sync", step: true },
  { ...ORDER, more: 1 },
  ...[
    "",
    1,
    null,
    [],
    { host: "0.0.0.0" },
    { port: "1" },
    { timeout: "1" },
    {
      trace: "",
    },
    { "__proto__x": "1" },
    { constructor: "1" },
    { "-A": "" },
  ]
    .map((flags) => ({ ...ORDER, flags })),
];

/** Values that are not of the flag's pattern. */
const HOSTILE: unknown[] = [
  "$(touch /tmp/board-was-here)",
  "`touch /tmp/board-was-here`",
  "1; touch /tmp/board-was-here",
  "1\ntouch /tmp/board-was-here",
  "1 --host 0.0.0.0",
  "--host=0.0.0.0",
  "1\0",
  "-1",
  "1".repeat(100_000),
  "../../../etc/passwd",
  "<img src=x onerror=alert(1)>",
  "\x1b[2J",
  7,
  null,
  ["1"],
  {},
];

for (const runtime of RUNTIMES) {
  needing(
    missing,
    `${runtime}: the board serves its own page alone`,
    async () => {
      await using board = await Board.start(runtime);
      await refusesStrangers(board);
      await runsExperiment(board, runtime);
      await endsRuns(board);
    },
  );
}

async function refusesStrangers(board: Board): Promise<void> {
  const wrong: unknown[] = [];
  const check = async (statuses: number[], given: Request) => {
    const text = JSON.stringify(given).replaceAll(PORT, `:${board.port}`);
    const request: Request = JSON.parse(text);
    const answer = await board.ask(request);
    const { status, body } = answer;
    const line = /^[^\n]{1,300}\n?$/.test(body);
    if (!statuses.includes(status) || !line || isOpen(answer)) {
      wrong.push([text.slice(0, 300), status, body]);
    }
  };
  for (const [status, request] of FOREIGN) await check([status], request);
  for (const request of SIMPLE) await check([400, 403, 405, 415], request);
  for (const [status, path] of PATHS) await check([status, 400], { path });
  for (const body of WRONG) await check([400], { ...POST, body });
  for (const value of HOSTILE) {
    const flags = { loss: value, seed: "7" };
    const order = { ...ORDER, experiment: "udp_datagrams", flags };
    await check([400, 413], { ...POST, body: order });
  }
  for (const method of ["DELETE", "PUT", "POST"]) {
    await check([405, 403, 404], { method, path: "/choices", body: {} });
  }
  await check([405, 404, 403], { path: "/runs" });
  await check([400, 413], { ...POST, body: " ".repeat(2 ** 20 + 1) });
  expect(wrong).toEqual([]);
  expect(board.ends).toEqual([]);
  expect(existsSync("/tmp/board-was-here")).toBe(false);

  // Its own page is not refused.
  const own = [`127.0.0.1:${board.port}`, `localhost:${board.port}`];
  for (const host of [...own, `[::1]:${board.port}`]) {
    expect([host, (await board.ask({ host })).status]).toEqual([host, 200]);
  }
  const twice = board.textOf({}).replace(
    "\r\n",
    "\r\nHost: evil.example\r\n",
  );
  expect((await answerTo(board.port, twice)).status).toBe(400);
}

/** What lets nobody embed, guess or keep an answer. */
function expectClosed({ fields }: Answer, type: string): void {
  expect(fields.get("content-type")).toStartWith(type);
  expect(fields.get("x-content-type-options")).toBe("nosniff");
  expect(fields.get("cache-control")).toBe("no-store");
  const policy = fields.get("content-security-policy");
  expect(policy).toMatch(/default-src '(self|none)'/);
  expect(policy).toMatch(/frame-ancestors 'none'/);
  expect(policy).toMatch(/base-uri 'none'/);
  expect(policy).toMatch(/form-action 'none'/);
  expect(policy).not.toMatch(/unsafe|\*|https?:|data:|blob:/);
}

async function runsExperiment(
  board: Board,
  runtime: RuntimeName,
): Promise<void> {
  const statics = [["/", "text/html"], ["/board.css", "text/css"]];
  for (const [path, type] of [...statics, ["/board.js", "text/javascript"]]) {
    const answer = await board.ask({ path, token: null });
    expect(answer.status).toBe(200);
    expectClosed(answer, type);
    expect(isOpen(answer)).toBe(false);
    expect(answer.body).not.toContain(board.token);
  }
  const choices = await board.ask({});
  expectClosed(choices, "application/json");
  const { experiments, runtimes } = JSON.parse(choices.body);
  expect(runtimes.map(({ name }: { name: string }) => name).sort())
    .toEqual(RUNTIMES.toSorted());
  expect(experiments.map(({ name }: { name: string }) => name))
    .toEqual(allNames().filter((name) => hasTwoEnds(sourceOf(name))));
  const flags = experiments.flatMap((one: { flags: { name: string }[] }) =>
    one.flags.map(({ name }) => name)
  );
  expect(flags).toContain("loss");
  const kept = [
    "host",
    "port",
    "timeout",
    "json",
    "trace",
    "root",
    "save",
    "file",
  ];
  expect(flags.filter((name: string) => kept.includes(name))).toEqual([]);
  const steps = (wanted: string) =>
    experiments.find(({ name }: { name: string }) => name === wanted).steps;
  expect([steps("tcp_time"), steps("time_sync")]).toEqual([true, false]);

  const client = nextTo(runtime);
  const order = { experiment: "tcp_time", server: runtime, client };
  const run = await board.run(order);
  const path = `/runs/${await run.id}`;
  const fields = new Map(run.response.headers);
  expectClosed({ status: 200, fields, body: "" }, "application/x-ndjson");
  const done = await run.event("done");
  expect(done.same).toBe(true);
  const header = readHeader(sourceOf("tcp_time"));
  expect(difference(header.output, run.printed)).toBeNull();
  const [{ commands }] = run.events as [RunEvent & { commands: Commands }];
  const of = (name: string) =>
    header.commands.find((command) => command.startsWith(name));
  expect(commands.server).toStartWith(`${of(runtime)} server`);
  expect(commands.client).toStartWith(`${of(client)} client`);
  expect((await run.event("ended", { end: "server" })).code).toBe(0);
  expect((await run.event("ended", { end: "client" })).code).toBe(0);

  const trace = await board.ask({ path: `${path}/trace.json` });
  expectClosed(trace, "application/json");
  const drawn = run.events.filter(({ event }) => event === "call");
  expect(drawn.map(({ id }) => id)).toEqual(drawn.map((_, i) => i + 1));
  for (
    const [name, type, content] of [
      ["report.html", "text/html", /<title>/],
      ["report.md", "text/markdown", /^# /],
      ["diagram.mmd", "text/", /^sequenceDiagram/m],
    ] as const
  ) {
    const answer = await board.ask({ path: `${path}/${name}` });
    expect(answer.status).toBe(200);
    expectClosed(answer, type);
    expect(answer.body).toMatch(content);
  }
  await run.leave();
  await board.quiet();
  expect((await board.ask({ path: `${path}/trace.json` })).status).toBe(404);
}

async function endsRuns(board: Board): Promise<void> {
  const order = { experiment: "tcp_time", step: true };
  const runs = [];
  for (let i = 0; i < 4; i++) runs.push(await board.run(order));
  const [first, second, third] = runs;
  const fifth = { ...POST, body: { ...ORDER, ...order } };
  expect((await board.ask(fifth)).status).toBe(503);
  for (const run of runs) {
    await run.event("held", { end: "server" });
    await run.event("held", { end: "client" });
  }
  expect(board.ends.length).toBeGreaterThanOrEqual(8);
  const early = { path: `/runs/${await first.id}/report.html` };
  expect((await board.ask(early)).status).toBe(409);

  // A foreign page neither lets a call go nor stops a run.
  const next = `/runs/${await first.id}/next`;
  const body = { end: "client", run: false };
  const foreign = ["Origin: http://evil.example"];
  const going = { method: "POST", path: next, body };
  for (
    const [status, request] of [
      [403, { ...going, token: null }],
      [403, { ...going, fields: foreign }],
      [403, {
        ...going,
        path: next.replace("next", "stop"),
        fields: foreign,
      }],
      [400, { ...going, body: { end: "both", run: false } }],
      [400, { ...going, body: { end: "client\nrun", run: false } }],
      [400, { ...going, body: { end: "client", run: "true" } }],
      [404, { ...going, path: "/runs/0/next" }],
    ] as [number, Request][]
  ) {
    expect([request, (await board.ask(request)).status])
      .toEqual([request, status]);
  }
  const held = first.events.length;
  await Bun.sleep(50);
  expect(first.events.length).toBe(held);
  expect((await board.ask(going)).status).toBe(204);
  await first.event("call", { end: "client" });

  await second.leave(); // a closed tab
  const stop = { method: "POST", path: `/runs/${await third.id}/stop` };
  expect((await board.ask({ ...stop, body: {} })).status).toBe(204);
  await third.event("ended", { end: "server" });
  await until(() => board.ends.length <= 4);
  const again = await board.run(order); // there is room again
  await again.event("held", { end: "server" });
  const [code, stderr] = await board.stop();
  expect([code, stderr]).toEqual([130, ""]);
  await board.quiet();
  expect(await again.over(2000)).toBe(true);
}

interface Commands {
  server: string;
  client: string;
}

/** Whether an answer lets another site read it, or is kept for one. */
function isOpen({ fields }: Answer): boolean {
  return [...fields.keys()].some((name) =>
    name.startsWith("access-control-") || name === "set-cookie"
  );
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await Bun.sleep(10);
}
