/**
 * Reads the header of an experiment, and compares a run with what it promises.
 *
 * @module
 */

export interface Header {
  /** What the experiment is about: the fact up to its colon. */
  title: string;
  /** What the experiment shows, in one line that begins with the title. */
  fact: string;
  /** What it is for, in one line: `To ...`. */
  aim: string;
  /**
   * Why a run may contradict the fact: `Otherwise: ...`. In a header that has
   * it, `<yes|no>` of the output names first what the fact says.
   */
  otherwise: string;
  /** The other paragraphs above the output, each as one line. */
  prose: string[];
  commands: string[];
  /**
   * The lines of the `Output` block. `<...>` stands for what varies, as
   * `placeholder` says; `...` for lines, or the rest of a line, left out.
   */
  output: string[];
}

/** The command that runs both ends with a runtime. */
export function commandFor(
  { commands }: Pick<Header, "commands">,
  runtime: string,
): string {
  return commands.find((command) => command.startsWith(`${runtime} `))!;
}

/** Reads the comment at the top of a script. */
export function readHeader(source: string): Header {
  const comment = source.match(/^\/\*\*\r?\n([\s\S]*?)\r?\n \*\//)?.[1] ?? "";
  const lines = comment.split(/\r?\n/).map((line) =>
    line.replace(/^ \* ?/, "")
  );
  const blank = lines.indexOf("");
  const output = lines.findIndex((line) => /^Output\b.*:$/.test(line));
  const indented = (part: string[]) =>
    part.filter((line) => line.startsWith("    ")).map((line) => line.slice(4));
  const fact = lines.slice(0, blank).join(" ");
  const paragraphs = lines.slice(blank + 1, output).join("\n").split(/\n\n+/)
    .filter((text) => /^\S/.test(text))
    .map((text) => text.trim().replaceAll("\n", " "));
  const labelled = (label: string) =>
    paragraphs.find((text) => text.startsWith(label))?.slice(label.length);
  const labels = ["Aim: ", "Otherwise: "];
  return {
    title: fact.split(": ")[0],
    fact,
    aim: labelled(labels[0]) ?? "",
    otherwise: labelled(labels[1]) ?? "",
    prose: paragraphs.filter((text) =>
      !labels.some((label) => text.startsWith(label))
    ),
    commands: indented(lines.slice(blank, output)),
    output: output < 0 ? [] : indented(lines.slice(output)),
  };
}

/** How printed lines contradict the fact, or null; see `otherwise`. */
export function contradiction(
  { output, otherwise }: Header,
  printed: string[],
): string | null {
  if (!otherwise) return null;
  const said = output.map((line) => line.replace(/<([^<>|]+)\|[^<>]*>/g, "$1"));
  return difference(said, printed);
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

/** The first pair of lines, wanted and seen, that differ, or null. */
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
  const parts = whole.split(/<([^<>]+)>/).map((part, i) =>
    i % 2 === 0 ? literal(part) : placeholder(part)
  );
  const rest = whole === line ? "" : "( .*)?";
  return new RegExp(`^${parts.join("")}${rest}$`);
}

/**
 * The pattern for a placeholder: alternatives such as `yes|no`, a name below, or
 * an example, in which digits stand for digits (of a fraction, as many) and a
 * sign for either sign: `-0.25`, `0.6..2.0`, `18:55:12.001` (also with the date
 * of another day). Throws for others.
 */
export function placeholder(content: string): string {
  if (Object.hasOwn(NAMED, content)) return NAMED[content];
  if (content.includes("@")) return literal(`<${content}>`); // a mailbox
  const words = content.split("|").map(literal);
  if (words.length > 1) return `(?:${words.join("|")})`;
  const time = content.includes(":");
  const number = /^[+-]?\d+(\.\d+)?(\.\.\d+(\.\d+)?)?$/;
  if (!(time ? /^[\d:.T-]+Z?$/ : number).test(content)) {
    throw new Error(`No placeholder is named <${content}>`);
  }
  const form = literal(content).replace(/\d/g, "\\d");
  const dated = /^[\d:]+\.\d+$/.test(content) ? `(?:${DATED}|${form})` : form;
  if (time) return dated;
  return literal(content).replace(/^(\\\+|-)/, "[+-]")
    .replace(
      /((?<!\.)\\\.)?(\d+)/g,
      (_, point = "", digits) =>
        `${point}\\d${point ? `{${digits.length}}` : "+"}`,
    );
}

const DATED = "\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d";
const NAMED: Record<string, string> = {
  port: "\\d{1,5}",
  name: "[\\w.-]+", // of a host
  path: "(?:\\\\x00|/)[^' ]+", // of a socket: an abstract name, or a file
  "dd/mm/yyyy": "\\d\\d/\\d\\d/\\d{4}",
  "hh:mm:ss": "\\d\\d:\\d\\d:\\d\\d",
  broadcast: "<broadcast>", // no placeholder: a host, as Python writes it
};

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
