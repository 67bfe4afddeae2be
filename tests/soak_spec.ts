/**
 * The soak: in its short form it accounts for every byte, and notices as soon
 * as one is not accounted for. The gate has a longer one.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { type Echoed, type Sent, sumOf } from "./soak/datagrams.ts";
import { firstWrong, pattern } from "./soak/pattern.ts";
import {
  complaint,
  type EndRecord,
  type Outage,
  Reconciliation,
} from "./soak/reconciliation.ts";
import { type Fault, type Scenario, scenarioOf } from "./soak/scenario.ts";
import {
  expectAccounted,
  expectNarrow,
  missing,
  soak,
} from "./soak/short_run.ts";
import { growth } from "./soak/supervisor.ts";
import { ROOT } from "./support/scripts.ts";
import { alongside, needing } from "./support/test_on.ts";

const folder = mkdtempSync(join(tmpdir(), "socket-lab-soak-"));
afterAll(() => rmSync(folder, { recursive: true }));

needing(
  missing,
  "a soak accounts for every byte",
  () => expectAccounted(1, ["bun"]),
);

needing(
  missing,
  "a soak finds what a saboteur does to its server",
  async () => {
    const args = ["--runtimes", "bun", "--clients", "bun", "--seconds", "1"];
    const env = { SOCKET_LAB_BUN: saboteur() };
    const { code, stdout, stderr } = await soak("node", args, { env });
    expect(stdout).toMatch(/^bun 1\.4\.99 serves bun: 1 s, /);
    const text = stdout.replace(/\n? +/g, " "); // a complaint may be wrapped
    for (
      const complaint of [
        /^connection \d+ \(.*\): the server: byte \d+ is not the one that was sent/m,
        /^datagrams down: \d+ sent, \d+ received, \d+ dropped/m,
        /^the bun server: \d+ descriptors became \d+$/m,
        /^Again: --runtimes bun --clients bun --seed 1 --connection \d+$/m,
      ]
    ) expect(text).toMatch(complaint);
    expect([code, stderr]).toEqual([1, ""]);
    expectNarrow(stdout);
  },
);

/** A Bun that preloads the saboteur. */
function saboteur(): string {
  const file = join(folder, "bun");
  const preload = join(ROOT, "tests/soak/saboteur.ts");
  writeFileSync(
    file,
    `#!/bin/sh
case $1 in -e) echo "1.4.99 $0"; exit;; esac
exec "${process.execPath}" --preload "${preload}" "$@"
`,
    { mode: 0o755 },
  );
  return file;
}

test("pattern() can be checked from any place, and finds the first wrong", () => {
  const whole = pattern(7, 0, 1000);
  for (const at of [0, 1, 2, 3, 4, 501]) {
    const piece = whole.slice(at, at + 99);
    expect(firstWrong(7, at, piece)).toBe(-1);
    expect(firstWrong(8, at, piece)).toBe(at);
    expect(firstWrong(7, at + 1, piece)).toBeGreaterThan(at); // one was lost
    piece[98]++;
    expect(firstWrong(7, at, piece)).toBe(at + 98);
  }
});

