/**
 * Runs a guided script, one that leads through both ends at once rather than
 * be either: its flags, what it prints, and what it asks of the reader.
 *
 * @module
 */
import { joinWords } from "./print.ts";
import { args, exit, ignoreBrokenPipe } from "./process.ts";
import type { Given, Guide, Reading } from "./settings.ts";
import { ask, choose, close, interactive } from "./terminal.ts";

export type { Guide, Reading };

/**
 * Runs it as the command line says, and ends the process with 1 for a socket's
 * failure and 2 for a wrong flag.
 */
export async function guide(guide: Guide): Promise<void> {
  ignoreBrokenPipe();
  const words = args();
  let given: Given = { flags: {}, on: [] };
  if (words.length > 0) {
    const { parseGuide } = await import("./command_line.ts");
    given = parseGuide(guide, words);
  }
  const reader = { print, say, pause, pick };
  try {
    await guide.run({ ...given, interactive: interactive(), ...reader });
  } catch (error) {
    if (error instanceof Left) return;
    const { printFailure } = await import("./failure.ts");
    const { flags } = given;
    printFailure(error, { url: guide.url, port: 0 }, {
      flags,
      timeout: undefined,
    });
    exit(1);
  } finally {
    close();
  }
}

function print(...words: unknown[]): void {
  console.log(joinWords(words));
}

function say(label: string, text: string): void {
  let line = label;
  for (const word of text.split(/\s+/)) {
    if (line.length + word.length > WIDTH) {
      print(line.trimEnd());
      line = " ".repeat(label.length);
    }
    line += `${word} `;
  }
  print(line.trimEnd());
}

async function pause(): Promise<void> {
  if (interactive() && await ask("    (Enter) ") === null) throw new Left();
}

async function pick(choices: string[]): Promise<string | null> {
  const letters = "abcdefghij".slice(0, choices.length);
  const range = `a to ${letters.at(-1)}`;
  while (true) {
    const list = chooser ? ", or Enter for a list" : "";
    const line = await ask(`    Your answer (${range}${list}): `);
    if (line === null) return null;
    const letter = line.trim().toLowerCase();
    if (letter.length === 1 && letters.includes(letter)) return letter;
    if (letter === "" && chooser) {
      const labels = choices.map((choice, i) => `${letters[i]}) ${choice}`);
      const index = await chooser("    Your answer:", labels);
      if (index !== undefined) {
        print(`    Your answer: ${letters[index]}`);
        return letters[index];
      }
      chooser = undefined; // it cannot be loaded
    }
    print(`    Type a letter, ${range}`);
  }
}

let chooser = choose;

/** The reader has seen enough. */
class Left extends Error {}

/** So that a report can paste the lines. */
const WIDTH = 68;
