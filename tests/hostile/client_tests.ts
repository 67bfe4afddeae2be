/**
 * Tests that the client of every experiment ends, whatever its server does: some
 * pairs of client and runtime in the suite, the others in the gate.
 */
import { expect } from "bun:test";
import { commandFor, run, RUNTIMES } from "../support/runtimes.ts";
import { ROOT } from "../support/scripts.ts";
import { testOn } from "../support/test_on.ts";
import type { Outcome, Run } from "./clients.ts";
import { EXCHANGES } from "./exchanges.ts";
import { type HostileServer, startServers } from "./servers.ts";

/**
 * Where a client need not fail: what it gets is what it takes for an answer. All
 * other clients have to say that there was none.
 */
const HONEST: Record<string, RegExp> = {
  // They send; the end of the stream is all that syslog answers.
  event_log: /^(?!says nothing|resets)/,
  iot_devices: /^(?!says nothing|resets)/,
  names: /^hangs up/,
  // Any text is a greeting, any line a thank-you, and any 16 MiB a reply.
  tcp_hello: /^sends/,
  tcp_thank_you: /^sends (garbage|lines|an empty line)/,
  tcp_half_close: /without end$/,
  // Anybody may answer, and any datagram is what recv(5) gave.
  udp_echo: /^sends at a rate what it got|another port/,
  udp_broadcast: /another port/,
  udp_datagrams: /garbage|floods|at a rate what it got/,
};

/** An answer comes, but something else, too. */
const ANSWERED = /^answers (twice|a second late|beside)/;

/** What a client prints at most, in characters, and takes, in bytes. */
const [PRINTED, TAKEN] = [20_000, 40 * 1024 * 1024];

/** A client that has not ended after so many ms does not end. */
const LIMIT = 45_000;

/** Drives a terminal, or turns the direction of writing. */
// deno-lint-ignore no-control-regex
const RAW = /[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/;

/** Declares the tests: each client against each kind of server on a runtime. */
export function testClients({ gate }: { gate: boolean }): void {
  for (const [column, runtime] of RUNTIMES.entries()) {
    testOn(runtime, `every client ends on ${runtime}`, async () => {
      const servers = await startServers();
      try {
        const runs = servers.flatMap(clientsOf).filter((_, row) =>
          gate === ((row + column) % RUNTIMES.length !== 0)
        );
        const { stdout, stderr } = await run([
          ...commandFor(runtime, ["-A"]),
          ...[`${ROOT}tests/hostile/clients.ts`, JSON.stringify(runs)],
        ], { limit: LIMIT });
        const outcomes = stdout.trim().split("\n")
          .map((line): Outcome => JSON.parse(line));
        expect(stderr).toBe("");
        expect(faultsIn(runs, outcomes, servers)).toEqual([]);
      } finally {
        for (const server of servers) server.close();
      }
    });
  }
}

/** The clients that speak to such a server. */
function clientsOf({ kind, port }: HostileServer): Run[] {
  return Object.entries(EXCHANGES)
    .filter(([, one]) => one.kind === kind || "datagrams" in one)
    .map(([name]) => [name, port]);
}

function faultsIn(
  runs: Run[],
  outcomes: Outcome[],
  servers: HostileServer[],
): string[] {
  const behaviourAt = new Map(servers.map((one) => [one.port, one.behaviour]));
  const faults = runs
    .filter(([script, port]) =>
      !outcomes.some((one) => one.script === script && one.port === port)
    )
    .map(([script, port]) =>
      `${script} has not ended: ${behaviourAt.get(port)}`
    );
  for (const { script, port, failure, bug, lines } of outcomes) {
    const behaviour = behaviourAt.get(port) ?? "";
    const text = [...lines, failure ?? ""].join("");
    const wrong = bug ??
      (RAW.test(text) ? "printed something raw" : undefined) ??
      (text.length > PRINTED ? `printed ${text.length} characters` : undefined);
    const may = [ANSWERED, HONEST[script]].some((one) => one?.test(behaviour));
    if (wrong) faults.push(`${script}, ${behaviour}: ${wrong}`);
    else if (failure === undefined && !may) {
      faults.push(`${script}, ${behaviour}: took that for an answer`);
    }
  }
  for (const { behaviour, taken } of servers) {
    if (taken() > TAKEN) faults.push(`${taken()} bytes taken: ${behaviour}`);
  }
  return faults;
}
