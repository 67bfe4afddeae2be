/**
 * Runs tcp_time in a process that has opened as many files as it may, as its
 * arguments say: for what happens then nothing more can be loaded.
 */
import { openSync } from "node:fs";
import "../../lib/experiment/command_line.ts"; // which was loaded before
import "../../lib/process/output.ts";
import { experiment } from "../../lib/experiment/experiment.ts";
import { onStop } from "../../lib/process/process.ts";
import { client, server } from "../../scripts/tcp_time.ts";

onStop(() => {}); // Deno needs a descriptor for the first
try {
  while (true) openSync("/dev/null", "r");
} catch {
  await experiment({ url: import.meta.url, port: 8000, server, client });
}
