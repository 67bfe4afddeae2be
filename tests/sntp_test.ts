/**
 * SNTP on bytes and records alone: the RFCs' own values, seeded random input,
 * and clocks that are set while they are read.
 */
import { afterEach, describe, expect, test } from "bun:test";
import {
  parseTimeReply,
  timeReply,
  clockFilter,
  ntpDifference,
  clock,
  measure,
  pack,
  type Packet,
  measurePrecision,
  unusableReason,
  timeRequest,
  parseTimeRequest,
  type Sample,
  realtimeOffset,
  monotonic,
  bogusReason,
  toUnixTime,
  toNtpTimestamp,
  unpack,
} from "../lib/protocols/sntp.ts";

const DAY = 86_400_000;
const HOUR = 3_600_000;
const ERA_1 = Date.UTC(2036, 1, 7, 6, 28, 16);
const NOW = Date.UTC(2026, 10, 20, 18, 55, 12, 345);

/** Random numbers from 0 to 1, for each seed always the same: mulberry32. */
function randoms(seed: number): () => number {
  return () => {
    let bits = seed = (seed + 0x6D2B79F5) | 0;
    bits = Math.imul(bits ^ bits >>> 15, bits | 1);
    bits ^= bits + Math.imul(bits ^ bits >>> 7, bits | 61);
    return ((bits ^ bits >>> 14) >>> 0) / 2 ** 32;
  };
}

function randomBytes(random: () => number, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random() * 256);
}

/** A request at NOW, and the answer to it. */
function exchange(skew = 0): [Packet, Packet] {
  const request = timeRequest(NOW);
  return [request, timeReply(request, NOW + skew + 1, NOW + skew + 2)];
}

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
    const random = randoms(1);
    for (let i = 0; i < 10_000; i++) {
      const bytes = randomBytes(random, 48 + i % 40);
      const inside = bytes.subarray(i % 9);
      const packet = unpack(inside);
      if (inside.length < 48) expect(packet).toBeUndefined();
      else expect(pack(packet!)).toEqual(inside.slice(0, 48));
    }
  });

  test("keep a time that is too long for its field the longest", () => {
    const [, answer] = exchange();
    const bytes = pack({ ...answer, rootDelay: 1e9, rootDispersion: 1e8 });
    expect([...bytes.subarray(4, 8)]).toEqual([255, 255, 255, 255]);
    expect([...bytes.subarray(8, 12)]).toEqual([255, 255, 255, 255]);
  });
});

describe("NTP timestamps", () => {
  // RFC 5905, figure 4, by the Modified Julian Day. For the first day of the
  // year 1 it prints 202,939,144, which is not what its own day gives.
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
    test(`${date} is ${seconds} in era ${era}`, () => {
      const time = (day - 40_587) * DAY;
      const timestamp = BigInt(seconds) << 32n;
      expect(toNtpTimestamp(time)).toBe(timestamp);
      const start = (era * 2 ** 32 - 2_208_988_800) * 1000;
      expect(toUnixTime(timestamp, start + 2 ** 31 * 1000)).toBe(time);
    });
  }

  test("the first bit tells the eras apart, as RFC 4330, section 3, says", () => {
    const set = 0x8000_0000_0000_0000n;
    expect(new Date(toUnixTime(set + 1n, ERA_1)).toISOString())
      .toBe("1968-01-20T03:14:08.000Z");
    expect(new Date(toUnixTime(0xffff_ffff_0000_0000n, ERA_1)).toISOString())
      .toBe("2036-02-07T06:28:15.000Z");
    expect(toUnixTime(0n, ERA_1)).toBe(ERA_1);
    expect(new Date(toUnixTime(set - (1n << 32n), ERA_1)).toISOString())
      .toBe("2104-02-26T09:42:23.000Z");
  });

  test("are never 0, which is no time", () => {
    expect(toNtpTimestamp(ERA_1)).toBe(1n);
    expect(toNtpTimestamp(ERA_1 - 1e-9)).not.toBe(0n);
  });

  test("carry what rounds up to the next second", () => {
    expect(toNtpTimestamp(1999.99999999999)).toBe(toNtpTimestamp(2000));
  });

  test("give back each time from 1970 to 2200, in any era", () => {
    const random = randoms(2);
    for (let i = 0; i < 20_000; i++) {
      const time = random() * Date.UTC(2200);
      const near = time + (random() - 0.5) * 134 * 365 * DAY;
      const back = toUnixTime(toNtpTimestamp(time), near);
      expect(Math.abs(back - time)).toBeLessThan(0.002);
      expect(toUnixTime(toNtpTimestamp(time), time)).toBe(time);
    }
  });

  test("have a difference that is right over the end of an era", () => {
    const random = randoms(3);
    for (let i = 0; i < 10_000; i++) {
      const from = ERA_1 + (random() - 0.5) * 10 * DAY;
      const to = from + (random() - 0.5) * 10 * DAY;
      const difference = ntpDifference(toNtpTimestamp(from), toNtpTimestamp(to));
      expect(difference).toBeCloseTo(to - from, 5);
      expect(ntpDifference(toNtpTimestamp(to), toNtpTimestamp(from))).toBe(-difference);
    }
  });
});

