/**
 * What the suite does with some thousand messages of DNS, with 100,000.
 */
import { test } from "bun:test";
import * as fuzz from "../support/fuzz_dns.ts";

for (
  const check of [
    ...[fuzz.fuzzDnsMessages, fuzz.fuzzForgedAnswers, fuzz.forgeAtClients],
  ]
) test(check.name, () => check(100_000), 300_000);
