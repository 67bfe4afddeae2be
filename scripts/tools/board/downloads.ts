/**
 * What a page can keep of a run: the files that the report tool would make of it,
 * made by its functions, and the run itself.
 *
 * @module
 */
import { mermaid } from "../../../lib/observe/diagram.ts";
import { usualForm } from "../report.ts";
import { asCalls, excerpt } from "../report/calls.ts";
import { contentOf } from "../report/content.ts";
import { sealed } from "../report/files.ts";
import { html } from "../report/html.ts";
import { markdown } from "../report/markdown.ts";
import type { Made, Run } from "../report/run.ts";
import { readSource } from "../report/source.ts";
import type { TwoProcesses } from "../report/two_processes.ts";
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
