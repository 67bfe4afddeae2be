/**
 * Runs the clients of experiments side by side, each against a server that is
 * given, and prints how each has ended, as a line of JSON:
 *
 *     bun tests/hostile/clients.ts '[["tcp_time", 8000]]'
 */
import process from "node:process";
import { run } from "../../lib/experiment/experiment.ts";
import { SocketError } from "../../lib/mod.ts";
import { load } from "../support/scripts.ts";

/** The client of an experiment, and the port of its server. */
export type Run = [script: string, port: number];

/** How a client has ended. */
export interface Outcome {
  script: string;
  port: number;
  /** The message of its failure, if it failed. */
  failure?: string;
  /** Any other error than a SocketError. */
  bug?: string;
  lines: string[];
}

/** The longest wait of a client for one answer, in ms. */
const TIMEOUT = 500;

async function outcomeOf([script, port]: Run): Promise<Outcome> {
  const lines: string[] = [];
  const outcome = { script, port, lines };
  try {
    await run(
      await load(script),
      { role: "client", port, timeout: TIMEOUT },
      (_, line) => void lines.push(line),
    );
    return outcome;
  } catch (error) {
    if (error instanceof SocketError) {
      return { ...outcome, failure: error.message };
    }
    return { ...outcome, bug: String((error as Error)?.stack ?? error) };
  }
}

if (import.meta.main) {
  const uncaught = (error: unknown) => {
    const bug = `Uncaught: ${error}`;
    console.log(JSON.stringify({ script: "", port: 0, bug, lines: [] }));
  };
  process.on("unhandledRejection", uncaught).on("uncaughtException", uncaught);
  const runs: Run[] = JSON.parse(process.argv[2]);
  await Promise.all(runs.map(async (each) => {
    console.log(JSON.stringify(await outcomeOf(each)));
  }));
}
