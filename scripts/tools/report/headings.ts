/**
 * The headings of a report: their default names and order, and the file that
 * gives others, because markers want exact names.
 *
 * @module
 */
import { UsageError } from "../../../lib/experiment/flags.ts";
import { escapeControls } from "../../../lib/sockets/escape.ts";

/** The sections, in the order of the original lab. */
export const SECTIONS = [
  "Aim",
  "Introduction",
  "Algorithm",
  "Program",
  "Output",
  "Sequence of calls",
  "Result",
] as const;

/** The parts of a section about both ends. */
export const PARTS = ["Server", "Client", "Both ends"] as const;

export type SectionName = typeof SECTIONS[number];
export type PartName = typeof PARTS[number];

/** The heading of each section and part, in the order to write them. */
export interface Headings {
  readonly sections: Map<SectionName, string>;
  readonly parts: Map<PartName, string>;
}

export const HEADINGS: Headings = {
  sections: new Map(SECTIONS.map((name) => [name, name])),
  parts: new Map(PARTS.map((name) => [name, name])),
};

/**
 * Reads a headings file: one section a line, `Name` or `Name = HEADING`, in the
 * order wanted. A section without a line is left out; parts (Server, Client,
 * Both ends) keep their names unless a line gives another. `#` begins a
 * comment line. Throws a UsageError that names the line.
 */
export function readHeadings(text: string, file: string): Headings {
  const sections = new Map<SectionName, string>();
  const parts = new Map<PartName, string>();
  text.replace(/^\ufeff/, "").split(/\r?\n/).forEach((line, i) => {
    if (/^\s*(#|$)/.test(line)) return;
    const wrong = (what: string) =>
      new UsageError(`${file}, line ${i + 1}: ${what}`);
    const [, key, heading] = escapeControls(line).match(
      /^([^=]*?)\s*(?:=\s*(.*?)\s*)?$/,
    )!;
    const named = (name: string) =>
      name.toLowerCase() === key.trim().toLowerCase();
    const set = <T extends string>(to: Map<T, string>, name: T) => {
      if (to.has(name)) throw wrong(`${name} is there already`);
      to.set(name, heading ?? name);
    };
    const section = SECTIONS.find(named);
    const part = PARTS.find(named);
    const known = [...SECTIONS, ...PARTS].join(", ");
    if (heading === "") throw wrong("no heading after =");
    if (section) set(sections, section);
    else if (part) set(parts, part);
    else throw wrong(`no section "${key.trim()}" (there are: ${known})`);
  });
  if (sections.size === 0) throw new UsageError(`${file}, it names no section`);
  for (const name of PARTS) if (!parts.has(name)) parts.set(name, name);
  return { sections, parts };
}
