/**
 * Starts a command that answers with one number a line.
 *
 * @module
 */
import { type Running, start } from "../../scripts/tools/support/processes.ts";

export interface Answering extends Running {
  /** The next number. Rejects if the process ends first. */
  next(): Promise<number>;
}

export function startAnswering(command: string[], orders = false): Answering {
  const answers: number[] = [];
  let heard = () => {};
  const running = start(command, {
    orders,
    group: false, // a Ctrl-C ends it, too
    heard(line) {
      answers.push(Number(line));
      heard();
    },
  });
  const ended = running.ended.then(() => {
    throw new Error(`${command[0]} has ended: ${running.written.stderr}`);
  });
  ended.catch(() => {}); // when it is not asked any more
  const next = async () => {
    if (answers.length === 0) {
      const answer = new Promise<void>((resolve) => heard = resolve);
      await Promise.race([answer, ended]);
    }
    return answers.shift()!;
  };
  return { ...running, next };
}
