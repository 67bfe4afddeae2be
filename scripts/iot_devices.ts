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
 * of the `--devices 4` ask where nobody answers.
 *
 * Output:
 *
 *     client: device  wrong by    after
 *     client: dev1    -395.922 s  <+0.047> ms, at most <1.309> ms
 *     client: dev2    +339.867 s  <+0.062> ms, at most <1.275> ms
 *     client: dev3    -144.745 s  <-0.040> ms, at most <1.242> ms
 *     client: dev4    +355.220 s  not set; no answer in 300, 600, 1200 ms
 *     client: Sent 2 readings of each
 *     server: due           of  taken, arrived after that, spread (ms)
 *     server: <18:55:12.000>  3   <0..1>  <0.6..1.9>  <1.3>
 *     server: <18:55:12.200>  3   <0..1>  <0.4..0.9>  <0.5>
 *     server: dev4: 2 not synchronized, off by <+355.219> s
 */
import { bestSample } from "../lib/ask_time.ts";
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
import { openBoth } from "../lib/open_both.ts";
import {
  type Collected,
  formatReading,
  inSeconds,
  lineUp,
  parseReading,
  type Reading,
} from "../lib/protocols/reading.ts";
import {
  answerTo,
  clock,
  pack,
  requestIn,
  type Sample,
  shift,
  steady,
} from "../lib/protocols/sntp.ts";
import { frameLine, Unframer } from "../lib/protocols/syslog_framing.ts";

