/**
 * Runs the suite in processes of the three runtimes, and gives the results of
 * their cases as they come.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { start } from "../../scripts/tools/support/processes.ts";
import type { RuntimeName } from "../support/runtimes.ts";
import type { Case, Result } from "./fixtures.ts";
import { inOwnNetwork, OWN_NETWORK, reasonAgainst } from "./own_network.ts";
import { guardOf, HUNG } from "./perform.ts";
import { cases, NOTHING } from "./suite.ts";

/** Why the cases that need a network of their own cannot be run, if so. */
export const noOwnNetwork = reasonAgainst();

/** Cases that share a process. */
export interface Group {
  runtime: RuntimeName;
  gate: boolean;
  needs: readonly string[];
  cases: readonly Case[];
}

/** A process that performs the cases of a group. */
export interface Run {
  /** Resolves when the case has ended, or rejects if the process ends before. */
  resultOf(name: string): Promise<Result>;
  /** Resolves to what is wrong with how the process ended, if anything is. */
  ended: Promise<string | undefined>;
  kill(): void;
}

/** The groups of a runtime; those of the gate are others. */
export function groupsOf(runtime: RuntimeName, gate: boolean): Group[] {
  return NEEDS[runtime].map((needs) => ({
    runtime,
    gate,
    needs,
    cases: cases.filter((each) =>
      needs.includes(each.needs ?? NOTHING) && gate === (each.gate ?? false)
    ),
  })).filter(({ cases }) => cases.length > 0);
}

/** Only Deno has permissions, and has to do most of it with a few of them. */
const TOGETHER = [
  [NOTHING, "all permissions"],
  ["few descriptors"],
  [OWN_NETWORK],
];
const NEEDS: Record<RuntimeName, string[][]> = {
  deno: [
    [NOTHING],
    ["all permissions", "permissions of Deno"],
    ["few descriptors"],
    [OWN_NETWORK],
  ],
  bun: TOGETHER,
  node: TOGETHER,
};

/** Starts the process of a group; `path` is the runtime's program. */
export function startRun(
  { runtime, gate, needs, cases }: Group,
  path: string,
): Run {
  const own = needs.includes(OWN_NETWORK);
  const all = own || needs.includes("all permissions");
  const permission = all ? "--allow-all" : "--allow-net";
  const command = [
    path,
    ...(runtime === "deno" ? ["run", "--no-prompt", permission] : []),
    fileURLToPath(import.meta.resolve("./run.ts")),
    ...needs.map((need) => `--needs=${need}`),
    ...(gate ? ["--gate"] : []),
  ];
  const limited = ["sh", "-c", 'ulimit -n 256 && exec "$0" "$@"', ...command];
  const results = new Map(
    cases.map(({ name }) => [name, Promise.withResolvers<Result>()]),
  );
  const underWay = new Set(results.keys());
  let blocked: string | undefined;
  const block = () => {
    [blocked] = underWay;
    running.signal("SIGKILL");
  };
  // Its own guard ends a case that waits; one that never gives the processor
  // back can only be ended from outside.
  const limit = guardOf({ gate }) + 8_000;
  let timer = setTimeout(block, limit);
  const heard = (line: string) => {
    if (!line.startsWith('{"statement"')) return;
    const result: Result = JSON.parse(line);
    underWay.delete(result.name);
    results.get(result.name)?.resolve(result);
    clearTimeout(timer);
    if (underWay.size > 0) timer = setTimeout(block, limit);
  };
  const few = needs.includes("few descriptors");
  const running = start(
    few ? limited : own ? inOwnNetwork(command) : command,
    { heard },
  );
  const ended = running.ended.then(({ code, signal, error }) => {
    clearTimeout(timer);
    const reason = blocked === undefined
      ? `The process ended (${error ?? signal ?? code})`
      : `"${blocked}" blocked the process for ${limit} ms`;
    const failure = `${reason}\n${running.written.stderr}`;
    for (const name of underWay) results.get(name)!.reject(new Error(failure));
    if (underWay.size > 0 || signal || code === HUNG) return failure;
  });
  for (const { promise } of results.values()) promise.catch(() => {});
  return {
    resultOf: (name) => results.get(name)!.promise,
    ended,
    kill: () => running.signal("SIGKILL"),
  };
}
