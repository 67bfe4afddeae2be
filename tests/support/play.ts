/**
 * Runs an experiment in this process, and collects what its ends print.
 */
import { run } from "../../lib/experiment/experiment.ts";
import type { Experiment, Settings } from "../../lib/experiment/settings.ts";
import {
  AF_INET,
  type End,
  setdefaulttimeout,
  SOCK_STREAM,
  socket,
  type StreamSocket,
} from "../../lib/mod.ts";

export interface Played extends Awaited<ReturnType<typeof run>> {
  /** What both ends printed: `client: a line`. */
  readonly lines: string[];
  /** What they printed for the user alone: `server: a note`. */
  readonly notes: string[];
}

/** Runs both ends, or the one that the settings name; with another client. */
export async function play(
  experiment: Experiment,
  settings: Partial<Settings> = {},
  client = experiment.client,
): Promise<Played> {
  const own = { ...experiment, client };
  const { error, ...played } = await playToEnd(own, settings);
  if (error !== undefined) throw error;
  return played;
}

/** The same for a run that may fail: `error` is what it rejected with. */
export async function playToEnd(
  experiment: Experiment,
  settings: Partial<Settings> = {},
): Promise<Played & { error?: unknown }> {
  const lines: string[] = [];
  const notes: string[] = [];
  const ended = run(
    experiment,
    settings,
    (end, line, note) => (note ? notes : lines).push(`${end}: ${line}`),
  );
  return await ended.then(
    (outcome) => ({ ...outcome, lines, notes }),
    (error) => ({ clients: [], lines, notes, error }),
  ).finally(() => setdefaulttimeout(null)); // the run's own
}

/** A TCP server for an experiment's client that plays `act` with each one. */
export function serverThat(act: (client: StreamSocket) => Promise<unknown>) {
  return async ({ address, ready, serve }: End) => {
    const listener = socket(AF_INET, SOCK_STREAM);
    await listener.bind(address);
    await listener.listen();
    ready(listener);
    for await (const [client] of listener) {
      await serve(client, () => act(client));
    }
  };
}
