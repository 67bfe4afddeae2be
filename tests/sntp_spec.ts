/**
 * SNTP on bytes and records alone: the RFCs' own values, seeded random input;
 * and the machine's clocks, which are set while they are read.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  answerIn,
  answerTo,
  bogusReason,
  clockFilter,
  measure,
  ntpDifference,
  pack,
  type Packet,
  requestAt,
  requestIn,
  type Sample,
  toNtpTimestamp,
  toUnixTime,
  unpack,
  unusableReason,
} from "../lib/protocols/sntp.ts";
import {
  measurePrecision,
  monotonic,
  PRECISION,
  realtime,
  realtimeOffset,
} from "../lib/services/clock.ts";
import { formatSample } from "../lib/services/time_service.ts";
import { fractions, fuzzDatagrams, fuzzHeaders } from "./support/fuzz.ts";

setDefaultTimeout(60_000);

const DAY = 86_400_000;
const HOUR = 3_600_000;
const ERA_1 = Date.UTC(2036, 1, 7, 6, 28, 16);
const NOW = Date.UTC(2026, 10, 20, 18, 55, 12, 345);
const precision = -20;

/** A request at NOW, and the answer to it. */
const request = requestAt(NOW);
const answered = (request: Packet, times = {}) => {
  const all = { received: NOW + 1, sent: NOW + 2, precision, ...times };
  return answerTo(request, all.received, all.sent, all.precision);
};
const answer = answered(request);

describe("pack() and unpack()", () => {
  test("put each field where RFC 5905, figure 8, has it", () => {
    const bytes = Uint8Array.from({ length: 48 }, (_, i) => i + 1);
    bytes.set([0b10_011_101, 2, 6, 0xec]);
    bytes.set([0, 1, 0x80, 0], 4);
    bytes.set([0, 0, 0x40, 0], 8);
    bytes.set([71, 80, 83, 0], 12);
    const packet: Packet = {
      leap: 2,
      version: 3,
      mode: 5,
      stratum: 2,
      poll: 6,
      precision: -20,
      rootDelay: 1500,
      rootDispersion: 250,
      referenceId: "GPS\0",
      reference: 0x1112131415161718n,
      originate: 0x191a1b1c1d1e1f20n,
      receive: 0x2122232425262728n,
      transmit: 0x292a2b2c2d2e2f30n,
    };
    expect(unpack(bytes)).toEqual(packet);
    expect(pack(packet)).toEqual(bytes);
  });

  test("give back every header, and leave out what follows it", () => {
    fuzzHeaders(5_000);
  });

  test("keep a time that is too long for its field the longest", () => {
    const bytes = pack({ ...answer, rootDelay: 1e9, rootDispersion: 1e8 });
    expect([...bytes.subarray(4, 8)]).toEqual([127, 255, 255, 255]);
    expect([...bytes.subarray(8, 12)]).toEqual([255, 255, 255, 255]);
  });

  test("have a root delay with a sign, RFC 4330, section 4", () => {
    const bytes = pack({ ...answer, rootDelay: -250 });
    expect([...bytes.subarray(4, 8)]).toEqual([255, 255, 0xc0, 0]);
    expect(unpack(bytes)?.rootDelay).toBe(-250);
  });
});

