/**
 * The soak of every server with clients of all runtimes, for 20 seconds.
 */
import { expectAccounted, missing } from "../soak/short_run.ts";
import { needing } from "../support/test_on.ts";

const clients = ["deno", "bun", "node"];
needing(
  missing,
  "the soak accounts for every byte",
  () => expectAccounted(20, clients),
  200_000,
);
