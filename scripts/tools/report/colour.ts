/**
 * Takes a program apart for its colours (program.css). No library does it,
 * because a clone runs as it is: Node loads none that is not installed.
 *
 * @module
 */

/** What a piece of a program is; `plain` is everything without a colour. */
export type Kind = "comment" | "string" | "keyword" | "number" | "name";

/** A piece of a program: all of them together are the program. */
export interface Piece {
  readonly kind: Kind | "plain";
  readonly text: string;
}

export type Language = "typescript" | "python";

/** The pieces of a program; `name` is a function's, where it is called. */
export function piecesOf(
  program: string,
  language: Language = "typescript",
): Piece[] {
  const pieces: Piece[] = [];
  let end = 0;
  const add = (kind: Piece["kind"], from: number, to: number) => {
    if (from < to) pieces.push({ kind, text: program.slice(from, to) });
    end = to;
  };
  for (const { index, 0: text, groups } of program.matchAll(TOKENS[language])) {
    const [kind] = Object.entries(groups!).find(([, found]) => found)!;
    add("plain", end, index);
    add(kind as Piece["kind"], index, index + text.length);
  }
  add("plain", end, program.length);
  return pieces;
}

const QUOTED = String.raw`"(?:\\[^]|[^"\\\n])*"|'(?:\\[^]|[^'\\\n])*'`;

/** A template, in which expressions may have templates of their own. */
const TEMPLATE = [1, 2].reduce(
  (inner) =>
    "`(?:" + String.raw`\\[^]|[^\x60\\$]|\$(?!\{)|` +
    String.raw`\$\{(?:[^\x60{}]|\{[^{}]*\}|${inner})*\}` + ")*`",
  QUOTED,
);

/** A regular expression, where a value may stand: elsewhere `/` divides. */
const PATTERN = String.raw`(?<=(?:^|[(,=:[!&|?{};>]|\breturn)\s*)` +
  String.raw`\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[a-z]*`;

/** Words that are names elsewhere: they are followed by one, or by a value. */
const SOMETIMES = String.raw`(?:as|async|from|of|type|using)(?= +[\w"'{[(])`;

const TOKENS: Record<Language, RegExp> = {
  typescript: tokens({
    comment: String.raw`\/\/.*|\/\*[^]*?\*\/`,
    string: `${QUOTED}|${TEMPLATE}|${PATTERN}`,
    keyword: words(
      "await break case catch class const continue default delete do else " +
        "export extends false finally for function if implements import in " +
        "instanceof interface let new null private public readonly return " +
        "satisfies static super switch this throw true try typeof undefined " +
        "var void while yield",
    ) + `(?!:)|(?<![.\\w$])${SOMETIMES}`,
  }),
  python: tokens({
    comment: "#.*",
    string: `(?:\\b[bfru]{1,2})?(?:"""[^]*?"""|'''[^]*?'''|${QUOTED})`,
    keyword: words(
      "False None True and as assert async await break class continue def " +
        "del elif else except finally for from global if import in is lambda " +
        "nonlocal not or pass raise return try while with yield",
    ),
  }),
};

/** Whole words, but no property. */
function words(list: string): string {
  return `(?<![.\\w$#])(?:${list.replaceAll(" ", "|")})(?![\\w$])`;
}

function tokens(kinds: Record<"comment" | "string" | "keyword", string>) {
  const all = {
    ...kinds,
    number: String
      .raw`\b(?:0[xob][\da-f_]+|\d[\d_]*(?:\.\d+)?(?:e[+-]?\d+)?)n?\b`,
    name: String.raw`[\w$]+(?=\()`,
  };
  const groups = Object.entries(all).map(([kind, text]) =>
    `(?<${kind}>${text})`
  );
  return new RegExp(groups.join("|"), "g");
}
