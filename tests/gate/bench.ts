/**
 * The bench measures everything on every runtime; the suite, some of it.
 */
import { expectMeasured } from "../bench/short_run.ts";
import { RUNTIMES } from "../support/runtimes.ts";
import { testOn } from "../support/test_on.ts";

for (const runtime of RUNTIMES) {
  testOn(
    runtime,
    `the bench measures everything on ${runtime}`,
    () => expectMeasured(runtime),
  );
}
