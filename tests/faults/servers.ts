/**
 * Servers on whose machine something fails, and what a test needs of them; the
 * suite and the gate use it.
 */
import { describe, expect } from "bun:test";
import dgram from "node:dgram";
import { freePort } from "../../scripts/tools/support/free_port.ts";
import {
  commandFor,
  find,
  run,
  type Running,
  type RuntimeName,
  RUNTIMES,
  start,
} from "../support/runtimes.ts";
import { ROOT } from "../support/scripts.ts";
import { needing } from "../support/test_on.ts";

/** Tests what each runtime does about a fault. */
export function fault(
  title: string,
  body: (runtime: RuntimeName) => Promise<void>,
  missing?: string,
): void {
  describe(title, () => {
    for (const runtime of RUNTIMES) {
      const reason = missing ?? find(runtime).reason;
      needing(reason, `on ${runtime}`, () => body(runtime));
    }
  });
}

/** The command that runs a file, or the experiment with this name. */
export function commandOf(
  runtime: RuntimeName,
  [name, ...args]: string[],
  permissions = ["--allow-net"],
): string[] {
  const script = name.includes("/") ? name : `scripts/${name}.ts`;
  return [...commandFor(runtime, permissions), script, ...args];
}

interface Server extends Running {
  port: number;
}

/** Starts a server, `before` which another command may stand. */
export async function serverOf(
  runtime: RuntimeName,
  [name, ...args]: string[],
  { before = [], permissions }: { before?: string[]; permissions?: string[] } =
    {},
): Promise<Server> {
  const all = [name, "server", "--port", "0", ...args];
  const command = [...before, ...commandOf(runtime, all, permissions)];
  const server = start(command, { cwd: ROOT });
  const [, port] = await server.said(/Listening on (?:[\d.]+:(\d+)|.*) \(/);
  return { ...server, port: Number(port) };
}

/** Stops a server, which must end well; resolves to what it printed. */
export async function stopped(server: Running) {
  server.kill("SIGINT");
  const { code, stdout, stderr } = await server.finished;
  expect([code, stderr]).toEqual([0, expect.not.stringMatching(/^ +at /m)]);
  return { stdout, stderr };
}

/**
 * Runs a client of a server whose clock is set back by an hour after so many
 * calls; resolves to what both print.
 */
export async function withSteppedClock(
  runtime: RuntimeName,
  [name, call, count]: string[],
  ...flags: string[]
) {
  const script = ["tests/faults/stepped.ts", name, call, count];
  const permissions = ["--allow-net", `--allow-read=${ROOT}`];
  const server = start(commandOf(runtime, script, permissions), { cwd: ROOT });
  const [, port] = await server.said(/Listening on .*:(\d+) \(/);
  const args = [name, "client", "--port", port, ...flags];
  const client = await run(commandOf(runtime, args), { cwd: ROOT });
  expect(client).toMatchObject({ code: 0, stderr: "" });
  return { client: client.stdout, server: (await stopped(server)).stdout };
}

/** A server whose UDP port is taken says so. */
export async function expectPortTaken(runtime: RuntimeName, name: string) {
  const taken = dgram.createSocket("udp4");
  const port = String(await freePort());
  await new Promise<void>((resolve) => {
    taken.bind(Number(port), "127.0.0.1", resolve);
  });
  const args = [name, "server", "--port", port];
  const { code, stderr } = await run(commandOf(runtime, args), { cwd: ROOT });
  taken.close();
  expect([code, stderr]).toEqual([
    1,
    `Cannot bind to 127.0.0.1:${port}: address already in use\n` +
    "Another server has this port: stop it, or choose another with --port\n",
  ]);
}

/** A server with the address of another machine says so. */
export async function expectForeignAddress(runtime: RuntimeName, name: string) {
  const args = [name, "server", "--host", "192.0.2.99"];
  const { code, stderr } = await run(commandOf(runtime, args), { cwd: ROOT });
  expect(stderr).toMatch(
    /^Cannot bind to 192\.0\.2\.99:\d+: not an address of this machine\nA server listens on an address of its own machine: see --host\n$/,
  );
  expect(code).toBe(1);
}
