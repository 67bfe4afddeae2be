/**
 * Automatic repeat request without a network: numbers, frames, and what sender
 * and receiver do with losses, doubles and lies. The gate runs fifty times as
 * many schedules.
 */
import { describe, expect, test } from "bun:test";
import { add, distance, Receiver, Sender, WAYS } from "../lib/protocols/arq.ts";
import {
  answerTo,
  formatBlock,
  formatFrame,
  type Frame,
  FRAME_LIMIT,
  parseFrame,
} from "../lib/protocols/frames.ts";
import { runSchedules } from "./support/arq_schedules.ts";

const [STOP_AND_WAIT, GO_BACK_N, SELECTIVE] = WAYS;
const bytes = (text: string) => new TextEncoder().encode(text);
const ack = (way: { name: string }, number: number | undefined): Frame => ({
  ...{ kind: "ACK", way: way.name, block: 1, attempt: 1, number, text: "" },
});
const data = (number: number, text = `${number}`) => ({
  ...{ way: "any", block: 1, attempt: 1, number, text },
});

test("numbers have 16 bits, and the next one after 65535 is 0", () => {
  expect(add(65_535, 1)).toBe(0);
  expect(distance(65_535, 2)).toBe(3);
  expect(distance(2, 65_535)).toBe(-3);
  expect(distance(7, 7)).toBe(0);
  expect(distance(0, 32_767)).toBe(32_767);
  expect(distance(0, 32_768)).toBe(-32_768); // RFC 1982: neither is before
});

describe("Sender", () => {
  const blocks = Array.from({ length: 20 }, (_, index) => `${index}`);
  const sent = (some: { block: number; attempt: number }[]) =>
    some.map(({ block, attempt }) => `${block}.${attempt}`).join(" ");

  test("has at most a window on the way", () => {
    expect(sent(new Sender(blocks, STOP_AND_WAIT).start())).toBe("1.1");
    expect(sent(new Sender(blocks, GO_BACK_N).start()))
      .toBe("1.1 2.1 3.1 4.1 5.1 6.1 7.1 8.1");
    expect(sent(new Sender(["a"], SELECTIVE).start())).toBe("1.1");
    expect(new Sender([], SELECTIVE).start()).toEqual([]);
    expect(new Sender([], SELECTIVE).done).toBe(true);
  });

  test("goes back to the oldest, and keeps no other acknowledgement", () => {
    const sender = new Sender(blocks, GO_BACK_N);
    sender.start();
    expect(sender.acknowledge(ack(GO_BACK_N, 1))).toEqual([]);
    expect(sent(sender.acknowledge(ack(GO_BACK_N, 0)))).toBe("9.1");
    expect(sent(sender.expire())).toBe("2.2 3.2 4.2 5.2 6.2 7.2 8.2 9.2");
    expect(sender.sends).toBe(17);
  });

  test("repeats what is not acknowledged alone, if it is selective", () => {
    const sender = new Sender(blocks, SELECTIVE);
    sender.start();
    for (const number of [1, 2, 4, 5, 6, 7]) {
      expect(sender.acknowledge(ack(SELECTIVE, number))).toEqual([]);
    }
    expect(sent(sender.expire())).toBe("1.2 4.2");
    expect(sent(sender.acknowledge(ack(SELECTIVE, 0)))).toBe("9.1 10.1 11.1");
    expect(sent(sender.acknowledge(ack(SELECTIVE, 3)))).toBe(
      "12.1 13.1 14.1 15.1 16.1",
    );
  });

  test("ignores acknowledgements that cannot be true", () => {
    for (const way of WAYS) {
      const sender = new Sender(blocks, way, 65_530);
      sender.start();
      const lies = [
        ...[65_529, 65_530 - 8, 8, 1000, 32_762, 32_761, undefined]
          .map((number) => ack(way, number)),
        { ...ack(way, 65_530), way: "another" },
        { ...ack(way, 65_530), kind: "DATA" as const },
      ];
      const before = sender.sends;
      for (const lie of lies) {
        expect([lie, sender.expects(lie)]).toEqual([lie, false]);
        expect(sender.acknowledge(lie)).toEqual([]);
      }
      expect(sender.sends).toBe(before);
      expect(sender.done).toBe(false);
      expect(sender.acknowledge(ack(way, 65_530))).toHaveLength(1);
      expect(sender.expects(ack(way, 65_530))).toBe(false); // it is known now
    }
  });
});

describe("Receiver", () => {
  test("keeps what comes early if it is selective, and less than a window", () => {
    const receiver = new Receiver(SELECTIVE, 65_534);
    for (const number of [0, 65_535, 5, 1]) {
      expect(receiver.take(data(number))).toBe(true);
    }
    for (const number of [6, 100, 32_766]) {
      expect(receiver.take(data(number))).toBe(false); // after the window
    }
    expect(receiver.blocks).toEqual([]);
    expect(receiver.take(data(65_534))).toBe(true);
    expect(receiver.blocks).toEqual(["65534", "65535", "0", "1"]);
  });

  test("throws it away in go-back-N, without an acknowledgement", () => {
    const receiver = new Receiver(GO_BACK_N);
    expect(receiver.take(data(1))).toBe(false);
    expect(receiver.take(data(0))).toBe(true);
    expect(receiver.take(data(1))).toBe(true);
    expect(receiver.blocks).toEqual(["0", "1"]);
  });

  test("acknowledges again what it knows, and takes it once", () => {
    for (const way of WAYS) {
      const receiver = new Receiver(way, 65_535);
      for (const number of [65_535, 65_535, 0, 0]) {
        expect(receiver.take(data(number))).toBe(true);
      }
      expect(receiver.blocks).toEqual(["65535", "0"]);
      expect(receiver.take(data(65_520))).toBe(false); // never in its window
      expect(receiver.take({ ...data(0), number: undefined })).toBe(false);
    }
  });
});

describe("a frame", () => {
  test("is text, and comes back from it", () => {
    const block = { way: "go-back-N", block: 3, attempt: 2, number: 2 };
    const text = formatBlock({ ...block, text: "block 3" });
    expect(text).toBe("DATA go-back-N 3.2 2 block 3");
    const frame = parseFrame(bytes(text))!;
    expect(frame).toEqual({ kind: "DATA", ...block, text: "block 3" });
    expect(answerTo(frame)).toBe("ACK go-back-N 3.2 2");
    const end = { kind: "FIN", way: "bit", block: 0, attempt: 1, text: "" };
    expect(formatFrame(end as Frame)).toBe("FIN bit 0.1 -");
    const parsed = parseFrame(bytes("FIN bit 0.1 -"))!;
    expect(parsed).toEqual({ ...end, number: undefined } as Frame);
    expect(answerTo(parsed)).toBe("FINACK bit 0.1 -");
  });

  for (
    const wrong of [
      ...["", "DATA", "DATA bit 1.1", "data bit 1.1 0", "DATA bit 1 0"],
      ...["DATA bit 1.1 65536", "DATA bit 1.1 -1", "DATA bit 1.1 x y"],
      ...["DATA bit 100000.1 0", "DATA bit 1.1000 0", " DATA bit 1.1 0"],
      ...["DATA \x1b[2J 1.1 0 x", `DATA ${"w".repeat(17)} 1.1 0`],
      `DATA bit 1.1 0 ${"x".repeat(FRAME_LIMIT)}`,
    ]
  ) {
    test(`is not ${JSON.stringify(wrong.slice(0, 30))}`, () => {
      expect(parseFrame(bytes(wrong))).toBeUndefined();
    });
  }
});

test("2,000 schedules of loss, doubling and disorder", () => {
  runSchedules(2_000);
});
