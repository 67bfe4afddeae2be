/**
 * Coordination of IoT devices: their clocks are wrong, yet they read their sensors
 * at the same moments, once each has asked a time server.
 *
 * Aim: To set devices' clocks from a server, and to collect their readings.
 *
 *     deno run --allow-net scripts/iot_devices.ts
 *     bun scripts/iot_devices.ts
 *     node scripts/iot_devices.ts
 *
 * The server tells the time (SNTP over UDP) and collects the readings (syslog
 * over TCP), due at multiples of `--interval 200` ms. Of `--devices 4`, `--deaf 1`
 * gets no answer, and says so. `--collector 1514` sends to event_log or rsyslog.
 *
 * Output:
 *
 *     client: device  wrong by    after
 *     client: dev1    -585.954 s  <+0.047> ms, at most <1.309> ms
 *     client: dev2    +572.289 s  <+0.062> ms, at most <1.275> ms
 *     client: dev3    +25.734 s   <-0.040> ms, at most <1.242> ms
 *     client: dev4    -40.521 s   not set; no answer in 300, 600, 1200 ms
 *     client: Sent 2 readings of each
 *     server: due           of  taken, arrived after that, spread (ms)
 *     server: <18:55:12.000>  3   <0..1>  <0.6..1.9>  <1.3>
 *     server: <18:55:12.200>  3   <0..1>  <0.4..0.9>  <0.5>
 *     server: dev4: 2 not synchronized, off by <-40.522> s
 */
import {
  type Address,
  AF_INET,
  type End,
  experiment,
  SHUT_WR,
  SOCK_DGRAM,
  SOCK_STREAM,
  socket,
  type StreamSocket,
} from "../lib/mod.ts";
import { formatReading, parseReading } from "../lib/protocols/reading.ts";
import { FrameDecoder, frameLine } from "../lib/protocols/syslog_framing.ts";
import {
  monotonic,
  realtime,
  realtimeOffset,
  sleepUntil,
} from "../lib/services/clock.ts";
import { PORT } from "../lib/services/flag_values.ts";
import { openBoth } from "../lib/services/open_both.ts";
import { random } from "../lib/services/random.ts";
import {
  clockTable,
  type Collected,
  readingTable,
} from "../lib/services/reading_table.ts";
import { serveAll } from "../lib/services/serve_all.ts";
import { serveTime, synchronize } from "../lib/services/time_service.ts";

export async function server(end: End) {
  const { address, print, ready } = end;
  // 1. Bind two sockets to one port: TCP for readings, UDP for the time.
  const [listener, receiver] = await openBoth(address);
  ready(listener, receiver);

  // 2. Answer each request for the time. Keep each reading with its arrival time.
  const readings: Collected[] = [];
  let dropped = 0;
  const collect = async (device: StreamSocket) => {
    const decoder = new FrameDecoder();
    for (let data; (data = await device.recv(65536)).length > 0;) {
      const arrival = realtime();
      for (const { bytes } of decoder.push(data)) {
        const reading = parseReading(bytes);
        const kept = reading && readings.length < 10_000;
        if (kept) readings.push({ ...reading, arrival });
        else dropped++;
      }
    }
  };
  await Promise.all([serveTime(receiver), serveAll(listener, end, collect)]);

  // 3. Compare the readings of each moment.
  for (const line of readingTable(readings)) print(line);
  if (dropped > 0) print(`${dropped} messages dropped`);
  return { readings, dropped };
}

export async function client({ address, flags, print }: End) {
  const number = (name: string, n: number) => Number(flags[name] ?? n);
  const [devices, deaf] = [number("devices", 4), number("deaf", 1)];
  const [readings, interval] = [number("readings", 2), number("interval", 200)];
  const [seed, port] = [number("seed", 7), Number(address[1])];

  // 1. Simulate devices that boot with wrong clocks, the same for each --seed,
  //    and correct each clock by SNTP. The deaf ones get no reply.
  await using silent = socket(AF_INET, SOCK_DGRAM);
  await silent.bind(["127.0.0.1", 0]);
  const boot = async (_: unknown, i: number) => {
    const error = Math.round((2 * random(seed, 2 * i + 1) - 1) * 600_000);
    const celsius = (15 + 10 * random(seed, 2 * i + 2)).toFixed(1);
    const [ahead, lost] = [error + realtimeOffset(), [] as number[]];
    const service = i < devices - deaf ? address : silent.getsockname();
    const own = () => monotonic() + ahead;
    const onTimeout = (ms: number) => lost.push(ms);
    const clock = await synchronize(own, service, { onTimeout, print });
    return { device: `dev${i + 1}`, error, celsius, lost, ...clock };
  };
  const booted = await Promise.all(Array.from({ length: devices }, boot));
  for (const line of clockTable(booted)) print(line);

  // 2. Connect each device to the collector. Then send a reading at the end of
  //    each interval. Begin in the middle of one: so all agree which is next.
  const to: Address = [String(address[0]), number("collector", port)];
  const connections = booted.map(() => socket(AF_INET, SOCK_STREAM));
  await Promise.all(connections.map((connection) => connection.connect(to)));
  const middle = (Math.floor(realtime() / interval) + 1.5) * interval;
  const send = async (connection: StreamSocket, i: number) => {
    const { device, celsius, error, now, sample } = booted[i];
    const begin = middle + error + (sample?.offset ?? 0);
    for (let n = 0; n < readings; n++) {
      const due = (Math.ceil(begin / interval) + n) * interval;
      await sleepUntil(due, now);
      const [time, bound] = [now(), sample?.bound];
      const reading = formatReading({ device, due, time, bound, celsius });
      await connection.sendall(frameLine(reading));
    }
    await connection.shutdown(SHUT_WR);
    await connection.recv(1); // empty: the server has read everything
    await connection.close();
  };
  await Promise.all(connections.map(send));
  print(`Sent ${readings} readings of each`);
  return booted;
}

if (import.meta.main) {
  // A receive buffer holds some 270 requests that come at once.
  const few = { takes: "1 to 199", pattern: /^(?!0)1?\d{1,2}$/ };
  const some = { takes: "1 to 9999", pattern: /^[1-9]\d{0,3}$/ };
  const any = { takes: "0 to 9999", pattern: /^\d{1,4}$/ };
  const flags = {
    devices: { ...few, help: "boot so many devices (4)" },
    deaf: { ...any, help: "so many of them get no answer (1)" },
    seed: { ...any, help: "choose the errors of their clocks (7)" },
    readings: { ...some, help: "each device sends so many (2)" },
    interval: { ...some, help: "with so many ms between them (200)" },
    collector: { ...PORT, help: "to this port (that of the time server)" },
  };
  const { url } = import.meta;
  await experiment({ url, port: 1123, clock: true, flags, server, client });
}
