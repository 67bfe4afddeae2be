/**
 * Tells how far a tool is: in one line of the terminal, and nowhere else.
 *
 * @module
 */
import process from "node:process";

export function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

export const clearProgress = () => showProgress("");