describe("NTP timestamps", () => {
  test("are those of RFC 5905, figure 4", () => {
    // By the Modified Julian Day. For the first day of the year 1 the figure
    // has 202,939,144, which is not what its own day gives.
    for (
      const [date, day, era, seconds] of [
        ["1 Jan -4712", -2_400_001, -49, 1_795_583_104],
        ["1 Jan -1", -679_306, -14, 139_775_744],
        ["1 Jan 0", -678_491 - 450, -14, 171_311_744],
        ["1 Jan 1", -678_575, -14, 202_934_144],
        ["4 Oct 1582", -100_851, -3, 2_873_647_488],
        ["15 Oct 1582", -100_840, -3, 2_874_597_888],
        ["31 Dec 1899", 15_019, -1, 4_294_880_896],
        ["1 Jan 1970", 40_587, 0, 2_208_988_800],
        ["1 Jan 1972", 41_317, 0, 2_272_060_800],
        ["31 Dec 1999", 51_543, 0, 3_155_587_200],
        ["8 Feb 2036", 64_731, 1, 63_104],
      ] as const
    ) {
      const time = (day - 40_587) * DAY;
      const timestamp = BigInt(seconds) << 32n;
      expect([date, toNtpTimestamp(time)]).toEqual([date, timestamp]);
      const start = (era * 2 ** 32 - 2_208_988_800) * 1000;
      const back = toUnixTime(timestamp, start + 2 ** 31 * 1000);
      expect([date, back]).toEqual([date, time]);
    }
  });

  test("have their era in the first bit, as RFC 4330, section 3, says", () => {
    const set = 0x8000_0000_0000_0000n;
    for (
      const [timestamp, time] of [
        [set + 1n, "1968-01-20T03:14:08.000Z"],
        [0xffff_ffff_0000_0000n, "2036-02-07T06:28:15.000Z"],
        [0n, "2036-02-07T06:28:16.000Z"],
        [set - (1n << 32n), "2104-02-26T09:42:23.000Z"],
      ] as const
    ) expect(new Date(toUnixTime(timestamp, ERA_1)).toISOString()).toBe(time);
    expect(toUnixTime(0n, ERA_1)).toBe(ERA_1);
  });

  test("are never 0, which is no time", () => {
    expect(toNtpTimestamp(ERA_1)).toBe(1n);
    expect(toNtpTimestamp(ERA_1 - 1e-9)).not.toBe(0n);
  });

  test("carry what rounds up to the next second", () => {
    expect(toNtpTimestamp(1999.99999999999)).toBe(toNtpTimestamp(2000));
  });

  test("give back each time from 1970 to 2200, in any era", () => {
    const random = fractions(2);
    for (let i = 0; i < 5_000; i++) {
      const time = random() * Date.UTC(2200);
      const near = time + (random() - 0.5) * 134 * 365 * DAY;
      const back = toUnixTime(toNtpTimestamp(time), near);
      expect(Math.abs(back - time)).toBeLessThan(0.002);
      expect(toUnixTime(toNtpTimestamp(time), time)).toBe(time);
    }
  });

  test("have a difference that is right over the end of an era", () => {
    const random = fractions(3);
    for (let i = 0; i < 5_000; i++) {
      const from = ERA_1 + (random() - 0.5) * 10 * DAY;
      const to = from + (random() - 0.5) * 10 * DAY;
      const difference = ntpDifference(
        toNtpTimestamp(from),
        toNtpTimestamp(to),
      );
      expect(difference).toBeCloseTo(to - from, 5);
      expect(ntpDifference(toNtpTimestamp(to), toNtpTimestamp(from))).toBe(
        -difference,
      );
    }
  });
});

describe("a server", () => {
  test("answers mode 3 of the versions 1 to 4, and nothing else", () => {
    const answered: number[][] = [];
    for (let first = 0; first < 256; first++) {
      const bytes = pack(requestAt(NOW));
      bytes[0] = first;
      const request = requestIn(bytes);
      if (request) answered.push([request.version, request.mode]);
    }
    // each with the four leap indicators, which do not matter
    const once = [[1, 3], [2, 3], [3, 3], [4, 3]];
    expect(answered).toEqual([...once, ...once, ...once, ...once]);
  });

  test("answers 48 bytes and more, not fewer", () => {
    const bytes = new Uint8Array(68);
    bytes.set(pack(requestAt(NOW)));
    expect(requestIn(bytes)).toEqual(requestAt(NOW));
    expect(requestIn(bytes.subarray(0, 48))).toEqual(requestAt(NOW));
    expect(requestIn(bytes.subarray(0, 47))).toBeUndefined();
    expect(requestIn(new Uint8Array())).toBeUndefined();
  });

  test("copies version, poll and T1, and owns up to its clock", () => {
    const request = { ...requestAt(1), version: 3, poll: 10, transmit: 77n };
    const answer = answered(request, { precision: -19 });
    expect(answer).toEqual({
      leap: 0,
      version: 3,
      mode: 4,
      stratum: 10,
      poll: 10,
      precision: -19,
      rootDelay: 0,
      rootDispersion: 1,
      // RFC 4330, section 4: above stratum 1 an IPv4 address, 127.127.1.1.
      referenceId: "\x7f\x7f\x01\x01",
      reference: toNtpTimestamp(NOW + 1),
      originate: 77n,
      receive: toNtpTimestamp(NOW + 1),
      transmit: toNtpTimestamp(NOW + 2),
    });
    expect([...pack(answer).subarray(12, 16)]).toEqual([127, 127, 1, 1]);
  });

  test("tells no reference time after T3, though its clock was set back", () => {
    const set = answered(request, { sent: NOW - HOUR });
    expect(set.reference).toBe(set.transmit);
  });
});

