/**
 * Reads what the guided scripts print, the study and the quiz, for the sections
 * of a report that show them.
 *
 * @module
 */
import { ToolError } from "../support/tool.ts";

/** A call of the study. */
export interface Step {
  /** Such as `server: listen(5)`. */
  readonly call: string;
  readonly meaning: string;
  readonly states: State[];
}

/** The states of one socket, up to the last. */
export interface State {
  readonly socket: string;
  readonly states: string[];
  /** What the kernel reported as the last, if it did. */
  readonly reported: string | undefined;
}

/** A question of the quiz, answered by the original key. */
export interface Question {
  readonly text: string;
  readonly choices: string[];
  readonly answer: string;
  /** The lines about the original key, if that is wrong, and the reason. */
  readonly why: string;
  /** What the run printed that proves it. */
  readonly proof: string[];
}

/** The numbered items, of which each has lines that are indented. */
function itemsOf(lines: string[]): { title: string; lines: string[] }[] {
  const items: { title: string; lines: string[] }[] = [];
  for (const line of lines) {
    const [, title] = line.match(/^ ?\d+\. (.*)/) ?? [];
    if (title !== undefined) items.push({ title, lines: [] });
    else if (line.startsWith("    ")) items.at(-1)?.lines.push(line.slice(4));
  }
  if (items.length === 0) throw new ToolError("The script printed no steps");
  return items;
}

export function readStudy(lines: string[]): Step[] {
  return itemsOf(lines).map(({ title, lines }) => {
    const states = lines.flatMap((line) => {
      const [, socket, states, reported] = line.match(STATES) ?? [];
      return socket ? [{ socket, states: states.split(" > "), reported }] : [];
    });
    const meaning = lines.filter((line) => !STATES.test(line)).join(" ");
    return { call: title, meaning, states };
  });
}

const STATES =
  /^(listener|server|client) +((?:[A-Z][A-Z0-9-]+(?: > )?)+) *(?:\[(.*)\])?$/;

export function readQuiz(lines: string[]): Question[] {
  return itemsOf(lines).map(({ title, lines }) => {
    const choices: string[] = [];
    const why: string[] = [];
    let answer = "";
    for (const line of lines.filter((line) => !/^ {2}\S/.test(line))) {
      const [, choice] = line.match(/^[a-z]\) (.*)/) ?? [];
      const [, given, right] = line.match(VERDICT) ?? [];
      if (given) answer = right ?? given;
      else if (choice) choices.push(choice);
      else if (line.startsWith(" ")) {
        choices.push(choices.pop() + line.slice(2));
      } else why.push(line);
    }
    const proof = lines.filter((line) => /^ {2}\S/.test(line))
      .map((line) => line.trim());
    return { text: title, choices, answer, why: why.join(" "), proof };
  });
}

const VERDICT = /^Your answer: ([a-z])\. (?:Right|Wrong: it is ([a-z]))\.$/;
