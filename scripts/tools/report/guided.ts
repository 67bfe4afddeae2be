/**
 * Reads what the study and the quiz have printed, and writes the sections of a
 * report that show it.
 *
 * @module
 */
import { ToolError } from "../support/tool.ts";
import { type Block, inline, paragraph } from "./prose.ts";

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

/** Each call of the study, and the states of its sockets. */
export function stepByStep(lines: string[]): Block[] {
  const steps = readStudy(lines);
  const reported = steps.some(({ states }) =>
    states.some(({ reported }) => reported)
  );
  return [
    paragraph(
      "Each call was made on a real connection. Beside it are the states of " +
        "the sockets that it concerns, from before the call to after it" +
        (reported ? "; ✓ marks what the kernel reported, too." : "."),
    ),
    {
      kind: "table",
      head: ["Call", "What it does", "State of each end"].map(inline),
      rows: steps.map(({ call, meaning, states }, i) => [
        [`${i + 1}. `, { code: call }],
        inline(meaning),
        states.flatMap(({ socket, states, reported }, i) => [
          `${i > 0 ? "\n" : ""}${socket}: ${states.join(" → ")}`,
          !reported
            ? ""
            : reported === states.at(-1)
            ? " ✓"
            : ` (the kernel reported ${reported})`,
        ]),
      ]),
    },
  ];
}

/** The questions of the quiz, each with its answer and its proof. */
export function questions(lines: string[]): Block[] {
  return readQuiz(lines).flatMap((question, i): Block[] => {
    const { text, choices, answer, why, proof } = question;
    return [
      { kind: "heading", text: [`${i + 1}. ${text}`] },
      { kind: "choices", items: choices.map(inline) },
      paragraph(`Answer: ${answer}. ${why}`),
      { kind: "terminal", text: proof.join("\n") },
    ];
  });
}
