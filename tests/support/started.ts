/**
 * Ends what a test has started when the test is over, whether it has passed, failed
 * or taken too long; and what was started outside a test, with this process.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import process from "node:process";
import {
  type Running,
  start as startProcess,
} from "../../scripts/tools/support/processes.ts";

/** What a test has started, and whether it is over. */
interface Started {
  readonly running: Set<Running>;
  over: boolean;
}

const tests = new AsyncLocalStorage<Started>();
const outside: Started = { running: new Set(), over: false };
process.on("exit", () => end(outside));

/** As `start` of the tools. */
export function start(...args: Parameters<typeof startProcess>): Running {
  const running = startProcess(...args);
  const started = tests.getStore() ?? outside;
  started.running.add(running);
  running.ended.then(() => started.running.delete(running));
  if (started.over) running.signal("SIGKILL"); // by a test that was given up
  return running;
}

/** Calls `work` with the body of a test, and then ends what that has started. */
export async function endingStarted<T>(
  body: () => T,
  work: (body: () => T) => Promise<unknown>,
): Promise<void> {
  const started: Started = { running: new Set(), over: false };
  try {
    await work(() => tests.run(started, body));
  } finally {
    end(started);
  }
}

function end(started: Started): void {
  started.over = true;
  for (const running of started.running) running.signal("SIGKILL");
}