describe("a client", () => {
  test("takes the answer to its request, once it is on the wire", () => {
    const received = answered(requestIn(pack(request))!);
    expect(bogusReason(received, request)).toBeUndefined();
    expect(unusableReason(received)).toBeUndefined();
    expect(answerIn(pack(received), request))
      .toEqual(unpack(pack(received)));
  });

  test("waits on after what is not the answer", () => {
    const { originate } = answer;
    for (
      const [packet, reason] of [
        [undefined, "shorter than 48 bytes"],
        [{ ...answer, mode: 3 }, "mode 3, not 4"], // a request
        [{ ...answer, mode: 5 }, "mode 5, not 4"], // a broadcast
        [{ ...answer, version: 0 }, "version 0, not 1 to 4"],
        [{ ...answer, version: 5 }, "version 5, not 1 to 4"],
        [{ ...answer, originate: originate ^ 1n }, "not to this request"],
        [{ ...answer, originate: 0n }, "not to this request"],
      ] as const
    ) {
      expect(bogusReason(packet, request)).toBe(reason);
      const bytes = packet ? pack(packet) : pack(answer).subarray(0, 47);
      expect([reason, answerIn(bytes, request)])
        .toEqual([reason, undefined]);
    }
  });

  test("takes the answer in any version that has the same header", () => {
    for (const version of [1, 2, 3, 4]) {
      for (const asked of [3, 4]) {
        const own = { ...request, version: asked };
        const bytes = pack({ ...answer, version });
        expect(answerIn(bytes, own)).toMatchObject({ version });
      }
    }
  });

  test("takes a reference time up to T3, and none, in any era", () => {
    for (const sent of [NOW, ERA_1]) {
      const request = requestAt(sent);
      const reply = answered(request, { received: sent, sent });
      for (const ms of [-HOUR, -1, 0]) {
        const reference = toNtpTimestamp(sent + ms);
        expect(unusableReason({ ...reply, reference })).toBeUndefined();
      }
      expect(unusableReason({ ...reply, reference: 0n })).toBeUndefined();
      const reference = toNtpTimestamp(sent + 1);
      expect(unusableReason({ ...reply, reference }))
        .toBe("its reference time is in the future");
    }
  });

  test("refuses what is not the time", () => {
    const kiss = { ...answer, stratum: 0, leap: 3 };
    const blank = { receive: 0n, transmit: 0n };
    const unsynchronized = "its clock is not synchronized";
    const wrong = "its time may be 16 s wrong";
    for (
      const [packet, reason] of [
        [{ ...kiss, referenceId: "DENY" }, "kiss-o'-death DENY"],
        [{ ...kiss, referenceId: "X\0\0\0" }, "kiss-o'-death X"],
        [{ ...kiss, ...blank, referenceId: "RATE" }, "kiss-o'-death RATE"],
        [{ ...kiss, referenceId: "\0\0\0\0" }, unsynchronized],
        [{ ...answer, leap: 3 }, unsynchronized],
        [{ ...answer, stratum: 16 }, unsynchronized],
        [{ ...answer, stratum: 255 }, unsynchronized],
        [{ ...answer, transmit: 0n }, "it does not tell the time"],
        [{ ...answer, receive: 0n }, "it does not tell the time"],
        [{ ...answer, rootDispersion: 16_000 }, wrong],
        [{ ...answer, rootDelay: 32_000 }, wrong],
        [{ ...answer, rootDelay: -32_000 }, wrong],
        [{ ...answer, precision: 4 }, wrong],
      ] as const
    ) expect(unusableReason(packet)).toBe(reason);
  });

  test("takes strata 1 to 15, and a leap second to come", () => {
    for (let stratum = 1; stratum < 16; stratum++) {
      expect(unusableReason({ ...answer, stratum, leap: stratum % 3 }))
        .toBeUndefined();
    }
  });
});

