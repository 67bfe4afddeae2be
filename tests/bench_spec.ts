/**
 * The bench: its short form on every runtime, its command line and its tables.
 * The gate has it measure everything.
 */
import { describe, expect, test } from "bun:test";
import { interleaved, ratios } from "./bench/pairs.ts";
import { markdown, type Row, rowOf, table, WORKS } from "./bench/results.ts";
import { bench, expectMeasured } from "./bench/short_run.ts";
import { alongside, testOn } from "./support/test_on.ts";

// Each work is measured somewhere.
testOn(
  "deno",
  "measures on deno",
  () => expectMeasured("deno", ["exchange", "bulk", "memory"]),
);
testOn(
  "bun",
  "measures on bun",
  () => expectMeasured("bun", ["udp", "start", "clients"]),
);
testOn(
  "node",
  "measures on node",
  () => expectMeasured("node", ["round-trip", "exchange-64", "observe"]),
);

for (
  const [runtime, flag, message] of [
    ["deno", "--nope", /^Unknown .*--nope.*\n$/],
    ["bun", "--only=bulk,nope", /^--only takes round-trip, .*\n$/],
    ["bun", "--runtimes=\x1b[2J", /^--runtimes takes deno, bun, node\n$/],
    ["node", "--pairs=0", /^--pairs takes 1 to 9999, not "0"\n$/],
  ] as const
) {
  testOn(runtime, `refuses ${JSON.stringify(flag)} on ${runtime}`, async () => {
    const { code, stdout, stderr } = await bench(runtime, flag);
    expect(stderr).toMatch(message);
    expect([stdout, code]).toEqual(["", 2]);
  });
}

alongside("bench.ts has --help", async () => {
  const { code, stdout, stderr } = await bench("bun", "--help");
  for (const flag of ["runtimes", "only", "pairs", "markdown"]) {
    expect(stdout).toContain(`--${flag} `);
  }
  for (const work of Object.keys(WORKS)) expect(stdout).toContain(work);
  expect(stdout.split("\n").filter((line) => line.length > 68)).toEqual([]);
  expect([code, stderr]).toEqual([0, ""]);
});

alongside("prints a table a runtime and says where it ran", async () => {
  const { code, stdout } = await bench(
    "bun",
    ...["--short", "--runtimes", "bun", "--only", "round-trip"],
  );
  const lines = stdout.trimEnd().split("\n");
  expect(lines[0]).toMatch(/^Bun \S+ +ratio +middle half +limit +cost$/);
  expect(lines[1]).toMatch(
    /^round trips \/ raw +\d+\.\d\d +\d+\.\d\d-\d+\.\d\d +>= 0\.90.* us$/,
  );
  expect(lines.at(-2)).toMatch(/^Bun \S+; 3 pairs$/);
  expect(lines.filter((line) => line.length > 68)).toEqual([]);
  expect(code).toBe(0);
});

describe("the tables", () => {
  const row = (own: Partial<Row>, ratio: number) =>
    rowOf({
      runtime: "bun",
      version: "Bun 1",
      work: "udp",
      against: "raw",
      rounds: 3,
      better: "more",
      cost: 12345.6,
      otherCost: 10000,
      unit: "us",
      ...own,
    }, { middle: ratio, low: ratio - 0.01, high: ratio + 0.01 });
  const rows = [
    row({}, 0.5),
    row({ runtime: "deno", version: "Deno 2" }, 0.95),
    row({ work: "start", against: "empty", better: "less" }, 9),
  ];

  test("mark what is not reached", () => {
    expect(rows.map(({ reached }) => reached)).toEqual([false, true, false]);
    const text = table(rows);
    expect(text).toContain(
      "UDP round trips / raw       0.50   0.49-0.51  >= 0.90 below 12346 us",
    );
    expect(text).toContain("<= 2.70 above");
  });

  test("have a column a runtime in Markdown", () => {
    expect(markdown(rows).split("\n").map((line) => line.replace(/ +/g, " ")))
      .toEqual([
        "| | Bun 1 | Deno 2 |",
        expect.stringMatching(/^\| -+ \| -+ \| -+ \|$/),
        "| UDP round trips / raw | 0.50 (0.49-0.51), below 0.90 | 0.95 (0.94-0.96) |",
        "| start to exit / empty | 9.00 (8.99-9.01), above 2.70 | |",
      ]);
  });

  test("hold every piece of work there is", () => {
    for (const work of Object.keys(WORKS) as (keyof typeof WORKS)[]) {
      const against = work === "observe" ? "unobserved" : "raw";
      for (const line of table([row({ work, against }, 1)]).split("\n")) {
        expect(line.length).toBeLessThanOrEqual(68);
        expect(line).not.toContain("undefined");
      }
    }
  });
});

test("interleaved() turns the order round by round", async () => {
  const order: string[] = [];
  const measure = (name: string) => () => {
    order.push(name);
    return Promise.resolve(order.length);
  };
  const costs = await interleaved(2, [measure("a"), measure("b")], {
    warmUp: 1,
    tick() {},
  });
  expect(order.join("")).toBe("abbaab");
  expect(costs).toEqual([[4, 5], [3, 6]]);
});

test("ratios() are by round: the median, and the middle half", () => {
  expect(ratios([1, 20, 3, 40, 5], [1, 10, 1, 10, 1])).toEqual({
    low: 2,
    middle: 3,
    high: 4,
  });
});
