/**
 * The files that can be made of a run of two processes whose calls are known: the
 * reports, the diagram, and the run itself, from which they can be made again.
 *
 * @module
 */
import { mermaid } from "../../../lib/observe/diagram.ts";
import { asCalls, excerpt } from "./calls.ts";
import { contentOf } from "./content.ts";
import { sealed } from "./files.ts";
import { usualForm } from "./headings.ts";
import { html } from "./html.ts";
import { markdown } from "./markdown.ts";
import type { Made, Run } from "./run.ts";
import { readSource } from "./source.ts";
import type { TwoProcesses } from "./two_processes.ts";
import { sourceOf } from "../support/experiments.ts";

/** All that a report needs of a run; `trace.json` is this. */
export interface Kept {
  /** Of the experiment. */
  readonly name: string;
  readonly run: Run;
  readonly processes: TwoProcesses;
  /** The command that made the run. */
  readonly command: string;
}

/** A run, as the functions of the report tool take it. */
export function madeOf({ name, command, run, processes }: Kept): Made {
  const source = readSource(name, sourceOf(name));
  return {
    ...{ name, header: source, command },
    experiment: { source, run, processes },
  };
}

/** The files by name: the type of each, and how to make it. */
export const DOWNLOADS: Record<
  string,
  { readonly type: string; make(kept: Kept): string }
> = {
  "report.html": {
    type: "text/html; charset=utf-8",
    make: (kept) => sealed(html(reportOf(kept))),
  },
  "report.md": {
    type: "text/markdown; charset=utf-8",
    make: (kept) => sealed(markdown(reportOf(kept))),
  },
  "trace.json": {
    type: "application/json",
    make: (kept) => `${JSON.stringify(kept)}\n`,
  },
  "diagram.mmd": {
    type: "text/plain; charset=utf-8",
    make: ({ run }) => `${mermaid(asCalls(excerpt(run.calls).rows))}\n`,
  },
};

function reportOf(kept: Kept) {
  return contentOf(madeOf(kept), usualForm(kept.name));
}
