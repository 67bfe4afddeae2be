/**
 * Runs an experiment in this process and collects its output.
 */
import { run } from "../../lib/experiment/experiment.ts";
import type { Experiment, Settings } from "../../lib/experiment/settings.ts";

/** What the ends returned; their lines, and the notes to the user. */
export async function play(
  experiment: Experiment,
  client = experiment.client,
  settings: Partial<Settings> = {},
) {
  const lines: string[] = [];
  const notes: string[] = [];
  const outcome = await run(
    { ...experiment, client },
    settings,
    (end, line, note) => (note ? notes : lines).push(`${end}: ${line}`),
  );
  return { ...outcome, lines, notes };
}
