/**
 * Prints the lines of an experiment: on one line each, escaped, and tagged with
 * the end that printed them.
 *
 * @module
 */
import { escapeControls } from "../sockets/escape.ts";
import type { Settings } from "./settings.ts";

/** Prints a line of an end's output, or with `note` one for the user. */
export type Write = (
  end: "server" | "client",
  line: string,
  note?: "note",
) => void;

/** Words as one line of at most 1000 characters that cannot drive a terminal. */
export function joinWords(words: unknown[]): string {
  return escapeControls(words.join(" ").replace(/^(.{1000}).+/s, "$1..."));
}

/** Tags the lines of both ends; one end alone looks as in the seeds. */
export function writer(
  { role = "both", json }: Partial<Settings>,
  print: (line: string) => void = console.log,
): Write {
  return (end, line, note) => {
    const tagged = role === "both" ? `${end}: ${line}` : line;
    if (note) console.error(tagged);
    else print(json ? JSON.stringify({ end, line }) : tagged);
  };
}
