/**
 * CPython at the same work, in processes of its own.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(new URL("python.py", import.meta.url).href);

export interface Python {
  /** How many ms it takes to do the work so often. */
  time(work: string, count: number): Promise<number>;
  end(): void;
}

/** Starts it; `path` is the program. */
export function startPython(path: string): Python {
  const child = spawn(path, [SCRIPT], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const answers = createInterface({ input: child.stdout })
    [Symbol.asyncIterator]();
  return {
    async time(work, count) {
      child.stdin.write(`${work} ${count}\n`);
      const { value, done } = await answers.next();
      if (done) throw new Error(`python3 did not do the work: ${work}`);
      return Number(value);
    },
    end: () => void child.stdin.end(),
  };
}
