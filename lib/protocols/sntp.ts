/**
 * SNTP version 4 (RFC 4330, RFC 5905): how far another machine's clock is ahead,
 * from one request and one reply. Times are Unix times in milliseconds unless a
 * name says NTP. Whoever calls this reads the clocks.
 *
 * ```ts
 * import * as sntp from "./sntp.ts";
 *
 * const [t1, t2, t3, t4] = [1000, 3501, 3502, 1003];
 * const request = sntp.requestAt(t1); // at the client
 * const asked = sntp.requestIn(sntp.pack(request))!; // at the server
 * const reply = sntp.answerTo(asked, t2, t3);
 * const told = sntp.answerIn(sntp.pack(reply), request)!; // at the client
 * const { offset, delay } = sntp.measure(told, { arrival: t4, precision: -20 })!;
 * // 2500 and 2
 * ```
 *
 * @module
 */

/** The header of every NTP message: RFC 5905, section 7.3. */
export interface Packet {
  /** 0: no warning; 1, 2: a leap second comes; 3: not synchronized. */
  leap: number;
  version: number;
  /** 3: a client's request; 4: a server's reply. */
  mode: number;
  /** 1: has a reference clock; 2 to 15: hops away from one; 0: kiss-o'-death. */
  stratum: number;
  /** Largest interval between messages, and precision of the clock: log2 s. */
  poll: number;
  precision: number;
  /** Round trip to the reference clock (signed), and its largest error. */
  rootDelay: number;
  rootDispersion: number;
  /**
   * Four bytes as characters: of stratum 1 the reference clock, of stratum 0 the
   * code of a kiss-o'-death; above, the IPv4 address of the server's own server.
   */
  referenceId: string;
  /** NTP timestamps: when the clock was set, and T1 to T3 of the exchange. */
  reference: bigint;
  originate: bigint;
  receive: bigint;
  transmit: bigint;
}

/** What one exchange says about the other clock. */
export interface Sample {
  /** The server's time minus the client's. */
  offset: number;
  /** The round trip, without the server's processing time. */
  delay: number;
  /** The largest possible error of the offset. */
  bound: number;
  /** The server's stratum: see Packet. */
  stratum: number;
}

/** The bytes of a header, in network order. */
export function pack(packet: Packet): Uint8Array {
  const bytes = new Uint8Array(HEADER_LENGTH);
  const view = new DataView(bytes.buffer);
  const { leap, version, mode, stratum, poll, precision } = packet;
  bytes.set([leap << 6 | version << 3 | mode, stratum, poll, precision]);
  view.setInt32(4, toNtpShort(packet.rootDelay, 2 ** 31 - 1));
  view.setUint32(8, toNtpShort(packet.rootDispersion, 2 ** 32 - 1));
  for (let i = 0; i < 4; i++) bytes[12 + i] = packet.referenceId.charCodeAt(i);
  const { reference, originate, receive, transmit } = packet;
  for (const [i, time] of [reference, originate, receive, transmit].entries()) {
    view.setBigUint64(16 + 8 * i, time);
  }
  return bytes;
}

/** The header in a datagram; undefined if the datagram is too short. */
export function unpack(bytes: Uint8Array): Packet | undefined {
  if (bytes.length < HEADER_LENGTH) return;
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_LENGTH);
  return {
    leap: bytes[0] >> 6,
    version: bytes[0] >> 3 & 7,
    mode: bytes[0] & 7,
    stratum: bytes[1],
    poll: view.getInt8(2),
    precision: view.getInt8(3),
    rootDelay: view.getInt32(4) * SHORT_UNIT,
    rootDispersion: view.getUint32(8) * SHORT_UNIT,
    referenceId: String.fromCharCode(...bytes.subarray(12, 16)),
    reference: view.getBigUint64(16),
    originate: view.getBigUint64(24),
    receive: view.getBigUint64(32),
    transmit: view.getBigUint64(40),
  };
}

