/**
 * SNTP version 4: the time of another machine from one datagram there and one
 * back, RFC 5905 and RFC 4330. Bytes to records and back, and what follows
 * from them; times are milliseconds, Unix times those since 1970.
 *
 * ```ts
 * import * as sntp from "./sntp.ts";
 *
 * const request = sntp.requestAt(sntp.steady()); // T1, at the client
 * const asked = sntp.requestIn(sntp.pack(request))!; // at the server
 * const answer = sntp.answerTo(asked, sntp.clock(), sntp.clock()); // T2, T3
 * const told = sntp.answerIn(sntp.pack(answer), request)!; // at the client
 * sntp.measure(told, sntp.steady()); // T4: { offset, delay, bound, stratum }
 * ```
 *
 * @module
 */

/** The header that every NTP message begins with: RFC 5905, section 7.3. */
export interface Packet {
  /** 0: none; 1, 2: a leap second comes; 3: not synchronized. */
  leap: number;
  version: number;
  /** 3: a client asks; 4: a server answers. */
  mode: number;
  /** 1: has a reference clock; 2 to 15: steps away from one; 0: says no. */
  stratum: number;
  /** The longest time between messages, and to read the clock, in log2 s. */
  poll: number;
  precision: number;
  /** To the reference clock: the round trip, and what time may be wrong by. */
  rootDelay: number;
  rootDispersion: number;
  /** Four characters: what the clock follows, or why the server says no. */
  referenceId: string;
  /** NTP timestamps: when the clock was set, and T1 to T3 of the exchange. */
  reference: bigint;
  originate: bigint;
  receive: bigint;
  transmit: bigint;
}

/** What one exchange tells of the other clock. */
export interface Sample {
  /** The time there less the time here. */
  offset: number;
  /** The round trip, without the time that the server took. */
  delay: number;
  /** How far the offset may be from the true one. */
  bound: number;
  /** What the server says of itself: see Packet. */
  stratum: number;
}

/** The bytes of a header, in network order. */
export function pack(packet: Packet): Uint8Array {
  const bytes = new Uint8Array(LENGTH);
  const view = new DataView(bytes.buffer);
  const { leap, version, mode, stratum, poll, precision } = packet;
  bytes.set([leap << 6 | version << 3 | mode, stratum, poll, precision]);
  view.setUint32(4, shortOf(packet.rootDelay));
  view.setUint32(8, shortOf(packet.rootDispersion));
  for (let i = 0; i < 4; i++) bytes[12 + i] = packet.referenceId.charCodeAt(i);
  const { reference, originate, receive, transmit } = packet;
  for (const [i, time] of [reference, originate, receive, transmit].entries()) {
    view.setBigUint64(16 + 8 * i, time);
  }
  return bytes;
}

/** The header in a datagram; undefined if that is too short for one. */
export function unpack(bytes: Uint8Array): Packet | undefined {
  if (bytes.length < LENGTH) return;
  const view = new DataView(bytes.buffer, bytes.byteOffset, LENGTH);
  return {
    leap: bytes[0] >> 6,
    version: bytes[0] >> 3 & 7,
    mode: bytes[0] & 7,
    stratum: bytes[1],
    poll: view.getInt8(2),
    precision: view.getInt8(3),
    rootDelay: view.getUint32(4) * SHORT,
    rootDispersion: view.getUint32(8) * SHORT,
    referenceId: String.fromCharCode(...bytes.subarray(12, 16)),
    reference: view.getBigUint64(16),
    originate: view.getBigUint64(24),
    receive: view.getBigUint64(32),
    transmit: view.getBigUint64(40),
  };
}

/**
 * The NTP timestamp of a Unix time: seconds since 1900 with 32 bits before and
 * after the point, which begin again in 2036 (RFC 5905, section 6). Never 0,
 * which stands for no time at all.
 */
export function timestampOf(time: number): bigint {
  const second = Math.floor(time / 1000);
  const fraction = Math.round((time - second * 1000) / UNIT);
  const since1900 = BigInt(second) + SECONDS_1900_TO_1970;
  return BigInt.asUintN(64, (since1900 << 32n) + BigInt(fraction)) || 1n;
}

/**
 * The Unix time of an NTP timestamp, in the era that brings it within 68 years
 * of the Unix time `near`. With one in 2036 that is the rule of RFC 4330,
 * section 3: the first bit tells the eras apart.
 */
