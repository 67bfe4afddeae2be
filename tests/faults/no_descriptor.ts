/**
 * Runs both ends of tcp_time in a process that has opened as many files as it
 * may: for what happens then nothing more can be loaded.
 */
import { openSync } from "node:fs";
import { experiment } from "../../lib/experiment/experiment.ts";
import { client, server } from "../../scripts/tcp_time.ts";

try {
  while (true) openSync("/dev/null", "r");
} catch {
  await experiment({ url: import.meta.url, port: 8000, server, client });
}
