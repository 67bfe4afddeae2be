/**
 * The header of an experiment is data: its fact, its commands and its output.
 */

export interface Header {
  /** What the experiment shows, as one line. */
  fact: string;
  /** The commands, as the header writes them. */
  commands: string[];
  /**
   * The lines of the `Output` block; `<...>` stands for what varies, `...` for
   * lines, or the rest of a line, that are left out.
   */
  output: string[];
}

/** Reads the comment at the top of a script. */
export function readHeader(source: string): Header {
  const comment = source.match(/^\/\*\*\n([\s\S]*?)\n \*\//)?.[1] ?? "";
  const lines = comment.split("\n").map((line) => line.replace(/^ \* ?/, ""));
  const blank = lines.indexOf("");
  const output = lines.findIndex((line) => /^Output\b.*:$/.test(line));
  const indented = (part: string[]) =>
    part.filter((line) => line.startsWith("    ")).map((line) => line.slice(4));
  return {
    fact: lines.slice(0, blank).join(" "),
    commands: indented(lines.slice(blank, output)),
    output: output < 0 ? [] : indented(lines.slice(output)),
  };
}

/**
 * Says how printed lines differ from those of a header, or null. Lines are
 * compared in order for each speaker (`server:`, `client:`), since the two
 * run side by side.
 */
export function difference(expected: string[], printed: string[]) {
  const speakers = new Set([...expected, ...printed].map(speakerOf));
  for (const speaker of speakers) {
    const wanted = expected.filter((line) => speakerOf(line) === speaker);
    const seen = printed.filter((line) => speakerOf(line) === speaker);
    const found = align(wanted, seen);
    if (found) return `expected "${found[0]}", saw "${found[1]}"`;
  }
  return null;
}

/** The first pair of lines, wanted and seen, that do not fit; null if all do. */
function align(wanted: string[], seen: string[]): [string, string] | null {
  for (let i = 0; i < Math.max(wanted.length, seen.length); i++) {
    const [want = "nothing", see = "nothing"] = [wanted[i], seen[i]];
    if (want === "...") return skip(wanted.slice(i + 1), seen.slice(i));
    if (!patternOf(want).test(see)) return [want, see];
  }
  return null;
}

/** As `align`, with any number of lines left out at the start. */
function skip(wanted: string[], seen: string[]): [string, string] | null {
  if (wanted.length === 0) return null;
  const starts = seen.keys().filter((i) => patternOf(wanted[0]).test(seen[i]));
  let failure: [string, string] = [wanted[0], "it nowhere"];
  for (const start of starts) {
    const found = align(wanted, seen.slice(start));
    if (!found) return null;
    failure = found;
  }
  return failure;
}

function speakerOf(line: string): string {
  return line.match(/^(server|client): /)?.[1] ?? "";
}

function patternOf(line: string): RegExp {
  const whole = line.replace(/ \.\.\.$/, "");
  const parts = whole.split(/<[^<>]+>/).map((part) =>
    part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
  );
  const rest = whole === line ? "" : "( .*)?";
  return new RegExp(`^${parts.join("\\S+")}${rest}$`);
}