export function timeOf(timestamp: bigint, near: number): number {
  return near + between(timestampOf(near), timestamp);
}

/**
 * The time from one NTP timestamp to another, right over the end of an era if
 * they are less than 68 years apart (RFC 5905, section 6).
 */
export function between(from: bigint, to: bigint): number {
  return Number(BigInt.asIntN(64, to - from)) * UNIT;
}

/** A client's request, sent at this Unix time: RFC 4330, section 5. */
export function requestAt(time: number): Packet {
  return { ...BLANK, transmit: timestampOf(time) };
}

/** The request in a datagram, if a server has to answer it: section 6. */
export function requestIn(bytes: Uint8Array): Packet | undefined {
  const packet = unpack(bytes);
  if (packet?.mode !== 3 || packet.version < 1 || packet.version > 4) return;
  return packet;
}

/**
 * A server's answer to a request that came and is answered at these Unix times
 * of its `clock`: RFC 5905, figure 31.
 *
 * Nobody knows what the clock of the machine follows. So it takes a stratum to
 * which clients prefer every other: 10, as chrony's local clock. Its dispersion
 * is 1 ms, since `clock` does not notice a smaller change at once; how wrong
 * the machine's clock may be cannot be said in a number.
 */
export function answerTo(
  request: Packet,
  received: number,
  sent: number,
): Packet {
  const { version, poll, transmit: originate } = request;
  const [receive, transmit] = [timestampOf(received), timestampOf(sent)];
  const times = { reference: receive, originate, receive, transmit };
  return { ...LOCAL, ...times, version, poll };
}

/** The answer to a request that a datagram holds, if it does: see `stray`. */
export function answerIn(
  bytes: Uint8Array,
  request: Packet,
): Packet | undefined {
  const packet = unpack(bytes);
  return stray(packet, request) === undefined ? packet : undefined;
}

/**
 * Why a packet is not the answer to a request, if so. Anybody may have sent it,
 * and the answer may still come: RFC 5905, section 8; RFC 4330, section 5.
 */
export function stray(
  packet: Packet | undefined,
  request: Packet,
): string | undefined {
  if (!packet) return `shorter than ${LENGTH} bytes`;
  const { mode, version, originate } = packet;
  if (mode !== 4) return `mode ${mode}, not 4`;
  if (version !== request.version) {
    return `version ${version}, not ${request.version}`;
  }
  if (originate !== request.transmit) return "not to this request";
}

/**
 * Why the time in an answer must not be used, if so, in words that may hold
 * what the server chose: RFC 4330, sections 5 and 8; RFC 5905, section 7.4 and
 * appendix A.5.1.1.
 */
export function refusal(answer: Packet): string | undefined {
  const { leap, stratum, referenceId, receive, transmit } = answer;
  const code = stratum === 0 && referenceId.replace(/\0+$/, "");
  if (code) return `kiss-o'-death ${code}`;
  if (leap === 3 || stratum === 0 || stratum > 15) {
    return "its clock is not synchronized";
  }
  if (transmit === 0n || receive === 0n) return "it does not tell the time";
  if (rootDistance(answer) >= MAXDISP) return "its time may be 16 s wrong";
}

/**
 * Offset and delay from the four timestamps of an exchange, of which T4 is the
 * Unix time when the answer arrived: RFC 5905, section 8. The bound is the root
 * distance (appendix A.5.5.2): half of the delay, and half of that to the
 * reference clock; its dispersion; the readings of both clocks, and the drift
 * between T1 and T4.
 *
 * Undefined if the server says that it took less than no time, or more than
 * all of it: somebody set a clock meanwhile.
 */
export function measure(answer: Packet, arrival: number): Sample | undefined {
  const { originate, receive, transmit, stratum } = answer;
  const [t1, t2, t3, t4] = [originate, receive, transmit, timestampOf(arrival)];
  const [elapsed, there] = [between(t1, t4), between(t2, t3)];
  const offset = (between(t1, t2) + between(t4, t3)) / 2;
  const delay = Math.max(elapsed - there, 0);
  const drift = PHI * elapsed;
  const error = rootDistance(answer) + lengthOf(PRECISION) + drift;
  if (there < -error || there > elapsed + error) return;
  return { offset, delay, bound: delay / 2 + error, stratum };
}