export async function server({ address, print, ready, serve }: End) {
  // 1. Open one port for both services: TCP for readings, UDP for the time. A
  //    device may be silent for long: only --timeout ends it.
  const [listener, receiver] = await openBoth(address);
  const patience = listener.gettimeout();
  ready(listener, receiver);

  // 2. Tell the time to all who ask. An answer that cannot be sent is lost,
  //    as any may be.
  const tellTime = async () => {
    for await (const [data, sender] of receiver) {
      const [received, request] = [clock(), requestIn(data)];
      if (!request) continue;
      const answer = answerTo(request, received, clock());
      await receiver.sendto(pack(answer), sender).catch(() => {});
    }
  };

  // 3. Collect the readings, each with the time at which it came.
  const readings: Collected[] = [];
  let dropped = 0;
  const receive = async (device: StreamSocket) => {
    device.settimeout(patience);
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
  const collect = async () => {
    const devices = new Set<Promise<void>>();
    for await (const [device] of listener) {
      await serve(device, () => {
        const work = receive(device);
        devices.add(work);
        return work.finally(() => devices.delete(work));
      });
    }
    await Promise.allSettled(devices);
  };
  await Promise.all([tellTime(), collect()]);

  // 4. Compare the readings of each moment.
  for (const line of lineUp(readings)) print(line);
  if (dropped > 0) print(`${dropped} messages dropped`);
  return { readings, dropped };
}

export async function client({ address, flags, print }: End) {
  // 1. Boot devices with wrong clocks: the same ones for the same --seed.
  const number = (name: string, unless: number) =>
    Number(flags[name] ?? unless);
  const [devices, deaf] = [number("devices", 4), number("deaf", 1)];
  const [readings, interval] = [number("readings", 2), number("interval", 200)];
  const random = randomFrom(number("seed", 1));
  const booted = Array.from({ length: devices }, (_, i): Device => {
    const error = Math.round((2 * random() - 1) * 600_000);
    const ahead = error + shift();
    const celsius = 15 + 10 * random();
    return { name: `dev${i + 1}`, error, now: () => steady() + ahead, celsius };
  });

  // 2. Let each ask for the time; the deaf ones ask where nobody answers.
  await using silent = socket(AF_INET, SOCK_DGRAM);
  await silent.bind(["127.0.0.1", 0]);
  await Promise.all(booted.map((device, i) => {
    const hears = i < devices - deaf;
    return setClock(device, hears ? address : silent.getsockname());
  }));
  print("device  wrong by    after");
  for (const { name, error, sample, lost } of booted) {
    const before = `${name.padEnd(6)}  ${inSeconds(error).padEnd(10)}`;
    const after = sample
      ? `${inMs(error + sample.offset)}, at most ${sample.bound.toFixed(3)} ms`
      : "not set";
    const again = lost!.length > 0
      ? `; no answer in ${lost!.join(", ")} ms`
      : "";
    print(`${before}  ${after}${again}`);
  }

  // 3. Let each send its readings over a connection of its own. They begin in
  //    the middle of an interval, so that all agree which is the next.
  const middle = (Math.floor(clock() / interval) + 1.5) * interval;
  await Promise.all(booted.map(async (device) => {
    await using connection = socket(AF_INET, SOCK_STREAM);
    await connection.connect(address);
    const offset = device.sample?.offset ?? 0;
    const begin = middle + device.error + offset;
    for (let n = 0; n < readings; n++) {
      const due = (Math.ceil(begin / interval) + n) * interval;
      const reading = await takeReading(device, due);
      await connection.sendall(frameLine(formatReading(reading)));
    }
    await connection.shutdown(SHUT_WR);
    await connection.recv(1); // the server has seen the end
  }));
  print(`Sent ${readings} readings of each`);
  return booted;
}

/** A device, which has no other clock than its own to go by. */
interface Device {
  readonly name: string;
  /** The time by its clock less the true time, for the table alone. */
  readonly error: number;
  readonly now: () => number;
  readonly celsius: number;
  /** What the time service said, and how long (ms) it said nothing. */
  sample?: Sample | undefined;
  lost?: number[];
}

/** Asks the time service; who gets no answer waits longer each time. */
async function setClock(device: Device, service: Address) {
  await using connection = socket(AF_INET, SOCK_DGRAM);
  await connection.connect(service);
  const longest = connection.gettimeout() ?? Infinity; // --timeout
  const waits = [300, 600, 1200].map((ms) => Math.min(ms, longest));
  const lost: number[] = device.lost = [];
  const note = (ms: number) => void lost.push(ms);
  device.sample = await bestSample(connection, 4, waits, note, device.now);
}

/** Reads the sensor when the device takes it to be `due`. */
async function takeReading(device: Device, due: number): Promise<Reading> {
  const { name, now, sample } = device;
  const time = () => now() + (sample?.offset ?? 0);
  for (let left; (left = Math.ceil(due - time())) > 0;) {
    await new Promise((resolve) => setTimeout(resolve, left));
  }
  const celsius = device.celsius.toFixed(1);
  return { device: name, due, time: time(), bound: sample?.bound, celsius };
}

/** The same numbers between 0 and 1 everywhere: Park and Miller's. */
function randomFrom(seed: number): () => number {
  let state = seed + 1;
  const next = () => (state = state * 48271 % 2147483647) / 2147483647;
  next(); // small for a small seed
  return next;
}

function inMs(value: number): string {
  return `${value < 0 ? "" : "+"}${value.toFixed(3)} ms`;
}

/** So many readings are kept. */
const MOST = 100_000;

if (import.meta.main) {
  // Some 270 requests at once are more than a socket keeps.
  const few = { takes: "1 to 199", pattern: /^(?!0)1?\d{1,2}$/ };
  const some = { takes: "1 to 9999", pattern: /^[1-9]\d{0,3}$/ };
  const any = { takes: "0 to 9999", pattern: /^\d{1,4}$/ };
  const flags = {
    devices: { ...few, about: "boot so many devices (4)" },
    deaf: { ...any, about: "of which so many get no answer (1)" },
    seed: { ...any, about: "choose by how much their clocks are wrong (1)" },
    readings: { ...some, about: "let each send so many (2)" },
    interval: { ...some, about: "with so many ms between them (200)" },
  };
  await experiment({ url: import.meta.url, port: 1123, flags, server, client });
}
