/**
 * Devices with wrong clocks: the same errors everywhere, readings with the
 * right time or none, and each runtime's devices with another's server. The gate
 * has all pairs.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { run } from "../lib/experiment/experiment.ts";
import type { Experiment, Settings } from "../lib/experiment/settings.ts";
import {
  AF_INET,
  type End,
  SOCK_DGRAM,
  SOCK_STREAM,
  socket,
  type StreamSocket,
} from "../lib/mod.ts";
import {
  formatReading,
  parseReading,
  type Reading,
} from "../lib/protocols/reading.ts";
import {
  answerTo,
  pack,
  type Packet,
  requestIn,
} from "../lib/protocols/sntp.ts";
import { parseSyslog } from "../lib/protocols/syslog.ts";
import { FrameDecoder } from "../lib/protocols/syslog_framing.ts";
import { realtime } from "../lib/services/clock.ts";
import { openBoth } from "../lib/services/open_both.ts";
import { type Collected, readingTable } from "../lib/services/reading_table.ts";
import { collected, noRsyslog } from "./peers/rsyslog.ts";
import {
  clientOn,
  nextTo,
  send,
  serverOn,
  testWrongFlags,
} from "./support/ends.ts";
import { play as playBoth } from "./support/play.ts";
import { find, run as runCommand, RUNTIMES } from "./support/runtimes.ts";
import { load } from "./support/scripts.ts";
import { alongside, calmly, needing, testOn } from "./support/test_on.ts";

setDefaultTimeout(60_000);

const HOUR = 3_600_000;
const devices = await load("iot_devices");
const eventLog = await load("event_log");

interface Device {
  name: string;
  error: number;
  sample?: { offset: number; bound: number };
  lost: number[];
}

/** Runs both ends; gives the readings, and the devices that have booted. */
async function play(
  flags: Settings["flags"] = {},
  experiment: Experiment = devices,
) {
  const { lines, server, clients } = await playBoth(experiment, { flags });
  const { readings, dropped } = (server ?? {}) as {
    readings: Collected[];
    dropped: number;
  };
  return { lines, readings, dropped, booted: clients[0] as Device[] };
}

/** What the devices are and send where the server answers so, if at all. */
async function sent(answer?: (answer: Packet) => Packet) {
  const messages: Uint8Array[] = [];
  let asked = 0;
  const server = async ({ address, ready, serve }: End) => {
    const [listener, receiver] = await openBoth(address);
    ready(listener, receiver);
    const times = async () => {
      for await (const [data, sender] of receiver) {
        asked++;
        if (!answer) continue;
        const times = {
          received: realtime(),
          sent: realtime(),
          precision: -20,
        };
        const good = answerTo(requestIn(data)!, times.received, times.sent);
        await receiver.sendto(pack(answer(good)), sender);
      }
    };
    const collect = async () => {
      for await (const [client] of listener) {
        await serve(client, async () => {
          const decoder = new FrameDecoder();
          for (let data; (data = await client.recv(9999)).length > 0;) {
            for (const { bytes } of decoder.push(data)) messages.push(bytes);
          }
        });
      }
    };
    await Promise.all([times(), collect()]);
  };
  const played = await play({ deaf: "0" }, { ...devices, server });
  return { ...played, messages, asked };
}

const reading = (changes: Partial<Reading> = {}): Reading => ({
  device: "roof",
  due: Date.UTC(2026, 10, 21),
  time: Date.UTC(2026, 10, 21) + 1,
  bound: 10,
  celsius: "21.5",
  ...changes,
});

const text = (changes: Partial<Reading> = {}) =>
  new TextDecoder().decode(formatReading(reading(changes)));

