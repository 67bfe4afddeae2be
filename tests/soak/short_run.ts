/**
 * Runs the soak and checks that it accounts for everything, for the suite and
 * the gate.
 */
import { expect } from "bun:test";
import process from "node:process";
import {
  commandFor,
  find,
  type Finished,
  run,
  type RuntimeName,
  RUNTIMES,
} from "../support/runtimes.ts";
import { ROOT } from "../support/scripts.ts";
import type { Result } from "./supervisor.ts";
import { table } from "./table.ts";

/** Why not all runtimes are there, if so. */
export const missing = RUNTIMES.map((name) => find(name).reason).find(Boolean);

/** The tool, on one of the runtimes. */
export function soak(
  runtime: RuntimeName,
  args: string[],
  { env, limit = 80_000 }: { env?: Record<string, string>; limit?: number } =
    {},
): Promise<Finished> {
  const command = [...commandFor(runtime, ["-A"]), "tests/soak/soak.ts"];
  const options = { cwd: ROOT, measured: true, env, limit };
  return run([...command, ...args], options);
}

/** Soaks every server with these clients. */
export async function expectAccounted(seconds: number, clients: string[]) {
  const { code, stdout, stderr } = await soak("deno", [
    ...["--json", "--seconds", String(seconds), "--clients", clients.join()],
  ], { limit: 1500 * seconds + 80_000 });
  const results: Result[] = stdout.trimEnd().split("\n").map((line) =>
    JSON.parse(line)
  );
  expect(results.flatMap(({ complaints }) => complaints)).toEqual([]);
  expect([code, stderr]).toEqual([0, ""]);
  const servers = results.map(({ server }) => server);
  expect(servers.sort()).toEqual([...RUNTIMES].sort());
  for (const result of results) {
    expect(result.clients).toEqual(clients);
    for (const dialogue of ["exchanges", "streams", "half-close"]) {
      const { up, down } = result.connections[dialogue];
      expect(up.received).toBe(up.sent);
      expect(down.received).toBe(down.sent);
      expect(Math.min(up.sent, down.sent)).toBeGreaterThan(0);
    }
    const { received, returned } = result.datagrams;
    expect(Math.min(received, returned)).toBeGreaterThan(0);
    if (process.platform === "linux") expect(result.figures).toHaveLength(3);
    expectNarrow(table(result));
  }
}

/** No line has more than 68 columns. */
export function expectNarrow(text: string): void {
  expect(text.split("\n").filter((line) => line.length > 68)).toEqual([]);
}
