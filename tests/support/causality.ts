/**
 * Finds calls that stand before their cause, in another way than `Merge` does: it
 * looks at a whole order at once, and counts by addresses.
 */
import type { TracedCall } from "../../lib/observe/traced.ts";

/** A call that moves bytes or ends a stream, and the stream in which it does. */
interface Transfer {
  readonly at: number;
  readonly bytes: number;
}

/** What is wrong with an order: each arrow that points backwards, in words. */
export function backwards(calls: readonly TracedCall[]): string[] {
  const done = calls.map((call, at) => ({ ...call, at })).filter(
    ({ error, result }) => error === undefined && result !== undefined,
  );
  const datagrams = new Set(
    done.filter(({ call, args }) => call === "socket" && args[1] !== STREAM)
      .map(({ end, made }) => `${end} ${made}`),
  );
  const streams = done.filter(({ end, descriptor }) =>
    !datagrams.has(`${end} ${descriptor}`)
  );
  const others = done.filter((call) => !streams.includes(call));
  return [...inStreams(streams, calls), ...inDatagrams(others)];
}

const STREAM = "SOCK_STREAM";

type Placed = TracedCall & { at: number };

function inStreams(done: Placed[], all: readonly TracedCall[]): string[] {
  const wrong: string[] = [];
  const connects = done.filter(({ call }) => call === "connect");
  for (const accept of done.filter(({ call }) => call === "accept")) {
    const place = connects.findIndex(({ name, peer }) =>
      hostless(peer) === hostless(accept.name) && name === accept.peer
    );
    if (place < 0) continue;
    const [connect] = connects.splice(place, 1);
    if (connect.at > accept.at) wrong.push(`accept ${accept.peer}`);
    const listen = done.find(({ call, name }) =>
      call === "listen" && hostless(name) === hostless(accept.name)
    );
    if (listen && listen.at > connect.at) wrong.push(`connect ${accept.peer}`);
    const ends = [
      [connect.end, connect.descriptor],
      [accept.end, accept.made],
    ] as const;
    for (const [from, to] of [ends, ends.toReversed()]) {
      const own = ([end, descriptor]: typeof from) =>
        all.map((call, at) => ({ ...call, at })).filter((call) =>
          call.end === end && call.descriptor === descriptor
        );
      wrong.push(...inDirection(own(from), own(to)));
    }
  }
  return wrong;
}

/** What one end receives before the other has sent it. */
function inDirection(from: Placed[], to: Placed[]): string[] {
  const sent: Transfer[] = from.filter(({ call }) => call.startsWith("send"))
    .map(({ at, error, bytes }) => ({ at, bytes: error ? Infinity : bytes! }));
  const before = (at: number) =>
    sent.reduce((sum, one) => one.at < at ? sum + one.bytes : sum, 0);
  let received = 0;
  const wrong: string[] = [];
  for (const { at, bytes = 0, result } of receives(to)) {
    received += bytes;
    if (received > before(at)) wrong.push(`recv ${result} at ${at}`);
    const ended = from.some((call) =>
      /^(close|shutdown)$/.test(call.call) && call.at < at
    );
    const own = to.some((call) => call.args[0]?.endsWith("_RD"));
    const reset = to.some((call) => call.call === "recv" && call.error);
    const closes = from.some(({ call }) => call === "close");
    if (result === '""' && !ended && closes && !own && !reset) {
      wrong.push(`the end of the stream at ${at}`);
    }
  }
  return wrong;
}

function receives(calls: Placed[]): Placed[] {
  return calls.filter(({ call, error }) => call.startsWith("recv") && !error);
}

function inDatagrams(done: Placed[]): string[] {
  const peers = new Map<string, string | undefined>();
  for (const { call, end, descriptor, peer } of done) {
    if (call === "connect") peers.set(`${end} ${descriptor}`, peer);
  }
  const peerOf = ({ end, descriptor, peer, args }: Placed) =>
    hostless(peer ?? peers.get(`${end} ${descriptor}`) ?? args[1]);
  const sends = done.filter(({ call }) => call.startsWith("send"));
  const taken = new Map<string, number>();
  return done.filter(({ call }) => /^(recv|lose)/.test(call)).flatMap(
    (call) => {
      const text = bytesIn(call.call === "lose" ? call.args[0] : call.result!);
      const own = sends.filter((send) =>
        hostless(send.name) === peerOf(call) &&
        peerOf(send) === hostless(call.name) &&
        bytesIn(send.args[0]).startsWith(text)
      );
      const key = `${call.end} ${call.descriptor} ${peerOf(call)} ${text}`;
      taken.set(key, (taken.get(key) ?? 0) + 1);
      const sent = own.filter(({ at }) => at < call.at).length;
      const most = Math.min(own.length, taken.get(key)!); // the others are doubled
      return sent < most ? [`${call.call} ${call.result} at ${call.at}`] : [];
    },
  );
}

function bytesIn(words: string): string {
  return words.slice(1).replace(/"(\.\.\.|,|$).*$/, "");
}

function hostless(address = ""): string {
  return address.replace(/^.*, (\d+)\)$/, "$1");
}

/** The calls in the output of `--trace --json`. */
export function tracesIn(stdout: string): TracedCall[] {
  return stdout.split("\n").filter((line) => line !== "")
    .map((line) => JSON.parse(line))
    .filter(({ call, begins, held }) => call && !begins && !held);
}