describe("a server", () => {
  test("answers mode 3 of the versions 1 to 4, and nothing else", () => {
    const answered: number[][] = [];
    for (let first = 0; first < 256; first++) {
      const bytes = pack(timeRequest(NOW));
      bytes[0] = first;
      const request = parseTimeRequest(bytes);
      if (request) answered.push([request.version, request.mode]);
    }
    // each with the four leap indicators, which do not matter
    const once = [[1, 3], [2, 3], [3, 3], [4, 3]];
    expect(answered).toEqual([...once, ...once, ...once, ...once]);
  });

  test("answers 48 bytes and more, not fewer", () => {
    const bytes = new Uint8Array(68);
    bytes.set(pack(timeRequest(NOW)));
    expect(parseTimeRequest(bytes)).toEqual(timeRequest(NOW));
    expect(parseTimeRequest(bytes.subarray(0, 48))).toEqual(timeRequest(NOW));
    expect(parseTimeRequest(bytes.subarray(0, 47))).toBeUndefined();
    expect(parseTimeRequest(new Uint8Array())).toBeUndefined();
  });

  test("copies version, poll and T1, and owns up to its clock", () => {
    const request = { ...requestAt(1), version: 3, poll: 10, transmit: 77n };
    const answer = timeReply(request, NOW, NOW + 1);
    expect(answer).toEqual({
      leap: 0,
      version: 3,
      mode: 4,
      stratum: 10,
      poll: 10,
      precision: answer.precision,
      rootDelay: 0,
      rootDispersion: 1,
      referenceId: "LOCL",
      reference: toNtpTimestamp(NOW),
      originate: 77n,
      receive: toNtpTimestamp(NOW),
      transmit: toNtpTimestamp(NOW + 1),
    });
    // Between that of a double, 0.2 us, and that of Date.now(), 1 ms.
    expect(answer.precision).toBeWithin(-23, -9);
  });
});

