/**
 * Runs a guided script, which leads a reader through both ends at once: its
 * flags, its output, and its questions.
 *
 * @module
 */
import type { Given, Script } from "./command_line.ts";
import { joinWords, printFailure } from "./print.ts";
import { args, exit, guardOutput } from "../process/process.ts";
import { ask, choose, close, interactive } from "../process/terminal.ts";

export { END_KEY } from "../process/terminal.ts";

/** A script that shows both ends at once: study, quiz. */
export interface GuidedScript extends Script {
  run(session: Session): Promise<void>;
}

/** What a guided script is given: its flags, and the reader's terminal. */
export interface Session extends Given {
  /** Whether the reader can answer. */
  readonly interactive: boolean;
  /** Prints a line; control characters, which a peer may send, are escaped. */
  print(...words: unknown[]): void;
  /** Prints text in lines of at most 68 columns, to the right of the label. */
  paragraph(label: string, text: string): void;
  /** Waits for Enter if the reader can answer; Ctrl-D ends the script. */
  pause(): Promise<void>;
  /**
   * The letter of the choice that the reader makes, from a on; null without a
   * terminal, and after Ctrl-D.
   */
  pick(choices: string[]): Promise<string | null>;
}

/**
 * Runs the script as the command line says, and ends the process with 1 after a
 * SocketError and with 2 after a wrong flag.
 */
export async function guide(script: GuidedScript): Promise<void> {
  guardOutput();
  const words = args();
  const given: Given = words.length > 0
    ? await (await import("./command_line.ts")).parseScript(script, words)
    : { flags: {}, switches: [] };
  const terminal = { print, paragraph, pause, pick };
  try {
    await script.run({ ...given, interactive: interactive(), ...terminal });
  } catch (error) {
    const own = { url: script.url, port: 0 };
    await printFailure(error, own, { flags: given.flags });
    exit(1);
  } finally {
    close();
  }
}

function print(...words: unknown[]): void {
  console.log(joinWords(words));
}

function paragraph(label: string, text: string): void {
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
  if (interactive() && await ask("    (Enter) ") === null) exit(0);
}

async function pick(choices: string[]): Promise<string | null> {
  const letters = "abcdefghij".slice(0, choices.length);
  const range = `a to ${letters.at(-1)}`;
  while (true) {
    const list = chooser ? ", or Enter for a list" : "";
    const line = await ask(`    Your answer (${range}${list}): `);
    if (line === null) return null;
    let letter = line.trim().toLowerCase();
    if (letter === "" && chooser) {
      const labels = choices.map((choice, i) => `${letters[i]}) ${choice}`);
      const index = await chooser("    Your answer:", labels);
      if (index === undefined) chooser = undefined; // it cannot be loaded
      else print(`    Your answer: ${letter = letters[index]}`);
    }
    if (letter.length === 1 && letters.includes(letter)) return letter;
    print(`    Type a letter, ${range}`);
  }
}

let chooser = choose;

/** The width of a report. */
const WIDTH = 68;
