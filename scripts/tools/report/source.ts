/**
 * Takes the file of an experiment apart for its report: the header's prose, the
 * numbered comments, and which part of the program belongs to which end.
 *
 * @module
 */
import { readHeader } from "../support/header.ts";

/** One end of an experiment, in its file. */
export interface EndSource {
  /** The numbered comments of its function. */
  readonly steps: string[];
  /** Its function, and the top-level statements that only it uses. */
  readonly program: string;
}

/** An experiment's file, taken apart. */
export interface Source {
  /** Such as `tcp_time`. */
  readonly name: string;
  /** The header's first sentence. */
  readonly aim: string;
  /** The other paragraphs of the header. */
  readonly prose: string[];
  /** The commands that run it, one for each runtime. */
  readonly commands: string[];
  /** The lines of the header's `Output:` block. */
  readonly output: string[];
  readonly server: EndSource;
  readonly client: EndSource;
  /** The rest: imports, helpers of both ends, the start. */
  readonly shared: string;
}

/** Takes the file of an experiment with two ends apart. */
export function readSource(name: string, file: string): Source {
  const chunks = chunksOf(file);
  const [server, client] = ["server", "client"].map((end) =>
    chunks.find(({ names }) => names.includes(end))!
  );
  const forServer = reach(server, chunks);
  const forClient = reach(client, chunks);
  const only = (own: Set<Chunk>, other: Set<Chunk>) =>
    chunks.filter((chunk) => own.has(chunk) && !other.has(chunk));
  const owned = [only(forServer, forClient), only(forClient, forServer)];

  const { fact, prose, commands, output } = readHeader(file);
  const [aim, ...rest] = fact.split(/(?<=[.?]) (?=[A-Z])/);
  return {
    name,
    aim,
    prose: rest.length > 0 ? [rest.join(" "), ...prose] : prose,
    commands,
    output,
    server: { steps: stepsOf(server.text), program: joined(owned[0]) },
    client: { steps: stepsOf(client.text), program: joined(owned[1]) },
    shared: joined(chunks.filter((chunk) => !owned.flat().includes(chunk))),
  };
}

/** A top-level statement, with the comment before it. */
interface Chunk {
  readonly text: string;
  /** What it declares. */
  readonly names: string[];
}

/** The code below the header, split at the blank lines of the top level. */
function chunksOf(file: string): Chunk[] {
  const code = file.replace(/^\/\*\*\n[\s\S]*?\n \*\/\n/, "").trim();
  const declaration =
    /^(?:export )?(?:async )?(?:function|const|let|class|interface|type) (\w+)/gm;
  return code.split(/\n\n(?=\S)/).map((text) => ({
    text,
    names: [...text.matchAll(declaration)].map(([, name]) => name),
  }));
}

/** A chunk, and all chunks that it uses, directly or not. */
function reach(
  chunk: Chunk,
  chunks: Chunk[],
  found = new Set<Chunk>(),
): Set<Chunk> {
  found.add(chunk);
  for (const other of chunks) {
    const used = other.names.some((name) =>
      new RegExp(`\\b${name}\\b`).test(chunk.text)
    );
    const end = other.names.some((name) => /^(server|client)$/.test(name));
    if (used && !end && !found.has(other)) reach(other, chunks, found);
  }
  return found;
}

function joined(chunks: Chunk[]): string {
  return chunks.map(({ text }) => text).join("\n\n");
}

/** The numbered comments of a function, without their numbers. */
function stepsOf(code: string): string[] {
  const comment = /^ *\/\/ \d+\. (.*(?:\n *\/\/ {4}.*)*)/gm;
  return [...code.matchAll(comment)].map(([, text]) =>
    text.replace(/\n *\/\/ +/g, " ")
  );
}
