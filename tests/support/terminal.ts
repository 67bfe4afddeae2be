/**
 * A command on a terminal of its own, which Python provides: no runtime has a
 * call for that.
 */
import { spawnSync } from "node:child_process";
import { type Finished, python, pythonCommand, run } from "./runtimes.ts";
import { ROOT } from "./scripts.ts";

/** Why there is no terminal, if so. */
export const noTerminal = python().reason ??
  (spawnSync(python().path!, ["-S", "-c", "import pty"]).status
    ? "python3 has no terminals here"
    : undefined);

/**
 * Runs a command, and types each answer once its question is shown. `stdout` is
 * what the terminal shows, with `\n` at the ends of lines.
 */
export async function onTerminal(
  command: string[],
  dialogue: [question: string, answer: string][],
): Promise<Finished> {
  const finished = await run(
    [
      ...pythonCommand("tests/support/terminal.py"),
      JSON.stringify(dialogue),
      ...command,
    ],
    { cwd: ROOT },
  );
  return { ...finished, stdout: finished.stdout.replaceAll("\r\n", "\n") };
}

export const CTRL_C = "\x03";
export const CTRL_D = "\x04";
