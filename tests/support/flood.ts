/**
 * Floods a server of event_log: what it keeps, and how much memory it takes.
 */
import { expect } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { type Address, AF_INET, SOCK_STREAM, socket } from "../../lib/mod.ts";
import { formatSyslog } from "../../lib/protocols/syslog.ts";
import { frameCounted, frameLine } from "../../lib/protocols/syslog_framing.ts";
import { command } from "./ends.ts";
import { type RuntimeName, start } from "./runtimes.ts";

/** Why the memory of a process cannot be read, if so. */
export const noProc = existsSync("/proc/self/status")
  ? undefined
  : "there is no /proc";

/** Sends numbered messages, both ways of framing in turn, in large pieces. */
export async function flood(address: Address, sender: number, count: number) {
  await using connection = socket(AF_INET, SOCK_STREAM);
  await connection.connect(address);
  for (let i = 0; i < count;) {
    const frames: Uint8Array[] = [];
    for (const end = Math.min(count, i + 100); i < end; i++) {
      const message = formatSyslog({
        hostname: `machine${sender}`,
        appname: "flood",
        message: `message ${i} from ${sender}`,
      });
      frames.push(i % 2 ? frameCounted(message) : frameLine(message));
    }
    await connection.sendall(Buffer.concat(frames));
  }
  await connection.shutdown("SHUT_WR");
  await connection.recv(1);
}

/**
 * Four rounds of 10 senders with so many messages each: the server loses none,
 * and its memory has not grown since the second round.
 */
export async function floodServer(
  runtime: RuntimeName,
  count: number,
  [log, output]: [log: string, output: string],
): Promise<void> {
  const server = start([
    ...["sh", "-c", 'exec "$@" > "$0"', output],
    ...command(
      "event_log",
      runtime,
      ["server", "--port", "0", "--file", log],
      ["--allow-net", "--allow-read", "--allow-write"],
    ),
  ], { measured: true });
  const [, port] = await server.said(/Listening on [\d.]+:(\d+)/);
  const address: Address = ["127.0.0.1", Number(port)];
  const memory = () => {
    const status = readFileSync(`/proc/${server.pid}/status`, "utf8");
    return Number(status.match(/VmRSS:\s+(\d+) kB/)?.[1]) * 1024;
  };
  const rounds = async () => {
    const senders = Array.from({ length: 10 }, (_, i) => i);
    for (let round = 0; round < 2; round++) {
      await Promise.all(senders.map((i) => flood(address, i, count)));
    }
    return memory();
  };
  const before = await rounds();
  const grown = await rounds() - before;
  server.kill("SIGINT");
  await server.finished;

  expect(grown).toBeLessThan(64 * 2 ** 20);
  const lines = readFileSync(output, "utf8").split("\n");
  const all = 40 * count;
  expect(lines.at(-2)).toBe(
    `${all} messages: ${all} over TCP, 0 over UDP; 0 malformed`,
  );
  expect(lines).toHaveLength(all + 3);
  const seen = new Map<string, number>();
  for (const line of readFileSync(log, "utf8").trimEnd().split("\n")) {
    const { message } = JSON.parse(line);
    seen.set(message, (seen.get(message) ?? 0) + 1);
  }
  expect(seen.size).toBe(10 * count);
  expect([...new Set(seen.values())]).toEqual([4]);
}
