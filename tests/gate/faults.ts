/**
 * Faults that take long, or differ from one in faults_spec.ts only in the
 * server that meets them.
 */
import { expect } from "bun:test";
import {
  expectForeignAddress,
  expectPortTaken,
  fault,
  serverOf,
  stopped,
  withSteppedClock,
} from "../faults/servers.ts";
import * as datagram from "../hostile/datagram_peers.ts";
import { type DatagramExchange, EXCHANGES } from "../hostile/exchanges.ts";

fault(
  "job_schedule moves no job for a clock that is set back",
  async (runtime) => {
    const call = ["job_schedule", "sendall", "1"];
    const { server } = await withSteppedClock(runtime, call);
    expect(server).toMatch(/^backup: \d of 5 on time within \d{1,4} ms; /);
    expect(server).toMatch(/^report: \d of 5 on time within \d{1,4} ms; /m);
    expect(server).toMatch(/^backup: 1 late by up to \d{1,5} ms$/m);
    expect(server).not.toContain("did not report");
  },
);

fault("a UDP port that is taken is reported", async (runtime) => {
  for (const name of ["udp_echo", "job_schedule"]) {
    await expectPortTaken(runtime, name);
  }
});

fault("an address of another machine is reported", async (runtime) => {
  for (const name of ["tcp_time", "udp_echo", "event_log"]) {
    await expectForeignAddress(runtime, name);
  }
});

fault("after a kill -9 a UDP port serves at once", async (runtime) => {
  const killed = await serverOf(runtime, ["event_log"]);
  killed.kill("SIGKILL");
  await killed.finished;
  const port = ["--port", String(killed.port)];
  const next = await serverOf(runtime, ["udp_datagrams", ...port]);
  const exchange = EXCHANGES.udp_datagrams as DatagramExchange;
  expect(await datagram.ask(killed.port, exchange)).toBeUndefined();
  await stopped(next);
});
