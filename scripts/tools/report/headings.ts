/**
 * The form of a report: its sections, their order and their headings. A form is
 * a file, because markers want exact names; the project's own are in `forms/`.
 *
 * @module
 */
import { readdirSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { UsageError } from "../../../lib/experiment/flags.ts";
import { escapeControls } from "../../../lib/sockets/escape.ts";
import { ownPath, readTextFile } from "./files.ts";
import { type Prose, readProse } from "./prose.ts";

/** The sections that tell of an experiment or of a run. */
export const SECTIONS = [
  "Aim",
  "Introduction",
  "Algorithm",
  "Program",
  "Output",
  "Sequence of calls",
  "Step by step",
  "Questions",
  "Result",
] as const;

/** The parts of a section about both ends. */
export const PARTS = ["Server", "Client", "Both ends"] as const;

export type SectionName = typeof SECTIONS[number];
export type PartName = typeof PARTS[number];

/** A section, or several under one heading. */
export interface Wanted {
  /** Without one, the section has its own. */
  readonly heading: string | undefined;
  readonly items: (SectionName | Prose)[];
}

export interface Form {
  readonly sections: Wanted[];
  readonly parts: Map<PartName, string>;
}

/** The form in a file, or the project's own form of this name. */
export function readFormFile(file: string): Form {
  const own = FORMS.find((name) => name === file);
  const path = own ? join(ownPath("forms"), `${own}.txt`) : file;
  return readForm(readTextFile(path), path);
}

/** The form of a report for which none is asked. */
export function usualForm(name: string): Form {
  const usual: Record<string, string> = { study: "whole", quiz: "quiz" };
  return readFormFile(usual[name] ?? "experiment");
}

/**
 * Reads a form: a line a section, in the order wanted, as `--help` explains. A
 * section without a line is left out; parts keep their names unless a line
 * gives another. Throws a UsageError that names the line.
 */
export function readForm(text: string, file: string): Form {
  const sections: Wanted[] = [];
  const parts = new Map<PartName, string>();
  const taken = new Set<string>();
  text.split("\n").forEach((line, i) => {
    if (/^\s*(#|$)/.test(line)) return;
    const wrong = (what: string) =>
      new UsageError(`${file}, line ${i + 1}: ${escapeControls(what)}`);
    const [, names, heading] = line.match(LINE)!;
    if (heading === "") throw wrong("no heading after =");
    const items = names.split(/\s\+\s/).map((name) => {
      const item = itemOf(name.trim(), file, wrong);
      const key = typeof item === "string" ? item : name.trim().toLowerCase();
      if (taken.has(key)) throw wrong(`${name.trim()} is there already`);
      taken.add(key);
      return item;
    });
    const safe = heading && escapeControls(heading);
    const part = PARTS.find((part) => items.includes(part));
    if (part && items.length > 1) {
      throw wrong(`${part} stands in a line of its own`);
    }
    if (part) parts.set(part, safe ?? part);
    else sections.push({ heading: safe, items: items as Wanted["items"] });
    if (!safe && items.some((item) => isProse(item) && !item.heading)) {
      throw wrong("a text needs a heading: < FILE = HEADING");
    }
  });
  if (sections.length === 0) {
    const lines = text.trimEnd().split("\n").length;
    throw new UsageError(`${file}, line ${lines}: it names no section`);
  }
  for (const name of PARTS) if (!parts.has(name)) parts.set(name, name);
  return { sections, parts };
}

/** What is wanted, in which an `=` may stand in quotes, and its heading. */
const LINE = /^((?:"[^"]*"|[^"=])*)(?:=\s*(.*?)\s*)?$/;

/** A section, a part, a theory section, or the student's own text. */
function itemOf(
  given: string,
  file: string,
  wrong: (what: string) => UsageError,
): SectionName | PartName | Prose {
  const [, inline, own] = given.match(/^(?:"(.*)"|<\s*(.+))$/) ?? [];
  if (inline) return readProse(inline);
  if (own) {
    try {
      return readProse(
        readTextFile(isAbsolute(own) ? own : join(dirname(file), own)),
      );
    } catch (error) {
      throw error instanceof UsageError ? wrong(error.message) : error;
    }
  }
  const named = (name: string) => plain(name) === plain(given);
  const known = [...SECTIONS, ...PARTS].find(named);
  if (known) return known;
  const theory = THEORY.find(named);
  if (theory) return readTheory(theory);
  const all = [...SECTIONS, ...PARTS, ...THEORY].map((name) =>
    name.replaceAll("_", " ")
  );
  throw wrong(`no section "${given}" (there are: ${all.join(", ")})`);
}

/** A section of the project's theory. */
export function readTheory(name: string): Prose {
  return readProse(readTextFile(join(ownPath("theory"), `${name}.md`)));
}

export function isProse(item: string | Prose): item is Prose {
  return typeof item !== "string";
}

function plain(name: string): string {
  return name.toLowerCase().replace(/[^a-z]+/g, " ").trim();
}

function namesIn(folder: string): string[] {
  return readdirSync(ownPath(folder)).map((file) => file.replace(/\.\w+$/, ""))
    .sort();
}

/** The project's own forms: `experiment`, `quiz`, `study`, ... */
export const FORMS = namesIn("forms");

/** The project's theory; "Introduction" is that of the experiment. */
export const THEORY = namesIn("theory");
