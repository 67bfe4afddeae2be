/**
 * The reader's terminal, for the few scripts that ask or listen to the reader.
 *
 * @module
 */
import process from "node:process";
import type { Interface } from "node:readline";
import { escapeControls } from "../sockets/escape.ts";
import { WINDOWS } from "../sockets/runtimes/system.ts";
import { exit, onStop } from "./process.ts";

/** What a user types to end the input. */
export const END_KEY = WINDOWS ? "Ctrl-Z and Enter" : "Ctrl-D";

/** Whether somebody reads the output and can answer. */
export function interactive(): boolean {
  return Boolean(process.stdin.isTTY && process.stdout.isTTY);
}

/**
 * Prints a question and reads the line that is typed; null without a terminal,
 * and after Ctrl-D. Ctrl-C ends the process with 130.
 */
export async function ask(question: string): Promise<string | null> {
  if (!interactive()) return null;
  if (!input) {
    const { createInterface } = await import("node:readline");
    process.on("SIGINT", interrupted);
    // `terminal: false`: the terminal itself edits the line and signals Ctrl-C.
    const reader = createInterface({ input: process.stdin, terminal: false });
    input = { reader, lines: reader[Symbol.asyncIterator]() };
  }
  process.stdout.write(question);
  const { value, done } = await input.lines.next();
  if (!done) return value;
  process.stdout.write("\n"); // Ctrl-D leaves the cursor behind the question
  return null;
}

/**
 * Lets the reader choose a label with the arrow keys, and gives its index, or
 * undefined if `@std/cli` cannot be loaded. It has such a list for Deno only.
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

/** What comes on standard input, typed or from a pipe, up to its end. */
export async function* typed(): AsyncGenerator<Uint8Array> {
  for await (const bytes of process.stdin) yield bytes;
}

/**
 * Takes the whole screen, and gives each key to `onKey` as the terminal sends it. A
 * signal that ends a program is Ctrl-C (`\x03`), too. close() gives the screen back.
 */
export function openScreen(onKey: (key: string) => void) {
  const { stdin, stdout } = process;
  const listen = (bytes: Uint8Array) => onKey(String(bytes));
  let shown = "";
  stdin.setRawMode(true).on("data", listen);
  stdout.write("\x1b[?1049h\x1b[?25l"); // another screen, without a cursor
  onStop((again) => again ? exit(130) : onKey("\x03"));
  return {
    // Some terminals do not tell.
    size: (): [number, number] => [stdout.columns || 80, stdout.rows || 24],
    draw(lines: readonly string[]) {
      const text = lines.map((line) => `${escapeControls(line)}\x1b[K`);
      if (shown === (shown = text.join("\r\n"))) return;
      stdout.write(`\x1b[H${shown}\x1b[J`);
    },
    close() {
      stdin.off("data", listen).setRawMode(false).pause();
      stdout.write("\x1b[?25h\x1b[?1049l");
    },
  };
}

/** Stops what `typed` gives, so that the process can end. */
export function stopTyped(): void {
  if ("Deno" in globalThis) Deno.stdin.close(); // a pending read would go on
  else process.stdin.destroy();
}

/** Closes the input, so that the process can end. */
export function close(): void {
  input?.reader.close();
  process.off("SIGINT", interrupted);
  input = undefined;
}

let input: { reader: Interface; lines: AsyncIterator<string> } | undefined;

function interrupted(): void {
  process.stdout.write("\n");
  process.exit(130);
}