describe("measure()", () => {
  /** What the client makes of it, with the clock there ahead by `offset`. */
  function measured(
    { start = NOW, offset = 0, there = 0, inside = 0, back = 0, jump = 0 },
    server: Partial<Packet> = {},
  ) {
    const arrived = start + there;
    const sent = arrived + inside;
    const request = requestAt(start);
    const [t2, t3] = [arrived + offset, sent + offset + jump];
    const times = { received: t2, sent: t3, precision };
    const answer = { ...answered(request, times), ...server };
    return measure(answer, { arrival: sent + back, precision });
  }

  test("gives offset and delay of RFC 5905, section 8", () => {
    const sample = measured({ offset: 2500, there: 3, inside: 10, back: 3 });
    expect(sample?.offset).toBeCloseTo(2500, 3);
    expect(sample?.delay).toBeCloseTo(6, 3);
  });

  test("is off by half the difference of both ways, within the bound", () => {
    const random = fractions(4);
    for (let i = 0; i < 5_000; i++) {
      const start = i % 2 ? ERA_1 - random() * 1000 : NOW;
      const offset = (random() - 0.5) * (i % 3 ? 1e4 : 3e12);
      const [there, inside, back] = [random(), random(), random()]
        .map((share) => share ** 4 * 1000);
      const exchange = { start, offset, there, inside, back };
      const sample = measured(exchange, { rootDispersion: 0 })!;
      expect(sample.delay).toBeCloseTo(there + back, 2);
      expect(sample.offset - offset).toBeCloseTo((there - back) / 2, 2);
      expect(Math.abs(sample.offset - offset)).toBeLessThan(sample.bound);
    }
  });

  test("bounds the error by delay, root delay and dispersion", () => {
    const small = { rootDispersion: 0, precision: -30 };
    const bound = (server: Partial<Packet>, back = 0) =>
      measured({ back }, { ...small, ...server })!.bound;
    const least = bound({});
    expect(least).toBeLessThan(0.1); // reading this machine's own clock
    expect(bound({ rootDelay: 100 }) - least).toBeCloseTo(50, 4);
    expect(bound({ rootDelay: -100 }) - least).toBeCloseTo(50, 4);
    expect(bound({ rootDispersion: 70 }) - least).toBeCloseTo(70, 4);
    expect(bound({ precision: -3 }) - least).toBeCloseTo(125, 4);
    // and 15 us of drift a second
    expect(bound({}, 1000) - least).toBeCloseTo(500 + 0.015, 2);
  });

  test("has no use for an exchange in which a clock was set", () => {
    for (const jump of [-HOUR, -50, 50, HOUR]) {
      expect(measured({ there: 1, inside: 1, back: 1, jump })).toBeUndefined();
    }
  });

  test("takes no T3 long before T2, whatever the dispersion", () => {
    for (const rootDispersion of [1, 1000, 15_999]) {
      const server = { rootDispersion };
      for (const jump of [-20, -1000, -10_000, -HOUR]) {
        expect(measured({ jump }, server)).toBeUndefined();
        const coarse = { ...server, precision: 3 };
        expect(measured({ jump }, coarse)).toBeUndefined();
      }
      expect(measured({ jump: -1 }, server)).toBeDefined();
    }
  });

  test("takes a delay below 0 that the dispersion explains for none", () => {
    // RFC 5905, section 8: 100 ppm in 64 s are 6.4 ms.
    const exchange = { inside: 64_000, jump: 6.4 };
    const sample = measured(exchange, { rootDispersion: 10 })!;
    expect(sample.delay).toBe(0);
    expect(Math.abs(sample.offset)).toBeLessThan(sample.bound);
    expect(measured(exchange, { rootDispersion: 1 })).toBeUndefined();
  });
});

describe("clockFilter()", () => {
  const sample = (offset: number, delay: number): Sample => ({
    offset,
    delay,
    bound: delay / 2 + 1,
    stratum: 10,
  });

  test("puts the least delay first", () => {
    const [a, b, c] = [sample(1, 9), sample(2, 5), sample(3, 7)];
    expect(clockFilter([a, b, c])).toEqual([b, c, a]);
    expect(clockFilter([])).toEqual([]);
  });

  test("forgets the samples from before the other clock was set", () => {
    for (const step of [HOUR, -HOUR, 10]) {
      const before = [sample(5, 1), sample(5.1, 1)];
      const after = [sample(5 + step, 3), sample(5.3 + step, 2)];
      const kept = clockFilter([...before, ...after]);
      expect(kept).toEqual([after[1], after[0]]);
    }
  });

  test("forgets them when it was set twice, there and back", () => {
    const last = sample(5, 9);
    expect(clockFilter([sample(5, 1), sample(5 + HOUR, 1), last])).toEqual([
      last,
    ]);
  });
});

