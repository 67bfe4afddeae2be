/**
 * Every experiment between two hosts, on three bad networks: a slow one, one that
 * loses, doubles and reorders packets, and one that corrupts them. What the
 * header promises is printed, or one true line and exit code 1 if the network is
 * too bad; and each run ends.
 */
import { describe, expect } from "bun:test";
import { nextTo } from "./ends.ts";
import { REMOTE, runApart, unlikeHeader } from "./remote_ends.ts";
import { find, RUNTIMES } from "./runtimes.ts";
import { TIMED } from "./scripts.ts";
import { needing } from "./test_on.ts";
import { noTwoHosts } from "./two_hosts.ts";

const NETWORKS = {
  "a delay of 20 ms": { delay: 20 },
  "losses, doubles and overtaking": {
    ...{ delay: 2, loss: 0.1, double: 0.1, reorder: 0.1 },
    mtu: 9000, // so that 16 MiB need not thousands of repetitions
  },
  "corrupted packets": { delay: 2, corrupt: 0.02 },
};

/** What a client prints of datagrams if some were lost or doubled. */
const PROMISES: Record<string, RegExp> = {
  udp_echo: /^From \('10\.77\.0\.2', 9000\): Hello, UDP!\n$/m,
  udp_datagrams:
    /^recv\(5\) gave: (?:one|two a|three)(?:, (?:one|two a|three)){0,2}\n10 sent, \d+ received, \d+% lost\n(?:min\/avg\/max: .* ms\n)?$/m,
  // Without numbers a doubled acknowledgement passes for the next one.
  udp_stop_and_wait:
    /^Without numbers: 10 blocks, \d+ sends\nWith 0 and 1: 10 blocks, \d+ sends\n$/,
  udp_window: /^(?:[a-zN 8,-]+: +\d+ sends, +\d+ again, \d+ ms\n){3}$/,
  tftp_files: /^(?:Window of \d: 40 blocks in \d+ ms, SHA-256 430f\w+\n){2}$/,
  udp_broadcast: /^\d answers\n$/m,
  // The result does not depend on what is lost.
  game_snapshots:
    /^(?:(?:ann|bob): \d+ of 120 states came; 6 moves, sent \d+ times\n){2}Tick 120: ball 136,58, paddles 144 and 68, points 1:0\n$/,
  dns_lookup:
    /^a\.lab\.test A 165\.165\.80\.80\n(No answer .*\n)*none\.lab\.test: NXDOMAIN, for 300 s\n(No answer .*\n)*Truncated: .*\nlong\.lab\.test TXT 1600 bytes in 8 strings\n$/m,
  event_log: /^Sent 5 messages\n$/m,
  iot_devices: /^Sent 2 readings of each\n$/m,
  time_sync: /^It is \S+Z by a stratum 10 server\n$/m,
  job_schedule: /^The server's time, from 1 answers: within \d+\.\d ms\n/m,
};

/** Fewer requests for the time, which are 15 s apart, on the bad networks. */
const FEWER: Record<string, string[]> = {
  time_sync: ["--samples", "2"],
  job_schedule: ["--workers", "2"],
  iot_devices: ["--devices", "2"],
};

/** These lines may come between those of the header. */
const WAITS = /^(The next request follows|No answer in|To \(.*Hello)/;

/** Of these it depends on chance what they say. */
const CHANCE = /^Side by side saved them/;

/** The longest run, in ms: requests for the time are 15 s apart. */
const LIMIT = 180_000;

/** Tests every experiment on one of the networks. */
export function testOnNetwork(what: keyof typeof NETWORKS): void {
  if (noTwoHosts) return needing(noTwoHosts, what, async () => {});
  const column = Object.keys(NETWORKS).indexOf(what);
  describe(what, () => {
    for (const [row, script] of REMOTE.entries()) {
      const client = RUNTIMES[(row + column) % RUNTIMES.length];
      const server = nextTo(client);
      const reason = find(client).reason ?? find(server).reason;
      const title = `${script}: a client on ${client}, a server on ${server}`;
      const calm = TIMED.includes(`${script}.ts`);
      const few = column > 0 || script === "job_schedule";
      const flags = few ? FEWER[script] : undefined;
      const network = NETWORKS[what];
      const ends = { script, client, server, network, ...(flags && { flags }) };
      const body = () => expectTrue({ ...ends, calm: true }, column > 0);
      needing(reason, title, body, LIMIT + 70_000, calm);
    }
  });
}

/** What both ends say is what the header promises, or why it cannot be. */
async function expectTrue(
  ends: Parameters<typeof runApart>[0],
  bad: boolean,
): Promise<void> {
  const { script } = ends;
  const ended = await runApart(ends, LIMIT);
  expect(ended.server.code).toBe(0);
  const { code, stdout, stderr } = ended.client;
  if (bad && code === 1) {
    return expect(stderr).toMatch(/^Cannot [^\n]+\n(?:[^\n]+\n)?$/);
  }
  expect([code, stderr]).toEqual([0, ""]);
  const promise = PROMISES[script];
  if (promise) expect(stdout).toMatch(promise);
  if (promise && (bad || script === "job_schedule")) return;
  const also = new RegExp(`${WAITS.source}|${CHANCE.source}`);
  expect(unlikeHeader(script, ended, also)).toBeNull();
}

/** Nothing but connect() takes a second here, five intervals. */
export function testLateReadings(): void {
  for (const client of RUNTIMES) {
    const reason = noTwoHosts ?? find(client).reason ??
      find(nextTo(client)).reason;
    const title = `iot_devices on ${client} takes no reading late`;
    needing(reason, title, async () => {
      const script = "iot_devices";
      const [network, flags] = [{ delay: 500 }, ["--devices", "1"]];
      const { server } = await runApart({
        ...{ script, client, server: nextTo(client), network, calm: true },
        flags: [...flags, "--deaf", "0"],
      });
      const rows = [...server.stdout.matchAll(/ 1 +(\d+)\.\.(\d+) {2}/g)];
      expect(rows).toHaveLength(2);
      for (const [, least] of rows) expect(Number(least)).toBeLessThan(500);
    });
  }
}
