/**
 * One end of an experiment in a process of its own, and what every end must do.
 */
import { expect } from "bun:test";
import {
  type Address,
  AF_INET,
  decode,
  Reader,
  SHUT_WR,
  SOCK_STREAM,
  socket,
} from "../../lib/mod.ts";
import { freePort } from "../../scripts/tools/support/free_port.ts";
import {
  commandFor,
  run,
  type RuntimeName,
  RUNTIMES,
  start,
} from "./runtimes.ts";
import { ROOT } from "./scripts.ts";
import { testOn } from "./test_on.ts";

/** The runtime after this one: three pairs have each at either end. */
export function nextTo(runtime: RuntimeName): RuntimeName {
  return RUNTIMES[(RUNTIMES.indexOf(runtime) + 1) % RUNTIMES.length];
}

/** The command of an experiment, such as `time_sync`. */
export function command(
  script: string,
  runtime: RuntimeName,
  args: string[] = [],
  permissions = ["--allow-net"],
): string[] {
  const program = commandFor(runtime, permissions);
  return [...program, `${ROOT}scripts/${script}.ts`, ...args];
}

/** Starts a server on a free port. */
export async function serverOn(
  script: string,
  runtime: RuntimeName,
  flags: string[] = [],
  permissions?: string[],
) {
  const args = ["server", "--port", "0", ...flags];
  const server = start(command(script, runtime, args, permissions));
  const [, port] = await server.said(/Listening on [\d.]+:(\d+)/);
  /** Stops it gracefully, and gives what it printed. */
  const stop = async (signal: "SIGINT" | "SIGTERM" = "SIGINT") => {
    server.kill(signal);
    const { code, stdout } = await server.finished;
    expect(code).toBe(0);
    return stdout;
  };
  return {
    server,
    port,
    address: ["127.0.0.1", Number(port)] as Address,
    stop,
  };
}

/** Runs a client, which must succeed, and gives what it printed. */
export async function clientOn(
  script: string,
  runtime: RuntimeName,
  port: string | number,
  flags: string[] = [],
): Promise<string> {
  const args = ["client", "--port", String(port), ...flags];
  const { code, stdout, stderr } = await run(command(script, runtime, args));
  expect([code, stderr]).toEqual([0, ""]);
  return stdout;
}

/** A runtime takes no wrong flag; Bun, which starts quickly, tries them all. */
export function testWrongFlags(script: string, wrong: [string, string][]) {
  for (const runtime of RUNTIMES) {
    testOn(runtime, `takes no wrong flag, on ${runtime}`, async () => {
      for (const flags of wrong.slice(0, runtime === "bun" ? undefined : 1)) {
        const { code, stdout, stderr } = await run(
          command(script, runtime, [flags.join("=")]),
        );
        expect(stderr).toStartWith(`${flags[0]} takes `);
        expect(stderr.trimEnd().split("\n")).toHaveLength(1);
        expect([code, stdout]).toEqual([2, ""]);
      }
    });
  }
}

/** The client of a server that is not there fails in plain words. */
export function testNoServer(script: string, words: RegExp) {
  for (const runtime of RUNTIMES) {
    testOn(runtime, `says that no server is there, on ${runtime}`, async () => {
      const flags = ["--port", String(await freePort()), "--timeout", "300"];
      const { code, stderr } = await run(
        command(script, runtime, ["client", ...flags]),
      );
      expect(stderr).toMatch(words);
      expect(code).toBe(1);
    });
  }
}

/** Sends data over one connection, ends it, and gives all that comes back. */
export async function send(
  address: Address,
  ...data: (string | Uint8Array)[]
): Promise<string> {
  await using connection = socket(AF_INET, SOCK_STREAM);
  await connection.connect(address);
  for (const piece of data) await connection.sendall(piece);
  await connection.shutdown(SHUT_WR);
  return decode(await new Reader(connection).all());
}

/** An event that others wait for. */
export function signal(): { wait: Promise<void>; give: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { wait: promise, give: () => resolve() };
}
