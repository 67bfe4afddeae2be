/**
 * Makes a snippet that can be pasted: the experiment as it is written, and
 * below it the parts of the pocket edition that it needs.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { needed, partsOf } from "./parts.ts";

/** The end that a file is for, if it is not for both. */
export type OneEnd = "server" | "client";

/** What an experiment uses and the pocket edition lacks; undefined if nothing. */
export function lackOf(source: string): string | undefined {
  const imports = [...source.matchAll(IMPORT)];
  const other = imports.find(([, , file]) => file !== "../lib/mod.ts");
  if (other) return other[2].replace("../", "");
  const offered = partsOf(readPocket()).flatMap(({ names }) => names);
  const names = imports.flatMap(([, list]) => list.match(/\w+/g) ?? [])
    .filter((name) => name !== "type");
  return names.find((name) => !offered.includes(name)) ??
    source.match(LACKING)?.[0];
}

const IMPORT = /^import (?:type )?\{([^}]*)\} from "([^"]+)";\n/gm;

/** What a program may use of lib/ by other ways than an import. */
const LACKING =
  /\b(recv_into|getsockopt|some)(?=\()|\{ signal\b|"SO_KEEPALIVE"|"(?!TCP_NODELAY)(TCP|IP|IPV6)_\w+"/;

/** The snippet of an experiment; with `end`, of this end alone. */
export function paste(name: string, source: string, end?: OneEnd): string {
  const [header] = source.match(/^\/\*\*[\s\S]*?\*\/\n/) ?? [""];
  const experiment = source.slice(header.length).replace(IMPORT, "").trim();
  const at = experiment.lastIndexOf("\n\nif (import.meta.main)");
  let [program, start] = [experiment.slice(0, at), experiment.slice(at + 2)];
  if (end) {
    start = start.replace("server, client", end);
    program = needed(partsOf(program), start);
  }
  const pocket = forKinds(readPocket(), program);
  const [about] = pocket.match(/^(\/\/.*\n)+/)!;
  const parts = partsOf(pocket.slice(about.length));
  const isImport = ({ text }: { text: string }) => text.startsWith("import ");
  const below = needed(
    parts.filter((part) => !isImport(part)),
    `${program}\n${start}`,
  ).replace(/^export /gm, "");
  return `${headerFor(name, header, end)}
${needed(parts.filter(isImport), below)}

${program}

${about}
${below}

${start}
`;
}

/** The header with the commands and the output of this file. */
function headerFor(name: string, header: string, end?: OneEnd): string {
  const lines = header.trimEnd()
    .replaceAll(`scripts/${name}.ts`, `${end ?? name}.ts`).split("\n");
  return lines.flatMap((line) => {
    const [, speaker, rest] = line.match(/^ \* {5}(\w+): (.*)/) ?? [];
    if (!end || !speaker) return [line];
    return speaker === end ? [` *     ${rest}`] : [];
  }).join("\n");
}

/** Leaves out of socket() the kind that a program does not create. */
function forKinds(pocket: string, program: string): string {
  const unused = Object.keys(KINDS).filter((kind) => !program.includes(kind));
  return unused.reduce((text, kind) => text.replace(KINDS[kind], ""), pocket);
}

const KINDS: Record<string, RegExp> = {
  SOCK_DGRAM: /^.*\): DatagramSocket;\n|^.* new DatagramSocket.*\n/gm,
  SOCK_STREAM: /^.*\): StreamSocket;\n|^ {2}if .* new StreamSocket.*\n/gm,
};

function readPocket(): string {
  const file = fileURLToPath(new URL("pocket.ts", import.meta.url).href);
  return readFileSync(file, "utf8").replaceAll("\r\n", "\n");
}