/**
 * The NTP timestamp of a Unix time: seconds since 1900, 32 bits before the
 * binary point and 32 after it; they wrap around in 2036 (RFC 5905, section 6).
 * Never 0, which means "unknown".
 */
export function toNtpTimestamp(time: number): bigint {
  const second = Math.floor(time / 1000);
  const fraction = Math.round((time - second * 1000) / TIMESTAMP_UNIT);
  const since1900 = BigInt(second) + SECONDS_1900_TO_1970;
  return BigInt.asUintN(64, (since1900 << 32n) + BigInt(fraction)) || 1n;
}

/**
 * The Unix time of an NTP timestamp, in the era that brings it within 68 years
 * of the Unix time `near`. With a `near` in 2036 this is the rule of RFC 4330,
 * section 3: the first bit distinguishes the eras.
 */
export function toUnixTime(timestamp: bigint, near: number): number {
  return near + ntpDifference(toNtpTimestamp(near), timestamp);
}

/**
 * The time from one NTP timestamp to another, correct across eras if they are
 * less than 68 years apart (RFC 5905, section 6).
 */
export function ntpDifference(from: bigint, to: bigint): number {
  return Number(BigInt.asIntN(64, to - from)) * TIMESTAMP_UNIT;
}

/** A client's request, sent at this time (T1): RFC 4330, section 5. */
export function requestAt(time: number): Packet {
  return { ...BLANK, transmit: toNtpTimestamp(time) };
}

/** The request in a datagram, if a server must answer it: RFC 4330, section 6. */
export function requestIn(bytes: Uint8Array): Packet | undefined {
  const packet = unpack(bytes);
  if (packet?.mode !== 3 || packet.version < 1 || packet.version > 4) return;
  return packet;
}

/**
 * A server's reply: RFC 5905, figure 31. T2, T3 and the precision are those of
 * the server's clock.
 *
 * What the clock of this machine is synchronized to is not known. So the reply
 * claims the stratum of chrony's local clock, 10, and clients prefer any other
 * server. Its dispersion is 1 ms, because `realtime()` of the services may
 * notice a smaller step late. The real error of the clock is unknown. The
 * reference time is not later than T3, even if the clock was set back since T2.
 */
export function answerTo(
  request: Packet,
  received: number,
  sent: number,
  precision = -10,
): Packet {
  const { version, poll, transmit: originate } = request;
  const [receive, transmit] = [toNtpTimestamp(received), toNtpTimestamp(sent)];
  const reference = toNtpTimestamp(Math.min(received, sent));
  const times = { reference, originate, receive, transmit };
  return { ...LOCAL, ...times, version, poll, precision };
}

/** The reply in a datagram, unless it is bogus: see `bogusReason`. */
export function answerIn(
  bytes: Uint8Array,
  request: Packet,
): Packet | undefined {
  const packet = unpack(bytes);
  return bogusReason(packet, request) === undefined ? packet : undefined;
}

/**
 * Why a packet is not the reply to a request; undefined if it is. Anybody can
 * send a bogus packet, and the reply may still come: RFC 5905, section 8;
 * RFC 4330, section 5. The originate timestamp tells whose reply it is: some
 * servers reply with a version of their own, and 1 to 4 have the same header.
 */
export function bogusReason(
  packet: Packet | undefined,
  request: Packet,
): string | undefined {
  if (!packet) return `shorter than ${HEADER_LENGTH} bytes`;
  const { mode, version, originate } = packet;
  if (mode !== 4) return `mode ${mode}, not 4`;
  if (version < 1 || version > 4) return `version ${version}, not 1 to 4`;
  if (originate !== request.transmit) return "not to this request";
}

/**
 * Why the time in a reply must not be used; undefined if it may. The reason may
 * contain text from the server: RFC 4330, sections 5 and 8; RFC 5905, section
 * 7.4 and appendix A.5.1.1.
 */
