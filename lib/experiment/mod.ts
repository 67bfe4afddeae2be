/**
 * Runs a script: its ends, server limits, flags, errors and output. This room
 * builds on the sockets and on what observes them; it knows no single script.
 *
 * @module
 */
export { experiment } from "./experiment.ts";
export { dateAndTime } from "./print.ts";
export type { End } from "./settings.ts";