describe("the records of a connection", () => {
  const base = scenarioOf(1, 0);
  const scenario = (fault?: Fault): Scenario => ({
    ...{ ...base, dialogue: "streams", fault },
    ...{ up: 100, down: 50 },
  });
  const record = (
    end: EndRecord["end"],
    own: Partial<EndRecord> = {},
  ): EndRecord => ({
    ...{ end, id: 0, port: 40_000, from: 1000, to: 2000, ended: "whole" },
    ...(end === "client" ? { sent: 100, received: 50 } : {}),
    ...(end === "server" ? { sent: 50, received: 100 } : {}),
    ...own,
  } as EndRecord);
  /** The complaint, if the ends differ so from what is right. */
  const said = (
    client: Partial<EndRecord> | undefined,
    server: Partial<EndRecord> | undefined,
    fault?: Fault,
    outages: Outage[] = [],
  ) =>
    complaint({
      scenario: scenario(fault),
      client: client && record("client", client),
      server: server && record("server", server),
      outages,
    });

  test("agree, or tell what is missing", () => {
    expect(said({}, {})).toBeUndefined();
    const wrong: [Partial<EndRecord>, Partial<EndRecord>, string][] = [
      [{}, { received: 99 }, "up: 100 of 100 bytes sent, 99 received"],
      [{}, { received: 101 }, "up: 100 of 100 bytes sent, 101 received"],
      [{ sent: 99 }, { received: 99 }, "up: 99 of 100 bytes sent, 99 received"],
      [{ received: 49 }, {}, "down: 50 of 50 bytes sent, 49 received"],
      [{ ended: "cut" }, {}, "the client: cut"],
      [{}, { ended: "ECONNRESET" }, "the server: ECONNRESET"],
      [{ note: "byte 5 is not" }, {}, "the client: byte 5 is not"],
      [{}, { note: "more" }, "the server: more"],
    ];
    for (const [client, server, words] of wrong) {
      expect(said(client, server)).toBe(words);
    }
    expect(said({}, undefined)).toBe(
      "unknown to the server (the client: whole)",
    );
    expect(said(undefined, {})).toBe(
      "unknown to the client (the server: whole)",
    );
  });

  test("of a fault may tell less, but not more than was sent", () => {
    const client = { sent: 60, received: 0, ended: "left" };
    const server = { received: 40, ended: "ECONNRESET" };
    expect(said(client, server, "reset")).toBeUndefined();
    expect(said(client, { ...server, received: 61 }, "reset")).toBe(
      "up: 60 of 100 bytes sent, 61 received",
    );
    expect(said(client, { ...server, ended: "whole" }, "reset")).toBe(
      "the server: whole",
    );
    expect(said(client, undefined, "reset")).toBeUndefined();
    expect(said(client, undefined, "leave")).toStartWith(
      "unknown to the server",
    );
    expect(said(client, { received: 9, ended: "ETIMEDOUT" }, "stall"))
      .toBeUndefined();
    expect(said(undefined, server, "killed")).toBeUndefined();
    expect(said(undefined, { ...server, ended: "wrong" }, "killed")).toBe(
      "the server: wrong",
    );
  });

  test("explain a client that is turned away while nobody listens", () => {
    const refused = { sent: 0, received: 0, ended: "ECONNREFUSED" };
    expect(said(refused, undefined, undefined, [[1500, 1510]])).toBeUndefined();
    for (const gap of [[900, 999], [2001, 2100]] as const) {
      expect(said(refused, undefined, undefined, [gap])).toStartWith("unknown");
    }
    const served = { ...refused, greeted: true, ended: "ECONNRESET" };
    expect(said(served, undefined, undefined, [[1500, 1510]])).toStartWith(
      "unknown",
    );
  });

  test("are matched in whatever order they come", () => {
    const whole = Array.from({ length: 99 }, (_, id) => scenarioOf(1, id))
      .filter(({ fault }) => !fault);
    const records = whole.flatMap(({ id, up, down }) => [
      record("server", { id, sent: down, received: up }),
      record("client", { id, sent: up, received: down }),
    ]);
    const reconciliation = new Reconciliation(1);
    for (const one of [...records, ...records.reverse()]) {
      reconciliation.add(one);
    }
    reconciliation.settle();
    expect(reconciliation.complaints).toEqual([]);
    const counts = [...reconciliation.tallies.values()].map((one) =>
      one.connections
    );
    expect(counts.reduce((sum, count) => sum + count)).toBe(2 * whole.length);

    reconciliation.add(records[0]);
    reconciliation.add(
      record("server", { id: undefined, received: 0, ended: "cut" }),
    );
    reconciliation.settle();
    expect(reconciliation.complaints).toEqual([
      expect.stringMatching(/^connection \d+ .*: unknown to the server/),
      "port 40000: unknown to any client (cut after 0 bytes)",
    ]);
  });
});

test("sumOf() finds a datagram that is lost, duplicated or not answered", () => {
  const client: Sent = {
    ...{ sent: 100, garbage: 5, answered: 90, dropped: 3, complaints: [] },
  };
  const server: Echoed = {
    ...{ received: 98, garbage: 5, answered: 93, complaints: [] },
  };
  expect(sumOf([client], server, 7)).toEqual({
    ...{ sent: 105, received: 98, answered: 93, returned: 90, lost: 10 },
    complaints: [],
  });
  const said = (own: Partial<Echoed>, dropped?: number) =>
    sumOf([client], { ...server, ...own }, dropped).complaints;
  expect(said({}, 6)).toEqual([
    "datagrams up: 105 sent, 98 received, 6 dropped",
  ]);
  expect(said({ received: 97 }, 8)).toEqual(["datagrams: 93 answered of 92"]);
  expect(said({ received: 106, answered: 101 })).toContain(
    "datagrams up: 105 sent, 106 received",
  );
  expect(said({ complaints: ["datagram 3 has come twice"] })).toEqual([
    "datagram 3 has come twice",
  ]);
});

test("growth() compares descriptors with the first, memory with halfway", () => {
  const at = (descriptors: number, mib: number, peak = mib) => ({
    descriptors,
    resident: 1024 * mib,
    peak: 1024 * peak,
  });
  expect(growth([])).toBeUndefined();
  expect(growth([at(9, 20), at(12, 90), at(9, 100)])).toBeUndefined();
  expect(growth([at(9, 20), at(9, 90), at(10, 90)])).toBe(
    "9 descriptors became 10",
  );
  expect(growth([at(9, 20), at(9, 90), at(9, 123)])).toBe(
    "92160 KiB of memory became 125952",
  );
  expect(growth([at(9, 20), at(9, 90, 155), at(9, 90)])).toBe(
    "92160 KiB of memory were 158720 at a time",
  );
});

alongside("soak.ts has --help", async () => {
  const { code, stdout, stderr } = await soak("bun", ["--help"]);
  for (const flag of ["runtimes", "clients", "seconds", "connection"]) {
    expect(stdout).toContain(`--${flag} `);
  }
  expectNarrow(stdout);
  expect([code, stderr]).toEqual([0, ""]);
});

alongside("soak.ts says what is wrong with its flags", async () => {
  const wrong = [
    ["--nope", /^Unknown .*--nope.*\n$/],
    ["--runtimes=python3", /^--runtimes takes deno, bun, node\n$/],
    ["--clients=deno,", /^--clients takes deno, bun, node\n$/],
    ["--seconds=0", /^--seconds takes 1 to 86400, not "0"\n$/],
    ["--seed=x", /^--seed takes 0 to 999999999, not "x"\n$/],
  ] as const;
  await Promise.all(wrong.map(async ([flag, message]) => {
    const { code, stdout, stderr } = await soak("bun", [flag]);
    expect(stderr).toMatch(message);
    expect([code, stdout]).toEqual([2, ""]);
  }));
});