describe("a reading", () => {
  test("is RFC 5424 with what its time is worth", () => {
    expect(text()).toBe(
      "<134>1 2026-11-21T00:00:00.001Z roof sensor - reading " +
        '[timeQuality tzKnown="1" isSynced="1" syncAccuracy="10000"]' +
        '[reading@32473 due="2026-11-21T00:00:00.000Z" celsius="21.5"] 21.5 C',
    );
    expect(text({ bound: 0.2 })).toContain('syncAccuracy="10000"');
    expect(text({ bound: 10.1 })).toContain('syncAccuracy="20000"');
    expect(text({ bound: undefined }))
      .toContain('[timeQuality tzKnown="1" isSynced="0"]');
    expect(() => text({ device: "a b" })).toThrow(RangeError);
  });

  test("is read back as it was written", () => {
    for (const bound of [10, 20, undefined]) {
      const whole = reading({ bound });
      expect(parseReading(formatReading(whole))).toEqual(whole);
    }
  });

  test("is not in a message without its parts", () => {
    for (
      const [part, other] of [
        ["reading@32473", "weather@32473"],
        ['due="2026', 'due="x2026'],
        ["celsius=", "fahrenheit="],
        ["2026-11-21T00:00:00.001Z roof", "- roof"],
        ["roof", "-"],
        ["<134>", ""],
      ]
    ) {
      const changed = text().replace(part, other);
      expect(changed).not.toBe(text());
      expect(parseReading(new TextEncoder().encode(changed))).toBeUndefined();
    }
  });

  test("is not synchronized unless it says so", () => {
    const changed = text().replace(/\[timeQuality[^\]]*\]/, "");
    expect(parseReading(new TextEncoder().encode(changed)))
      .toMatchObject({ bound: undefined, celsius: "21.5" });
  });
});

test("readingTable() tells moments in order, and the unsynchronized apart", () => {
  const at = (ms: number, changes: Partial<Reading> = {}): Collected => {
    const made = reading(changes);
    return { ...made, arrival: made.due + ms };
  };
  const { due } = reading();
  expect(readingTable([
    at(0.5, { due: due + 200, time: due + 203 }),
    at(1.25),
    at(7, { time: due + 4 }),
    at(2, { device: "cave", bound: undefined, time: due - HOUR }),
  ])).toEqual([
    "due           of  taken, arrived after that, spread (ms)",
    "00:00:00.000  2   1..4  1.3..7.0  5.8",
    "00:00:00.200  1   3..3  0.5..0.5  0.0",
    "cave: 1 not synchronized, off by -3600.002 s",
  ]);
});

describe.concurrent("iot_devices", () => {
  test("sets all clocks but the deaf one's, and its readings say so", async () => {
    const { booted, readings, lines } = await play();
    expect(booted).toHaveLength(4);
    for (const { error, sample, lost } of booted.slice(0, 3)) {
      expect(Math.abs(error)).toBeWithin(1, 600_001);
      expect(Math.abs(error + sample!.offset)).toBeLessThan(sample!.bound + 1);
      expect(lost.length).toBeLessThan(3);
    }
    expect(booted[3]).toMatchObject({ sample: undefined });
    expect(booted[3].lost).toEqual([300, 600, 1200]);
    expect(readings).toHaveLength(8);
    for (const { device, bound } of readings) {
      expect(bound === undefined).toBe(device === "dev4");
    }
    const inTime = lines.filter((line) => !/ ms; no answer/.test(line));
    expect(inTime.filter((line) => line.length > 68)).toEqual([]);
    // Its clock is 40.521 s slow, and its readings take a while to arrive.
    const off = /dev4: 2 not synchronized, off by (-\d+\.\d{3}) s/;
    const [, seconds] = lines.join("\n").match(off)!;
    expect(Number(seconds)).toBeWithin(-50, -40.52);
  });

  test("takes readings at whole intervals of true time", async () => {
    const before = realtime();
    const { readings } = await play({
      ...{ devices: "20", deaf: "2", readings: "3" },
    });
    const after = realtime();
    const known = readings.filter(({ bound }) => bound !== undefined);
    expect(known).toHaveLength(18 * 3);
    for (const { due, time, arrival } of known) {
      expect(due % 200).toBe(0);
      expect(time).toBeWithin(Math.max(due, before - 1000), after + 1000);
      expect(arrival).toBeWithin(before - 1, after + 1);
    }
    const moments = Map.groupBy(known, ({ due }) => due);
    expect([...moments.values()].map((group) => group.length))
      .toEqual(Array(3).fill(18));
  });

  test("leaves a deaf device by its own clock, at its whole intervals", async () => {
    const { booted: [device], readings } = await play({
      ...{ devices: "1", seed: "7", readings: "3" },
    });
    expect(readings).toHaveLength(3);
    for (const { due, time, arrival, bound } of readings) {
      expect(due % 200).toBe(0);
      expect(bound).toBeUndefined();
      expect(time - arrival).toBeWithin(device.error - 9000, device.error + 5);
    }
  });

  test("does not believe a server without the time, nor asks it again", async () => {
    for (const change of [{ leap: 3 }, { stratum: 0, referenceId: "RATE" }]) {
      const { booted, messages, asked } = await sent((answer) => ({
        ...{ ...answer, ...change },
      }));
      const again = booted.flatMap(({ lost }) => lost); // answered too late
      expect(asked).toBe(4 + again.length);
      for (const { sample } of booted) expect(sample).toBeUndefined();
      const bounds = messages.map((bytes) => parseReading(bytes)!.bound);
      expect(bounds).toEqual(Array(8).fill(undefined));
    }
  });

  test("asks again, and is set by the answer to a later request", async () => {
    let requests = 0;
    const { booted, messages } = await sent((answer) => {
      const heard = ++requests > 4;
      return heard ? answer : { ...answer, originate: 1n };
    });
    for (const { error, sample, lost } of booted) {
      expect(lost[0]).toBe(300);
      expect(Math.abs(error + sample!.offset)).toBeLessThan(sample!.bound + 1);
    }
    for (const bytes of messages) {
      expect(parseReading(bytes)!.bound).toBeNumber();
    }
  });

  test("needs no deaf one, and may have nothing else", async () => {
    for (const deaf of ["0", "9"]) {
      const { booted } = await play({ devices: "2", deaf });
      const set = booted.filter(({ sample }) => sample);
      expect(set).toHaveLength(deaf === "0" ? 2 : 0);
    }
  });

  test("gives other errors for another seed", async () => {
    const errors = [];
    for (const seed of ["0", "1", "2", "9999"]) {
      const flags = { seed, deaf: "0", readings: "1" };
      const { booted } = await play(flags);
      errors.push(...booted.map(({ error }) => error));
    }
    expect(new Set(errors).size).toBe(16);
  });

  test("drops what is no reading, and goes on", async () => {
    const client = async (end: End) => {
      await send(end.address, "hello\n<13>1 - - - - - - x\n", "cut");
      await using noise = socket(AF_INET, SOCK_DGRAM);
      await noise.sendto("not a request", end.address);
      return devices.client(end);
    };
    const { readings, dropped, lines } = await play(
      { deaf: "0" },
      { ...devices, client },
    );
    expect(readings).toHaveLength(8);
    expect(dropped).toBe(2);
    expect(lines.at(-1)).toBe("server: 2 messages dropped");
  });
});

