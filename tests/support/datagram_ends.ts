/**
 * The experiments on datagrams as a user runs them, an end in each of two
 * processes: some in the suite, the other pairs of runtimes in the gate.
 *
 * @module
 */
import { expect } from "bun:test";
import { freePort } from "../../scripts/tools/support/free_port.ts";
import { commandFor, run, RUNTIMES, start } from "./runtimes.ts";
import { ROOT } from "./scripts.ts";
import { testOn } from "./test_on.ts";

const EXPERIMENTS = [
  ...["udp_echo", "udp_datagrams", "udp_broadcast"],
  ...["udp_stop_and_wait", "udp_window", "game_snapshots"],
];

/**
 * Declares the tests of the suite, which have each experiment and each runtime
 * at both ends once, or those of all other pairs.
 */
export function testEnds({ gate }: { gate: boolean }): void {
  for (const [row, name] of EXPERIMENTS.entries()) {
    const command = (runtime: typeof RUNTIMES[number], ...words: string[]) => [
      ...commandFor(runtime, ["--allow-net"]),
      ...[`${ROOT}scripts/${name}.ts`, ...words],
    ];
    for (const [column, runtime] of RUNTIMES.entries()) {
      if ((row % 3 !== column) !== gate) continue;
      const other = RUNTIMES[(column + 1) % RUNTIMES.length];
      const title = `${name}: a client on ${runtime}, a server on ${other}`;

      testOn(runtime, title, async () => {
        const server = start(command(other, "server", "--port", "0"));
        const [, port] = await server.said(/Listening on [\d.]+:(\d+)/);
        const client = await run(command(runtime, "client", "--port", port));
        expect(client).toMatchObject({ code: 0, stderr: "" });
        server.kill("SIGINT");
        expect(await server.finished).toMatchObject({ code: 0 });
      });

      testOn(runtime, `${name}: no server, on ${runtime}`, async () => {
        const port = String(await freePort());
        const { code, stderr } = await run(
          command(runtime, "client", "--port", port),
        );
        expect(code).toBe(1);
        expect(stderr).toMatch(
          /^Cannot (send to|receive from) 127\.\S+: .+\n.* server.*\n$/,
        );
      });
    }
  }
}
