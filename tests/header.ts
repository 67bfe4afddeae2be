/**
 * The header of an experiment is data: its fact, its commands and its output.
 */

export interface Header {
  /** What the experiment shows, as one line. */
  fact: string;
  /** The commands, as the header writes them. */
  commands: string[];
  /** The lines of the `Output:` block; `<...>` stands for what varies. */
  output: string[];
}

/** Reads the comment at the top of a script. */
export function readHeader(source: string): Header {
  const comment = source.match(/^\/\*\*\n([\s\S]*?)\n \*\//)?.[1] ?? "";
  const lines = comment.split("\n").map((line) => line.replace(/^ \* ?/, ""));
  const blank = lines.indexOf("");
  const output = lines.indexOf("Output:");
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
    for (let i = 0; i < Math.max(wanted.length, seen.length); i++) {
      const [want, see] = [wanted[i] ?? "nothing", seen[i] ?? "nothing"];
      if (!patternOf(want).test(see)) return `expected "${want}", saw "${see}"`;
    }
  }
  return null;
}

function speakerOf(line: string): string {
  return line.match(/^(server|client): /)?.[1] ?? "";
}

function patternOf(line: string): RegExp {
  const parts = line.split(/<[^<>]+>/).map((part) =>
    part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
  );
  return new RegExp(`^${parts.join("\\S+")}$`);
}