test("random datagrams harm neither end", () => {
  fuzzDatagrams(10_000);
});

describe("realtime()", () => {
  const real = Date.now;
  afterEach(() => {
    Date.now = real;
    realtime();
  });

  /** The readings of both clocks differ by less than the coarse one's ms. */
  function expectTogether() {
    const before = Date.now();
    const fine = realtime();
    const after = Date.now();
    expect(fine).toBeWithin(before - 0.1, after + 1.1);
  }

  test("is the machine's clock, and finer", () => {
    const readings = new Set<number>();
    for (let i = 0; i < 1000; i++) {
      expectTogether();
      readings.add(realtime() % 1);
    }
    expect(readings.size).toBeGreaterThan(500);
  });

  for (const step of [-HOUR, HOUR, -20, 20, 3e11]) {
    test(`follows at once when that is set by ${step} ms`, () => {
      const before = realtimeOffset();
      Date.now = () => real() + step;
      expectTogether();
      expect(realtimeOffset() - before).toBeWithin(step - 0.5, step + 0.5);
    });
  }

  test("comes back, though it was set while nobody looked", () => {
    const before = realtimeOffset();
    for (const step of [-HOUR, 7, 0.5e10]) {
      Date.now = () => real() + step;
      expectTogether();
    }
    Date.now = real;
    expectTogether();
    expect(realtimeOffset() - before).toBeWithin(-0.5, 0.5);
  });

  test("follows a change of less than a millisecond within some", () => {
    const before = realtimeOffset();
    const exact = () => performance.timeOrigin + performance.now() + before;
    Date.now = () => Math.floor(exact() + 0.7);
    for (
      let tries = 0;
      tries < 1e6 && realtimeOffset() < before + 0.6;
      tries++
    );
    expect(realtimeOffset() - before).toBeWithin(0.6, 0.7 + 1e-3);
    Date.now = () => Math.floor(exact() - 0.2);
    for (
      let tries = 0;
      tries < 1e6 && realtimeOffset() > before - 0.1;
      tries++
    );
    expect(realtimeOffset() - before).toBeWithin(-0.2 - 1e-3, -0.1);
  });

  test("waits no longer than some ms for one that stands still", () => {
    Date.now = () => NOW;
    for (let i = 0; i < 10; i++) realtime();
    expect(Math.abs(realtime() - NOW)).toBeLessThan(5);
  });

  test("leaves the monotonic clock alone", () => {
    const before = monotonic();
    Date.now = () => real() - HOUR;
    realtime();
    expect(monotonic() - before).toBeWithin(0, 5000);
  });
});

describe("measurePrecision()", () => {
  /** A clock that reads a step further only every second time. */
  const ticking = (ms: number) => {
    let readings = 0;
    return () => Math.floor(readings++ / 2) * ms;
  };

  test("is the least step, as a power of 2 in seconds", () => {
    expect(measurePrecision(ticking(1000 / 64))).toBe(-6);
    expect(measurePrecision(ticking(1))).toBe(-9);
    expect(measurePrecision(ticking(0.001))).toBe(-19);
  });

  test("is 1 s where the clock stands, or goes back", () => {
    expect(measurePrecision(() => NOW)).toBe(0);
    expect(measurePrecision(ticking(-5))).toBe(0);
  });

  test("is between that of a double, 0.2 us, and of Date.now(), 1 ms", () => {
    expect(PRECISION).toBeWithin(-23, -9);
  });
});

test("formatSample() gives the offset to the clock as it is set now", () => {
  const [real, before] = [Date.now, realtimeOffset()];
  const sample = { offset: before + HOUR, delay: 1.5, bound: 2, stratum: 1 };
  expect(formatSample(sample)).toMatch(
    /^delay 1\.500, offset \+(3600000\.0|3599999\.9)\d\d ms$/,
  );
  try {
    Date.now = () => real() + HOUR;
    expect(formatSample(sample)).toMatch(/, offset [+-]\d\.\d{3} ms$/);
  } finally {
    Date.now = real;
    realtime();
  }
});
