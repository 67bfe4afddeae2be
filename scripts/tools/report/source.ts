/**
 * Takes the file of an experiment apart for its report: the header's prose, the
 * numbered comments, and which part of the program belongs to which end.
 *
 * @module
 */
import { type Header, readHeader } from "../support/header.ts";

/** One end of an experiment, in its file. */
export interface EndSource {
  /** The numbered comments of its function. */
  readonly steps: string[];
  /** Its function, and the top-level statements that only it uses. */
  readonly program: string;
}

/** An experiment's file, taken apart. */
export interface Source extends Header {
  /** Such as `tcp_time`. */
  readonly name: string;
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
  const joined = (chunks: Chunk[]) =>
    chunks.map(({ text }) => text).join("\n\n");
  const only = (own: Set<Chunk>, other: Set<Chunk>) =>
    chunks.filter((chunk) => own.has(chunk) && !other.has(chunk));
  const owned = [only(forServer, forClient), only(forClient, forServer)];

  return {
    ...readHeader(file),
    name,
    server: { steps: stepsOf(server.text), program: joined(owned[0]) },
    client: { steps: stepsOf(client.text), program: joined(owned[1]) },
    shared: joined(chunks.filter((chunk) => !owned.flat().includes(chunk))),
  };
}

interface Chunk {
  readonly text: string;
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

function stepsOf(code: string): string[] {
  const comment = /^ *\/\/ \d+\. (.*(?:\n *\/\/ {4}.*)*)/gm;
  return [...code.matchAll(comment)].map(([, text]) =>
    text.replace(/\n *\/\/ +/g, " ")
  );
}