/**
 * The samples in order of their delay: the latest, and those back to the first
 * that contradicts it. Before that the other clock was set.
 */
export function bestFirst(samples: Sample[]): Sample[] {
  const latest = samples.at(-1);
  const last = samples.findLastIndex(({ offset, bound }) =>
    Math.abs(offset - latest!.offset) > bound + latest!.bound
  );
  return samples.slice(last + 1).sort((a, b) => a.delay - b.delay);
}

/** What a sample says of this machine's clock, which may have been set since. */
export function sampleText({ delay, offset }: Sample): string {
  return `delay ${delay.toFixed(3)}, offset ${signed(offset - shift())} ms`;
}

/** What one clock is ahead of another, with its sign: `+0.004`. */
export function signed(difference: number, digits = 3): string {
  return `${difference < 0 ? "" : "+"}${difference.toFixed(digits)}`;
}

/**
 * The Unix time by a clock that nobody can set: it goes on evenly from what it
 * was when the program started.
 */
export function steady(): number {
  return performance.timeOrigin + performance.now();
}

/**
 * The Unix time by the machine's clock, finer than `Date.now()`, which it
 * follows when somebody sets that.
 */
export function clock(): number {
  return shift() + steady();
}

/** How far the machine's clock is ahead of the steady one. */
export function shift(): number {
  const [least, most] = bounds();
  if (least > shifted + 1 || most < shifted - 1) shifted = readShift(); // set
  else shifted = Math.min(Math.max(shifted, least), most);
  return shifted;
}

/** Reads both clocks until the machine's ticks, which takes up to 1 ms. */
function readShift(): number {
  let [least, most] = bounds();
  for (let tries = 10_000; most - least > 0.02 && tries > 0; tries--) {
    const [lower, upper] = bounds();
    [least, most] = [Math.max(least, lower), Math.min(most, upper)];
    if (least > most) [least, most] = [lower, upper]; // set again
  }
  return (least + most) / 2;
}

/** How far the machine's clock is ahead, at least and at most. */
function bounds(): [number, number] {
  const before = steady();
  const whole = Date.now(); // of a millisecond that is not over yet
  const after = steady();
  return [whole - after, whole + 1 - before];
}

let shifted = readShift();

/** The least time between two readings, in log2 s: RFC 5905, section 7.3. */
export function precisionOf(clock: () => number): number {
  let least = 1000;
  for (let i = 0, last = clock(); i < 100; i++) {
    const now = clock();
    if (now > last) least = Math.min(least, now - last);
    last = now;
  }
  return Math.ceil(Math.log2(least / 1000));
}

/** Of `clock`. */
const PRECISION = precisionOf(clock);

/** What a server's time may be wrong by: RFC 5905, appendix A.5.5.2. */
function rootDistance({ rootDelay, rootDispersion, precision }: Packet) {
  return rootDelay / 2 + rootDispersion + lengthOf(precision);
}

/** Milliseconds of a time in log2 s. */
function lengthOf(exponent: number): number {
  return 1000 * 2 ** exponent;
}

/** The NTP short format of a time; one too long for it becomes the longest. */
function shortOf(time: number): number {
  return Math.min(Math.round(time / SHORT), 0xffffffff);
}

const LENGTH = 48;
const SECONDS_1900_TO_1970 = 2_208_988_800n;
/** The last bit of an NTP timestamp, and of the short format. */
const UNIT = 1000 / 2 ** 32;
const SHORT = 1000 / 2 ** 16;
/** RFC 5905, section 7.2: how fast clocks drift, and the worst dispersion. */
const PHI = 15e-6;
const MAXDISP = 16_000;

const BLANK: Packet = {
  leap: 0,
  version: 4,
  mode: 3,
  stratum: 0,
  poll: 0,
  precision: 0,
  rootDelay: 0,
  rootDispersion: 0,
  referenceId: "\0\0\0\0",
  reference: 0n,
  originate: 0n,
  receive: 0n,
  transmit: 0n,
};

/** LOCL is the uncalibrated local clock: RFC 4330, section 4. */
const LOCAL: Packet = {
  ...BLANK,
  mode: 4,
  stratum: 10,
  precision: PRECISION,
  rootDispersion: 1,
  referenceId: "LOCL",
};
