/**
 * The files of a folder as FTP lists them: for people, as `ls -l` does, and for
 * programs, as facts (RFC 3659, section 7). Times are UTC.
 *
 * ```ts
 * import { FACTS, formatFacts, formatLine } from "./ftp_listing.ts";
 *
 * const file = { name: "a", size: 5, folder: false, modified: 0 };
 * formatLine(file, { now: 0 }); // "-rw-r--r-- 1 lab lab ... Jan  1 00:00 a"
 * formatFacts(file, { facts: FACTS }); // "type=file;size=5;modify=1970...; a"
 * ```
 *
 * @module
 */

/** A file or a folder. */
export interface Listed {
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  readonly folder: boolean;
  /** When it was changed, in ms since 1970. */
  readonly modified: number;
}

/** A line of LIST without its end; a time half a year ago shows its year. */
export function formatLine(
  { name, size, folder, modified }: Listed,
  { now, writable = true }: { now: number; writable?: boolean },
): string {
  const date = new Date(modified);
  const day = `${MONTHS[date.getUTCMonth()]} ${
    String(date.getUTCDate()).padStart(2)
  }`;
  const recent = modified <= now + HOUR && modified > now - HALF_A_YEAR;
  const time = recent
    ? date.toISOString().slice(11, 16)
    : ` ${date.getUTCFullYear()}`;
  const mode = `${folder ? "d" : "-"}r${writable ? "w" : "-"}${
    folder ? "xr-xr-x" : "-r--r--"
  }`;
  const length = String(size).padStart(12);
  return `${mode} 1 lab lab ${length} ${day} ${time} ${name}`;
}

/** The facts that MLSD and MLST know, as OPTS MLST names them. */
export const FACTS = ["type", "size", "modify", "perm"] as const;
export type Fact = typeof FACTS[number];

/** The facts of a list of names: those that are known, in our order. */
export function factsIn(argument: string): Fact[] {
  const names = argument.toLowerCase().split(";");
  return FACTS.filter((fact) => names.includes(fact));
}

/** A line of MLSD without its end. */
export function formatFacts(
  { name, size, folder, modified }: Listed,
  { facts, writable = true }: { facts: readonly Fact[]; writable?: boolean },
): string {
  const values: Record<Fact, string | undefined> = {
    type: folder ? "dir" : "file",
    size: folder ? undefined : String(size),
    modify: formatTime(modified),
    perm: folder ? (writable ? "celmdfp" : "el") : (writable ? "rwdf" : "r"),
  };
  const known = facts.filter((fact) => values[fact] !== undefined);
  return `${known.map((fact) => `${fact}=${values[fact]};`).join("")} ${name}`;
}

/** A time as MDTM gives it: `20261128071000`. */
export function formatTime(modified: number): string {
  return new Date(modified).toISOString().slice(0, 19).replace(/\D/g, "");
}

/** Whether a name can stand on a line: one with a line end would be two files. */
export function isListable(name: string): boolean {
  // deno-lint-ignore no-control-regex
  return !/[\0-\x1f\x7f]/.test(name);
}

const MONTHS = [
  ...["Jan", "Feb", "Mar", "Apr", "May", "Jun"],
  ...["Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
];
const HOUR = 3_600_000;
const HALF_A_YEAR = 182 * 24 * HOUR;
