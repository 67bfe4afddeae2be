/**
 * Runs a guided script, one that leads through both ends at once rather than
 * be either: its flags, what it prints, and what it asks of the reader.
 *
 * @module
 */
import { type Flag, lineOf } from "./experiment.ts";
import { runtime } from "../sockets/runtimes/mod.ts";
import { ask, choose, close, interactive } from "./terminal.ts";

/** A guided script. */
export interface Guide {
  /** The file, `import.meta.url`. */
  readonly url: string;
  /** What `--help` says of it. */
  readonly about: string;
  /** Its flags that take a value, by name. */
  readonly flags?: Record<string, Flag>;
  /** Its flags that take none, and what `--help` says of each. */
  readonly switches?: Record<string, string>;
  run(reader: Reading): Promise<void>;
}

/** What the command line gave. */
export interface Given {
  readonly flags: Record<string, string | undefined>;
  /** The switches that are on. */
  readonly on: readonly string[];
}

/** What a guided script is given: its flags, and whoever reads it. */
export interface Reading extends Given {
  /** Whether somebody is there to answer. */
  readonly interactive: boolean;
  /** Prints a line; control characters, which a peer may send, are escaped. */
  print(...words: unknown[]): void;
  /** Prints text in lines of 68 columns, beside the label. */
  say(label: string, text: string): void;
  /** Waits for Enter where somebody is; Ctrl-D ends the script. */
  pause(): Promise<void>;
  /**
   * The letter, from a, of the choice that is made; null where nobody is, or
   * at the end (Ctrl-D).
   */
  pick(choices: string[]): Promise<string | null>;
  /** What can be learnt from the kernel. */
  kernel(): Promise<typeof import("../services/proc_net_tcp.ts")>;
}

/**
 * Runs it as the command line says, and ends the process with 1 for a socket's
 * failure and 2 for a wrong flag.
 */
export async function guide(guide: Guide): Promise<void> {
  runtime.outliveReaders();
  const args = runtime.args();
  let given: Given = { flags: {}, on: [] };
  if (args.length > 0) {
    const { parseGuide } = await import("./command_line.ts");
    given = parseGuide(guide, args);
  }
  const reader = { print, say, pause, pick, kernel };
  try {
    await guide.run({ ...given, interactive: interactive(), ...reader });
  } catch (error) {
    if (error instanceof Left) return;
    const { tell } = await import("./failure.ts");
    const { flags } = given;
    tell(error, { url: guide.url, port: 0 }, { flags, timeout: undefined });
    runtime.exit(1);
  } finally {
    close();
  }
}

function print(...words: unknown[]): void {
  console.log(lineOf(words));
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

function kernel() {
  return import("../services/proc_net_tcp.ts");
}

/** So that a report can paste the lines. */
const WIDTH = 68;
