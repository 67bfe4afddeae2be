/**
 * The terminal of whoever runs a script, for the few scripts that ask.
 *
 * @module
 */
import process from "node:process";
import type { Interface } from "node:readline";

/** Whether somebody reads what is printed and can answer. */
export function interactive(): boolean {
  return "Deno" in globalThis
    ? Deno.stdin.isTerminal() && Deno.stdout.isTerminal()
    : Boolean(process.stdin.isTTY && process.stdout.isTTY);
}

/**
 * Prints a question and waits for the line that is typed: null if there is no
 * terminal, or at its end (Ctrl-D). Ctrl-C ends the process with 130.
 */
export async function ask(question: string): Promise<string | null> {
  if (!interactive()) return null;
  reader ??= await open();
  process.stdout.write(question);
  const { value, done } = await reader.lines.next();
  if (!done) return value;
  process.stdout.write("\n"); // Ctrl-D leaves the cursor behind the question
  return null;
}

/**
 * The index of the label that is chosen with the arrow keys, or undefined if
 * `@std/cli` cannot be loaded; it has such a list for Deno only.
 */
export const choose = "Deno" in globalThis ? chooseInDeno : undefined;

async function chooseInDeno(
  question: string,
  labels: string[],
): Promise<number | undefined> {
  const name = "@std/cli/unstable-prompt-select"; // fetched only when needed
  const { promptSelect } = await import(name).catch(() => ({}));
  if (!promptSelect) return;
  close(); // or both would read the keys
  const options = labels.map((label, value) => ({ label, value }));
  return promptSelect(question, options, { clear: true })?.value;
}

/** Asks no more, so that the process can end. */
export function close(): void {
  reader?.face.close();
  process.off("SIGINT", interrupted);
  reader = undefined;
}

let reader: { face: Interface; lines: AsyncIterator<string> } | undefined;

/** The terminal itself edits the line (`terminal: false`) and signals Ctrl-C. */
async function open() {
  const { createInterface } = await import("node:readline");
  process.on("SIGINT", interrupted);
  const face = createInterface({ input: process.stdin, terminal: false });
  return { face, lines: face[Symbol.asyncIterator]() };
}

function interrupted(): void {
  process.stdout.write("\n");
  process.exit(130);
}