export function unusableReason(reply: Packet): string | undefined {
  const { leap, stratum, referenceId, reference, receive, transmit } = reply;
  const code = stratum === 0 && referenceId.replace(/\0+$/, "");
  if (code) return `kiss-o'-death ${code}`;
  if (leap === 3 || stratum === 0 || stratum > 15) {
    return "its clock is not synchronized";
  }
  if (transmit === 0n || receive === 0n) return "it does not tell the time";
  if (reference !== 0n && ntpDifference(transmit, reference) > 0) {
    return "its reference time is in the future";
  }
  if (rootDistance(reply) >= MAXDISP) return "its time may be 16 s wrong";
}

/**
 * Offset and delay from the four timestamps of an exchange: RFC 5905, section 8.
 * T4 is the `arrival` of the reply by the client's clock, which has this
 * precision (log2 s). The bound is the root distance (appendix A.5.5.2): half of
 * the delay and of the root delay, the root dispersion, the precision of both
 * clocks, and the drift between T1 and T4.
 *
 * Undefined if the server claims to have taken less than no time, or more than
 * the whole exchange: a clock was set meanwhile. One clock gives both T2 and T3,
 * so T3 is earlier by a tick at most, whatever the dispersion.
 */
export function measure(
  reply: Packet,
  { arrival, precision }: { arrival: number; precision: number },
): Sample | undefined {
  const { originate: t1, receive: t2, transmit: t3, stratum } = reply;
  const t4 = toNtpTimestamp(arrival);
  const [elapsed, inside] = [ntpDifference(t1, t4), ntpDifference(t2, t3)];
  const offset = (ntpDifference(t1, t2) + ntpDifference(t4, t3)) / 2;
  const delay = Math.max(elapsed - inside, 0);
  const drift = PHI * elapsed;
  const error = rootDistance(reply) + log2ToMs(precision) + drift;
  if (inside < -Math.min(error, TICK) || inside > elapsed + error) return;
  return { offset, delay, bound: delay / 2 + error, stratum };
}

/**
 * The samples that count, least delay first: RFC 5905, section 10. Those before
 * the last contradiction do not count, because the server's clock was set then.
 */
export function clockFilter(samples: Sample[]): Sample[] {
  const latest = samples.at(-1);
  const last = samples.findLastIndex(({ offset, bound }) =>
    Math.abs(offset - latest!.offset) > bound + latest!.bound
  );
  return samples.slice(last + 1).sort((a, b) => a.delay - b.delay);
}

/** The largest error of a server's time: RFC 5905, appendix A.5.5.2. */
function rootDistance({ rootDelay, rootDispersion, precision }: Packet) {
  return Math.abs(rootDelay) / 2 + rootDispersion + log2ToMs(precision);
}

/** The milliseconds of a time in log2 s. */
function log2ToMs(exponent: number): number {
  return 1000 * 2 ** exponent;
}

/** The NTP short format of a time; one that is too long becomes the longest. */
function toNtpShort(time: number, longest: number): number {
  return Math.min(Math.round(time / SHORT_UNIT), longest);
}

const HEADER_LENGTH = 48;
const SECONDS_1900_TO_1970 = 2_208_988_800n;
/** The last bit of an NTP timestamp, and of the short format, in ms. */
const TIMESTAMP_UNIT = 1000 / 2 ** 32;
const SHORT_UNIT = 1000 / 2 ** 16;
/** RFC 5905, section 7.2: the drift of a clock, and the largest dispersion. */
const PHI = 15e-6;
const MAXDISP = 16_000;
/** The tick of the coarsest clock in use, 1/64 s, rounded up. */
const TICK = 16;

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

/** 127.127.1.1 is an uncalibrated local clock, as ntpd and chrony write it. */
const LOCAL: Packet = {
  ...BLANK,
  mode: 4,
  stratum: 10,
  rootDispersion: 1,
  referenceId: "\x7f\x7f\x01\x01",
};
