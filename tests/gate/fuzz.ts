/**
 * What the suite does with 5,000 random inputs of each kind, with 100,000.
 */
import { test } from "bun:test";
import {
  fuzzDatagrams,
  fuzzFrames,
  fuzzHeaders,
  fuzzMessages,
  fuzzRecords,
  fuzzRepairs,
  fuzzStreams,
} from "../support/fuzz.ts";

const COUNT = 100_000;
const LIMIT = 300_000;

test("SNTP headers are the same after unpack() and pack()", () => {
  fuzzHeaders(COUNT);
}, LIMIT);
test("random datagrams harm neither end of SNTP", () => {
  fuzzDatagrams(COUNT);
}, LIMIT);
test("syslog records are the same after they are formatted and parsed", () => {
  fuzzRecords(COUNT);
}, LIMIT);
test("random messages become one line each, and none loses a byte", () => {
  fuzzMessages(COUNT);
}, LIMIT);
test("incomplete lines are repaired with all their bytes", () => {
  fuzzRepairs(COUNT);
}, LIMIT);
test("streams have the same frames in random pieces", () => {
  fuzzStreams(COUNT);
}, LIMIT);
test("what was framed is found again in random pieces", () => {
  fuzzFrames(COUNT);
}, LIMIT);
