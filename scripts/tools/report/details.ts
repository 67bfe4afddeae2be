/**
 * The details on top of a report: the experiment, the date, and whatever else
 * the student gives, such as a name and a roll number.
 *
 * @module
 */
import { UsageError } from "../../../lib/experiment/flags.ts";
import { escapeControls } from "../../../lib/sockets/escape.ts";

export interface Detail {
  readonly name: string;
  readonly value: string;
}

/** The file that is used without `--details`, in the folder of the reports. */
export const DETAILS_FILE = "details.txt";

const MOST = 20;
const LONGEST_NAME = 40;
const LONGEST_VALUE = 200;

/** Reads a file: a detail a line, `Name = value`; `#` begins a comment. */
export function readDetails(text: string, file: string): Detail[] {
  const details: Detail[] = [];
  text.split("\n").forEach((line, i) => {
    if (/^\s*(#|$)/.test(line)) return;
    const where = `${file}, line ${i + 1}`;
    const detail = readDetail(line, where);
    if (details.some((other) => same(other, detail))) {
      throw new UsageError(`${where}: ${detail.name} is there already`);
    }
    details.push(detail);
    if (details.length > MOST) {
      throw new UsageError(`${where}: at most ${MOST} details`);
    }
  });
  return details;
}

/** Reads `Name = value`; the value may be empty, to be filled in by hand. */
export function readDetail(text: string, where: string): Detail {
  const wrong = (what: string) => new UsageError(`${where}: ${what}`);
  const [, name, value] = escapeControls(text.trim())
    .match(/^([^=]*?)\s*=\s*(.*)$/) ?? [];
  if (!name) throw wrong(`not "Name = value": "${text.trim().slice(0, 40)}"`);
  if (name.length > LONGEST_NAME) {
    throw wrong(`the name has more than ${LONGEST_NAME} characters`);
  }
  if (value.length > LONGEST_VALUE) {
    throw wrong(`${name} has more than ${LONGEST_VALUE} characters`);
  }
  return { name, value };
}

/** The details with others, which replace those of the same name. */
export function withDetails(details: Detail[], others: Detail[]): Detail[] {
  const replaced = details.map((detail) =>
    others.find((other) => same(other, detail)) ?? detail
  );
  return [
    ...replaced,
    ...others.filter((other) => !replaced.includes(other)),
  ];
}

/** The details, after those of the defaults that they do not give. */
export function afterDefaults(
  details: Detail[],
  defaults: Detail[],
): Detail[] {
  const missing = defaults.filter((one) =>
    !details.some((other) => same(other, one))
  );
  return [...missing, ...details];
}

function same(one: Detail, other: Detail): boolean {
  return one.name.toLowerCase() === other.name.toLowerCase();
}
