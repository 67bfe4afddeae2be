/**
 * Defaults and limits of a run.
 *
 * @module
 */
import type { Settings } from "./types.ts";

export type { End, Experiment, Flag, Settings, Stepper } from "./types.ts";

export const DEFAULTS: Settings = {
  role: "both",
  host: "127.0.0.1",
  flags: {},
};

/** Server limits, the same in every experiment. */
export const limits = {
  /** The longest silence of a client, in ms, and the longest wait for a message. */
  idle: 30_000,
  /** How long a client may be served while others wait for its place, in ms. */
  hold: 60_000,
  /** Clients served at the same time; more wait in the accept queue. */
  clients: 1024,
  /** How long a running exchange may take after a stop, in ms. */
  grace: 5_000,
  /** How long the last sender of datagrams must be silent to be done, in ms. */
  quiet: 1_000,
  /** When a run is looked at that has not ended, in ms. */
  hang: 3_000,
};
