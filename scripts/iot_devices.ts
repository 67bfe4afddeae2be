/**
 * Devices whose clocks are wrong when they boot read their sensors at the same
 * moments, once each has asked for the time; one that got none says so.
 *
 *     deno run --allow-net scripts/iot_devices.ts
 *     bun scripts/iot_devices.ts
 *     node scripts/iot_devices.ts
 *
 * The server is their time service (SNTP over UDP) and collects the readings
 * (syslog over TCP); it judges them by its own clock. Readings are due at
 * whole multiples of `--interval 200` ms of true time. `--deaf 1` lets so many
 * of the `--devices 4` ask where nobody answers. `--collector 1514` sends the
 * readings to another port, be it event_log's or rsyslog's.
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
  AF_INET,
  type End,
  experiment,
  SHUT_WR,
  SOCK_DGRAM,
  SOCK_STREAM,
  socket,
  type StreamSocket,
} from "../lib/mod.ts";
import { openBoth } from "../lib/services/open_both.ts";
import {
  clockText,
  type Collected,
  formatReading,
  lineUp,
  parseReading,
} from "../lib/protocols/reading.ts";
import { clock, shift, steady } from "../lib/protocols/sntp.ts";
import { frameLine, Unframer } from "../lib/protocols/syslog_framing.ts";
import { random } from "../lib/services/random.ts";
import { serveAll } from "../lib/services/serve_all.ts";
import { putRight, tellTime, until } from "../lib/services/time_service.ts";

export async function server(end: End) {
  const { address, print, ready } = end;
  // 1. Open one port for both services: TCP for readings, UDP for the time.
  const [listener, receiver] = await openBoth(address);
  ready(listener, receiver);

  // 2. Tell the time to all who ask, and collect the readings, each with the
  //    time at which it came.
  const readings: Collected[] = [];
  let dropped = 0;
  const collect = async (device: StreamSocket) => {
    const unframer = new Unframer();
    for (let data; (data = await device.recv(65536)).length > 0;) {
      const arrival = clock();
      for (const { bytes } of unframer.push(data)) {
        const reading = parseReading(bytes);
        const kept = reading && readings.length < MOST;
        if (kept) readings.push({ ...reading, arrival });
        else dropped++;
      }
    }
  };
  await Promise.all([tellTime(receiver), serveAll(listener, end, collect)]);

  // 3. Compare the readings of each moment.
  for (const line of lineUp(readings)) print(line);
  if (dropped > 0) print(`${dropped} messages dropped`);
  return { readings, dropped };
}

export async function client({ address, flags, print }: End) {
  const number = (name: string, unless: unknown) =>
    Number(flags[name] ?? unless);
  const [devices, deaf] = [number("devices", 4), number("deaf", 1)];
  const [readings, interval] = [number("readings", 2), number("interval", 200)];
  const [seed, port] = [number("seed", 7), number("collector", address[1])];

  // 1. Boot devices with wrong clocks, the same ones for the same --seed, and
  //    let each ask for the time; the deaf ones ask where nobody answers.
  await using silent = socket(AF_INET, SOCK_DGRAM);
  await silent.bind(["127.0.0.1", 0]);
  const boot = async (_: unknown, i: number) => {
    const error = Math.round((2 * random(seed, 2 * i + 1) - 1) * 600_000);
    const celsius = (15 + 10 * random(seed, 2 * i + 2)).toFixed(1);
    const ahead = error + shift();
    const service = i < devices - deaf ? address : silent.getsockname();
    const lost: number[] = [];
    const note = (ms: number) => void lost.push(ms);
    const clock = await putRight(() => steady() + ahead, service, note);
    return { device: `dev${i + 1}`, error, celsius, lost, ...clock };
  };
  const booted = await Promise.all(Array.from({ length: devices }, boot));
  print("device  wrong by    after");
  for (const device of booted) print(clockText(device));

  // 2. Let each send its readings over a connection of its own. They begin in
  //    the middle of an interval, so that all agree which is the next.
  const middle = (Math.floor(clock() / interval) + 1.5) * interval;
  const send = async (booted: Awaited<ReturnType<typeof boot>>) => {
    const { device, celsius, error, now, sample } = booted;
    await using connection = socket(AF_INET, SOCK_STREAM);
    await connection.connect([String(address[0]), port]);
    const begin = middle + error + (sample?.offset ?? 0);
    for (let n = 0; n < readings; n++) {
      const due = (Math.ceil(begin / interval) + n) * interval;
      await until(due, now);
      const [time, bound] = [now(), sample?.bound];
      const reading = formatReading({ device, due, time, bound, celsius });
      await connection.sendall(frameLine(reading));
    }
    await connection.shutdown(SHUT_WR);
    await connection.recv(1); // the server has seen the end
  };
  await Promise.all(booted.map(send));
  print(`Sent ${readings} readings of each`);
  return booted;
}

/** So many readings are kept. */
const MOST = 10_000;

if (import.meta.main) {
  // Some 270 requests at once are more than a socket keeps.
  const few = { takes: "1 to 199", pattern: /^(?!0)1?\d{1,2}$/ };
  const some = { takes: "1 to 9999", pattern: /^[1-9]\d{0,3}$/ };
  const any = { takes: "0 to 9999", pattern: /^\d{1,4}$/ };
  const port =
    /^([1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])$/;
  const one = { takes: "1 to 65535", pattern: port };
  const flags = {
    devices: { ...few, help: "boot so many devices (4)" },
    deaf: { ...any, help: "of which so many get no answer (1)" },
    seed: { ...any, help: "choose by how much their clocks are wrong (7)" },
    readings: { ...some, help: "let each send so many (2)" },
    interval: { ...some, help: "with so many ms between them (200)" },
    collector: { ...one, help: "to this port (that of the time service)" },
  };
  await experiment({ url: import.meta.url, port: 1123, flags, server, client });
}
