/**
 * Datagram servers that answer each other: one forged datagram must not keep two
 * of them busy for ever.
 */
import { describe, expect, test } from "bun:test";
import dgram from "node:dgram";
import { readFileSync } from "node:fs";
import {
  answering,
  MOST,
  PAUSE,
  SERVER_PORTS,
} from "../lib/experiment/answering.ts";
import type { Address } from "../lib/mod.ts";
import { serverOf, stopped } from "./faults/servers.ts";
import { type DatagramExchange, EXCHANGES } from "./hostile/exchanges.ts";
import { noProc, ticksOf } from "./support/proc.ts";
import { nextTo } from "./support/ends.ts";
import { find, RUNTIMES } from "./support/runtimes.ts";
import { ROOT } from "./support/scripts.ts";
import { needing } from "./support/test_on.ts";

describe("answering()", () => {
  const sender: Address = ["192.0.2.7", 40_000];
  const refused = "Not answered: 192.0.2.7:";

  test("refuses the ports of servers, and tells of each once", () => {
    const decide = answering(5000);
    for (const port of [5000, 1, 7, 53, 1023, ...SERVER_PORTS]) {
      const line = `${refused}${port} has a server's port`;
      expect(decide(["192.0.2.7", port], 0)).toBe(line);
      expect(decide(["192.0.2.7", port], 9e9)).toBe("");
    }
    for (const port of [1024, 5001, 65535]) {
      expect(decide(["192.0.2.7", port], 0)).toBeUndefined();
    }
  });

  test("refuses a sender that asks too often, until it makes a pause", () => {
    const decide = answering(5000);
    let now = 0;
    for (let i = 0; i < 3 * MOST; i++) { // as often as it may
      expect(decide(sender, now += PAUSE / MOST)).toBeUndefined();
    }
    now += PAUSE;
    for (let i = 0; i < MOST; i++) expect(decide(sender, now)).toBeUndefined();
    const line = `${refused}40000 asks more than ${MOST} times a second`;
    expect(decide(sender, ++now)).toBe(line);
    expect(decide(["192.0.2.7", 40_001], now)).toBeUndefined();
    expect(decide(sender, now += PAUSE - 1)).toBe("");
    expect(decide(sender, now += PAUSE)).toBeUndefined();
  });

  test("remembers the last senders", () => {
    const decide = answering(5000);
    for (let i = 0; i <= MOST; i++) decide(sender, 0);
    for (let port = 2000; port < 3000; port++) decide(["192.0.2.8", port], 0);
    expect(decide(sender, 0)).toBe("");
    for (let port = 3000; port < 4200; port++) decide(["192.0.2.8", port], 0);
    expect(decide(sender, 0)).toBeUndefined();
  });

  test("knows the port of each experiment that receives datagrams", () => {
    const ports = new Set<number>();
    for (const [name, exchange] of Object.entries(EXCHANGES)) {
      if (exchange.kind !== "datagram" && !exchange.datagrams) continue;
      const source = readFileSync(`${ROOT}scripts/${name}.ts`, "utf8");
      ports.add(Number(source.match(/experiment\(\{.* port: (\d+),/)![1]));
    }
    expect([...ports].sort((a, b) => a - b)).toEqual(SERVER_PORTS);
  });
});

/** Sends datagrams to a port of loopback from an own port, and leaves it. */
async function sendOnce(say: string | Uint8Array, port: number, to?: string) {
  const data = typeof say === "string" ? Buffer.from(say, "latin1") : say;
  const forger = dgram.createSocket("udp4");
  await new Promise<void>((bound) => forger.bind(0, "127.0.0.1", bound));
  forger.setBroadcast(true);
  for (let i = 0; i < 4; i++) { // udp_echo answers every second one
    await new Promise((sent) =>
      forger.send(data, port, to ?? "127.0.0.1", sent)
    );
  }
  const own = forger.address().port;
  await new Promise<void>((closed) => forger.close(closed));
  return own;
}

/** Whether processes that are idle get no processor time, sooner or later. */
async function fallSilent(pids: number[]): Promise<boolean> {
  const ticks = () => pids.map(ticksOf).reduce((a, b) => a + b);
  for (let tries = 20; tries > 0; tries--) {
    const before = ticks();
    await Bun.sleep(500);
    if (ticks() - before <= 1) return true;
  }
  return false;
}

describe("two servers, the one of which seems to have asked the other", () => {
  const names = ["udp_echo", "udp_datagrams", "udp_broadcast"];
  names.push("udp_stop_and_wait", "udp_window", "game_snapshots");
  names.push("time_sync", "iot_devices", "job_schedule");
  for (const [i, name] of names.entries()) {
    const runtime = RUNTIMES[i % 3];
    const other = nextTo(runtime);
    const reason = noProc ?? find(runtime).reason ?? find(other).reason;
    const title = `fall silent: ${name} on ${runtime}, an echo on ${other}`;
    needing(reason, title, async () => {
      const exchange = EXCHANGES[name];
      const { say, to } = (exchange.kind === "datagram"
        ? exchange
        : exchange.datagrams) as DatagramExchange;
      // On the broadcast address of loopback it hears no answer.
      const flags = name === "udp_broadcast" ? ["--host", "0.0.0.0"] : [];
      const asked = await serverOf(runtime, [name, ...flags]);
      // It reads the datagrams when the other server has their sender's port.
      asked.kill("SIGSTOP");
      const port = String(await sendOnce(say, asked.port, to));
      const echo = await serverOf(other, ["udp_datagrams", "--port", port]);
      asked.kill("SIGCONT");
      expect(await fallSilent([asked.pid, echo.pid])).toBe(true);
      await stopped(asked);
      await stopped(echo);
    });
  }
});