describe.concurrent("a collector of syslog", () => {
  test("finds only well-formed messages", async () => {
    const { messages: bytes } = await sent();
    const messages = bytes.map(parseSyslog);
    expect(messages).toHaveLength(8);
    for (const message of messages) {
      expect(message).toMatchObject({ format: "rfc5424", appname: "sensor" });
      expect(message.malformed).toBeUndefined();
      expect(message.data?.map(({ id }) => id))
        .toEqual(["timeQuality", "reading@32473"]);
    }
  });

  test("event_log takes them from the devices, which get no time", async () => {
    const { server, lines } = await playBoth(
      { ...eventLog, client: devices.client },
      { flags: { deaf: "4" } },
    );
    expect(server).toEqual({ tcp: 8, udp: 0, malformed: 0 });
    const kept = lines.filter((line) =>
      /^server: \S+ \S+ dev\d sensor info: \d\d\.\d C$/.test(line)
    );
    expect(kept).toHaveLength(8);
  });
});

describe("another collector", () => {
  for (const runtime of RUNTIMES) {
    const reason = noRsyslog ?? find(runtime).reason;
    needing(reason, `may be rsyslog, for devices on ${runtime}`, async () => {
      const { port, stop } = await serverOn("iot_devices", runtime);
      const template = "%pri% %hostname% %app-name% %msgid%|" +
        "%timereported:::date-rfc3339%|%structured-data%|%msg%";
      const lines = await collected(template, async (collector) => {
        const flags = ["--collector", collector];
        const told = await clientOn("iot_devices", runtime, port, flags);
        expect(told).toMatch(/^dev1 .* at most \d+\.\d+ ms(;|$)/m);
      });
      // The head of its table: it got no readings.
      expect((await stop()).trim().split("\n")).toHaveLength(1);
      expect(lines).toHaveLength(8);
      const moments = new Map<string, number>();
      for (const [i, line] of lines.entries()) {
        const [head, time, data, text] = line.split("|");
        const device = `dev${Math.floor(i / 2) + 1}`;
        expect(head).toBe(`134 ${device} sensor reading`);
        expect(text).toMatch(/^\d\d\.\d C$/);
        const synced = device === "dev4" ? "0" : "1";
        expect(data).toContain(`isSynced="${synced}"`);
        const [, due] = data.match(/due="([^"]+)"/)!;
        expect(Date.parse(time)).toBeGreaterThanOrEqual(Date.parse(due));
        if (synced === "1") moments.set(due, (moments.get(due) ?? 0) + 1);
      }
      expect([...moments.values()]).toEqual([3, 3]);
    });
  }

  calmly("may be event_log", async () => {
    const client = ({ address, print }: End) => {
      const flags = { deaf: "0", collector: String(address[1]) };
      return run(devices, { flags }, (_, line) => print(line));
    };
    const { server, lines } = await playBoth({ ...eventLog, client });
    expect(server).toEqual({ tcp: 8, udp: 0, malformed: 0 });
    expect(lines.filter((line) => / dev\d sensor info: /.test(line)))
      .toHaveLength(8);
  });
});

