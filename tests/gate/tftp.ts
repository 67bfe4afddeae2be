/**
 * TFTP with what takes longer: 100,000 random datagrams, and a file of more blocks
 * than a block number has values.
 */
import { test } from "bun:test";
import * as tftp from "../support/tftp.ts";

for (const check of [tftp.fuzzPackets, tftp.fuzzNetascii]) {
  test(check.name, () => check(100_000), 300_000);
}

test("block numbers go on after 65535", async () => {
  const content = new Uint8Array(8 * 65_600 + 3).map((_, i) => i * 7 >> 3);
  await tftp.expectWhole(content, { blksize: 8, windowsize: 64 });
  await tftp.expectWhole(content, { blksize: 8, windowsize: 1 });
}, 300_000);