describe("a client", () => {
  const [request, answer] = exchange();

  test("takes the answer to its request, once it is on the wire", () => {
    const [sent] = [parseTimeRequest(pack(request))!];
    const received = timeReply(sent, NOW, NOW);
    expect(bogusReason(received, request)).toBeUndefined();
    expect(unusableReason(received)).toBeUndefined();
    expect(parseTimeReply(pack(received), request)).toEqual(unpack(pack(received)));
  });

  for (
    const [what, packet, reason] of [
      ["too short", undefined, "shorter than 48 bytes"],
      ["a request", { ...answer, mode: 3 }, "mode 3, not 4"],
      ["a broadcast", { ...answer, mode: 5 }, "mode 5, not 4"],
      ["another version", { ...answer, version: 3 }, "version 3, not 4"],
      [
        "the answer to another request",
        { ...answer, originate: answer.originate ^ 1n },
        "not to this request",
      ],
      ["an answer to nothing", { ...answer, originate: 0n }, "not to this"],
    ] as const
  ) {
    test(`waits on after ${what}: ${reason}`, () => {
      expect(bogusReason(packet, request)).toContain(reason);
      const bytes = packet ? pack(packet) : pack(answer).subarray(0, 47);
      expect(parseTimeReply(bytes, request)).toBeUndefined();
    });
  }

  const kiss = { ...answer, stratum: 0, leap: 3 };
  const unsynchronized = "its clock is not synchronized";
  for (
    const [what, packet, reason] of [
      ["DENY", { ...kiss, referenceId: "DENY" }, "kiss-o'-death DENY"],
      ["a short code", { ...kiss, referenceId: "X\0\0\0" }, "kiss-o'-death X"],
      [
        "a kiss without times",
        { ...kiss, referenceId: "RATE", receive: 0n, transmit: 0n },
        "kiss-o'-death RATE",
      ],
      ["no stratum", { ...kiss, referenceId: "\0\0\0\0" }, unsynchronized],
      ["leap indicator 3", { ...answer, leap: 3 }, unsynchronized],
      ["stratum 16", { ...answer, stratum: 16 }, unsynchronized],
      ["stratum 255", { ...answer, stratum: 255 }, unsynchronized],
      ["no T3", { ...answer, transmit: 0n }, "it does not tell the time"],
      ["no T2", { ...answer, receive: 0n }, "it does not tell the time"],
      [
        "a root dispersion of 16 s",
        { ...answer, rootDispersion: 16_000 },
        "its time may be 16 s wrong",
      ],
      [
        "a root delay of 32 s",
        { ...answer, rootDelay: 32_000 },
        "its time may be 16 s wrong",
      ],
      [
        "a precision of 16 s",
        { ...answer, precision: 4 },
        "its time may be 16 s wrong",
      ],
    ] as const
  ) {
    test(`refuses ${what}: ${reason}`, () => {
      expect(unusableReason(packet)).toBe(reason);
    });
  }

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
    const request = timeRequest(start);
    const [t2, t3] = [arrived + offset, sent + offset + jump];
    const answer = { ...answerTo(request, t2, t3), ...server };
    return measure(answer, sent + back);
  }

  test("gives offset and delay of RFC 5905, section 8", () => {
    const sample = measured({ offset: 2500, there: 3, inside: 10, back: 3 });
    expect(sample?.offset).toBeCloseTo(2500, 3);
    expect(sample?.delay).toBeCloseTo(6, 3);
  });

  test("is off by half the difference of both ways, within the bound", () => {
    const random = randoms(4);
    for (let i = 0; i < 10_000; i++) {
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

  test("takes a delay below 0 that the dispersion explains for none", () => {
    // RFC 5905, section 8: 100 ppm in 64 s are 6.4 ms.
    const exchange = { inside: 64_000, jump: 6.4 };
    const sample = measured(exchange, { rootDispersion: 10 })!;
    expect(sample.delay).toBe(0);
    expect(Math.abs(sample.offset)).toBeLessThan(sample.bound);
    expect(measured(exchange, { rootDispersion: 1 })).toBeUndefined();
  });
});

describe("bestFirst()", () => {
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

describe("100,000 random datagrams", () => {
  /** What both ends make of it. */
  function meet(bytes: Uint8Array, request: Packet) {
    const asked = parseTimeRequest(bytes);
    if (asked) expect(pack(timeReply(asked, NOW, NOW))).toHaveLength(48);
    const packet = unpack(bytes);
    const answer = parseTimeReply(bytes, request);
    expect(answer === undefined).toBe(bogusReason(packet, request) !== undefined);
    if (!packet || unusableReason(packet) !== undefined) return;
    const sample = measure(packet, NOW + 5);
    if (!sample) return;
    const { offset, delay, bound } = sample;
    expect([offset, delay, bound].every(Number.isFinite)).toBe(true);
    expect(delay).toBeGreaterThanOrEqual(0);
    expect(bound).toBeGreaterThanOrEqual(delay / 2);
    new Date(NOW + offset).toISOString(); // throws if there is no such time
  }

  test("of any length neither throw nor hang", () => {
    const random = randoms(5);
    const [request] = exchange();
    for (let i = 0; i < 50_000; i++) {
      meet(randomBytes(random, random() * (i % 2 ? 100 : 60)), request);
    }
  });

  test("that were good ones once do neither", () => {
    const random = randoms(6);
    const good = exchange().map(pack);
    const [request] = exchange();
    for (let i = 0; i < 50_000; i++) {
      const bytes = good[i % 2].slice();
      for (let n = random() * 4; n > 0; n--) {
        bytes[Math.floor(random() * 48)] ^= 1 << random() * 8;
      }
      meet(bytes.subarray(0, i % 10 ? 48 : random() * 49), request);
    }
  });
});

describe("clock()", () => {
  const real = Date.now;
  afterEach(() => {
    Date.now = real;
    clock();
  });

  /** The readings of both clocks differ by less than the coarse one's ms. */
  function expectTogether() {
    const before = Date.now();
    const fine = clock();
    const after = Date.now();
    expect(fine).toBeWithin(before - 0.1, after + 1.1);
  }

  test("is the machine's clock, and finer", () => {
    const readings = new Set<number>();
    for (let i = 0; i < 1000; i++) {
      expectTogether();
      readings.add(clock() % 1);
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
    for (let tries = 0; tries < 1e6 && realtimeOffset() < before + 0.6; tries++);
    expect(realtimeOffset() - before).toBeWithin(0.6, 0.7 + 1e-3);
    Date.now = () => Math.floor(exact() - 0.2);
    for (let tries = 0; tries < 1e6 && realtimeOffset() > before - 0.1; tries++);
    expect(realtimeOffset() - before).toBeWithin(-0.2 - 1e-3, -0.1);
  });

  test("waits no longer than some ms for one that stands still", () => {
    Date.now = () => NOW;
    for (let i = 0; i < 10; i++) clock();
    expect(Math.abs(clock() - NOW)).toBeLessThan(5);
  });

  test("leaves the monotonic clock alone", () => {
    const before = monotonic();
    Date.now = () => real() - HOUR;
    clock();
    expect(monotonic() - before).toBeWithin(0, 5000);
  });
});

describe("precisionOf()", () => {
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
});