const noLogger = spawnSync("logger", ["--version"]).error &&
  "logger is not on the PATH (Debian: bsdutils)";
if (noLogger) {
  needing(noLogger, "logger does not upset a server", () => Promise.resolve());
}

/** Sends what is no reading, in every way that logger has. */
async function logNoise(port: string): Promise<void> {
  for (const format of ["--rfc3164", "--rfc5424", "--octet-count"]) {
    for (const transport of ["--tcp", "--udp"]) {
      const { code, stderr } = await runCommand([
        ...["logger", "--server", "127.0.0.1", "--port", port],
        ...[transport, format, "no reading"],
      ]);
      expect([code, stderr]).toEqual([0, ""]);
    }
  }
}

describe("in two processes", () => {
  const flags = ["--devices", "3"];

  for (const runtime of RUNTIMES) {
    const title = `devices on ${runtime} go on where nobody tells the time`;
    testOn(runtime, title, async () => {
      // Its port answers requests for the time with ICMP messages.
      await using listener = socket(AF_INET, SOCK_STREAM);
      await listener.bind(["127.0.0.1", 0]);
      await listener.listen();
      const messages: Uint8Array[] = [];
      const collect = async (device: StreamSocket) => {
        const decoder = new FrameDecoder();
        for (let data; (data = await device.recv(9999)).length > 0;) {
          for (const { bytes } of decoder.push(data)) messages.push(bytes);
        }
        await device.close();
      };
      const collecting = (async () => {
        for await (const [device] of listener) collect(device);
      })();
      const [, port] = listener.getsockname() as [string, number];
      const told = await clientOn("iot_devices", runtime, port);
      expect(told.match(/not set; no answer in 300, 600, 1200 ms$/gm))
        .toHaveLength(4);
      await listener.close();
      await collecting;
      expect(messages.map((bytes) => parseReading(bytes)!.bound))
        .toEqual(Array(8).fill(undefined));
    });
  }

  for (const runtime of RUNTIMES) {
    const other = nextTo(runtime);
    const title = `${other}'s devices with ${runtime}'s server, beside logger`;
    testOn(runtime, title, async () => {
      const { server, port, stop } = await serverOn("iot_devices", runtime);
      if (!noLogger) await logNoise(port);
      const told = await clientOn("iot_devices", other, port, flags);
      const errors = [...told.matchAll(/^dev\d +(\S+ s)/gm)];
      expect(errors.map(([, error]) => error))
        .toEqual(["-585.954 s", "+572.289 s", "+25.734 s"]);
      const stdout = await stop("SIGTERM");
      expect(stdout.match(/^\S{12} {2}2 {3}\S+ {2}\S+ {2}\S+$/gm))
        .toHaveLength(2);
      expect(stdout).toMatch(
        /^dev3: 2 not synchronized, off by \+2[0-5]\.\d+ s$/m,
      );
      const dropped = noLogger ? "" : "3 messages dropped\n"; // those over TCP
      expect(stdout).toEndWith(` s\n${dropped}`);
      expect((await server.finished).stderr.trim().split("\n"))
        .toHaveLength(1);
    });
  }

  alongside("a server with --clients stops after so many devices", async () => {
    const clients = ["--clients", "3"];
    const { server, port } = await serverOn("iot_devices", "bun", clients);
    await clientOn("iot_devices", "bun", port, [...flags, "--deaf", "0"]);
    const { code, stdout } = await server.finished;
    expect(stdout.match(/^\S{12} {2}3 /gm)).toHaveLength(2);
    expect(code).toBe(0);
  });
});

testWrongFlags("iot_devices", [
  ["--devices", "0"],
  ["--devices", "200"],
  ["--interval", "0"],
  ["--deaf", "-1"],
  ["--seed", "x"],
  ["--collector", "0"],
  ["--collector", "65536"],
]);
