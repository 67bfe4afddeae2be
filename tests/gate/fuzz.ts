/**
 * What the suite does with some thousand random inputs of each kind, with
 * 100,000.
 */
import { test } from "bun:test";
import * as fuzz from "../support/fuzz.ts";

for (
  const check of [
    ...[fuzz.fuzzHeaders, fuzz.fuzzDatagrams, fuzz.fuzzRecords],
    ...[fuzz.fuzzMessages, fuzz.fuzzRepairs, fuzz.fuzzStreams, fuzz.fuzzFrames],
  ]
) test(check.name, () => check(100_000), 300_000);
