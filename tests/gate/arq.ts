/**
 * The schedules of arq_spec.ts, fifty times as many.
 */
import { test } from "bun:test";
import { runSchedules } from "../support/arq_schedules.ts";

test("100,000 schedules of loss, doubling and disorder", () => {
  runSchedules(100_000);
}, 300_000);
